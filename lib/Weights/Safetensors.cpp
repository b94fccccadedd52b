//===- Safetensors.cpp - files of named tensors -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/Safetensors.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/FileSize.h"
#include "quantopt/Support/Json.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <numeric>

using namespace quantopt;
using llvm::Error;
using llvm::Expected;
namespace json = llvm::json;

static constexpr llvm::StringLiteral metadataKey = "__metadata__";
static constexpr uint64_t lengthBytes = 8;
/// Where data begin, so that they can be mapped.
static constexpr uint64_t pageSize = 4096;
/// Tensors of a multiple of this many bytes begin at one.
static constexpr uint64_t tensorAlignment = 64;
/// What other readers accept.
static constexpr uint64_t largestHeader = 100'000'000;

static constexpr std::pair<DType, const char *> typeNames[] = {
    {DType::F64, "F64"}, {DType::F32, "F32"}, {DType::F16, "F16"},  {DType::BF16, "BF16"}, {DType::I64, "I64"},
    {DType::I32, "I32"}, {DType::I16, "I16"}, {DType::I8, "I8"},    {DType::U64, "U64"},   {DType::U32, "U32"},
    {DType::U16, "U16"}, {DType::U8, "U8"},   {DType::Bool, "BOOL"}};

static llvm::StringRef nameOf(DType type) {
  const auto *found = llvm::find_if(typeNames, [&](const auto &entry) { return entry.first == type; });
  return found == std::end(typeNames) ? "" : found->second;
}

static std::optional<DType> typeOf(llvm::StringRef name) {
  const auto *found = llvm::find_if(typeNames, [&](const auto &entry) { return name == entry.second; });
  return found == std::end(typeNames) ? std::nullopt : std::optional(found->first);
}

template <typename... Args> static Error makeError(const char *format, Args &&...args) {
  return llvm::createStringError(llvm::formatv(format, std::forward<Args>(args)...).str());
}

/// Of a tensor that is in memory or that checkEntries has accepted.
static uint64_t sizeOf(const TensorEntry &entry) { return *checkedBytesInFile(entry.dtype, entry.shape); }

//===----------------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------------===//

static Error checkEntries(llvm::ArrayRef<TensorEntry> entries) {
  llvm::StringSet<> names;
  for (const TensorEntry &entry : entries) {
    if (entry.name.empty() || entry.name == metadataKey || !json::isUTF8(entry.name))
      return makeError("'{0}' cannot be the name of a tensor in a safetensors file", json::fixUTF8(entry.name));
    if (!names.insert(entry.name).second)
      return makeError("two tensors of a safetensors file have the name '{0}'", entry.name);
    if (nameOf(entry.dtype).empty())
      return makeError("tensor '{0}' has elements of type {1}, which safetensors files lack; pack them into bytes",
                       entry.name, toString(entry.dtype));
    if (!checkedBytesInFile(entry.dtype, entry.shape))
      return makeError("tensor '{0}' is too large for a file", entry.name);
  }
  return Error::success();
}

/// Numbers of the entries in the order of the file.
static std::vector<size_t> orderForAlignment(llvm::ArrayRef<TensorEntry> entries) {
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0);
  auto rank = [&](size_t number) {
    const TensorEntry &entry = entries[number];
    bool isAligned = sizeOf(entry) % tensorAlignment == 0;
    return isAligned ? 0 : tensorAlignment / bytesInMemory(entry.dtype);
  };
  llvm::sort(order,
             [&](size_t left, size_t right) { return std::pair(rank(left), left) < std::pair(rank(right), right); });
  return order;
}

Expected<SafetensorsLayout> quantopt::layoutSafetensors(llvm::ArrayRef<TensorEntry> entries,
                                                        const SafetensorsMetadata &metadata) {
  if (Error error = checkEntries(entries))
    return std::move(error);
  SafetensorsLayout layout;
  layout.offsets.resize(entries.size());
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::OStream writer(stream);
  writer.objectBegin();
  if (!metadata.empty())
    writer.attributeObject(metadataKey, [&] {
      for (const auto &[key, value] : metadata)
        writer.attribute(json::fixUTF8(key), json::fixUTF8(value));
    });
  uint64_t end = 0;
  for (size_t number : orderForAlignment(entries)) {
    const TensorEntry &entry = entries[number];
    uint64_t begin = layout.offsets[number] = end;
    end += sizeOf(entry);
    writer.attributeObject(entry.name, [&] {
      writer.attribute("dtype", nameOf(entry.dtype));
      writer.attributeArray("shape", [&] { llvm::for_each(entry.shape, [&](int64_t dim) { writer.value(dim); }); });
      writer.attribute("data_offsets", json::Array{begin, end});
    });
  }
  writer.objectEnd();
  uint64_t dataBegin = llvm::alignTo(lengthBytes + text.size(), pageSize);
  text.resize(dataBegin - lengthBytes, ' ');
  layout.header.resize(lengthBytes);
  llvm::support::endian::write64le(layout.header.data(), text.size());
  layout.header += text;
  for (uint64_t &offset : layout.offsets)
    offset += dataBegin;
  layout.size = dataBegin + end;
  return layout;
}

Expected<std::unique_ptr<TensorFileWriter>> quantopt::createSafetensors(llvm::StringRef path,
                                                                        const SafetensorsLayout &layout) {
  auto writer = TensorFileWriter::create(path);
  if (!writer)
    return writer.takeError();
  (*writer)->reserve(DType::U8, layout.size);
  if (Error error = (*writer)->write(0, 0,
                                     Tensor::from<uint8_t>(DType::U8, {int64_t(layout.header.size())},
                                                           llvm::arrayRefFromStringRef(layout.header))))
    return std::move(error);
  return writer;
}

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

static Expected<TensorInFile> readEntry(llvm::StringRef path, llvm::StringRef name, const json::Value &value,
                                        uint64_t dataBegin) {
  auto malformed = [&] {
    return makeError("tensor '{0}' of the safetensors file '{1}': expected a dtype, a shape and two data_offsets that "
                     "fit them",
                     name, path);
  };
  const json::Object *entry = value.getAsObject();
  const json::Array *shape = entry ? entry->getArray("shape") : nullptr;
  const json::Array *offsets = entry ? entry->getArray("data_offsets") : nullptr;
  std::optional<llvm::StringRef> typeName = entry ? entry->getString("dtype") : std::nullopt;
  std::optional<DType> type = typeName ? typeOf(*typeName) : std::nullopt;
  if (!shape || !type || !offsets || offsets->size() != 2)
    return malformed();
  TensorInFile tensor{name.str(), path.str(), 0, 0, *type, {}};
  for (const json::Value &dim : *shape) {
    if (dim.getAsInteger().value_or(-1) < 0)
      return malformed();
    tensor.shape.push_back(*dim.getAsInteger());
  }
  std::optional<uint64_t> begin = (*offsets)[0].getAsUINT64(), end = (*offsets)[1].getAsUINT64();
  if (!begin || !end || *end < *begin || *end - *begin != checkedBytesInFile(*type, tensor.shape) ||
      llvm::SaturatingAdd(dataBegin, *end) == std::numeric_limits<uint64_t>::max())
    return malformed();
  tensor.offset = dataBegin + *begin;
  tensor.length = *end - *begin;
  return tensor;
}

static Error checkFilled(const SafetensorsFile &file, llvm::StringRef path, uint64_t dataBegin, uint64_t size) {
  uint64_t end = dataBegin;
  for (const TensorInFile &tensor : file.tensors) {
    if (tensor.offset != end)
      return makeError("tensor '{0}' of the safetensors file '{1}' begins at byte {2}, expected {3}", tensor.name, path,
                       tensor.offset, end);
    end += tensor.length;
  }
  return end == size ? Error::success()
                     : makeError("the safetensors file '{0}' has {1} bytes, expected {2}; it is truncated or not one",
                                 path, size, end);
}

Expected<SafetensorsFile> quantopt::readSafetensors(llvm::StringRef path) {
  auto opened = openNamedFile(path);
  if (!opened)
    return opened.takeError();
  auto buffer = opened->map(path);
  if (!buffer)
    return buffer.takeError();
  return parseSafetensors((*buffer)->getBuffer(), path);
}

Expected<SafetensorsFile> quantopt::parseSafetensors(llvm::StringRef bytes, llvm::StringRef path) {
  uint64_t length = bytes.size() < lengthBytes ? 0 : llvm::support::endian::read64le(bytes.data());
  if (length < 2 || length > largestHeader || length > bytes.size() - lengthBytes)
    return makeError("'{0}' is not a safetensors file: its first eight bytes are not the length of a header", path);
  Expected<json::Value> header = parseJson(bytes.substr(lengthBytes, length).rtrim(' '));
  if (!header)
    return makeError("the header of the safetensors file '{0}': {1}", path, llvm::toString(header.takeError()));
  const json::Object *object = header->getAsObject();
  if (!object)
    return makeError("the header of the safetensors file '{0}' is not an object", path);
  SafetensorsFile file;
  for (const auto &[key, value] : *object) {
    llvm::StringRef tensorName = key;
    if (tensorName == metadataKey) {
      for (const auto &[name, text] : value.getAsObject() ? *value.getAsObject() : json::Object())
        file.metadata[name.str()] = text.getAsString().value_or("").str();
      continue;
    }
    Expected<TensorInFile> tensor = readEntry(path, tensorName, value, lengthBytes + length);
    if (!tensor)
      return tensor.takeError();
    file.tensors.push_back(std::move(*tensor));
  }
  // Empty tensors share their place with the next.
  llvm::sort(file.tensors, [](const TensorInFile &left, const TensorInFile &right) {
    return std::tie(left.offset, left.length, left.name) < std::tie(right.offset, right.length, right.name);
  });
  if (Error error = checkFilled(file, path, lengthBytes + length, bytes.size()))
    return std::move(error);
  return file;
}
