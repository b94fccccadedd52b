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

/// Element types. In files 4-bit codes are packed two to a byte, row-major, first element in the low nibble (ONNX); in
/// memory each code has a byte of its own.
enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, Bool, I4, U4 };

/// Bits of one element in a file.
unsigned bitsInFile(DType type);
/// Bytes of one element in memory.
unsigned bytesInMemory(DType type);
/// Bytes of `count` elements in a file, the last byte padded.
inline uint64_t bytesInFile(DType type, uint64_t count) { return (count * bitsInFile(type) + 7) / 8; }
bool isFloat(DType type);
/// "f32", "i4", ... as MLIR writes them; Bool is "i1", unsigned ones "ui8".
llvm::StringRef toString(DType type);
std::optional<DType> parseDType(llvm::StringRef name);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_DTYPE_H
