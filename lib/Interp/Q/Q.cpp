//===- Q.cpp - kernels of the q dialect ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/KernelContext.h"
#include "llvm/ADT/Sequence.h"

using namespace quantopt;
using namespace quantopt::interp;

/// [.., T, d] as [.., d, T], and back.
static llvm::Expected<Tensor> swapLastDims(const Tensor &tensor) {
  llvm::SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, tensor.rank()));
  std::swap(order.end()[-1], order.end()[-2]);
  return compute::transpose(tensor, order);
}

static llvm::Expected<Tensors> quantizeDynamic(KernelContext &context) {
  auto op = llvm::cast<q::QuantizeDynamicOp>(context.op());
  bool isPerChannel = int64_t(op.getAxis()) == -2;
  llvm::Expected<Tensor> rows = isPerChannel ? swapLastDims(context.operand(0)) : context.operand(0);
  if (!rows)
    return rows.takeError();
  compute::DynamicCodes codes =
      compute::quantizeDynamic(*rows, op.getBits(), op.getGroupSize(), op.getClip().convertToDouble(),
                               *context.resultType(0), op.getScale().getType().getElementType().isF16());
  Tensors results{codes.codes, convert(codes.scale, *context.resultType(1)), codes.zero};
  for (Tensor &result : results)
    if (isPerChannel && result) {
      llvm::Expected<Tensor> swapped = swapLastDims(result);
      if (!swapped)
        return swapped.takeError();
      result = std::move(*swapped);
    }
  return results;
}

static llvm::Expected<Tensors> dequantize(KernelContext &context) {
  auto op = llvm::cast<q::DequantizeOp>(context.op());
  const Tensor &codes = context.operand(0);
  compute::ScaleLayout layout{int64_t(op.getAxis()), op.getGroupSize() ? int64_t(op.getGroupSize()) : codes.dim(-1)};
  return single(compute::dequantizeLinear(codes, context.operand(1), context.operand(2), layout,
                                          context.resultType(0).value_or(context.operand(1).dtype())));
}

/// Codes and scales of the weight come together, so that quantizing on the fly happens once.
static llvm::Expected<Tensors> linear(KernelContext &context) {
  auto op = llvm::cast<q::LinearOp>(context.op());
  const Tensor &x = context.operand(0), &xs = context.operand(1);
  constexpr unsigned codesAt = 2, scaleAt = 3;
  bool deferred = context.isDeferred(codesAt) && context.isDeferred(scaleAt);
  int64_t rows = llvm::cast<mlir::RankedTensorType>(op.getWeight().getType()).getDimSize(0);
  compute::Shape shape(x.shape());
  shape.back() = rows;
  Tensor result(compute::arithmeticType(xs.dtype()), shape);
  int64_t step = deferred ? context.rowsPerPiece({codesAt, scaleAt}) : rows;
  for (int64_t begin = 0; begin < rows; begin += step) {
    llvm::SmallVector<Tensor> weight;
    if (deferred) {
      auto pieces = context.weightRows({codesAt, scaleAt}, begin, std::min(rows, begin + step));
      if (!pieces)
        return pieces.takeError();
      weight = std::move(*pieces);
    } else {
      for (unsigned i : {codesAt, scaleAt}) {
        auto piece =
            context.isDeferred(i) ? context.weightRows(i, 0, rows) : llvm::Expected<Tensor>(context.operand(i));
        if (!piece)
          return piece.takeError();
        weight.push_back(std::move(*piece));
      }
    }
    if (llvm::Error error = compute::quantizedLinearInto(x, xs, op.getInputGroupSize(), weight[0], weight[1],
                                                         op.getWeightGroupSize(), result, begin))
      return error;
  }
  if (context.has(4))
    compute::addBias(result, context.operand(4));
  return Tensors{convert(result, context.resultType(0).value_or(result.dtype()))};
}

void interp::registerQKernels(KernelRegistry &registry) {
  registry.add<q::QuantizeDynamicOp>(quantizeDynamic);
  registry.add<q::DequantizeOp>(dequantize);
  registry.add<q::LinearOp>(linear, {2, 3});
}
