//===- Wire.h - the records of a protobuf message in a mapped file ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_WIRE_H
#define QUANTOPT_LIB_ONNX_WIRE_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace quantopt {

/// A range of bytes in a file.
struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
};

/// One field of a message where it lies in the file.
struct Record {
  enum WireType : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
  uint32_t field = 0;
  WireType type = Varint;
  /// Tag, length and payload.
  Span whole;
  /// The payload alone: the bytes of a string or message, of a packed list or of the number.
  Span payload;
};

/// The records of the message that is `range` of `file`, in order. Reads tags and lengths only, so a payload of any
/// size costs nothing. `what` names the message in errors ("model.onnx: graph"), which say where the message is broken.
llvm::Expected<llvm::SmallVector<Record, 0>> scanMessage(llvm::StringRef file, Span range, llvm::StringRef what);

/// `value` as a varint, appended to `bytes`.
void appendVarint(std::string &bytes, uint64_t value);

/// Tag and length of a bytes record, appended to `bytes`.
void appendHeader(std::string &bytes, uint32_t field, uint64_t length);

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_WIRE_H
