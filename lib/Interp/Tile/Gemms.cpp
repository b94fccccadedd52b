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
#include "quantopt/Interp/Tile/Oracle.h"

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

/// What is done to everything before it is multiplied or added: nothing, or taking magnitudes.
using Change = llvm::function_ref<llvm::Expected<Tensor>(const Tensor &)>;
static llvm::Expected<Tensor> keepValues(const Tensor &values) { return values; }
static llvm::Expected<Tensor> takeMagnitudes(const Tensor &values) {
  return compute::unary(compute::Unary::Abs, values);
}

/// Adds bias and residual to sums in f32 (f64), and rounds once.
static llvm::Expected<Tensor> finish(KernelContext &context, const Operands &at, const tile::GemmShape &shape,
                                     Tensor sums, Change change = keepValues) {
  if (at.bias) {
    llvm::Expected<Tensor> bias = readWhole(context, *at.bias);
    if (bias)
      bias = takeChannels(*bias, shape.n, 1);
    if (bias)
      bias = change(*bias);
    if (!bias)
      return bias.takeError();
    compute::addBias(sums, *bias);
  }
  if (at.residual) {
    llvm::Expected<Tensor> total = change(convert(context.operand(*at.residual), sums.dtype()));
    if (total)
      total = compute::binary(compute::Binary::Add, sums, *total);
    if (!total)
      return total.takeError();
    sums = std::move(*total);
  }
  return convert(sums, *context.resultType(0));
}

/// A tensor for the sums: like the input, but for the last dimension, and in the type of kernels.
static Tensor makeSums(KernelContext &context, const Tensor &x, const tile::GemmShape &shape) {
  compute::Shape dims(x.shape());
  dims.back() = shape.n;
  return Tensor(compute::arithmeticType(*context.resultType(0)), dims);
}

/// Codes by codes: (float(sum) · xs) · ws, as q.linear computes it.
static llvm::Expected<Tensor> multiplyCodes(KernelContext &context, const Operands &at) {
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

/// Calls `use(rows, begin)` for float weights in pieces of rows. Packed ones are code · scale, rounded to the type of
/// the input, as q.dequantize computes it there.
static llvm::Error forEachFloats(KernelContext &context, const Operands &at, const tile::GemmShape &shape,
                                 llvm::function_ref<llvm::Error(const Tensor &, int64_t)> use) {
  if (at.weightScale) {
    DType type = context.operand(*at.input).dtype();
    compute::ScaleLayout layout{-1, shape.k / shape.groups};
    return forEachPiece(
        context, at, shape, *tile::getWeightLayout(context.op()), [&](const WeightPiece &piece) -> llvm::Error {
          llvm::Expected<Tensor> weight =
              compute::dequantizeLinear(piece.codes, convert(piece.scale, type), Tensor(), layout, type);
          return weight ? use(*weight, piece.begin) : weight.takeError();
        });
  }
  if (!context.isDeferred(*at.weight))
    return use(context.operand(*at.weight), 0);
  int64_t step = context.rowsPerPiece(*at.weight);
  for (int64_t begin = 0; begin < shape.n; begin += step) {
    llvm::Expected<Tensor> weight = context.weightRows(*at.weight, begin, std::min(shape.n, begin + step));
    if (!weight)
      return weight.takeError();
    if (llvm::Error error = use(*weight, begin))
      return error;
  }
  return llvm::Error::success();
}

/// Floats by floats or by codes.
static llvm::Expected<Tensor> multiplyFloats(KernelContext &context, const Operands &at, Change change = keepValues) {
  tile::GemmShape shape = tile::getGemmShape(context.op());
  llvm::Expected<Tensor> x = change(widen(context.operand(*at.input)));
  if (!x)
    return x;
  Tensor sums = makeSums(context, *x, shape);
  llvm::Error error = forEachFloats(context, at, shape, [&](const Tensor &rows, int64_t begin) -> llvm::Error {
    llvm::Expected<Tensor> weight = change(widen(rows));
    if (!weight)
      return weight.takeError();
    compute::linearInto(*x, *weight, sums, begin);
    return llvm::Error::success();
  });
  if (error)
    return error;
  return finish(context, at, shape, std::move(sums), change);
}

static llvm::Expected<Tensors> gemm(KernelContext &context) {
  Operands at(context.op());
  return single(at.inputScale ? multiplyCodes(context, at) : multiplyFloats(context, at));
}

llvm::Expected<Tensor> interp::magnitudesOfSums(KernelContext &context) {
  return multiplyFloats(context, Operands(context.op()), takeMagnitudes);
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
