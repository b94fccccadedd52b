//===- Opaque.h - ops about which nothing is known --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ROT_IR_OPAQUE_H
#define QUANTOPT_DIALECT_ROT_IR_OPAQUE_H

#include "mlir/IR/OpDefinition.h"

namespace quantopt::rot {

/// An op that stands for an operator about which nothing is known. Rotations do not go around it by converting its
/// operands and results: that it computes on exactly the values of the original is not ours to promise (Rationale C10).
template <typename ConcreteType> class Opaque : public mlir::OpTrait::TraitBase<ConcreteType, Opaque> {};

} // namespace quantopt::rot

#endif // QUANTOPT_DIALECT_ROT_IR_OPAQUE_H
