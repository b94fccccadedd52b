//===- Packing.h - codes narrower than a byte -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_PACKING_H
#define QUANTOPT_SUPPORT_PACKING_H

#include "quantopt/Support/DType.h"

namespace quantopt {

// Element i of a packed array is the low nibble of byte i/2 if i is even, else the high one (ONNX).
// `bytes` points to the byte of element 0; a range may start at any element `first`.

/// Codes of elements [first, first + count), sign-extended (i4) or zero-extended (ui4).
void unpackFourBit(const uint8_t *bytes, int64_t first, int64_t count, int8_t *codes);
void unpackFourBit(const uint8_t *bytes, int64_t first, int64_t count, uint8_t *codes);

/// Elements [first, first + count) of a type of less than 8 bits, as they are in memory.
void unpackCodes(DType type, const uint8_t *bytes, int64_t first, int64_t count, char *codes);

/// Writes the low four bits of each code as elements [first, first + count). The other nibble of a byte only half
/// covered keeps its value, so two threads must not pack neighbouring ranges that meet inside a byte.
void packFourBit(const int8_t *codes, int64_t first, int64_t count, uint8_t *bytes);
void packFourBit(const uint8_t *codes, int64_t first, int64_t count, uint8_t *bytes);

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_PACKING_H
