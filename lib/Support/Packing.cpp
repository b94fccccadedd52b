//===- Packing.cpp - 4-bit codes, two to a byte ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Packing.h"

using namespace quantopt;

static int8_t extend(unsigned nibble, int8_t) { return int8_t(int(nibble ^ 8) - 8); }
static uint8_t extend(unsigned nibble, uint8_t) { return uint8_t(nibble); }

template <typename T> static void unpack(const uint8_t *bytes, int64_t first, int64_t count, T *codes) {
  if (count > 0 && first % 2) {
    *codes++ = extend(bytes[first / 2] >> 4, T());
    ++first;
    --count;
  }
  bytes += first / 2;
  for (int64_t i = 0; i < count / 2; ++i) {
    codes[2 * i] = extend(bytes[i] & 15, T());
    codes[2 * i + 1] = extend(bytes[i] >> 4, T());
  }
  if (count % 2)
    codes[count - 1] = extend(bytes[count / 2] & 15, T());
}

template <typename T> static void pack(const T *codes, int64_t first, int64_t count, uint8_t *bytes) {
  if (count > 0 && first % 2) {
    bytes[first / 2] = uint8_t((bytes[first / 2] & 15) | *codes++ << 4);
    ++first;
    --count;
  }
  bytes += first / 2;
  for (int64_t i = 0; i < count / 2; ++i)
    bytes[i] = uint8_t((codes[2 * i] & 15) | codes[2 * i + 1] << 4);
  if (count % 2)
    bytes[count / 2] = uint8_t((bytes[count / 2] & 0xf0) | (codes[count - 1] & 15));
}

void quantopt::unpackFourBit(const uint8_t *bytes, int64_t first, int64_t count, int8_t *codes) {
  unpack(bytes, first, count, codes);
}
void quantopt::unpackFourBit(const uint8_t *bytes, int64_t first, int64_t count, uint8_t *codes) {
  unpack(bytes, first, count, codes);
}
void quantopt::unpackCodes(DType type, const uint8_t *bytes, int64_t first, int64_t count, char *codes) {
  unsigned bits = bitsInFile(type), perByte = 8 / bits, sign = 1u << (bits - 1);
  bool isSigned = type == DType::I4 || type == DType::I2;
  if (type == DType::I4)
    return unpackFourBit(bytes, first, count, reinterpret_cast<int8_t *>(codes));
  if (bits == 4)
    return unpackFourBit(bytes, first, count, reinterpret_cast<uint8_t *>(codes));
  for (int64_t i = first; i < first + count; ++i) {
    unsigned code = bytes[i / perByte] >> (i % perByte * bits) & (2 * sign - 1);
    *codes++ = char(isSigned ? int(code ^ sign) - int(sign) : int(code));
  }
}
void quantopt::packFourBit(const int8_t *codes, int64_t first, int64_t count, uint8_t *bytes) {
  pack(codes, first, count, bytes);
}
void quantopt::packFourBit(const uint8_t *codes, int64_t first, int64_t count, uint8_t *bytes) {
  pack(codes, first, count, bytes);
}
