//===- TensorMap.cpp - descriptors of tensors in global memory ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/Support/Endian.h"
#include <cstring>

using namespace quantopt::ptx;
using namespace llvm::support;

static constexpr uint8_t magic[4] = {'Q', 'T', 'M', '1'};
static constexpr unsigned maximumRank = 5;
static constexpr size_t sizesAt = 16, boxAt = 36, stridesAt = 56;

static llvm::Error error(const llvm::Twine &message) { return llvm::createStringError("tensor map: " + message); }

uint64_t TensorMap::boxBytes() const {
  uint64_t bytes = elementBytes;
  for (uint32_t size : box)
    bytes *= size;
  return bytes;
}

static llvm::Error check(const TensorMap &map) {
  unsigned rank = map.rank();
  if (rank < 1 || rank > maximumRank || map.box.size() != rank || map.strides.size() != rank - 1)
    return error("expected 1 to 5 dimensions with a box and, but for the first, strides");
  if (map.elementBytes != 1 && map.elementBytes != 2 && map.elementBytes != 4 && map.elementBytes != 8)
    return error("elements have 1, 2, 4 or 8 bytes, not " + llvm::Twine(map.elementBytes));
  if (map.address % 16 != 0)
    return error("the address must be a multiple of 16");
  for (uint64_t stride : map.strides)
    if (stride % 16 != 0 || stride >= uint64_t(1) << 40)
      return error("strides must be multiples of 16 below 2^40, not " + llvm::Twine(stride));
  for (unsigned i = 0; i < rank; ++i)
    if (map.sizes[i] == 0 || map.box[i] == 0 || map.box[i] > 256)
      return error("sizes must be positive and boxes 1 to 256 elements, in dimension " + llvm::Twine(i));
  uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes;
  if (rowBytes % 16 != 0)
    return error("rows of the box must be multiples of 16 bytes, not " + llvm::Twine(rowBytes));
  if (map.swizzle != TensorSwizzle::None && rowBytes != swizzleBytes(map.swizzle))
    return error("rows of the box have " + llvm::Twine(rowBytes) + " bytes, those of the swizzle " +
                 llvm::Twine(swizzleBytes(map.swizzle)));
  return llvm::Error::success();
}

llvm::Expected<EncodedTensorMap> quantopt::ptx::encodeTensorMap(const TensorMap &map) {
  if (llvm::Error problem = check(map))
    return problem;
  EncodedTensorMap bytes = {};
  std::memcpy(bytes.data(), magic, sizeof(magic));
  bytes[4] = uint8_t(map.elementBytes);
  bytes[5] = uint8_t(map.rank());
  bytes[6] = uint8_t(map.swizzle);
  endian::write64le(&bytes[8], map.address);
  for (unsigned i = 0; i < map.rank(); ++i) {
    endian::write32le(&bytes[sizesAt + 4 * i], map.sizes[i]);
    endian::write32le(&bytes[boxAt + 4 * i], map.box[i]);
  }
  for (unsigned i = 0; i < map.strides.size(); ++i)
    endian::write64le(&bytes[stridesAt + 8 * i], map.strides[i]);
  return bytes;
}

llvm::Expected<TensorMap> quantopt::ptx::decodeTensorMap(llvm::ArrayRef<uint8_t> bytes) {
  if (bytes.size() != tensorMapBytes || std::memcmp(bytes.data(), magic, sizeof(magic)) != 0 || bytes[5] < 1 ||
      bytes[5] > maximumRank || bytes[6] > uint8_t(TensorSwizzle::Bytes128))
    return error("these 128 bytes are none; encodeTensorMap makes them");
  TensorMap map;
  map.elementBytes = bytes[4];
  map.swizzle = TensorSwizzle(bytes[6]);
  map.address = endian::read64le(&bytes[8]);
  for (unsigned i = 0; i < bytes[5]; ++i) {
    map.sizes.push_back(endian::read32le(&bytes[sizesAt + 4 * i]));
    map.box.push_back(endian::read32le(&bytes[boxAt + 4 * i]));
    if (i > 0)
      map.strides.push_back(endian::read64le(&bytes[stridesAt + 8 * (i - 1)]));
  }
  if (llvm::Error problem = check(map))
    return problem;
  return map;
}
