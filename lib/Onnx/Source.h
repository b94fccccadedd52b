//===- Source.h - the skeleton of an ONNX file --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_SOURCE_H
#define QUANTOPT_LIB_ONNX_SOURCE_H

#include "Wire.h"
#include "onnx-ml.pb.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <optional>

namespace quantopt {

/// A tensor without its payload where that is large or an initializer.
struct TensorSkeleton {
  /// The message; the payload named by `payload` is left out of it.
  ::onnx::TensorProto proto;
  /// Where raw_data, or a packed float_data or double_data, lies in the file. Nothing when the tensor has none of
  /// these.
  std::optional<Span> payload;
};

/// A node, and where in the file the payload of its tensor attribute lies if that is too large to be copied.
struct NodeSkeleton {
  ::onnx::NodeProto proto;
  std::optional<Span> payload;
};

/// An ONNX file, mapped. Structure is read on demand, message by message; payloads of initializers and of large
/// Constant nodes are never read or copied, so a model of any size costs its structure.
class Source {
public:
  /// Tensor payloads of nodes above this many bytes stay in the file.
  static constexpr uint64_t inlineLimit = 16 * 1024;

  /// Maps a file that may be read (FileAccess.h). Errors name the file and what is broken.
  static llvm::Expected<std::unique_ptr<Source>> open(llvm::StringRef path);
  /// Indexes the records of the model and of its graph. The buffer's name is the path.
  static llvm::Expected<std::unique_ptr<Source>> create(std::unique_ptr<llvm::MemoryBuffer> buffer);

  llvm::StringRef path() const { return buffer->getBufferIdentifier(); }
  uint64_t size() const { return buffer->getBufferSize(); }
  llvm::StringRef bytes(Span span) const { return buffer->getBuffer().substr(span.begin, span.size()); }

  /// Records of ModelProto and of its one GraphProto, in file order.
  llvm::ArrayRef<Record> modelRecords() const { return model; }
  llvm::ArrayRef<Record> graphRecords() const { return graph; }
  /// The records of the graph that are fields of this number, for example its nodes.
  llvm::SmallVector<Record, 0> graphRecords(uint32_t field) const;

  /// The model without graph and functions.
  llvm::Expected<::onnx::ModelProto> header() const;
  /// The graph's name, documentation and metadata.
  llvm::Expected<::onnx::GraphProto> graphHeader() const;
  llvm::Expected<NodeSkeleton> node(const Record &record) const;
  llvm::Expected<TensorSkeleton> tensor(const Record &record) const;
  /// Any other message.
  template <typename Message> llvm::Expected<Message> message(Span span, llvm::StringRef what) const {
    Message result;
    if (auto error = parse(bytes(span), result, what))
      return std::move(error);
    return result;
  }

  /// Identifies the structure: a hash of all bytes but the payloads left out of skeletons.
  llvm::Expected<std::string> structureHash() const;

private:
  llvm::Error parse(llvm::StringRef bytes, google::protobuf::MessageLite &message, llvm::StringRef what) const;
  /// Copies the message without the tensor payloads that `limit` excludes, noting the (last) one left out.
  llvm::Expected<std::string> withoutPayload(Span range, llvm::ArrayRef<uint32_t> path, uint64_t limit,
                                             std::optional<Span> &payload) const;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  llvm::SmallVector<Record, 0> model;
  llvm::SmallVector<Record, 0> graph;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_SOURCE_H
