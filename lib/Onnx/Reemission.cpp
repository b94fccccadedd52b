//===- Reemission.cpp - what of a model is as it was ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Reemission.h"
#include "Convert.h"
#include "ExternalData.h"
#include "Functions.h"
#include "GraphView.h"
#include "quantopt/Onnx/Import.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

using GraphProto = ::onnx::GraphProto;
using ModelProto = ::onnx::ModelProto;
using NodeProto = ::onnx::NodeProto;
using TensorProto = ::onnx::TensorProto;
using ValueInfoProto = ::onnx::ValueInfoProto;

FailureOr<std::unique_ptr<Source>> Reemission::openSource(ModuleOp module) {
  auto attribute = module->getAttrOfType<DictionaryAttr>(OnnxDialect::sourceAttrName);
  auto path = attribute ? attribute.getAs<StringAttr>("path") : StringAttr();
  auto hash = attribute ? attribute.getAs<StringAttr>("hash") : StringAttr();
  if (!path || !hash)
    return module.emitError() << "'" << OnnxDialect::sourceAttrName << "' needs 'path' and 'hash'";
  auto source = Source::open(resolvePath(module, path));
  if (!source)
    return module.emitError() << toString(source.takeError());
  auto actual = (*source)->structureHash();
  if (!actual)
    return module.emitError() << toString(actual.takeError());
  if (*actual != hash.getValue())
    return module.emitError() << "'" << (*source)->path() << "' has changed since the module was imported from it";
  return std::move(*source);
}

MessageBytes Reemission::copy(const Record &record) const {
  constexpr uint64_t readLimit = 64 * 1024; // above, bytes go from file to file
  MessageBytes bytes;
  if (record.whole.size() > readLimit)
    bytes.append(source.path(), record.whole);
  else
    bytes.append(source.bytes(record.whole).str());
  return bytes;
}

//===----------------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------------===//

bool Reemission::isUnchanged(NodeOpInterface op, const NodeProto &original, DictionaryAttr attributes) const {
  const EdgeNames &names = writer.edgeNames();
  auto agree = [&](const auto &stated, auto values) {
    return equal(stated, values, [&](const std::string &name, Value value) { return names.of(value) == name; });
  };
  if (quantopt::qualifiedTypeOf(original) != op.getQualifiedType() || original.name() != op.getNodeName() ||
      attributes != op.getNodeAttrs())
    return false;
  OperandRange inputs = op.getNodeInputs();
  return agree(original.input(), inputs) && agree(original.output(), op->getResults()) &&
         agree(capturesOf(original), op->getOperands().drop_front(inputs.size()));
}

FailureOr<Reemission::Node> Reemission::node(NodeOpInterface op, std::optional<uint64_t> index,
                                             ArrayRef<Record> records) {
  Node result{op, index, false, {}};
  FailureOr<NodeProto> proto = failure();
  if (!index) {
    proto = writer.node(op);
  } else {
    auto original = source.node(records[*index]);
    if (!original)
      return fail(original.takeError());
    auto symbolOf = [&](const TensorProto &, Span span) -> Attribute {
      param::GlobalOp global = inlineParameters.lookup(span.begin);
      return global ? FlatSymbolRefAttr::get(global.getSymNameAttr()) : Attribute(UnitAttr::get(context));
    };
    auto attributes = importAttributes(*original, context, symbolOf);
    if (!attributes)
      return fail(attributes.takeError());
    if (isUnchanged(op, original->proto, *attributes)) {
      result.isCopied = true;
      result.bytes = copy(records[*index]);
      return result;
    }
    for (const std::string &output : original->proto.output())
      staleValues.insert(output);
    proto = writer.node(op, &original->proto, *attributes);
  }
  if (failed(proto))
    return failure();
  result.bytes.appendField(GraphProto::kNodeFieldNumber, *proto);
  return result;
}

bool Reemission::isUnchangedBody(ArrayRef<NodeOpInterface> ops, ArrayRef<NodeProto> body) const {
  auto keyOf = [](auto &&outputs) {
    auto named = find_if(outputs, [](StringRef output) { return !output.empty(); });
    return named == outputs.end() ? std::string() : std::string(*named);
  };
  StringMap<const NodeProto *> byOutput;
  for (const NodeProto &node : body)
    byOutput[keyOf(node.output())] = &node;
  if (ops.size() != body.size() || byOutput.size() != body.size())
    return false;
  return all_of(ops, [&](NodeOpInterface op) {
    const NodeProto *original = byOutput.lookup(keyOf(op.getOutputNames().getAsValueRange<StringAttr>()));
    if (!original)
      return false;
    auto attributes =
        importAttributes({*original, std::nullopt}, context, [](const TensorProto &, Span) { return Attribute(); });
    if (attributes)
      return isUnchanged(op, *original, *attributes);
    consumeError(attributes.takeError());
    return false;
  });
}

FailureOr<std::vector<Reemission::Node>> Reemission::nodes() {
  SmallVector<Record, 0> records = source.graphRecords(GraphProto::kNodeFieldNumber);
  auto inlined = InlinedFunctions::of(source, context, ImportLimits::stated());
  if (!inlined)
    return fail(inlined.takeError());
  std::map<uint64_t, SmallVector<NodeOpInterface>> bodies;
  for (auto op : writer.getFunction().getOps<NodeOpInterface>())
    if (std::optional<uint64_t> index = op.getSourceIndex(); index && inlined->find(*index))
      bodies[*index].push_back(op);

  std::vector<bool> isUsed(records.size(), false);
  std::vector<Node> result;
  for (auto op : writer.getFunction().getOps<NodeOpInterface>()) {
    if (op->hasAttr(OnnxDialect::initializerAttrName))
      continue;
    std::optional<uint64_t> index = op.getSourceIndex();
    if (const std::vector<NodeProto> *body = index ? inlined->find(*index) : nullptr) {
      ArrayRef<NodeOpInterface> ops = bodies[*index];
      if (isUnchangedBody(ops, *body)) {
        // The first op carries the call.
        result.push_back({op, index, true, op == ops.front() ? copy(records[*index]) : MessageBytes()});
        isUsed[*index] = true;
        continue;
      }
      index.reset();
    }
    // A copy of an op has its index too: the first one stands for the original.
    if (index && (*index >= records.size() || isUsed[*index]))
      index.reset();
    if (index)
      isUsed[*index] = true;
    FailureOr<Node> next = node(op, index, records);
    if (failed(next))
      return failure();
    result.push_back(std::move(*next));
  }
  for (auto [record, used] : zip(records, isUsed)) {
    if (used)
      continue;
    auto gone = source.node(record);
    if (!gone)
      return fail(gone.takeError());
    for (const std::string &output : gone->proto.output())
      staleValues.insert(output);
  }
  return result;
}

bool Reemission::isSorted(ArrayRef<Node *> order) const {
  llvm::DenseSet<Operation *> seen;
  for (Node *node : order) {
    for (Value operand : node->op->getOperands()) {
      auto producer = dyn_cast_or_null<NodeOpInterface>(operand.getDefiningOp());
      if (producer && !producer->hasAttr(OnnxDialect::initializerAttrName) && !seen.contains(producer))
        return false;
    }
    seen.insert(node->op);
  }
  return true;
}

FailureOr<Reemission::Slots> Reemission::nodeSlots() {
  FailureOr<std::vector<Node>> all = nodes();
  if (failed(all))
    return failure();
  // Every node at its old place; new ones before the old one that they precede in the IR.
  size_t count = source.graphRecords(GraphProto::kNodeFieldNumber).size();
  std::vector<SmallVector<Node *, 2>> places(count + 1);
  SmallVector<Node *> pending;
  for (Node &node : *all) {
    pending.push_back(&node);
    if (!node.index)
      continue;
    places[*node.index].append(pending);
    pending.clear();
  }
  places[count].append(pending);

  std::vector<Node *> order;
  for (auto &place : places)
    append_range(order, place);
  bool isCopy = all_of(*all, [](const Node &node) { return node.isCopied; });
  if (!isCopy && !isSorted(order)) { // the old order is none any more
    for (auto &place : places)
      place.clear();
    for (Node &node : *all)
      places[0].push_back(&node);
  }

  Slots slots;
  slots.slots.resize(std::max<size_t>(count, 1));
  for (auto [i, place] : enumerate(places))
    for (Node *node : place)
      slots.at(i).append(std::move(node->bytes));
  for (const EdgeNames::Alias &alias : writer.edgeNames().aliases())
    slots.last().appendField(GraphProto::kNodeFieldNumber, writer.alias(alias));
  return slots;
}

//===----------------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------------===//

FailureOr<bool> Reemission::isUnchanged(param::GlobalOp global, const TensorSkeleton &original) {
  auto type = importTensorType(original.proto, context);
  if (!type)
    return module.emitError() << toString(type.takeError());
  if (*type != global.getType())
    return false;
  StringRef path = weights.pathOf(global);
  Span range = WeightExporter::rangeOf(global);
  if (original.payload)
    return isSamePath(path, source.path()) && original.payload->begin == range.begin;
  if (original.proto.data_location() != TensorProto::EXTERNAL)
    return false;
  auto data = parseExternalData(original.proto);
  if (!data)
    return module.emitError() << toString(data.takeError());
  return data->offset == range.begin && isSamePath(path, ExternalFiles(source.path()).pathOf(data->location));
}

bool Reemission::isUnchangedConstant(NodeOpInterface constant, const TensorSkeleton &original) const {
  auto value = constantInitializerValue(original, source, context);
  if (!value) {
    consumeError(value.takeError());
    return false;
  }
  return *value == constant.getNodeAttrs();
}

FailureOr<Reemission::Slots> Reemission::initializerSlots(MessageBytes &added) {
  SmallVector<Record, 0> records = source.graphRecords(GraphProto::kInitializerFieldNumber);
  StringMap<size_t> places;
  std::vector<TensorSkeleton> originals;
  for (auto [i, record] : enumerate(records)) {
    auto original = source.tensor(record);
    if (!original)
      return fail(original.takeError());
    places[original->proto.name()] = i;
    originals.push_back(std::move(*original));
  }
  Slots slots;
  slots.slots.resize(records.size());
  auto place = [&](StringRef name) {
    auto known = places.find(name);
    return known == places.end() ? std::nullopt : std::optional(known->second);
  };
  auto put = [&](std::optional<size_t> i, MessageBytes bytes) { (i ? slots.at(*i) : added).append(std::move(bytes)); };

  for (auto global : module.getOps<param::GlobalOp>()) {
    std::optional<size_t> i = place(EdgeNames::parameterName(global));
    FailureOr<bool> unchanged = i ? isUnchanged(global, originals[*i]) : FailureOr<bool>(false);
    if (failed(unchanged))
      return failure();
    if (*unchanged) {
      if (originals[*i].proto.data_location() == TensorProto::EXTERNAL)
        locations.insert(cantFail(parseExternalData(originals[*i].proto)).location);
      put(i, copy(records[*i]));
      continue;
    }
    if (attributeTensors.contains(global.getSymName()))
      continue;
    auto bytes = weights.initializer(global);
    if (!bytes)
      return global.emitError() << toString(bytes.takeError());
    MessageBytes field;
    field.appendField(GraphProto::kInitializerFieldNumber, std::move(*bytes));
    put(i, std::move(field));
  }
  for (auto constant : writer.getFunction().getOps<quantopt::onnx::ConstantOp>()) {
    if (!constant->hasAttr(OnnxDialect::initializerAttrName))
      continue;
    StringRef name = writer.edgeNames().of(constant->getResult(0));
    std::optional<size_t> i = place(name);
    if (i && isUnchangedConstant(constant, originals[*i])) {
      put(i, copy(records[*i]));
      continue;
    }
    FailureOr<TensorProto> tensor = writer.initializer(constant);
    if (failed(tensor))
      return failure();
    MessageBytes field;
    field.appendField(GraphProto::kInitializerFieldNumber, *tensor);
    put(i, std::move(field));
  }
  return slots;
}

//===----------------------------------------------------------------------------===//
// Inputs and outputs
//===----------------------------------------------------------------------------===//

/// Whether what the graph declares is what the IR has. Where the graph leaves a dimension open, inference may know it.
static bool agrees(const ValueInfoProto &declared, Type type, ArrayAttr dims, MLIRContext *context) {
  if (!declared.has_type())
    return true;
  DeclaredType original = importType(declared.type(), context);
  auto originalTensor = dyn_cast_or_null<TensorType>(original.type), tensor = dyn_cast<TensorType>(type);
  if (!originalTensor || !tensor)
    return !originalTensor && !tensor;
  if (originalTensor.getElementType() != tensor.getElementType())
    return false;
  if (!originalTensor.hasRank() || !tensor.hasRank())
    return true;
  if (originalTensor.getRank() != tensor.getRank())
    return false;
  bool isSymbolic = any_of(original.dims, [](Attribute dim) { return isa<StringAttr>(dim); });
  if (isSymbolic && dims != original.dims)
    return false;
  return all_of(zip(originalTensor.getShape(), tensor.getShape()), [](auto sizes) {
    auto [declared, inferred] = sizes;
    return ShapedType::isDynamic(declared) || declared == inferred;
  });
}

FailureOr<Reemission::Slots> Reemission::valueInfoSlots(uint32_t field) {
  func::FuncOp function = writer.getFunction();
  bool isInput = field == GraphProto::kInputFieldNumber;
  TypeRange types = isInput ? TypeRange(function.getArgumentTypes()) : TypeRange(function.getResultTypes());
  auto nameOf = [&](unsigned i) {
    return isInput ? EdgeNames::argumentName(function, i) : EdgeNames::resultName(function, i);
  };
  auto dimsOf = [&](unsigned i) {
    return isInput ? function.getArgAttrOfType<ArrayAttr>(i, OnnxDialect::dimsAttrName)
                   : function.getResultAttrOfType<ArrayAttr>(i, OnnxDialect::dimsAttrName);
  };

  Slots slots;
  StringMap<std::pair<size_t, ValueInfoProto>> originals;
  SmallVector<Record, 0> records = source.graphRecords(field);
  slots.slots.resize(std::max<size_t>(records.size(), 1));
  SmallVector<std::string> order;
  for (auto [i, record] : enumerate(records)) {
    auto info = source.message<ValueInfoProto>(record.payload, "a graph value");
    if (!info)
      return fail(info.takeError());
    originals[info->name()] = {i, *info};
    // An initializer that is listed as input is no argument; it stays while it is an initializer.
    if (isInput && weights.isParameter(info->name()))
      slots.at(i).append(copy(record));
    else
      order.push_back(info->name());
  }
  bool isSameOrder = equal(order, map_range(seq<unsigned>(0, types.size()), nameOf));
  for (unsigned i = 0; i < types.size(); ++i) {
    std::string name = nameOf(i);
    auto original = originals.find(name);
    size_t place = isSameOrder ? original->second.first : 0;
    if (original != originals.end() && agrees(original->second.second, types[i], dimsOf(i), context)) {
      slots.at(place).append(copy(records[original->second.first]));
      continue;
    }
    FailureOr<ValueInfoProto> info = exportValueInfo(function, name, types[i], dimsOf(i));
    if (failed(info))
      return failure();
    slots.at(place).appendField(field, *info);
  }
  return slots;
}

//===----------------------------------------------------------------------------===//
// Graph and model
//===----------------------------------------------------------------------------===//

FailureOr<MessageBytes> Reemission::graph() {
  for (auto global : module.getOps<param::GlobalOp>())
    if (isSamePath(weights.pathOf(global), source.path()))
      inlineParameters[global.getOffset()] = global;
  attributeTensors = attributeTensorsOf(writer.getFunction());

  MessageBytes addedInitializers;
  FailureOr<Slots> nodes = nodeSlots();
  FailureOr<Slots> initializers = initializerSlots(addedInitializers);
  FailureOr<Slots> inputs = valueInfoSlots(GraphProto::kInputFieldNumber);
  FailureOr<Slots> outputs = valueInfoSlots(GraphProto::kOutputFieldNumber);
  if (failed(nodes) || failed(initializers) || failed(inputs) || failed(outputs))
    return failure();
  std::map<uint32_t, std::pair<Slots *, size_t>> replaced = {{GraphProto::kNodeFieldNumber, {&*nodes, 0}},
                                                             {GraphProto::kInitializerFieldNumber, {&*initializers, 0}},
                                                             {GraphProto::kInputFieldNumber, {&*inputs, 0}},
                                                             {GraphProto::kOutputFieldNumber, {&*outputs, 0}}};
  MessageBytes graph;
  for (const Record &record : source.graphRecords()) {
    if (auto known = replaced.find(record.field); known != replaced.end()) {
      auto &[slots, next] = known->second;
      graph.append(std::move(slots->slots[next++]));
      continue;
    }
    if (record.field == GraphProto::kValueInfoFieldNumber) {
      auto info = source.message<ValueInfoProto>(record.payload, "the description of a value");
      if (!info)
        return fail(info.takeError());
      if (staleValues.contains(info->name()))
        continue;
    }
    graph.append(copy(record));
  }
  // Fields of which the file has no record.
  for (auto &[field, place] : replaced)
    for (size_t i = place.second; i < place.first->slots.size(); ++i)
      graph.append(std::move(place.first->slots[i]));
  graph.append(std::move(addedInitializers));
  return graph;
}

FailureOr<MessageBytes> Reemission::model(MessageBytes graph, const ModelProto &header, MessageBytes addedFunctions) {
  auto original = modelAttributeOf(source, context);
  if (!original)
    return fail(original.takeError());
  bool isSameHeader = module->getAttr(OnnxDialect::modelAttrName) == *original;
  MessageBytes model;
  if (!isSameHeader)
    model.append(header);
  for (const Record &record : source.modelRecords()) {
    bool isHeader = record.field <= ModelProto::kDocStringFieldNumber ||
                    record.field == ModelProto::kOpsetImportFieldNumber ||
                    record.field == ModelProto::kMetadataPropsFieldNumber;
    if (record.field == ModelProto::kGraphFieldNumber)
      model.appendField(ModelProto::kGraphFieldNumber, std::exchange(graph, MessageBytes()));
    else if (isSameHeader || !isHeader)
      model.append(copy(record));
  }
  model.append(std::move(addedFunctions));
  return model;
}

void Reemission::warnOfMissingData(StringRef outputPath) {
  for (const auto &location : locations) {
    SmallString<256> path(sys::path::parent_path(outputPath));
    sys::path::append(path, location.getKey());
    if (!sys::fs::exists(path))
      module.emitWarning() << "'" << outputPath << "' refers to the data file '" << location.getKey()
                           << "', which is not beside it; copy it there";
  }
}
