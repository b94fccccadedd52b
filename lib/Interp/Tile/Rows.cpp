//===- Rows.cpp - ops of the tile dialect that work row by row ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Interp/BasisChange.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/RowGather.h"
#include "quantopt/Interp/Tile/Oracle.h"
#include <cstring>
#include <numeric>

using namespace quantopt;
using namespace quantopt::interp;

llvm::Expected<Tensor> interp::transformRows(KernelContext &context, const Tensor &rows,
                                             std::optional<mlir::Attribute> hadamard) {
  if (!hadamard)
    return rows;
  auto element = mlir::Float32Type::get(context.op()->getContext());
  auto source = mlir::RankedTensorType::get(rows.shape(), element);
  return changeBasis(context, rows, source, rot::withBasis(source, rows.rank() - 1, *hadamard));
}

/// The sum of input and residual, where there is one, rounded to the input's type.
static llvm::Expected<Tensor> addResidual(KernelContext &context) {
  const Tensor &input = context.operand(0);
  if (!context.has(1))
    return input;
  llvm::Expected<Tensor> sum = compute::binary(compute::Binary::Add, widen(input), widen(context.operand(1)));
  return sum ? llvm::Expected<Tensor>(convert(*sum, input.dtype())) : std::move(sum);
}

/// The norm of a sum.
static llvm::Expected<Tensor> normalise(const Tensor &sum, double epsilon) {
  return compute::rmsNorm(widen(sum), Tensor(), epsilon, -1);
}

static Tensor activate(KernelContext &context) {
  return compute::swiglu(widen(context.operand(0)), widen(context.operand(1)));
}

/// Codes and scales of transformed rows, as q.quantize_dynamic computes them; `op` has `bits`, `clip` and `hadamard`.
template <typename OpTy>
static llvm::Expected<compute::DynamicCodes> quantizeRows(KernelContext &context, OpTy op,
                                                          llvm::Expected<Tensor> rows) {
  if (rows)
    rows = transformRows(context, *rows, op.getHadamard());
  if (!rows)
    return rows.takeError();
  return compute::quantizeDynamic(*rows, op.getBits(), /*groupSize=*/0, op.getClip().convertToDouble(),
                                  *context.resultType(0));
}

static llvm::Expected<Tensors> normQuant(KernelContext &context) {
  auto op = llvm::cast<tile::NormQuantOp>(context.op());
  llvm::Expected<Tensor> sum = addResidual(context);
  if (!sum)
    return sum.takeError();
  auto codes = quantizeRows(context, op, normalise(*sum, op.getEpsilon().convertToDouble()));
  if (!codes)
    return codes.takeError();
  return Tensors{codes->codes, codes->scale, op.getSum() ? *sum : Tensor()};
}

/// Codes and scales alone.
static llvm::Expected<Tensors> pairOf(llvm::Expected<compute::DynamicCodes> codes) {
  if (!codes)
    return codes.takeError();
  return Tensors{codes->codes, codes->scale};
}

static llvm::Expected<Tensors> swigluQuant(KernelContext &context) {
  return pairOf(quantizeRows(context, llvm::cast<tile::SwigluQuantOp>(context.op()), activate(context)));
}

static llvm::Expected<Tensors> quant(KernelContext &context) {
  return pairOf(quantizeRows(context, llvm::cast<tile::QuantOp>(context.op()), widen(context.operand(0))));
}

llvm::Expected<Tensor> interp::rowsToQuantize(KernelContext &context) {
  if (auto op = llvm::dyn_cast<tile::QuantOp>(context.op()))
    return transformRows(context, widen(context.operand(0)), op.getHadamard());
  if (auto op = llvm::dyn_cast<tile::SwigluQuantOp>(context.op()))
    return transformRows(context, activate(context), op.getHadamard());
  auto op = llvm::cast<tile::NormQuantOp>(context.op());
  llvm::Expected<Tensor> rows = addResidual(context);
  if (rows)
    rows = normalise(*rows, op.getEpsilon().convertToDouble());
  return rows ? transformRows(context, *rows, op.getHadamard()) : std::move(rows);
}

static llvm::Expected<Tensors> swiglu(KernelContext &context) {
  auto op = llvm::cast<tile::SwigluOp>(context.op());
  llvm::Expected<Tensor> rows =
      transformRows(context, compute::swiglu(widen(context.operand(0)), widen(context.operand(1))), op.getHadamard());
  if (!rows)
    return rows.takeError();
  return Tensors{convert(*rows, *context.resultType(0))};
}

static llvm::Expected<Tensors> norm(KernelContext &context) {
  auto op = llvm::cast<tile::NormOp>(context.op());
  llvm::Expected<Tensor> sum = addResidual(context);
  if (!sum)
    return sum.takeError();
  llvm::Expected<Tensor> norm = normalise(*sum, op.getEpsilon().convertToDouble());
  if (!norm)
    return norm.takeError();
  return Tensors{convert(*norm, *context.resultType(0)), op.getSum() ? *sum : Tensor()};
}

/// Ids outside of the table give rows of zeros.
static llvm::Expected<Tensors> embedding(KernelContext &context) {
  llvm::SmallVector<int64_t> ids = compute::toIntegers(context.operand(0));
  int64_t count = context.isDeferred(1) ? context.weightShape(1)[0] : context.operand(1).dim(0);
  auto isOutside = [&](int64_t id) { return id < 0 || id >= count; };
  llvm::SmallVector<int64_t> inside(ids);
  std::replace_if(inside.begin(), inside.end(), isOutside, 0);
  Tensor indices = Tensor::from<int64_t>(DType::I64, context.operand(0).shape(), inside);
  llvm::Expected<Tensor> gathered =
      context.isDeferred(1) ? gatherWeightRows(context, 1, indices) : compute::gather(context.operand(1), indices, 0);
  if (!gathered)
    return gathered.takeError();
  Tensor rows = convert(*gathered, *context.resultType(0));
  uint64_t rowBytes = rows.dim(-1) * bytesInMemory(rows.dtype());
  for (auto [i, id] : llvm::enumerate(ids))
    if (isOutside(id))
      std::memset(rows.mutableRaw() + i * rowBytes, 0, rowBytes);
  return Tensors{rows};
}

static llvm::Expected<Tensors> argMax(KernelContext &context) {
  llvm::Expected<Tensor> index = compute::argExtreme(context.operand(0), -1, /*keepDims=*/false, /*largest=*/true);
  if (!index)
    return index.takeError();
  return Tensors{convert(*index, DType::I32)};
}

/// The `count` largest of a row first, of equals the first.
template <typename T>
static void selectLargest(const T *row, int64_t columns, int64_t count, T *values, int32_t *indices) {
  llvm::SmallVector<int32_t> order(columns);
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](int32_t a, int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
  for (int64_t i = 0; i < count; ++i) {
    indices[i] = order[i];
    values[i] = row[order[i]];
  }
}

static llvm::Expected<Tensors> topK(KernelContext &context) {
  Tensor input = widen(context.operand(0));
  auto type = llvm::cast<mlir::RankedTensorType>(context.op()->getResult(0).getType());
  int64_t columns = input.dim(-1), count = type.getShape().back(), rows = input.numElements() / columns;
  compute::Shape shape(input.shape());
  shape.back() = count;
  Tensor values(input.dtype(), shape), indices(DType::I32, shape);
  auto run = [&](auto tag) {
    using T = decltype(tag);
    compute::parallelFor(rows, [&](int64_t row) {
      selectLargest(input.data<T>().data() + row * columns, columns, count,
                    values.mutableData<T>().data() + row * count, indices.mutableData<int32_t>().data() + row * count);
    });
  };
  if (input.dtype() == DType::F64)
    run(double());
  else
    run(float());
  return Tensors{convert(values, *context.resultType(0)), indices};
}

void interp::registerTileRows(KernelRegistry &registry) {
  registry.add<tile::NormQuantOp>(normQuant);
  registry.add<tile::SwigluQuantOp>(swigluQuant);
  registry.add<tile::QuantOp>(quant);
  registry.add<tile::SwigluOp>(swiglu);
  registry.add<tile::NormOp>(norm);
  registry.add<tile::EmbeddingOp>(embedding, {1});
  registry.add<tile::ArgMaxOp>(argMax);
  registry.add<tile::TopKOp>(topK);
}
