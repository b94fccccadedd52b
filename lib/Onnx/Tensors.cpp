//===- Tensors.cpp - ONNX tensors to MLIR and back ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Support/Packing.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace llvm;
using namespace mlir;
using namespace quantopt;

using TensorProto = ::onnx::TensorProto;

static Error errorIn(const TensorProto &tensor, const Twine &why) {
  return createStringError("tensor '" + Twine(tensor.name()) + "' " + why);
}

static unsigned elementBits(Type type) {
  if (auto complex = dyn_cast<ComplexType>(type))
    return 2 * complex.getElementType().getIntOrFloatBitWidth();
  unsigned bits = type.getIntOrFloatBitWidth();
  return bits == 1 ? 8 : bits; // a BOOL takes a byte
}

Expected<RankedTensorType> quantopt::importTensorType(const TensorProto &tensor, MLIRContext *context) {
  Type elementType = importElementType(tensor.data_type(), context);
  if (!elementType)
    return errorIn(tensor, "has the unknown data type " + Twine(tensor.data_type()));
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  // 2^56 elements of 16 bytes are still countable in 64 bits.
  constexpr uint64_t maxElements = uint64_t(1) << 56;
  uint64_t elements = 1;
  for (int64_t dim : shape) {
    if (dim < 0)
      return errorIn(tensor, "has the negative dimension " + Twine(dim));
    elements = SaturatingMultiply(elements, uint64_t(dim));
  }
  if (elements > maxElements)
    return errorIn(tensor, "has too many elements");
  return RankedTensorType::get(shape, elementType);
}

uint64_t quantopt::bytesInFile(RankedTensorType type) {
  return divideCeil(uint64_t(type.getNumElements()) * elementBits(type.getElementType()), 8);
}

//===----------------------------------------------------------------------------===//
// File to memory
//===----------------------------------------------------------------------------===//

/// Elements narrower than a byte are packed in files, low bits first; DenseElementsAttr has a byte for each.
static std::vector<char> unpack(StringRef raw, uint64_t count, unsigned bits, bool isSigned) {
  std::vector<char> elements(count);
  unsigned perByte = 8 / bits;
  for (uint64_t i = 0; i < count; ++i) {
    unsigned value = uint8_t(raw[i / perByte]) >> (i % perByte * bits) & ((1u << bits) - 1);
    bool negative = isSigned && value >> (bits - 1);
    elements[i] = char(negative ? value | (0xffu << bits) : value);
  }
  return elements;
}

static Expected<DenseElementsAttr> fromRaw(const TensorProto &tensor, RankedTensorType type, StringRef raw) {
  uint64_t expected = bytesInFile(type);
  if (raw.size() != expected)
    return errorIn(tensor,
                   "has " + Twine(raw.size()) + " bytes of data, but its type and dimensions take " + Twine(expected));
  Type elementType = type.getElementType();
  if (elementType.isInteger(1)) {
    SmallVector<bool> values(map_range(raw, [](char byte) { return byte != 0; }));
    return DenseElementsAttr::get(type, ArrayRef<bool>(values));
  }
  unsigned bits = elementBits(elementType);
  if (bits >= 8)
    return DenseElementsAttr::getFromRawBuffer(type, {raw.data(), raw.size()});
  // Dense elements keep unsigned narrow integers in the low bits as well; only the sign fill differs.
  std::vector<char> elements = unpack(raw, type.getNumElements(), bits, elementType.isSignlessInteger());
  return DenseElementsAttr::getFromRawBuffer(type, elements);
}

/// Little-endian bytes of the elements in one of the typed fields, as raw_data would hold them.
static std::string rawFromTypedFields(const TensorProto &tensor, unsigned bits) {
  std::string raw;
  auto append = [&raw](auto value) { raw.append(reinterpret_cast<const char *>(&value), sizeof(value)); };
  for (float value : tensor.float_data())
    append(value);
  for (double value : tensor.double_data())
    append(value);
  for (int64_t value : tensor.int64_data())
    append(value);
  for (uint64_t value : tensor.uint64_data()) {
    if (bits == 32)
      append(uint32_t(value));
    else
      append(value);
  }
  for (int32_t value : tensor.int32_data()) { // also holds 16-bit, 8-bit and packed narrower elements
    if (bits == 32)
      append(value);
    else if (bits == 16)
      append(uint16_t(value));
    else
      append(uint8_t(value));
  }
  return raw;
}

Expected<DenseElementsAttr> quantopt::importElements(const TensorProto &tensor, std::optional<StringRef> raw,
                                                     MLIRContext *context) {
  auto type = importTensorType(tensor, context);
  if (!type)
    return type.takeError();
  if (isa<quantopt::onnx::StringType>(type->getElementType()))
    return errorIn(tensor, "has elements of type string, which have no dense form");
  if (raw)
    return fromRaw(tensor, *type, *raw);
  if (tensor.has_raw_data())
    return fromRaw(tensor, *type, tensor.raw_data());
  return fromRaw(tensor, *type, rawFromTypedFields(tensor, elementBits(type->getElementType())));
}

static Expected<Tensor> importStrings(const TensorProto &tensor, RankedTensorType type) {
  if (tensor.string_data_size() != type.getNumElements())
    return errorIn(tensor, "has " + Twine(tensor.string_data_size()) + " strings, but its dimensions take " +
                               Twine(type.getNumElements()));
  Tensor result(DType::String, type.getShape());
  StringHandle *handle = result.mutableData<StringHandle>().data();
  for (const std::string &text : tensor.string_data())
    *handle++ = internString(text);
  return result;
}

Expected<Tensor> quantopt::importTensor(const TensorProto &tensor, MLIRContext *context) {
  auto type = importTensorType(tensor, context);
  if (!type)
    return type.takeError();
  if (isa<quantopt::onnx::StringType>(type->getElementType()))
    return importStrings(tensor, *type);
  std::optional<DType> dtype = param::getDType(type->getElementType());
  if (!dtype)
    return errorIn(tensor, "has elements of a type that cannot be computed with");
  if (tensor.data_location() == TensorProto::EXTERNAL || tensor.has_segment())
    return errorIn(tensor, "has no data of its own");
  std::string raw =
      tensor.has_raw_data() ? tensor.raw_data() : rawFromTypedFields(tensor, elementBits(type->getElementType()));
  if (raw.size() != quantopt::bytesInFile(*type))
    return errorIn(tensor, "has " + Twine(raw.size()) + " bytes of data, but its type and dimensions take " +
                               Twine(quantopt::bytesInFile(*type)));
  Tensor result(*dtype, type->getShape());
  if (bitsInFile(*dtype) < 8)
    unpackCodes(*dtype, reinterpret_cast<const uint8_t *>(raw.data()), 0, result.numElements(), result.mutableRaw());
  else if (*dtype == DType::Bool)
    llvm::transform(raw, result.mutableRaw(), [](char byte) { return byte != 0; });
  else
    std::memcpy(result.mutableRaw(), raw.data(), raw.size());
  return result;
}

//===----------------------------------------------------------------------------===//
// Memory to file
//===----------------------------------------------------------------------------===//

Expected<TensorProto> quantopt::exportElements(DenseElementsAttr elements) {
  auto type = dyn_cast<RankedTensorType>(elements.getType());
  int32_t dataType = type ? exportElementType(type.getElementType()) : TensorProto::UNDEFINED;
  if (dataType == TensorProto::UNDEFINED)
    return createStringError("ONNX has no tensors of this type");
  TensorProto tensor;
  tensor.set_data_type(dataType);
  for (int64_t dim : type.getShape())
    tensor.add_dims(dim);

  std::string &raw = *tensor.mutable_raw_data();
  uint64_t count = type.getNumElements();
  if (type.getElementType().isInteger(1)) {
    for (bool value : elements.getValues<bool>())
      raw.push_back(value);
    return tensor;
  }
  ArrayRef<char> data = elements.getRawData();
  unsigned bits = elementBits(type.getElementType());
  uint64_t bytesPerElement = std::max(bits / 8, 1u);
  auto element = [&](uint64_t i) { return data.data() + (elements.isSplat() ? 0 : i * bytesPerElement); };
  if (bits >= 8) {
    for (uint64_t i = 0; i < count; ++i)
      raw.append(element(i), bytesPerElement);
    return tensor;
  }
  raw.assign(quantopt::bytesInFile(type), 0);
  unsigned perByte = 8 / bits;
  for (uint64_t i = 0; i < count; ++i)
    raw[i / perByte] |= (uint8_t(*element(i)) & ((1u << bits) - 1)) << (i % perByte * bits);
  return tensor;
}
