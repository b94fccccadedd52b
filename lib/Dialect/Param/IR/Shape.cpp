//===- Shape.cpp - param.reshape and param.broadcast ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/IR/Param.h"
#include <cstring>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

//===----------------------------------------------------------------------------===//
// param.reshape
//===----------------------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  auto weight = getWeight().getType(), result = getResult().getType();
  if (!weight.hasStaticShape() || !result.hasStaticShape() || weight.getElementType() != result.getElementType() ||
      weight.getNumElements() != result.getNumElements()) // C16
    return emitOpError() << "expected as many elements of the same type, got " << weight << " and " << result;
  return success();
}

SmallVector<rot::BasisTie> ReshapeOp::getBasisTies() { return {}; }

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  return getWeight().getType() == getType() ? OpFoldResult(getWeight()) : OpFoldResult();
}

std::string ReshapeOp::getRole() { return "reshaped"; }

/// Elements of one row; 1 for a scalar.
static int64_t rowSize(RankedTensorType type) {
  int64_t size = 1;
  for (int64_t dim = 1; dim < type.getRank(); ++dim)
    size *= type.getDimSize(dim);
  return size;
}

/// Rows of the result are rows of what is reshaped where either divides the other; else all is needed.
SmallVector<TensorSlice> ReshapeOp::getOperandSlices(TensorSlice &result) {
  auto to = getResult().getType(), from = getWeight().getType();
  int64_t toRow = rowSize(to), fromRow = rowSize(from);
  if (to.getRank() == 0 || from.getRank() == 0 || toRow == 0 || fromRow == 0 || (toRow % fromRow && fromRow % toRow)) {
    result = TensorSlice::whole(to.getShape());
    return {TensorSlice::whole(from.getShape())};
  }
  int64_t begin = result.offsets[0] * toRow / fromRow;
  int64_t end = ((result.offsets[0] + result.sizes[0]) * toRow + fromRow - 1) / fromRow;
  result = TensorSlice::rows(to.getShape(), begin * fromRow / toRow, (end - begin) * fromRow / toRow);
  return {TensorSlice::rows(from.getShape(), begin, end - begin)};
}

llvm::Expected<SmallVector<Tensor>> ReshapeOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                        rot::ParameterReader) {
  return SmallVector<Tensor>{operands[0].reshaped(slice.sizes)};
}

//===----------------------------------------------------------------------------===//
// param.broadcast
//===----------------------------------------------------------------------------===//

LogicalResult BroadcastOp::verify() {
  auto weight = getWeight().getType(), result = getResult().getType();
  bool repeats = weight.getRank() == result.getRank() && weight.getElementType() == result.getElementType();
  for (int64_t dim = 0; repeats && dim < weight.getRank(); ++dim)
    repeats = weight.getDimSize(dim) == 1 || weight.getDimSize(dim) == result.getDimSize(dim);
  if (!repeats) // C16
    return emitOpError() << "may repeat elements along dimensions of size 1 only, got " << weight << " and " << result;
  return success();
}

SmallVector<rot::BasisTie> BroadcastOp::getBasisTies() { return {}; }

OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  return getWeight().getType() == getType() ? OpFoldResult(getWeight()) : OpFoldResult();
}

std::string BroadcastOp::getRole() { return "broadcast"; }

SmallVector<TensorSlice> BroadcastOp::getOperandSlices(TensorSlice &result) {
  TensorSlice operand = result;
  for (auto [dim, size] : llvm::enumerate(getWeight().getType().getShape()))
    if (size == 1) {
      operand.offsets[dim] = 0;
      operand.sizes[dim] = 1;
    }
  return {operand};
}

llvm::Expected<SmallVector<Tensor>> BroadcastOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                          rot::ParameterReader) {
  const Tensor &weight = operands[0];
  Tensor result(weight.dtype(), slice.sizes);
  int64_t width = bytesInMemory(weight.dtype());
  SmallVector<int64_t, 4> index(slice.sizes.size(), 0);
  for (int64_t i = 0, n = result.numElements(); i < n; ++i) {
    int64_t from = 0;
    for (int64_t dim = 0, rank = index.size(); dim < rank; ++dim)
      from = from * weight.dim(dim) + (weight.dim(dim) == 1 ? 0 : index[dim]);
    std::memcpy(result.mutableRaw() + i * width, weight.raw() + from * width, width);
    for (int64_t dim = int64_t(index.size()) - 1; dim >= 0 && ++index[dim] == slice.sizes[dim]; --dim)
      index[dim] = 0;
  }
  return SmallVector<Tensor>{result};
}
