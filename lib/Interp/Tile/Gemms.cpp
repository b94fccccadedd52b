//===- Gemms.cpp - matrix products of the tile dialect ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Linear.h"

using namespace quantopt;
using namespace quantopt::interp;
using numerics::Layout;

namespace {

/// Numbers of a gemm's operands; absent ones have none.
struct Operands {
  std::optional<unsigned> input, inputScale, weight, weightScale, groupScales, bias, residual;

  explicit Operands(mlir::Operation *op) {
    tile::GemmOperands values = tile::getGemmOperands(op);
    unsigned next = 0;
    for (auto [value, number] : {std::pair(values.input, &input),
                                 {values.inputScale, &inputScale},
                                 {values.weight, &weight},
                                 {values.weightScale, &weightScale},
                                 {values.groupScales, &groupScales},
                                 {values.bias, &bias},
                                 {values.residual, &residual}})
      if (value)
        *number = next++;
  }
};

/// Rows [begin, begin + rows) of a packed weight: codes [rows, K], scales [rows, groups], integer factors of groups.
struct WeightPiece {
  int64_t begin;
  Tensor codes, scale, factors;
};

} // namespace

/// All of an operand that may be deferred.
static llvm::Expected<Tensor> readWhole(KernelContext &context, unsigned number) {
  if (!context.isDeferred(number))
    return context.operand(number);
  llvm::ArrayRef<int64_t> shape = context.weightShape(number);
  return context.weightRows(number, 0, shape.empty() ? 1 : shape[0]);
}

/// `rows` rows of values per channel, from rows or whole blocks of 16 of them.
static llvm::Expected<Tensor> takeChannels(const Tensor &values, int64_t rows, int64_t groups) {
  Tensor channels = values.reshaped({groups ? values.numElements() / groups : 0, groups});
  return compute::slice(channels, {0}, {rows}, {0}, {1});
}

/// Packed bytes as codes [rows, columns].
static Tensor unpackCodes(const Tensor &bytes, Layout layout, int64_t rows, int64_t columns) {
  Tensor codes(layout.getBits() == 4 ? DType::I4 : DType::I8, {rows, columns});
  const uint8_t *source = bytes.data<uint8_t>().data();
  int8_t *target = codes.mutableData<int8_t>().data();
  int64_t blockBytes = layout.getByteSize(Layout::blockRows, columns);
  compute::parallelForRanges(Layout::getRowBlocks(rows), 4, [&](int64_t begin, int64_t end) {
    int64_t first = begin * Layout::blockRows, last = std::min(rows, end * Layout::blockRows);
    layout.unpack(source + begin * blockBytes, last - first, columns, target + first * columns);
  });
  return codes;
}

static llvm::Expected<WeightPiece> makePiece(const tile::GemmShape &shape, Layout layout, int64_t firstBlock,
                                             llvm::ArrayRef<Tensor> stored) {
  int64_t blocks = stored[0].numElements() / layout.getByteSize(Layout::blockRows, shape.k);
  int64_t begin = firstBlock * Layout::blockRows, rows = std::min(blocks * Layout::blockRows, shape.n - begin);
  WeightPiece piece{begin, unpackCodes(stored[0], layout, rows, shape.k), {}, {}};
  int64_t scaleGroups = shape.inputBits == 16 ? shape.groups : 1;
  llvm::Expected<Tensor> scale = takeChannels(stored[1], rows, scaleGroups);
  if (!scale)
    return scale.takeError();
  piece.scale = std::move(*scale);
  if (stored.size() < 3)
    return piece;
  llvm::Expected<Tensor> factors = takeChannels(stored[2], rows, shape.groups);
  if (!factors)
    return factors.takeError();
  piece.factors = std::move(*factors);
  return piece;
}

/// Calls `use` for the pieces of a packed weight in ascending order: several where codes and scales are deferred and
/// stored by blocks of 16 rows, as q.pack gives them.
static llvm::Error forEachPiece(KernelContext &context, const Operands &at, const tile::GemmShape &shape, Layout layout,
                                llvm::function_ref<llvm::Error(const WeightPiece &)> use) {
  llvm::SmallVector<unsigned> numbers{*at.weight, *at.weightScale};
  if (at.groupScales)
    numbers.push_back(*at.groupScales);
  int64_t blocks = Layout::getRowBlocks(shape.n);
  bool isBlocked = llvm::all_of(numbers, [&](unsigned number) {
    return context.isDeferred(number) && context.weightShape(number).size() > 1 &&
           context.weightShape(number)[0] == blocks;
  });
  int64_t step = isBlocked ? context.rowsPerPiece(numbers) : blocks;
  for (int64_t begin = 0; begin < blocks; begin += step) {
    llvm::SmallVector<Tensor> stored;
    if (isBlocked) {
      auto pieces = context.weightRows(numbers, begin, std::min(blocks, begin + step));
      if (!pieces)
        return pieces.takeError();
      stored = std::move(*pieces);
    } else {
      for (unsigned number : numbers) {
        llvm::Expected<Tensor> whole = readWhole(context, number);
        if (!whole)
          return whole.takeError();
        stored.push_back(std::move(*whole));
      }
    }
    llvm::Expected<WeightPiece> piece = makePiece(shape, layout, begin, stored);
    if (!piece)
      return piece.takeError();
    if (llvm::Error error = use(*piece))
      return error;
  }
  return llvm::Error::success();
}

/// Adds bias and residual to sums in f32 (f64), and rounds once.
static llvm::Expected<Tensors> finish(KernelContext &context, const Operands &at, const tile::GemmShape &shape,
                                      Tensor sums) {
  if (at.bias) {
    llvm::Expected<Tensor> bias = readWhole(context, *at.bias);
    if (bias)
      bias = takeChannels(*bias, shape.n, 1);
    if (!bias)
      return bias.takeError();
    compute::addBias(sums, *bias);
  }
  if (at.residual) {
    Tensor residual = convert(context.operand(*at.residual), sums.dtype());
    llvm::Expected<Tensor> total = compute::binary(compute::Binary::Add, sums, residual);
    if (!total)
      return total.takeError();
    sums = std::move(*total);
  }
  return Tensors{convert(sums, *context.resultType(0))};
}

/// A tensor for the sums: like the input, but for the last dimension, and in the type of kernels.
static Tensor makeSums(KernelContext &context, const Tensor &x, const tile::GemmShape &shape) {
  compute::Shape dims(x.shape());
  dims.back() = shape.n;
  return Tensor(compute::arithmeticType(*context.resultType(0)), dims);
}

/// Codes by codes: (float(sum) · xs) · ws, as q.linear computes it.
static llvm::Expected<Tensors> multiplyCodes(KernelContext &context, const Operands &at) {
  tile::GemmShape shape = tile::getGemmShape(context.op());
  const Tensor &x = context.operand(*at.input), &xs = context.operand(*at.inputScale);
  Tensor sums = makeSums(context, x, shape);
  llvm::Error error = forEachPiece(
      context, at, shape, *tile::getWeightLayout(context.op()), [&](const WeightPiece &piece) -> llvm::Error {
        if (!piece.factors)
          return compute::quantizedLinearInto(x, xs, 0, piece.codes, piece.scale, 0, sums, piece.begin);
        compute::scaledGroupsLinearInto(x, xs, piece.codes, piece.scale, piece.factors, sums, piece.begin);
        return llvm::Error::success();
      });
  if (error)
    return error;
  return finish(context, at, shape, std::move(sums));
}

/// Floats by codes: weights are code · scale, rounded to the type of the input, as q.dequantize computes it there.
static llvm::Expected<Tensors> multiplyByCodes(KernelContext &context, const Operands &at) {
  tile::GemmShape shape = tile::getGemmShape(context.op());
  Tensor x = widen(context.operand(*at.input)), sums = makeSums(context, x, shape);
  DType type = context.operand(*at.input).dtype();
  compute::ScaleLayout layout{-1, shape.k / shape.groups};
  llvm::Error error = forEachPiece(
      context, at, shape, *tile::getWeightLayout(context.op()), [&](const WeightPiece &piece) -> llvm::Error {
        llvm::Expected<Tensor> weight =
            compute::dequantizeLinear(piece.codes, convert(piece.scale, type), Tensor(), layout, type);
        if (!weight)
          return weight.takeError();
        compute::linearInto(x, *weight, sums, piece.begin);
        return llvm::Error::success();
      });
  if (error)
    return error;
  return finish(context, at, shape, std::move(sums));
}

static llvm::Expected<Tensors> gemm(KernelContext &context) {
  Operands at(context.op());
  if (at.inputScale)
    return multiplyCodes(context, at);
  if (at.weightScale)
    return multiplyByCodes(context, at);
  llvm::Expected<Tensor> sums =
      multiplyByWeight(context, widen(context.operand(*at.input)), *at.weight, /*inputFirst=*/false);
  if (!sums)
    return sums.takeError();
  return finish(context, at, tile::getGemmShape(context.op()), std::move(*sums));
}

void interp::registerTileGemms(KernelRegistry &registry) {
  // Weights, their scales, factors and biases.
  registry.add<tile::GemmW4A4Op>(gemm, {2, 3, 4, 5});
  registry.add<tile::GemmW4A8Op>(gemm, {2, 3, 4, 5});
  registry.add<tile::GemmW8A8Op>(gemm, {2, 3, 4, 5});
  registry.add<tile::GemmW4A16Op>(gemm, {1, 2, 3});
  registry.add<tile::GemmF16Op>(gemm, {1, 2});
  registry.add<tile::GemmDecodeOp>(gemm, {1, 2, 3, 4, 5});
}
