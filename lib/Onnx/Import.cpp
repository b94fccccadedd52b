//===- Import.cpp - ONNX models as MLIR -----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Onnx/Import.h"
#include "Checks.h"
#include "ExternalData.h"
#include "Functions.h"
#include "GraphView.h"
#include "NodeOrder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Dialect/Onnx/Analysis/Inference.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using quantopt::onnx::Fact;
using quantopt::onnx::Inference;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

using FunctionProto = ::onnx::FunctionProto;
using GraphProto = ::onnx::GraphProto;
using ModelProto = ::onnx::ModelProto;
using NodeProto = ::onnx::NodeProto;
using TensorProto = ::onnx::TensorProto;
using ValueInfoProto = ::onnx::ValueInfoProto;

namespace {

/// An integer tensor with at most this many elements is taken for a shape, axes or the like, whose elements matching
/// needs.
constexpr int64_t maxConstantElements = 64;

class Importer {
public:
  Importer(const Source &source, MLIRContext &context, const ImportOptions &options)
      : source(source), context(context), builder(&context), inference(&context), files(source.path()),
        limits(options.limits), checker(limits), irPath(options.irPath.empty() ? source.path().str() : options.irPath) {
  }

  OwningOpRef<ModuleOp> run();

private:
  LogicalResult importModelAttributes();
  LogicalResult importDeclarations();
  LogicalResult importInitializers();
  LogicalResult importInitializer(const TensorSkeleton &tensor);
  LogicalResult importInputs();
  LogicalResult importNodes();
  LogicalResult importNode(const NodeSkeleton &node, int64_t index);
  LogicalResult importOutputs();
  /// Model-local functions that nodes still call, so that they can be executed: `func.func` with `onnx.function`. The
  /// last step, since it forgets the values of the graph.
  LogicalResult importFunctions();
  LogicalResult importFunction(const FunctionProto &proto);

  // Weights.
  param::GlobalOp createGlobal(StringRef name, RankedTensorType type, StringRef filePath, Span range);
  FlatSymbolRefAttr fileSymbol(StringRef path);
  /// Attaches the elements of a small tensor. `location` is that of external data, else empty.
  void keepElements(param::GlobalOp global, const TensorProto &tensor, StringRef location, Span range);
  /// An initializer that is no range of bytes (constraint C4).
  LogicalResult createConstantInitializer(const TensorSkeleton &tensor);
  std::string freshSymbol(StringRef name);

  // Values.
  LogicalResult define(StringRef name, Value value, Fact fact);
  /// The value of an edge; null if nothing defines it.
  Value lookup(StringRef name);
  Value noValue();
  Fact factOf(Value value) const { return facts.lookup(value); }

  // Diagnostics.
  Location location(int64_t index, StringRef name) {
    return NameLoc::get(builder.getStringAttr(name), FileLineColLoc::get(&context, source.path(), index + 1, 0));
  }
  InFlightDiagnostic error(const Twine &message) {
    return emitError(FileLineColLoc::get(&context, source.path(), 0, 0)) << message;
  }
  LogicalResult fail(Error problem) { return error(toString(std::move(problem))); }

  const Source &source;
  MLIRContext &context;
  OpBuilder builder;
  Inference inference;
  ExternalFiles files;
  const ImportLimits limits;
  NodeChecker checker;
  std::string irPath;

  ModuleOp module;
  func::FuncOp function;
  Value omitted;
  StringMap<Value> values;
  llvm::DenseMap<Value, Fact> facts;
  StringMap<DeclaredType> declared;
  StringMap<param::GlobalOp> globals;
  SmallVector<TensorSkeleton, 0> constantInitializers;
  StringMap<FlatSymbolRefAttr> fileSymbols;
  SmallVector<std::pair<FlatSymbolRefAttr, std::string>> filesInOrder;
  llvm::StringSet<> symbols;
  /// Model-local functions that nodes call.
  std::vector<FunctionProto> calledFunctions;
};

} // namespace

OwningOpRef<ModuleOp> Importer::run() {
  OwningOpRef<ModuleOp> owner = ModuleOp::create(FileLineColLoc::get(&context, irPath, 0, 0));
  module = *owner;
  builder.setInsertionPointToStart(module.getBody());
  symbols.insert("main");
  if (failed(importModelAttributes()) || failed(importDeclarations()) || failed(importInitializers()) ||
      failed(importInputs()) || failed(importNodes()) || failed(importOutputs()) || failed(importFunctions()) ||
      failed(verify(module)))
    return nullptr;
  return owner;
}

LogicalResult Importer::importModelAttributes() {
  if (Error problem = checkCounts(source, limits))
    return fail(std::move(problem));
  auto model = modelAttributeOf(source, &context);
  if (!model)
    return fail(model.takeError());
  auto hash = source.structureHash();
  if (!hash)
    return fail(hash.takeError());
  module->setAttr(OnnxDialect::modelAttrName, *model);
  std::string path = relativeTo(source.path(), sys::path::parent_path(irPath));
  module->setAttr(OnnxDialect::sourceAttrName,
                  builder.getDictionaryAttr({builder.getNamedAttr("path", builder.getStringAttr(path)),
                                             builder.getNamedAttr("size", builder.getI64IntegerAttr(source.size())),
                                             builder.getNamedAttr("hash", builder.getStringAttr(*hash))}));
  return success();
}

LogicalResult Importer::importDeclarations() {
  for (uint32_t field :
       {GraphProto::kInputFieldNumber, GraphProto::kValueInfoFieldNumber, GraphProto::kOutputFieldNumber})
    for (const Record &record : source.graphRecords(field)) {
      auto info = source.message<ValueInfoProto>(record.payload, "the description of a value");
      if (!info)
        return fail(info.takeError());
      if (Error problem = checkName(info->name(), "a value", limits))
        return fail(std::move(problem));
      if (uint64_t(info->type().tensor_type().shape().dim_size()) > limits.rank)
        return error("value '" + info->name() + "' has more dimensions than --max-rank allows");
      declared[info->name()] = importType(info->type(), &context);
    }
  return success();
}

//===----------------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------------===//

std::string Importer::freshSymbol(StringRef name) {
  std::string symbol = name.str();
  for (unsigned suffix = 0; !symbols.insert(symbol).second; ++suffix)
    symbol = (name + "_" + Twine(suffix)).str();
  return symbol;
}

FlatSymbolRefAttr Importer::fileSymbol(StringRef path) {
  FlatSymbolRefAttr &symbol = fileSymbols[path];
  if (symbol)
    return symbol;
  symbol = FlatSymbolRefAttr::get(&context, freshSymbol(("f" + Twine(filesInOrder.size())).str()));
  filesInOrder.emplace_back(symbol, relativeTo(path, sys::path::parent_path(irPath)));
  return symbol;
}

param::GlobalOp Importer::createGlobal(StringRef name, RankedTensorType type, StringRef filePath, Span range) {
  std::string symbol = freshSymbol(name);
  auto global = param::GlobalOp::create(builder, location(-1, name), builder.getStringAttr(symbol), TypeAttr::get(type),
                                        fileSymbol(filePath), builder.getI64IntegerAttr(range.begin),
                                        builder.getI64IntegerAttr(range.size()));
  if (symbol != name)
    global->setAttr(OnnxDialect::nameAttrName, builder.getStringAttr(name));
  return global;
}

void Importer::keepElements(param::GlobalOp global, const TensorProto &tensor, StringRef location, Span range) {
  auto type = cast<RankedTensorType>(global.getType());
  bool isSmall =
      type.getNumElements() == 1 || (type.getElementType().isInteger() && type.getNumElements() <= maxConstantElements);
  if (!isSmall)
    return;
  Expected<std::string> raw = location.empty() ? source.bytes(range).str() : files.read(location, range);
  auto elements = raw ? importElements(tensor, StringRef(*raw), &context) : raw.takeError();
  if (elements)
    global->setAttr(OnnxDialect::valueAttrName, *elements);
  else
    consumeError(elements.takeError());
}

LogicalResult Importer::importInitializers() {
  for (const Record &record : source.graphRecords(GraphProto::kInitializerFieldNumber)) {
    auto tensor = source.tensor(record);
    if (!tensor)
      return fail(tensor.takeError());
    if (failed(importInitializer(*tensor)))
      return failure();
  }
  if (Error problem = files.checkOverlaps())
    return fail(std::move(problem));
  // The files stand before the parameters in them.
  OpBuilder atStart(module.getBodyRegion());
  for (auto &[symbol, path] : filesInOrder)
    param::FileOp::create(atStart, module.getLoc(), symbol.getValue(), path);
  return success();
}

LogicalResult Importer::importInitializer(const TensorSkeleton &tensor) {
  StringRef name = tensor.proto.name();
  if (name.empty())
    return error("an initializer has no name");
  if (Error problem = checkName(name, "an initializer", limits))
    return fail(std::move(problem));
  if (globals.contains(name))
    return error("initializer '" + name + "' is given twice");
  if (uint64_t(tensor.proto.dims_size()) > limits.rank)
    return error("initializer '" + name + "' has more dimensions than --max-rank allows");
  auto type = importTensorType(tensor.proto, &context);
  if (!type)
    return fail(type.takeError());
  if (tensor.proto.has_segment())
    return error("tensor '" + name + "' is stored in segments, which are not supported");

  bool isParameter = bool(param::getDType(type->getElementType()));
  std::string filePath = source.path().str(), location;
  Span range;
  if (tensor.proto.data_location() == TensorProto::EXTERNAL) {
    auto data = parseExternalData(tensor.proto);
    if (!data)
      return fail(data.takeError());
    if (isParameter) {
      uint64_t bytes = quantopt::bytesInFile(*type);
      if (Error problem = files.check(*data, bytes, name))
        return fail(std::move(problem));
      range = {data->offset, data->offset + bytes};
    }
    location = data->location;
    filePath = files.pathOf(location);
  } else if (tensor.payload) {
    range = *tensor.payload;
    if (isParameter && range.size() != quantopt::bytesInFile(*type))
      return error("tensor '" + name + "' has " + Twine(range.size()) +
                   " bytes of data, but its type and dimensions take " + Twine(quantopt::bytesInFile(*type)));
  } else {
    isParameter = false;
  }
  if (!isParameter) {
    globals[name] = nullptr;
    constantInitializers.push_back(tensor);
    return success();
  }
  param::GlobalOp global = createGlobal(name, *type, filePath, range);
  keepElements(global, tensor.proto, location, range);
  globals[name] = global;
  return success();
}

LogicalResult Importer::createConstantInitializer(const TensorSkeleton &tensor) {
  StringRef name = tensor.proto.name();
  auto attributes = constantInitializerValue(tensor, source, &context);
  if (!attributes)
    return error("initializer '" + name + "': " + toString(attributes.takeError()));
  auto type = importTensorType(tensor.proto, &context);
  if (!type)
    return fail(type.takeError());
  NodeOpInterface constant = quantopt::onnx::createNode(builder, location(-1, name), "::Constant", TypeRange(*type),
                                                        ValueRange(), attributes->getValue(), "", {name});
  constant->setDiscardableAttr(OnnxDialect::initializerAttrName, builder.getUnitAttr());
  Fact fact = inference.infer({"", "Constant", *attributes, {}, 1}).front();
  Inference::refine(fact, inference.declare(*type, {}));
  return define(name, constant->getResult(0), fact);
}

//===----------------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------------===//

LogicalResult Importer::define(StringRef name, Value value, Fact fact) {
  if (!values.try_emplace(name, value).second)
    return error("value '" + name + "' is defined twice");
  facts[value] = std::move(fact);
  return success();
}

Value Importer::lookup(StringRef name) {
  if (Value value = values.lookup(name))
    return value;
  param::GlobalOp global = globals.lookup(name);
  if (!global)
    return {};
  auto load = param::LoadOp::create(builder, location(-1, name), TypeRange(global.getType()),
                                    FlatSymbolRefAttr::get(global.getSymNameAttr()));
  Value value = load->getResult(0);
  auto elements = global->getAttrOfType<DenseElementsAttr>(OnnxDialect::valueAttrName);
  values[name] = value;
  facts[value] = elements ? inference.constant(elements) : inference.declare(global.getType(), {});
  return value;
}

Value Importer::noValue() {
  if (!omitted) {
    OpBuilder atStart(function.getBody());
    omitted = quantopt::onnx::NoValueOp::create(atStart, function.getLoc(), builder.getNoneType());
    facts[omitted].isOmitted = true;
  }
  return omitted;
}

/// The attributes that an argument or result of the graph carries.
static DictionaryAttr interfaceAttributes(Builder &builder, StringRef name, ArrayAttr dims) {
  SmallVector<NamedAttribute> attributes{builder.getNamedAttr(OnnxDialect::nameAttrName, builder.getStringAttr(name))};
  if (dims && any_of(dims, [](Attribute dim) { return isa<StringAttr>(dim); }))
    attributes.push_back(builder.getNamedAttr(OnnxDialect::dimsAttrName, dims));
  return builder.getDictionaryAttr(attributes);
}

LogicalResult Importer::importInputs() {
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  SmallVector<std::string> names;
  for (const Record &record : source.graphRecords(GraphProto::kInputFieldNumber)) {
    auto info = source.message<ValueInfoProto>(record.payload, "a graph input");
    if (!info)
      return fail(info.takeError());
    if (globals.contains(info->name())) // an initializer listed as input, as IR version 3 wants it
      continue;
    const DeclaredType &type = declared[info->name()];
    types.push_back(type.type ? type.type : Type(quantopt::onnx::UnknownType::get(&context)));
    attributes.push_back(interfaceAttributes(builder, info->name(), type.dims));
    names.push_back(info->name());
  }
  function = func::FuncOp::create(builder, module.getLoc(), "main", builder.getFunctionType(types, {}));
  function.setAllArgAttrs(attributes);
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  for (auto [name, argument] : llvm::zip(names, body->getArguments())) {
    argument.setLoc(location(-1, name));
    if (failed(define(name, argument, inference.declare(argument.getType(), declared[name].dims))))
      return failure();
  }
  for (const TensorSkeleton &tensor : constantInitializers)
    if (failed(createConstantInitializer(tensor)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------------===//

/// The first node that an order leaves out.
static size_t firstMissing(std::vector<size_t> order) {
  llvm::sort(order);
  size_t missing = 0;
  while (missing < order.size() && order[missing] == missing)
    ++missing;
  return missing;
}

LogicalResult Importer::importNodes() {
  auto inlined = InlinedFunctions::of(source, &context, limits);
  if (!inlined)
    return fail(inlined.takeError());
  SmallVector<NodeSkeleton, 0> nodes;
  SmallVector<int64_t, 0> indices;
  for (auto [i, record] : enumerate(source.graphRecords(GraphProto::kNodeFieldNumber))) {
    if (const auto *replacement = inlined->find(i)) {
      for (const NodeProto &node : *replacement)
        nodes.push_back({node, std::nullopt});
    } else {
      auto node = source.node(record);
      if (!node)
        return fail(node.takeError());
      nodes.push_back(std::move(*node));
    }
    indices.resize(nodes.size(), i);
  }
  for (const auto &[i, why] : inlined->refusals())
    emitWarning(location(i, "")) << why;
  std::vector<size_t> order =
      orderNodes(nodes, [&](StringRef name) { return values.contains(name) || globals.contains(name); });
  if (order.size() < nodes.size()) {
    size_t stuck = firstMissing(order);
    const NodeProto &node = nodes[stuck].proto;
    return emitError(location(indices[stuck], node.name()))
           << "node '" << node.name() << "' (" << node.op_type() << ") depends on its own result";
  }
  for (size_t i : order)
    if (failed(importNode(nodes[i], indices[i])))
      return failure();
  calledFunctions = inlined->calledFunctions().vec();
  return success();
}

LogicalResult Importer::importNode(const NodeSkeleton &node, int64_t index) {
  const NodeProto &proto = node.proto;
  std::string name = !proto.name().empty() || proto.output().empty() ? proto.name() : proto.output(0);
  name = json::fixUTF8(name);
  Location where = location(index, name);
  auto failHere = [&](const Twine &why) {
    return emitError(where) << "node '" << name << "' (" << proto.op_type() << ") " << why;
  };

  if (Error problem = checker.check(proto))
    return failHere("cannot be imported: " + toString(std::move(problem)));
  SmallVector<Value> operands;
  SmallVector<Fact> inputFacts;
  for (const std::string &input : proto.input()) {
    Value value = input.empty() ? noValue() : lookup(input);
    if (!value)
      return failHere("reads '" + input + "', which nothing defines");
    operands.push_back(value);
    inputFacts.push_back(factOf(value));
  }
  std::vector<std::string> captures = capturesOf(proto);
  for (const std::string &capture : captures) {
    Value value = lookup(capture);
    if (!value)
      return failHere("has a subgraph that reads '" + capture + "', which nothing defines");
    operands.push_back(value);
  }

  auto payloadSymbol = [&](const TensorProto &tensor, Span span) -> Attribute {
    auto type = importTensorType(tensor, &context);
    if (!type) {
      consumeError(type.takeError());
      return {};
    }
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function);
    return FlatSymbolRefAttr::get(createGlobal(name, *type, source.path(), span).getSymNameAttr());
  };
  auto attributes = importAttributes(node, &context, payloadSymbol);
  if (!attributes)
    return failHere("has " + toString(attributes.takeError()));

  std::string qualifiedType = quantopt::qualifiedTypeOf(proto);
  auto [domain, type] = StringRef(qualifiedType).rsplit("::");
  SmallVector<Fact> outputFacts =
      inference.infer({domain, type, *attributes, inputFacts, unsigned(proto.output_size())});
  // Inference sees no types of tensors that stay in the file.
  auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(attributes->get("value"));
  if (symbol && type == "Constant" && !outputFacts.empty())
    outputFacts[0] = inference.declare(cast<param::GlobalOp>(module.lookupSymbol(symbol)).getType(), {});
  SmallVector<Type> resultTypes;
  SmallVector<StringRef> outputs;
  for (auto [output, fact] : llvm::zip(proto.output(), outputFacts)) {
    if (auto known = declared.find(output); known != declared.end() && known->second.type)
      Inference::refine(fact, inference.declare(known->second.type, known->second.dims));
    resultTypes.push_back(output.empty() ? Type(builder.getNoneType()) : fact.toType(&context));
    outputs.push_back(output);
  }

  NodeOpInterface op = quantopt::onnx::createNode(builder, where, qualifiedType, resultTypes, operands,
                                                  attributes->getValue(), proto.name(), outputs);
  if (index >= 0)
    op->setAttr("index", builder.getI64IntegerAttr(index));
  if (int64_t opset = statedOpset(proto))
    op->setAttr(OnnxDialect::opsetAttrName, builder.getI64IntegerAttr(opset));
  if (!captures.empty())
    op->setAttr("captures", builder.getStrArrayAttr(SmallVector<StringRef>(captures.begin(), captures.end())));
  for (auto [output, fact, result] : llvm::zip(proto.output(), outputFacts, op->getResults()))
    if (!output.empty() && failed(define(output, result, fact)))
      return failure();
  return success();
}

LogicalResult Importer::importOutputs() {
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (const Record &record : source.graphRecords(GraphProto::kOutputFieldNumber)) {
    auto info = source.message<ValueInfoProto>(record.payload, "a graph output");
    if (!info)
      return fail(info.takeError());
    Value value = lookup(info->name());
    if (!value)
      return error("graph output '" + info->name() + "' is not defined");
    results.push_back(value);
    attributes.push_back(interfaceAttributes(builder, info->name(), declared[info->name()].dims));
  }
  func::ReturnOp::create(builder, function.getLoc(), results);
  function.setFunctionType(
      builder.getFunctionType(function.getArgumentTypes(), llvm::to_vector(ValueRange(results).getTypes())));
  function.setAllResultAttrs(attributes);
  return success();
}

//===----------------------------------------------------------------------------===//
// Model-local functions
//===----------------------------------------------------------------------------===//

LogicalResult Importer::importFunctions() {
  // What an attribute parameter stands for is known at each call only; such a node is one of an unknown operator.
  for (const FunctionProto &proto : calledFunctions)
    if (proto.attribute().empty() && proto.attribute_proto().empty() && failed(importFunction(proto)))
      return failure();
  return success();
}

LogicalResult Importer::importFunction(const FunctionProto &proto) {
  values.clear();
  declared.clear();
  globals.clear();
  omitted = {};
  Type unknown = UnrankedTensorType::get(quantopt::onnx::UnknownType::get(&context));
  builder.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(builder, module.getLoc(), freshSymbol(proto.name()),
                                  builder.getFunctionType(SmallVector<Type>(proto.input_size(), unknown), TypeRange()));
  function.setPrivate();
  function->setAttr(
      OnnxDialect::functionAttrName,
      builder.getDictionaryAttr({builder.getNamedAttr("domain", builder.getStringAttr(proto.domain())),
                                 builder.getNamedAttr("name", builder.getStringAttr(proto.name())),
                                 builder.getNamedAttr("opset_imports", importOpsets(proto.opset_import(), &context)),
                                 builder.getNamedAttr("source", builder.getUnitAttr())}));
  builder.setInsertionPointToEnd(function.addEntryBlock());
  for (auto [i, name] : enumerate(proto.input())) {
    function.setArgAttrs(i, interfaceAttributes(builder, name, {}));
    if (failed(define(name, function.getArgument(i), {})))
      return failure();
  }
  for (const NodeProto &node : proto.node())
    if (failed(importNode({node, std::nullopt}, -1)))
      return failure();
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (const std::string &name : proto.output()) {
    results.push_back(lookup(name));
    if (!results.back())
      return error("output '" + name + "' of function '" + proto.name() + "' is not defined");
    attributes.push_back(interfaceAttributes(builder, name, {}));
  }
  func::ReturnOp::create(builder, function.getLoc(), results);
  function.setFunctionType(
      builder.getFunctionType(function.getArgumentTypes(), llvm::to_vector(ValueRange(results).getTypes())));
  function.setAllResultAttrs(attributes);
  return success();
}

static OwningOpRef<ModuleOp> importSource(Expected<std::unique_ptr<Source>> source, StringRef path,
                                          MLIRContext &context, const ImportOptions &options) {
  context.loadDialect<func::FuncDialect, OnnxDialect, param::ParamDialect>();
  if (!source) {
    emitError(FileLineColLoc::get(&context, path, 0, 0)) << toString(source.takeError());
    return nullptr;
  }
  return Importer(**source, context, options).run();
}

OwningOpRef<ModuleOp> quantopt::importOnnx(StringRef path, MLIRContext &context, const ImportOptions &options) {
  allowInput(path);
  return importSource(Source::open(path), path, context, options);
}

OwningOpRef<ModuleOp> quantopt::importOnnx(std::unique_ptr<MemoryBuffer> buffer, MLIRContext &context,
                                           const ImportOptions &options) {
  std::string path = buffer->getBufferIdentifier().str();
  return importSource(Source::create(std::move(buffer)), path, context, options);
}
