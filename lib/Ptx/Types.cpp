//===- Types.cpp - PTX's scalar types and state spaces -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Types.h"
#include "llvm/ADT/StringSwitch.h"

using namespace quantopt::ptx;

std::optional<ScalarType> quantopt::ptx::parseScalarType(llvm::StringRef name) {
  using T = ScalarType;
  return llvm::StringSwitch<std::optional<T>>(name)
      .Case("u8", T::U8)
      .Case("u16", T::U16)
      .Case("u32", T::U32)
      .Case("u64", T::U64)
      .Case("s8", T::S8)
      .Case("s16", T::S16)
      .Case("s32", T::S32)
      .Case("s64", T::S64)
      .Case("b8", T::B8)
      .Case("b16", T::B16)
      .Case("b32", T::B32)
      .Case("b64", T::B64)
      .Case("b128", T::B128)
      .Case("f16", T::F16)
      .Case("f16x2", T::F16x2)
      .Case("bf16", T::BF16)
      .Case("bf16x2", T::BF16x2)
      .Case("f32", T::F32)
      .Case("f32x2", T::F32x2)
      .Case("f64", T::F64)
      .Case("pred", T::Pred)
      .Default(std::nullopt);
}

unsigned quantopt::ptx::bitsOf(ScalarType type) {
  switch (type) {
  case ScalarType::Pred:
    return 1;
  case ScalarType::U8:
  case ScalarType::S8:
  case ScalarType::B8:
    return 8;
  case ScalarType::U16:
  case ScalarType::S16:
  case ScalarType::B16:
  case ScalarType::F16:
  case ScalarType::BF16:
    return 16;
  case ScalarType::U32:
  case ScalarType::S32:
  case ScalarType::B32:
  case ScalarType::F32:
  case ScalarType::F16x2:
  case ScalarType::BF16x2:
    return 32;
  case ScalarType::U64:
  case ScalarType::S64:
  case ScalarType::B64:
  case ScalarType::F32x2:
  case ScalarType::F64:
    return 64;
  case ScalarType::B128:
    return 128;
  }
  llvm_unreachable("unknown type");
}

bool quantopt::ptx::isSigned(ScalarType type) {
  return type == ScalarType::S8 || type == ScalarType::S16 || type == ScalarType::S32 || type == ScalarType::S64;
}

bool quantopt::ptx::isFloat(ScalarType type) { return type >= ScalarType::F16 && type <= ScalarType::F64; }
