//===- Output.cpp - protobuf messages and files that appear when complete -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Output.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>
#include <unistd.h>

using namespace llvm;
using namespace quantopt;

//===----------------------------------------------------------------------------===//
// OutputFile
//===----------------------------------------------------------------------------===//

Expected<OutputFile> OutputFile::create(StringRef path) {
  auto file = sys::fs::TempFile::create(path + ".tmp-%%%%%%%%");
  if (!file)
    return createStringError("cannot write '" + path + "': " + toString(file.takeError()));
  return OutputFile(std::move(*file), path);
}

OutputFile::~OutputFile() {
  if (file)
    consumeError(file->discard());
}

Error OutputFile::write(StringRef bytes) {
  position += bytes.size();
  while (!bytes.empty()) {
    ssize_t written = sys::RetryAfterSignal(-1, ::write, file->FD, bytes.data(), bytes.size());
    if (written < 0)
      return createStringError("cannot write '" + path + "': " + sys::StrError());
    bytes = bytes.drop_front(written);
  }
  return Error::success();
}

Error OutputFile::copy(StringRef from, Span range) {
  constexpr uint64_t pieceSize = 1 << 20;
  auto source = openReferenced(from);
  if (!source)
    return source.takeError();
  std::vector<char> buffer(std::min(range.size(), pieceSize));
  while (range.size()) {
    MutableArrayRef<char> piece(buffer.data(), std::min<uint64_t>(range.size(), buffer.size()));
    if (Error error = source->read(range.begin, piece))
      return createStringError("cannot read '" + from + "' up to byte " + Twine(range.end) + ": " +
                               toString(std::move(error)));
    if (Error error = write({piece.data(), piece.size()}))
      return error;
    range.begin += piece.size();
  }
  return Error::success();
}

Expected<uint64_t> OutputFile::align(uint64_t alignment) {
  if (Error error = write(std::string(alignTo(position, alignment) - position, '\0')))
    return std::move(error);
  return position;
}

Error OutputFile::commit() {
  if (::fsync(file->FD) != 0)
    return createStringError("cannot write '" + path + "': " + sys::StrError());
  if (Error error = file->keep(path))
    return createStringError("cannot write '" + path + "': " + toString(std::move(error)));
  file.reset();
  allowFile(path);
  return Error::success();
}

//===----------------------------------------------------------------------------===//
// MessageBytes
//===----------------------------------------------------------------------------===//

void MessageBytes::append(std::string bytes) {
  total += bytes.size();
  if (!parts.empty() && parts.back().path.empty())
    parts.back().bytes += bytes;
  else
    parts.push_back({std::move(bytes), "", {}});
}

void MessageBytes::append(StringRef path, Span range) {
  total += range.size();
  parts.push_back({"", path.str(), range});
}

void MessageBytes::append(MessageBytes message) {
  for (Part &part : message.parts) {
    if (part.path.empty())
      append(std::move(part.bytes));
    else
      append(part.path, part.range);
  }
}

void MessageBytes::append(const google::protobuf::MessageLite &message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializePartialToCodedStream(&coded);
  }
  append(std::move(bytes));
}

void MessageBytes::appendField(uint32_t field, MessageBytes message) {
  std::string header;
  appendHeader(header, field, message.size());
  append(std::move(header));
  append(std::move(message));
}

void MessageBytes::appendField(uint32_t field, const google::protobuf::MessageLite &message) {
  MessageBytes bytes;
  bytes.append(message);
  appendField(field, std::move(bytes));
}

Error MessageBytes::write(OutputFile &file) const {
  for (const Part &part : parts)
    if (Error error = part.path.empty() ? file.write(part.bytes) : file.copy(part.path, part.range))
      return error;
  return Error::success();
}
