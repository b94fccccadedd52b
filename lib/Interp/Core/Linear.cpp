//===- Linear.cpp - products with weights that arrive in pieces ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Linear.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;

/// Calls `use(rows, begin)` for the rows of operand `weight` in ascending order.
static llvm::Error forEachPiece(KernelContext &context, unsigned weight, int64_t rows,
                                llvm::function_ref<void(const Tensor &, int64_t)> use) {
  if (!context.isDeferred(weight)) {
    use(context.operand(weight), 0);
    return llvm::Error::success();
  }
  int64_t step = context.rowsPerPiece(weight);
  for (int64_t begin = 0; begin < rows; begin += step) {
    llvm::Expected<Tensor> piece = context.weightRows(weight, begin, std::min(rows, begin + step));
    if (!piece)
      return piece.takeError();
    use(*piece, begin);
  }
  return llvm::Error::success();
}

llvm::Expected<Tensor> interp::multiplyByWeight(KernelContext &context, const Tensor &x, unsigned weight,
                                                bool inputFirst) {
  if (context.isDeferred(weight))
    context.lookThroughTranspose(weight);
  llvm::ArrayRef<int64_t> stored =
      context.isDeferred(weight) ? context.weightShape(weight) : context.operand(weight).shape();
  if (context.isDeferred(weight) && context.weight(weight).transposed)
    inputFirst = !inputFirst;
  if (stored.size() != 2 || x.rank() == 0 || x.dim(-1) != stored[inputFirst ? 0 : 1])
    return compute::makeError("cannot multiply " + compute::toString(x.shape()) + " by a weight stored as " +
                              compute::toString(stored));
  DType working = compute::arithmeticType(x.dtype());
  Tensor wide = convert(x, working);
  compute::Shape shape(x.shape());
  shape.back() = stored[inputFirst ? 1 : 0];
  // Without rows there is no piece that would write the result.
  Tensor result = stored[0] ? Tensor(working, shape) : Tensor::zeros(working, shape);
  llvm::Error error = forEachPiece(context, weight, stored[0], [&](const Tensor &piece, int64_t begin) {
    if (inputFirst)
      compute::accumulateProduct(wide, piece, result, begin);
    else
      compute::linearInto(wide, piece, result, begin);
  });
  if (error)
    return error;
  return convert(result, x.dtype());
}
