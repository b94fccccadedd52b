//===- DType.cpp - element types of tensors in files and in memory --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Tensor.h"

using namespace quantopt;

namespace {
struct Row {
  unsigned bits, bytes;
  bool isFloat;
  const char *name;
};
} // namespace

/// In the order of the enumeration.
static constexpr Row table[] = {{64, 8, true, "f64"},
                                {32, 4, true, "f32"},
                                {16, 2, true, "f16"},
                                {16, 2, true, "bf16"},
                                {64, 8, false, "i64"},
                                {32, 4, false, "i32"},
                                {16, 2, false, "i16"},
                                {8, 1, false, "i8"},
                                {64, 8, false, "ui64"},
                                {32, 4, false, "ui32"},
                                {16, 2, false, "ui16"},
                                {8, 1, false, "ui8"},
                                {8, 1, false, "i1"},
                                {4, 1, false, "i4"},
                                {4, 1, false, "ui4"},
                                {2, 1, false, "i2"},
                                {2, 1, false, "ui2"},
                                {8, 1, false, "f8E4M3FN"},
                                {8, 1, false, "f8E4M3FNUZ"},
                                {8, 1, false, "f8E5M2"},
                                {8, 1, false, "f8E5M2FNUZ"},
                                {8, 1, false, "f8E8M0FNU"},
                                {4, 1, false, "f4E2M1FN"},
                                {64, 8, false, "string"},
                                {8 * sizeof(Tensor), sizeof(Tensor), false, "sequence"}};
static_assert(std::size(table) == size_t(DType::Sequence) + 1);

unsigned quantopt::bitsInFile(DType type) { return table[size_t(type)].bits; }
unsigned quantopt::bytesInMemory(DType type) { return table[size_t(type)].bytes; }
bool quantopt::isFloat(DType type) { return table[size_t(type)].isFloat; }
bool quantopt::isNarrowFloat(DType type) { return type >= DType::F8E4M3FN && type <= DType::F4E2M1FN; }
llvm::StringRef quantopt::toString(DType type) { return table[size_t(type)].name; }

std::optional<DType> quantopt::parseDType(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(table); ++i)
    if (isNumeric(DType(i)) && name == table[i].name)
      return DType(i);
  return std::nullopt;
}
