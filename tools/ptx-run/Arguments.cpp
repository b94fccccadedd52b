//===- Arguments.cpp - kernel arguments of the command line --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Arguments.h"
#include "quantopt/Ptx/TensorMap.h"
#include "quantopt/Support/Npy.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt;
using namespace quantopt::ptxrun;

static llvm::ArrayRef<uint8_t> bytesOf(const Tensor &tensor) {
  return {reinterpret_cast<const uint8_t *>(tensor.raw()), size_t(tensor.sizeInBytes())};
}

/// "f32[128,192]".
static llvm::Expected<Tensor> parseTensorType(llvm::StringRef text) {
  auto [typeName, rest] = text.split('[');
  llvm::StringRef shapeText = rest;
  std::optional<DType> type = parseDType(typeName);
  llvm::SmallVector<int64_t> shape;
  bool isShape = shapeText.consume_back("]");
  llvm::SmallVector<llvm::StringRef> dims;
  shapeText.split(dims, ',');
  for (llvm::StringRef dim : dims) {
    int64_t size = 0;
    isShape &= !dim.trim().getAsInteger(10, size) && size >= 0;
    shape.push_back(size);
  }
  if (!type || !isShape)
    return llvm::createStringError("'" + text + "': expected a type and a shape like f32[128,192]");
  return Tensor::zeros(*type, shape);
}

static llvm::Expected<ptx::Argument> makeScalar(llvm::StringRef typeName, llvm::StringRef value, llvm::StringRef text) {
  uint64_t bits = 0;
  int64_t integer = 0;
  double real = 0;
  if (typeName == "u32" && !value.getAsInteger(0, bits) && bits <= 0xffffffff)
    return ptx::Argument::u32(bits);
  if (typeName == "u64" && !value.getAsInteger(0, bits))
    return ptx::Argument::u64(bits);
  if (typeName == "s32" && !value.getAsInteger(0, integer) && int32_t(integer) == integer)
    return ptx::Argument::of(int32_t(integer));
  if (typeName == "s64" && !value.getAsInteger(0, integer))
    return ptx::Argument::of(integer);
  if (typeName == "f32" && !value.getAsDouble(real))
    return ptx::Argument::f32(float(real));
  if (typeName == "f64" && !value.getAsDouble(real))
    return ptx::Argument::of(real);
  return llvm::createStringError("argument '" + text +
                                 "': expected in:FILE, out:TYPE[SHAPE]:FILE, inout:FILE:FILE, map:SWIZZLE[BOX]:FILE, "
                                 "or a number as u32:, s32:, u64:, s64:, f32: or f64:VALUE");
}

/// A buffer with the file's array.
static llvm::Expected<uint64_t> allocateFrom(const Tensor &tensor, llvm::StringRef name, ptx::DeviceMemory &memory) {
  uint64_t address = memory.allocate(tensor.sizeInBytes(), name);
  if (llvm::Error error = memory.write(address, bytesOf(tensor)))
    return std::move(error);
  return address;
}

/// "128[64,128]": the swizzle's bytes, 0 for none, and the box, whose last dimension is the contiguous one.
static llvm::Error parseBox(llvm::StringRef text, ptx::TensorMap &map) {
  auto [swizzleText, rest] = text.split('[');
  unsigned bytes = 0;
  bool isBox = !swizzleText.getAsInteger(10, bytes) && rest.consume_back("]");
  for (auto swizzle : {ptx::TensorSwizzle::None, ptx::TensorSwizzle::Bytes32, ptx::TensorSwizzle::Bytes64,
                       ptx::TensorSwizzle::Bytes128})
    if (bytes == ptx::swizzleBytes(swizzle))
      map.swizzle = swizzle;
  isBox &= bytes == 0 || map.swizzle != ptx::TensorSwizzle::None;
  llvm::SmallVector<llvm::StringRef> sizes;
  rest.split(sizes, ',');
  for (llvm::StringRef size : llvm::reverse(sizes))
    isBox &= !size.trim().getAsInteger(10, map.box.emplace_back());
  if (isBox)
    return llvm::Error::success();
  return llvm::createStringError("'" + text +
                                 "': expected a swizzle of 0, 32, 64 or 128 bytes and a box like 128[64,128]");
}

/// map:SWIZZLE[BOX]:FILE: a tensor map of the whole array.
static llvm::Expected<ptx::Argument> makeTensorMap(llvm::StringRef text, llvm::StringRef name,
                                                   ptx::DeviceMemory &memory) {
  auto [boxText, file] = text.split(':');
  ptx::TensorMap map;
  if (llvm::Error error = parseBox(boxText, map))
    return std::move(error);
  llvm::Expected<Tensor> tensor = readNpy(file);
  if (!tensor)
    return tensor.takeError();
  if (llvm::Error error = allocateFrom(*tensor, name, memory).moveInto(map.address))
    return std::move(error);
  map.elementBytes = tensor->numElements() ? tensor->sizeInBytes() / tensor->numElements() : 1;
  uint64_t stride = map.elementBytes;
  for (int64_t dim : llvm::reverse(tensor->shape())) {
    if (!map.sizes.empty())
      map.strides.push_back(stride);
    map.sizes.push_back(dim);
    stride *= dim;
  }
  llvm::Expected<ptx::EncodedTensorMap> bytes = ptx::encodeTensorMap(map);
  if (!bytes)
    return llvm::createStringError("'" + text + "': " + llvm::toString(bytes.takeError()));
  return ptx::Argument{std::vector<uint8_t>(bytes->begin(), bytes->end())};
}

llvm::Expected<ptx::Argument> ptxrun::makeArgument(llvm::StringRef text, unsigned index, ptx::DeviceMemory &memory,
                                                   std::vector<Output> &outputs) {
  auto [kind, rest] = text.split(':');
  std::string name = "argument " + std::to_string(index);
  if (kind == "out") {
    auto [type, file] = rest.rsplit(':');
    llvm::Expected<Tensor> tensor = parseTensorType(type);
    if (!tensor)
      return tensor.takeError();
    uint64_t address = memory.allocate(tensor->sizeInBytes(), name);
    outputs.push_back({address, std::move(*tensor), file.str()});
    return ptx::Argument::u64(address);
  }
  if (kind == "map")
    return makeTensorMap(rest, name, memory);
  if (kind != "in" && kind != "inout")
    return makeScalar(kind, rest, text);
  auto [from, to] = kind == "inout" ? rest.rsplit(':') : std::pair(rest, llvm::StringRef());
  if (from.empty() || (kind == "inout" && to.empty()))
    return llvm::createStringError("argument '" + text + "': expected in:FILE or inout:FILE:FILE");
  llvm::Expected<Tensor> tensor = readNpy(from);
  if (!tensor)
    return tensor.takeError();
  llvm::Expected<uint64_t> address = allocateFrom(*tensor, name, memory);
  if (!address)
    return address.takeError();
  if (kind == "inout")
    outputs.push_back({*address, std::move(*tensor), to.str()});
  return ptx::Argument::u64(*address);
}

llvm::Expected<ptx::Dim3> ptxrun::parseDimensions(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  uint32_t sizes[3] = {1, 1, 1};
  for (unsigned i = 0; i < parts.size(); ++i)
    if (i >= 3 || parts[i].getAsInteger(10, sizes[i]))
      return llvm::createStringError("'" + text + "': expected up to three sizes like 4,2,1");
  return ptx::Dim3{sizes[0], sizes[1], sizes[2]};
}

llvm::Error ptxrun::writeOutput(Output &output, const ptx::DeviceMemory &memory) {
  llvm::MutableArrayRef bytes(reinterpret_cast<uint8_t *>(output.tensor.mutableRaw()),
                              size_t(output.tensor.sizeInBytes()));
  if (llvm::Error error = memory.read(output.address, bytes))
    return error;
  return writeNpy(output.file, output.tensor);
}
