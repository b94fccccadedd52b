//===- TensorType.h - the tensor type of a value -----------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_SUPPORT_TENSORTYPE_H
#define QUANTOPT_DIALECT_SUPPORT_TENSORTYPE_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace quantopt {

// Of values that are ranked tensors, as operands of this project's dialects are.

inline mlir::RankedTensorType typeOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()); }
/// The number of the last dimension.
inline int64_t lastDim(mlir::Value value) { return typeOf(value).getRank() - 1; }
/// The size of the last dimension.
inline int64_t lastSize(mlir::Value value) { return typeOf(value).getShape().back(); }

} // namespace quantopt

#endif // QUANTOPT_DIALECT_SUPPORT_TENSORTYPE_H
