//===- Axis.h - axes as ONNX counts them ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_IR_AXIS_H
#define QUANTOPT_DIALECT_ONNX_IR_AXIS_H

#include <cstdint>
#include <optional>

namespace quantopt::onnx {

/// An axis counted from 0, of one that negative numbers count from the end; nothing when it is outside of `rank`.
inline std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_IR_AXIS_H
