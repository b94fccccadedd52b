//===- Broadcast.h - loops over tensors of different shapes -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_BROADCAST_H
#define QUANTOPT_INTERP_COMPUTE_BROADCAST_H

#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <string>

namespace quantopt::compute {

using Shape = llvm::SmallVector<int64_t, 4>;

/// An error with this message.
llvm::Error makeError(const llvm::Twine &message);
/// "2x3x4".
std::string toString(llvm::ArrayRef<int64_t> shape);

/// The shape that all given ones broadcast to, by the rules of numpy.
llvm::Expected<Shape> broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes);

/// `axis` counted from the front, for a tensor of that rank.
llvm::Expected<int64_t> normalizeAxis(int64_t axis, int64_t rank);

/// Number of elements of a shape.
int64_t product(llvm::ArrayRef<int64_t> dims);

/// Strides in elements of a row-major tensor.
Shape rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// Nested loops over a row-major result, reading operands with strides of their own (0 where an operand is repeated).
/// Neighbouring dimensions that all operands walk alike are merged, so that the innermost loop is long.
class StridedLoops {
public:
  /// `strides[i]` are operand i's, one for each dimension of `shape`.
  StridedLoops(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Shape> strides);
  /// Operands of these shapes, broadcast to `shape`.
  static StridedLoops broadcast(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<llvm::ArrayRef<int64_t>> operands);

  /// Stride of an operand in the innermost loop.
  int64_t innerStride(unsigned operand) const { return strides[operand].back(); }

  /// Calls `body(result, offsets, count)` for runs of elements: the offset of the run in the result and in each
  /// operand, and its length. Runs are shared among threads.
  void forEach(llvm::function_ref<void(int64_t, llvm::ArrayRef<int64_t>, int64_t)> body) const;

private:
  Shape dims;
  llvm::SmallVector<Shape, 3> strides;
};

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_BROADCAST_H
