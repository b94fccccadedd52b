//===- TensorMap.h - descriptors of tensors in global memory ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PTX_TENSORMAP_H
#define QUANTOPT_PTX_TENSORMAP_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <array>
#include <cstdint>

namespace quantopt::ptx {

/// How 16-byte chunks of rows in shared memory are permuted, so that a column of chunks meets every bank.
enum class TensorSwizzle : uint8_t { None, Bytes32, Bytes64, Bytes128 };

/// Width of the rows that a swizzle permutes; 16 without one.
constexpr unsigned swizzleBytes(TensorSwizzle swizzle) { return 16u << unsigned(swizzle); }

/// Address bits 4.. (as many as the swizzle has) are xored with bits 7..: the permutation belongs to the address, and
/// repeats every 8 rows, or 256, 512 and 1024 bytes.
constexpr uint32_t swizzledAddress(TensorSwizzle swizzle, uint32_t address) {
  return address ^ ((address >> 3) & ((1u << unsigned(swizzle)) - 1) << 4);
}

/// A tensor in global memory, and the box of it that one cp.async.bulk.tensor copies. Dimension 0 is the contiguous
/// one, as in cuTensorMapEncodeTiled, of which this is the part with element strides of one, no interleave and zero
/// fill.
struct TensorMap {
  unsigned elementBytes = 1;
  uint64_t address = 0;
  /// In elements; 1 to 5 dimensions.
  llvm::SmallVector<uint32_t, 5> sizes, box;
  /// In bytes, of dimensions 1 and up.
  llvm::SmallVector<uint64_t, 4> strides;
  TensorSwizzle swizzle = TensorSwizzle::None;

  unsigned rank() const { return sizes.size(); }
  /// What one copy writes, and signals to its mbarrier.
  uint64_t boxBytes() const;
};

constexpr size_t tensorMapBytes = 128;
using EncodedTensorMap = std::array<uint8_t, tensorMapBytes>;

/// The 128-byte parameter that kernels take, in the interpreter's own format. On a GPU the driver encodes it
/// (cuTensorMapEncodeTiled): its format is not documented. Errors are those of the driver: an address that is not a
/// multiple of 16, strides that are not, boxes above 256, rows of a box that are no multiple of 16 bytes or wider than
/// the swizzle. Narrower ones are errors, too: nothing says where the driver's would lie.
///
/// The format, little endian: bytes 0-3 "QTM1", 4 element bytes, 5 rank, 6 swizzle, 8-15 address, 16-35 sizes (u32),
/// 36-55 box (u32), 56-87 strides (u64), zeros.
llvm::Expected<EncodedTensorMap> encodeTensorMap(const TensorMap &map);
llvm::Expected<TensorMap> decodeTensorMap(llvm::ArrayRef<uint8_t> bytes);

} // namespace quantopt::ptx

#endif // QUANTOPT_PTX_TENSORMAP_H
