//===- Types.h - PTX's scalar types and state spaces ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_TYPES_H
#define QUANTOPT_LIB_PTX_TYPES_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>

namespace quantopt::ptx {

enum class ScalarType : uint8_t {
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  B8,
  B16,
  B32,
  B64,
  B128,
  F16,
  F16x2,
  BF16,
  BF16x2,
  F32,
  F32x2,
  F64,
  Pred
};

/// "u32", without the dot.
std::optional<ScalarType> parseScalarType(llvm::StringRef name);
/// 1 for predicates.
unsigned bitsOf(ScalarType type);
bool isSigned(ScalarType type);
/// f16 to f64, packed ones too.
bool isFloat(ScalarType type);

enum class StateSpace : uint8_t { Generic, Global, Shared, Const, Param };

/// Where the spaces lie in the generic address space. Buffers of DeviceMemory lie below.
constexpr uint64_t sharedWindow = 0x7f00'0000'0000, paramWindow = 0x7e00'0000'0000, variableWindow = 0x7d00'0000'0000,
                   windowSize = 0x0100'0000'0000;

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_TYPES_H
