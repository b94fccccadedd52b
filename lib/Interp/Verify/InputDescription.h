//===- InputDescription.h - what the arguments of a decoder mean --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_VERIFY_INPUTDESCRIPTION_H
#define QUANTOPT_LIB_INTERP_VERIFY_INPUTDESCRIPTION_H

#include "quantopt/Interp/Verify/Verification.h"
#include <limits>

namespace quantopt::interp {

/// An argument of a decoder.
struct InputDescription {
  InputRole role = InputRole::Other;
  /// Null where the argument is no tensor of known rank.
  mlir::RankedTensorType type;
  /// In lower case.
  std::string name;
  /// Names of the dimensions; empty for numbers and where the graph names none.
  llvm::SmallVector<llvm::StringRef> dims;
  /// Token ids: rows of the smallest table that they index, and the elements of its rows.
  int64_t rows = std::numeric_limits<int64_t>::max(), rowWidth = 0;
  /// Caches: the dimension that counts tokens.
  int64_t sequenceDim = 2;
  /// Caches: whether new rows are written into it instead of behind it.
  bool isBuffer = false;

  bool hasRank(int64_t rank) const { return type && type.getRank() == rank; }
};

/// All arguments of a function.
llvm::SmallVector<InputDescription> describeInputs(mlir::func::FuncOp function);

/// Shapes of the inputs for a step; empty ones where nothing is known.
llvm::SmallVector<llvm::SmallVector<int64_t>>
makeInputShapes(mlir::func::FuncOp function, llvm::ArrayRef<InputDescription> inputs, const DecoderStep &step);
/// Inputs for a step; null tensors for those that are not needed or of which no values are known.
llvm::SmallVector<Tensor> makeInputs(mlir::func::FuncOp function, llvm::ArrayRef<InputDescription> inputs,
                                     const DecoderStep &step, llvm::function_ref<bool(unsigned)> isNeeded);

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_VERIFY_INPUTDESCRIPTION_H
