//===- Wire.cpp - the records of a protobuf message in a mapped file ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Wire.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;
using namespace quantopt;

namespace {
/// Reads varints from a range of the file; a position past the end means that the message is broken.
class Reader {
public:
  Reader(StringRef file, Span range) : file(file), position(range.begin), end(range.end) {}

  bool atEnd() const { return position == end; }
  uint64_t at() const { return position; }
  uint64_t left() const { return end - position; }
  void skip(uint64_t bytes) { position += bytes; }

  bool varint(uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && position < end; shift += 7) {
      uint8_t byte = file[position++];
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return false;
  }

private:
  StringRef file;
  uint64_t position;
  uint64_t end;
};
} // namespace

Expected<SmallVector<Record, 0>> quantopt::scanMessage(StringRef file, Span range, StringRef what) {
  SmallVector<Record, 0> records;
  Reader reader(file, range);
  auto broken = [&](const Twine &why, uint64_t at) {
    return createStringError(what + " is not a valid protobuf message: " + why + " at byte " + Twine(at) +
                             "; is the file complete?");
  };
  while (!reader.atEnd()) {
    Record record;
    record.whole.begin = reader.at();
    uint64_t tag = 0;
    if (!reader.varint(tag) || (tag >> 3) == 0 || (tag >> 32) != 0)
      return broken("bad field tag", record.whole.begin);
    record.field = tag >> 3;
    record.type = Record::WireType(tag & 7);
    uint64_t length = 0;
    record.payload.begin = reader.at();
    switch (tag & 7) {
    case Record::Varint:
      if (uint64_t value; !reader.varint(value))
        return broken("bad number", record.whole.begin);
      break;
    case Record::Fixed64:
      length = 8;
      break;
    case Record::Fixed32:
      length = 4;
      break;
    case Record::Bytes:
      if (!reader.varint(length))
        return broken("bad length", record.whole.begin);
      record.payload.begin = reader.at();
      break;
    default:
      return broken("unknown wire type " + Twine(tag & 7), record.whole.begin);
    }
    if (length > reader.left())
      return broken("field " + Twine(record.field) + " needs " + Twine(length) + " bytes but only " +
                        Twine(reader.left()) + " are left",
                    record.whole.begin);
    reader.skip(length);
    record.whole.end = record.payload.end = reader.at();
    records.push_back(record);
  }
  return records;
}

void quantopt::appendVarint(std::string &bytes, uint64_t value) {
  while (value >= 0x80) {
    bytes.push_back(char(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(char(value));
}

void quantopt::appendHeader(std::string &bytes, uint32_t field, uint64_t length) {
  appendVarint(bytes, uint64_t(field) << 3 | Record::Bytes);
  appendVarint(bytes, length);
}
