//===- Npy.cpp - NumPy's file format for arrays -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Npy.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace quantopt;

static constexpr llvm::StringLiteral magic = "\x93NUMPY";

/// NumPy's names of element types.
static constexpr std::pair<llvm::StringLiteral, DType> descriptors[] = {
    {"<f8", DType::F64}, {"<f4", DType::F32}, {"<f2", DType::F16}, {"<i8", DType::I64},
    {"<i4", DType::I32}, {"<i2", DType::I16}, {"|i1", DType::I8},  {"<u8", DType::U64},
    {"<u4", DType::U32}, {"<u2", DType::U16}, {"|u1", DType::U8},  {"|b1", DType::Bool}};

static llvm::Error errorIn(llvm::StringRef path, const llvm::Twine &why) {
  return llvm::createStringError(path + ": " + why);
}

/// What follows `'key':` in the header, a Python dictionary.
static llvm::StringRef entryOf(llvm::StringRef header, llvm::StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == llvm::StringRef::npos)
    return "";
  return header.substr(at + key.size() + 2).ltrim(" :");
}

static std::optional<llvm::SmallVector<int64_t>> parseShape(llvm::StringRef entry) {
  if (!entry.consume_front("("))
    return std::nullopt;
  llvm::SmallVector<llvm::StringRef> items;
  entry.take_until([](char c) { return c == ')'; }).split(items, ',', -1, /*KeepEmpty=*/false);
  llvm::SmallVector<int64_t> shape;
  for (llvm::StringRef item : items) {
    if (item.trim().empty())
      continue;
    int64_t dim;
    if (item.trim().getAsInteger(10, dim) || dim < 0)
      return std::nullopt;
    shape.push_back(dim);
  }
  return shape;
}

llvm::Expected<Tensor> quantopt::readNpy(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return errorIn(path, file.getError().message());
  llvm::StringRef bytes = (*file)->getBuffer();
  bool isArray = bytes.size() >= 12 && bytes.starts_with(magic);
  unsigned lengthBytes = isArray && bytes[6] >= 2 ? 4 : 2;
  if (!isArray)
    return errorIn(path, "is not a NumPy array");
  uint64_t length = lengthBytes == 2 ? llvm::support::endian::read16le(bytes.data() + 8)
                                     : llvm::support::endian::read32le(bytes.data() + 8);
  llvm::StringRef header = bytes.substr(8 + lengthBytes, length);
  llvm::StringRef payload = bytes.substr(std::min<uint64_t>(bytes.size(), 8 + lengthBytes + length));
  llvm::StringRef descriptor = entryOf(header, "descr").ltrim('\'').take_until([](char c) { return c == '\''; });
  const auto *found = llvm::find_if(descriptors, [&](const auto &entry) { return entry.first == descriptor; });
  if (found == std::end(descriptors))
    return errorIn(path, "has elements of type '" + descriptor + "', which cannot be read");
  if (!entryOf(header, "fortran_order").starts_with("False"))
    return errorIn(path, "is stored column by column; expected row by row");
  std::optional<llvm::SmallVector<int64_t>> shape = parseShape(entryOf(header, "shape"));
  if (!shape)
    return errorIn(path, "has no shape that can be read");
  uint64_t expected = bytesInMemory(found->second);
  for (int64_t dim : *shape)
    expected = llvm::SaturatingMultiply<uint64_t>(expected, dim);
  if (payload.size() != expected)
    return errorIn(path,
                   "has " + llvm::Twine(payload.size()) + " bytes of elements, expected " + llvm::Twine(expected));
  Tensor tensor(found->second, *shape);
  std::memcpy(tensor.mutableRaw(), payload.data(), payload.size());
  return tensor;
}

llvm::Error quantopt::writeNpy(llvm::StringRef path, const Tensor &tensor) {
  Tensor stored = tensor;
  if (tensor.dtype() == DType::I4 || tensor.dtype() == DType::I2)
    stored = convert(tensor, DType::I8);
  if (tensor.dtype() == DType::U4 || tensor.dtype() == DType::U2)
    stored = convert(tensor, DType::U8);
  if (tensor.dtype() == DType::BF16 || isNarrowFloat(tensor.dtype()))
    stored = convert(tensor, DType::F32);
  const auto *found = llvm::find_if(descriptors, [&](const auto &entry) { return entry.second == stored.dtype(); });
  std::string shape;
  for (int64_t dim : stored.shape())
    shape += std::to_string(dim) + ", ";
  std::string header = ("{'descr': '" + found->first + "', 'fortran_order': False, 'shape': (" + shape + "), }").str();
  // Elements begin at a multiple of 64 bytes.
  uint64_t total = llvm::alignTo(magic.size() + 4 + header.size() + 1, 64);
  header.resize(total - magic.size() - 4 - 1, ' ');
  header += '\n';
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (code)
    return errorIn(path, code.message());
  stream << magic << '\x01' << '\x00' << char(header.size() & 0xff) << char(header.size() >> 8) << header;
  stream.write(stored.raw(), stored.sizeInBytes());
  stream.close();
  if (!stream.has_error())
    return llvm::Error::success();
  code = stream.error();
  stream.clear_error();
  return errorIn(path, code.message());
}
