//===- DType.h - element types of tensors in files and in memory ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_DTYPE_H
#define QUANTOPT_SUPPORT_DTYPE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>

namespace quantopt {

/// Element types. In files codes narrower than a byte are packed, row-major, first element in the low bits (ONNX); in
/// memory each code has a byte of its own. F8... and F4... are floating-point codes (see NarrowFloat.h).
///
/// String and Sequence are no types of files: elements are handles of strings (internString) and tensors
/// (Tensor::sequence).
enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  Bool,
  I4,
  U4,
  I2,
  U2,
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ,
  F8E8M0FNU,
  F4E2M1FN,
  String,
  Sequence
};

/// Bits of one element in a file.
unsigned bitsInFile(DType type);
/// Bytes of one element in memory.
unsigned bytesInMemory(DType type);
/// Bytes of `count` elements in a file, the last byte padded.
inline uint64_t bytesInFile(DType type, uint64_t count) { return (count * bitsInFile(type) + 7) / 8; }
/// A floating-point type of 16 bits or more, which tensors are computed in; narrower ones are codes.
bool isFloat(DType type);
bool isNarrowFloat(DType type);
/// Whether elements are numbers: neither strings nor tensors.
inline bool isNumeric(DType type) { return type < DType::String; }
/// "f32", "i4", "f8E4M3FN", ... as MLIR writes them; Bool is "i1", unsigned ones "ui8".
llvm::StringRef toString(DType type);
/// The numeric type of this name.
std::optional<DType> parseDType(llvm::StringRef name);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_DTYPE_H
