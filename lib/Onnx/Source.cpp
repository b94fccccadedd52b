//===- Source.cpp - the skeleton of an ONNX file ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Source.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;
using namespace quantopt;

using ModelProto = ::onnx::ModelProto;
using GraphProto = ::onnx::GraphProto;
using NodeProto = ::onnx::NodeProto;
using TensorProto = ::onnx::TensorProto;
using AttributeProto = ::onnx::AttributeProto;

Expected<std::unique_ptr<Source>> Source::open(StringRef path) {
  auto buffer = mapReferenced(path);
  if (!buffer)
    return createStringError("cannot open ONNX file: " + toString(buffer.takeError()));
  return create(std::move(*buffer));
}

Expected<std::unique_ptr<Source>> Source::create(std::unique_ptr<MemoryBuffer> buffer) {
  auto source = std::make_unique<Source>();
  source->buffer = std::move(buffer);
  std::string path = source->path().str();
  auto model = scanMessage(source->buffer->getBuffer(), {0, source->size()}, path);
  if (!model)
    return model.takeError();
  source->model = std::move(*model);

  const Record *graph = nullptr;
  for (const Record &record : source->model) {
    if (record.field != ModelProto::kGraphFieldNumber)
      continue;
    if (graph)
      return createStringError(path + " has more than one graph");
    graph = &record;
  }
  if (!graph || graph->type != Record::Bytes)
    return createStringError(path + " has no graph; is it an ONNX model?");
  auto records = scanMessage(source->buffer->getBuffer(), graph->payload, path + ": the graph");
  if (!records)
    return records.takeError();
  source->graph = std::move(*records);
  return source;
}

SmallVector<Record, 0> Source::graphRecords(uint32_t field) const {
  SmallVector<Record, 0> result;
  llvm::copy_if(graph, std::back_inserter(result), [&](const Record &record) { return record.field == field; });
  return result;
}

Error Source::parse(StringRef bytes, google::protobuf::MessageLite &message, StringRef what) const {
  constexpr uint64_t protobufLimit = (uint64_t(1) << 31) - 1;
  if (bytes.size() > protobufLimit)
    return createStringError(path() + ": " + what + " is larger than 2 GiB");
  if (!message.ParseFromArray(bytes.data(), bytes.size()))
    return createStringError(path() + ": " + what + " is not a valid protobuf message; is the file complete?");
  return Error::success();
}

/// The message of the records that `keep` accepts.
template <typename Message, typename Keep>
static std::string selectRecords(const Source &source, ArrayRef<Record> records, Keep keep) {
  std::string selected;
  for (const Record &record : records)
    if (keep(record.field))
      selected += source.bytes(record.whole);
  return selected;
}

Expected<ModelProto> Source::header() const {
  std::string selected = selectRecords<ModelProto>(*this, model, [](uint32_t field) {
    return field != ModelProto::kGraphFieldNumber && field != ModelProto::kFunctionsFieldNumber &&
           field != ModelProto::kTrainingInfoFieldNumber;
  });
  ModelProto header;
  if (Error error = parse(selected, header, "the model's header"))
    return std::move(error);
  return header;
}

Expected<GraphProto> Source::graphHeader() const {
  std::string selected = selectRecords<GraphProto>(*this, graph, [](uint32_t field) {
    return field == GraphProto::kNameFieldNumber || field == GraphProto::kDocStringFieldNumber ||
           field == GraphProto::kMetadataPropsFieldNumber;
  });
  GraphProto header;
  if (Error error = parse(selected, header, "the graph's header"))
    return std::move(error);
  return header;
}

/// Fields of TensorProto whose bytes are the elements in row-major order, little-endian.
static bool isPayload(const Record &record) {
  return record.type == Record::Bytes &&
         (record.field == TensorProto::kRawDataFieldNumber || record.field == TensorProto::kFloatDataFieldNumber ||
          record.field == TensorProto::kDoubleDataFieldNumber);
}

Expected<std::string> Source::withoutPayload(Span range, ArrayRef<uint32_t> path, uint64_t limit,
                                             std::optional<Span> &payload) const {
  auto records = scanMessage(buffer->getBuffer(), range, this->path());
  if (!records)
    return records.takeError();
  std::string result;
  for (const Record &record : *records) {
    if (path.empty() && isPayload(record) && record.payload.size() >= limit) {
      if (payload)
        return createStringError(this->path() + ": a tensor has more than one payload");
      payload = record.payload;
      continue;
    }
    if (path.empty() || record.field != path.front() || record.type != Record::Bytes) {
      result += bytes(record.whole);
      continue;
    }
    auto inner = withoutPayload(record.payload, path.drop_front(), limit, payload);
    if (!inner)
      return inner.takeError();
    appendHeader(result, record.field, inner->size());
    result += *inner;
  }
  return result;
}

Expected<NodeSkeleton> Source::node(const Record &record) const {
  NodeSkeleton node;
  if (record.type != Record::Bytes)
    return createStringError(path() + ": a node is not a message");
  if (record.payload.size() <= inlineLimit) {
    if (Error error = parse(bytes(record.payload), node.proto, "a node"))
      return std::move(error);
    return node;
  }
  auto stripped = withoutPayload(record.payload, {NodeProto::kAttributeFieldNumber, AttributeProto::kTFieldNumber},
                                 inlineLimit + 1, node.payload);
  if (!stripped)
    return stripped.takeError();
  if (Error error = parse(*stripped, node.proto, "a node"))
    return std::move(error);
  return node;
}

Expected<TensorSkeleton> Source::tensor(const Record &record) const {
  TensorSkeleton tensor;
  if (record.type != Record::Bytes)
    return createStringError(path() + ": a tensor is not a message");
  auto stripped = withoutPayload(record.payload, {}, 0, tensor.payload);
  if (!stripped)
    return stripped.takeError();
  if (Error error = parse(*stripped, tensor.proto, "a tensor"))
    return std::move(error);
  return tensor;
}

Expected<std::string> Source::structureHash() const {
  std::vector<uint64_t> hashes;
  auto add = [&](StringRef bytes) { hashes.push_back(xxh3_64bits(bytes)); };
  for (const Record &record : model)
    if (record.field != ModelProto::kGraphFieldNumber)
      add(bytes(record.whole));
  for (const Record &record : graph) {
    bool isTensor = record.field == GraphProto::kInitializerFieldNumber;
    bool isLargeNode = record.field == GraphProto::kNodeFieldNumber && record.payload.size() > inlineLimit;
    if (!isTensor && !isLargeNode) {
      add(bytes(record.whole));
      continue;
    }
    std::optional<Span> payload;
    ArrayRef<uint32_t> none;
    static constexpr uint32_t toTensor[] = {NodeProto::kAttributeFieldNumber, AttributeProto::kTFieldNumber};
    auto stripped = withoutPayload(record.payload, isTensor ? none : ArrayRef<uint32_t>(toTensor),
                                   isTensor ? 0 : inlineLimit + 1, payload);
    if (!stripped)
      return stripped.takeError();
    add(*stripped);
  }
  auto raw = ArrayRef(reinterpret_cast<const uint8_t *>(hashes.data()), hashes.size() * sizeof(uint64_t));
  XXH128_hash_t hash = xxh3_128bits(raw);
  return utohexstr(hash.high64, /*LowerCase=*/true, 16) + utohexstr(hash.low64, /*LowerCase=*/true, 16);
}
