//===- FloatLanes.h - floating-point arithmetic of a whole warp --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_FLOATLANES_H
#define QUANTOPT_LIB_PTX_FLOATLANES_H

#include "Arithmetic.h"

namespace quantopt::ptx {

enum class FloatOperation { Add, Subtract, Multiply, FusedMultiplyAdd, Minimum, Maximum };

/// Whether computeFloats has the operation in this mode; otherwise Arithmetic.h does it a lane at a time.
bool hasFloatLanes(FloatFormat format, const FloatMode &mode);

/// All 32 lanes of an operation on f32, or on both halves of packed f16 or bf16 (whose high halves may also be
/// nothing). The bits are those of Arithmetic.h. d may be an operand.
void computeFloats(FloatOperation operation, FloatFormat format, const uint32_t *a, const uint32_t *b,
                   const uint32_t *c, uint32_t *d);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_FLOATLANES_H
