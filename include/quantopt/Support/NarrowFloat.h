//===- NarrowFloat.h - floating point in a byte or less --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_NARROWFLOAT_H
#define QUANTOPT_SUPPORT_NARROWFLOAT_H

#include "quantopt/Support/Tensor.h"

namespace quantopt {

/// How powers of two (F8E8M0FNU) are rounded: Up is away from zero; ties of Nearest go up.
enum class PowerRounding { Up, Down, Nearest };

/// What becomes of numbers that a narrow type cannot hold.
struct NarrowRounding {
  /// Beyond the largest number: that one, otherwise the type's infinity or NaN. F4E2M1FN, which has neither, always
  /// saturates, and its NaN is -0.
  bool saturate = true;
  PowerRounding powers = PowerRounding::Up;
};

/// The bits of `value` as an element of narrow type `type` (isNarrowFloat), rounded to nearest even as ONNX's Cast
/// says.
uint8_t encodeNarrow(DType type, double value, NarrowRounding rounding = {});
/// The number that an element of a narrow type is; exact.
double decodeNarrow(DType type, uint8_t bits);

/// The elements of a numeric tensor as narrow floats.
Tensor convertToNarrow(const Tensor &tensor, DType type, NarrowRounding rounding);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_NARROWFLOAT_H
