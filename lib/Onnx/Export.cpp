//===- Export.cpp - MLIR modules as ONNX models ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Onnx/Export.h"
#include "Reemission.h"
#include "quantopt/Dialect/Onnx/IR/Uses.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

using GraphProto = ::onnx::GraphProto;
using ModelProto = ::onnx::ModelProto;

/// The function that is the graph: @main, or the only one that is no model-local function.
static FailureOr<func::FuncOp> findGraph(ModuleOp module) {
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    return main;
  SmallVector<func::FuncOp> graphs;
  for (auto function : module.getOps<func::FuncOp>())
    if (!function->hasAttr(OnnxDialect::functionAttrName))
      graphs.push_back(function);
  if (graphs.size() != 1)
    return module.emitError() << "has no function @main to write as ONNX graph";
  return graphs.front();
}

/// The model without graph and functions, as `onnx.model` has it.
static FailureOr<ModelProto> exportHeader(ModuleOp module) {
  auto model = module->getAttrOfType<DictionaryAttr>(OnnxDialect::modelAttrName);
  auto version = model ? model.getAs<IntegerAttr>("ir_version") : IntegerAttr();
  auto opsets = model ? model.getAs<DictionaryAttr>("opset_imports") : DictionaryAttr();
  if (!version || !opsets)
    return module.emitError() << "needs the attribute '" << OnnxDialect::modelAttrName
                              << "' with 'ir_version' and 'opset_imports' to be written as ONNX";
  ModelProto header;
  header.set_ir_version(version.getInt());
  exportOpsets(opsets, *header.mutable_opset_import());
  auto setString = [&](StringRef name, auto set) {
    if (auto value = model.getAs<StringAttr>(name))
      (header.*set)(value.str());
  };
  using Setter = void (ModelProto::*)(std::string &&);
  setString("producer_name", Setter(&ModelProto::set_producer_name));
  setString("producer_version", Setter(&ModelProto::set_producer_version));
  setString("domain", Setter(&ModelProto::set_domain));
  setString("doc_string", Setter(&ModelProto::set_doc_string));
  if (auto modelVersion = model.getAs<IntegerAttr>("model_version"))
    header.set_model_version(modelVersion.getInt());
  if (auto metadata = model.getAs<DictionaryAttr>("metadata_props"))
    for (NamedAttribute entry : metadata) {
      auto *property = header.add_metadata_props();
      property->set_key(entry.getName().str());
      property->set_value(cast<StringAttr>(entry.getValue()).str());
    }
  return header;
}

/// Every domain that nodes use must be imported. Whether the file that a module was imported from does so is its own
/// matter.
static LogicalResult checkDomains(ModuleOp module, func::FuncOp function) {
  auto model = module->getAttrOfType<DictionaryAttr>(OnnxDialect::modelAttrName);
  auto opsets = model.getAs<DictionaryAttr>("opset_imports");
  for (auto op : function.getOps<NodeOpInterface>())
    if (!opsets.contains(op.getDomain().empty() ? "ai.onnx" : op.getDomain()))
      return op.emitError() << quantopt::onnx::describeNode(op) << " is of domain '" << op.getDomain()
                            << "', which the opset_imports of '" << OnnxDialect::modelAttrName << "' do not list";
  return success();
}

/// The graph of a module without source.
static FailureOr<MessageBytes> exportGraph(ModuleOp module, GraphWriter &writer, WeightExporter &weights) {
  func::FuncOp function = writer.getFunction();
  MessageBytes graph;
  llvm::StringSet<> attributeTensors = attributeTensorsOf(function);
  for (auto op : function.getOps<NodeOpInterface>()) {
    if (op->hasAttr(OnnxDialect::initializerAttrName))
      continue;
    FailureOr<::onnx::NodeProto> node = writer.node(op);
    if (failed(node))
      return failure();
    graph.appendField(GraphProto::kNodeFieldNumber, *node);
  }
  for (const EdgeNames::Alias &alias : writer.edgeNames().aliases())
    graph.appendField(GraphProto::kNodeFieldNumber, writer.alias(alias));

  GraphProto name;
  auto model = module->getAttrOfType<DictionaryAttr>(OnnxDialect::modelAttrName);
  auto stated = model.getAs<StringAttr>("graph_name");
  name.set_name(stated ? stated.str() : function.getSymName().str());
  graph.append(name);

  for (auto global : module.getOps<param::GlobalOp>()) {
    if (attributeTensors.contains(global.getSymName()))
      continue;
    auto bytes = weights.initializer(global);
    if (!bytes)
      return global.emitError() << toString(bytes.takeError());
    graph.appendField(GraphProto::kInitializerFieldNumber, std::move(*bytes));
  }
  for (auto constant : function.getOps<quantopt::onnx::ConstantOp>()) {
    if (!constant->hasAttr(OnnxDialect::initializerAttrName))
      continue;
    FailureOr<::onnx::TensorProto> tensor = writer.initializer(constant);
    if (failed(tensor))
      return failure();
    graph.appendField(GraphProto::kInitializerFieldNumber, *tensor);
  }

  auto addValue = [&](uint32_t field, StringRef name, Type type, ArrayAttr dims) -> LogicalResult {
    auto info = exportValueInfo(function, name, type, dims);
    if (failed(info))
      return failure();
    graph.appendField(field, *info);
    return success();
  };
  // What standard operators give is inferred; for those of other domains it is stated.
  for (auto op : function.getOps<NodeOpInterface>())
    for (OpResult result : op->getResults())
      if (!op.getDomain().empty() && isa<RankedTensorType>(result.getType()) && !quantopt::onnx::isReturned(result) &&
          failed(addValue(GraphProto::kValueInfoFieldNumber, writer.edgeNames().of(result), result.getType(), {})))
        return failure();
  auto isLeftOut = [&](unsigned i) {
    return function.getArgAttr(i, OnnxDialect::leftOutAttrName) && function.getArgument(i).use_empty();
  };
  for (auto [i, type] : enumerate(function.getArgumentTypes()))
    if (!isLeftOut(i) && failed(addValue(GraphProto::kInputFieldNumber, EdgeNames::argumentName(function, i), type,
                                         function.getArgAttrOfType<ArrayAttr>(i, OnnxDialect::dimsAttrName))))
      return failure();
  for (auto [i, type] : enumerate(function.getResultTypes()))
    if (failed(addValue(GraphProto::kOutputFieldNumber, EdgeNames::resultName(function, i), type,
                        function.getResultAttrOfType<ArrayAttr>(i, OnnxDialect::dimsAttrName))))
      return failure();
  return graph;
}

static FailureOr<MessageBytes> exportFunctions(ModuleOp module, WeightExporter &weights) {
  MessageBytes functions;
  for (auto function : module.getOps<func::FuncOp>()) {
    auto attribute = function->getAttrOfType<DictionaryAttr>(OnnxDialect::functionAttrName);
    // Functions of the source are copied from there.
    if (!attribute || (attribute.contains("source") && module->hasAttr(OnnxDialect::sourceAttrName)))
      continue;
    FailureOr<::onnx::FunctionProto> proto = exportFunction(function, weights);
    if (failed(proto))
      return failure();
    functions.appendField(ModelProto::kFunctionsFieldNumber, *proto);
  }
  return functions;
}

/// Functions with attributes are not imported: they are in the file only, and are not written without it.
static void warnOfLostFunctions(ModuleOp module, func::FuncOp graph) {
  auto functions = module->getAttrOfType<DictionaryAttr>(OnnxDialect::modelAttrName).getAs<ArrayAttr>("functions");
  if (!functions)
    return;
  llvm::StringSet<> imported;
  for (auto function : module.getOps<func::FuncOp>())
    if (auto attribute = function->getAttrOfType<DictionaryAttr>(OnnxDialect::functionAttrName)) {
      auto domain = attribute.getAs<StringAttr>("domain"), name = attribute.getAs<StringAttr>("name");
      imported.insert(
          ((domain ? domain.getValue() : "") + "::" + (name ? name.getValue() : function.getSymName())).str());
    }
  llvm::StringSet<> called;
  for (auto node : graph.getOps<NodeOpInterface>())
    called.insert(node.getQualifiedType());
  for (auto name : functions.getAsRange<StringAttr>())
    if (called.contains(name.getValue()) && !imported.contains(name.getValue()))
      module.emitWarning() << "the model-local function '" << name.getValue()
                           << "' of the imported model is not written, since the model is no longer a change of it";
}

/// The model of a module without source: header, graph and functions in the order of their field numbers.
static MessageBytes assembleModel(const ModelProto &header, MessageBytes graph, MessageBytes functions) {
  ModelProto before = header, after;
  before.clear_opset_import();
  before.clear_metadata_props();
  *after.mutable_opset_import() = header.opset_import();
  *after.mutable_metadata_props() = header.metadata_props();
  MessageBytes model;
  model.append(before);
  model.appendField(ModelProto::kGraphFieldNumber, std::move(graph));
  model.append(after);
  model.append(std::move(functions));
  return model;
}

static Error writeModel(const MessageBytes &model, WeightExporter &weights, StringRef path) {
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = model.write(*file))
    return error;
  // The data first: a model never stands beside data that it does not fit.
  if (Error error = weights.commit())
    return error;
  return file->commit();
}

LogicalResult quantopt::exportOnnx(ModuleOp module, StringRef outputPath) {
  FailureOr<func::FuncOp> function = findGraph(module);
  if (failed(function))
    return failure();
  FailureOr<ModelProto> header = exportHeader(module);
  if (failed(header))
    return failure();
  WeightExporter weights(module, outputPath);
  GraphWriter writer(*function, weights);
  if (failed(writer.checkOps(/*allowParameters=*/true)))
    return failure();
  bool hasSource = module->hasAttr(OnnxDialect::sourceAttrName);
  if (!hasSource) {
    if (failed(checkDomains(module, *function)))
      return failure();
    warnOfLostFunctions(module, *function);
  }
  FailureOr<MessageBytes> functions = exportFunctions(module, weights);
  if (failed(functions))
    return failure();

  MessageBytes model;
  if (hasSource) {
    FailureOr<std::unique_ptr<Source>> source = Reemission::openSource(module);
    if (failed(source))
      return failure();
    Reemission reemission(module, **source, writer, weights);
    FailureOr<MessageBytes> graph = reemission.graph();
    if (failed(graph))
      return failure();
    FailureOr<MessageBytes> whole = reemission.model(std::move(*graph), *header, std::move(*functions));
    if (failed(whole))
      return failure();
    model = std::move(*whole);
    reemission.warnOfMissingData(outputPath);
  } else {
    FailureOr<MessageBytes> graph = exportGraph(module, writer, weights);
    if (failed(graph))
      return failure();
    model = assembleModel(*header, std::move(*graph), std::move(*functions));
  }
  if (Error error = writeModel(model, weights, outputPath))
    return module.emitError() << toString(std::move(error));
  return success();
}
