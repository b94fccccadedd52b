//===- GraphView.cpp - what import makes of the parts of a model --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GraphView.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Onnx/Import.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

StringRef quantopt::canonicalDomain(StringRef domain) { return domain == "ai.onnx" ? "" : domain; }

std::string quantopt::qualifiedTypeOf(const ::onnx::NodeProto &node) {
  return (canonicalDomain(node.domain()) + "::" + node.op_type()).str();
}

static std::string functionKey(StringRef domain, StringRef name, StringRef overload) {
  return (canonicalDomain(domain) + "::" + name + "::" + overload).str();
}

std::string quantopt::functionKeyOf(const ::onnx::NodeProto &call) {
  return functionKey(call.domain(), call.op_type(), call.overload());
}

std::string quantopt::functionKeyOf(const ::onnx::FunctionProto &function) {
  return functionKey(function.domain(), function.name(), function.overload());
}

SmallVector<const ::onnx::GraphProto *, 2> quantopt::subgraphsOf(const ::onnx::NodeProto &node) {
  SmallVector<const ::onnx::GraphProto *, 2> graphs;
  for (const auto &attribute : node.attribute()) {
    if (attribute.has_g())
      graphs.push_back(&attribute.g());
    for (const auto &graph : attribute.graphs())
      graphs.push_back(&graph);
  }
  return graphs;
}

SmallVector<::onnx::GraphProto *, 2> quantopt::subgraphsOf(::onnx::NodeProto &node) {
  SmallVector<::onnx::GraphProto *, 2> graphs;
  for (auto &attribute : *node.mutable_attribute()) {
    if (attribute.has_g())
      graphs.push_back(attribute.mutable_g());
    for (auto &graph : *attribute.mutable_graphs())
      graphs.push_back(&graph);
  }
  return graphs;
}

//===----------------------------------------------------------------------------===//
// Captures of subgraphs
//===----------------------------------------------------------------------------===//

static void collectCaptures(const ::onnx::NodeProto &node, std::vector<llvm::StringSet<>> &scopes,
                            std::vector<std::string> &names, llvm::StringSet<> &seen);

/// Names that a subgraph uses and neither it nor the graphs around it in `scopes` define. protobuf bounds the nesting.
static void collectCaptures(const ::onnx::GraphProto &graph, std::vector<llvm::StringSet<>> &scopes,
                            std::vector<std::string> &names, llvm::StringSet<> &seen) {
  llvm::StringSet<> &defined = scopes.emplace_back();
  for (const auto &input : graph.input())
    defined.insert(input.name());
  for (const auto &initializer : graph.initializer())
    defined.insert(initializer.name());
  for (const auto &initializer : graph.sparse_initializer())
    defined.insert(initializer.values().name());
  for (const auto &node : graph.node())
    for (const std::string &output : node.output())
      defined.insert(output);
  auto use = [&](const std::string &name) {
    bool isOuter =
        !name.empty() && none_of(scopes, [&](const llvm::StringSet<> &scope) { return scope.contains(name); });
    if (isOuter && seen.insert(name).second)
      names.push_back(name);
  };
  for (const auto &node : graph.node()) {
    for (const std::string &input : node.input())
      use(input);
    collectCaptures(node, scopes, names, seen);
  }
  for (const auto &output : graph.output())
    use(output.name());
  scopes.pop_back();
}

static void collectCaptures(const ::onnx::NodeProto &node, std::vector<llvm::StringSet<>> &scopes,
                            std::vector<std::string> &names, llvm::StringSet<> &seen) {
  for (const ::onnx::GraphProto *graph : subgraphsOf(node))
    collectCaptures(*graph, scopes, names, seen);
}

std::vector<std::string> quantopt::capturesOf(const ::onnx::NodeProto &node) {
  std::vector<llvm::StringSet<>> scopes;
  std::vector<std::string> names;
  llvm::StringSet<> seen;
  collectCaptures(node, scopes, names, seen);
  return names;
}

Expected<DictionaryAttr> quantopt::constantInitializerValue(const TensorSkeleton &tensor, const Source &source,
                                                            MLIRContext *context) {
  NodeSkeleton node;
  node.proto.set_op_type("Constant");
  ::onnx::AttributeProto &value = *node.proto.add_attribute();
  value.set_name("value");
  value.set_type(::onnx::AttributeProto::TENSOR);
  *value.mutable_t() = tensor.proto;
  if (tensor.payload)
    value.mutable_t()->set_raw_data(source.bytes(*tensor.payload).str());
  return importAttributes(node, context, [](const ::onnx::TensorProto &, Span) { return Attribute(); });
}

//===----------------------------------------------------------------------------===//
// onnx.model
//===----------------------------------------------------------------------------===//

DictionaryAttr quantopt::importOpsets(const google::protobuf::RepeatedPtrField<::onnx::OperatorSetIdProto> &imports,
                                      MLIRContext *context) {
  NamedAttrList versions;
  for (const auto &import : imports)
    versions.set(import.domain().empty() ? "ai.onnx" : import.domain(),
                 IntegerAttr::get(IntegerType::get(context, 64), import.version()));
  return versions.getDictionary(context);
}

static DictionaryAttr importMetadata(const google::protobuf::RepeatedPtrField<::onnx::StringStringEntryProto> &entries,
                                     MLIRContext *context) {
  NamedAttrList metadata;
  for (const auto &entry : entries)
    if (!entry.key().empty())
      metadata.set(entry.key(), StringAttr::get(context, entry.value()));
  return metadata.getDictionary(context);
}

/// "domain::name" of the model's functions.
static Expected<ArrayAttr> functionNames(const Source &source, MLIRContext *context) {
  SmallVector<Attribute> names;
  for (const Record &record : source.modelRecords()) {
    if (record.field != ::onnx::ModelProto::kFunctionsFieldNumber)
      continue;
    auto function = source.message<::onnx::FunctionProto>(record.payload, "a function");
    if (!function)
      return function.takeError();
    names.push_back(StringAttr::get(context, function->domain() + "::" + function->name()));
  }
  return ArrayAttr::get(context, names);
}

Expected<DictionaryAttr> quantopt::modelAttributeOf(const Source &source, MLIRContext *context) {
  auto header = source.header();
  if (!header)
    return header.takeError();
  auto graph = source.graphHeader();
  if (!graph)
    return graph.takeError();
  auto functions = functionNames(source, context);
  if (!functions)
    return functions.takeError();

  Builder builder(context);
  NamedAttrList model;
  auto addString = [&](StringRef name, const std::string &value) {
    if (!value.empty())
      model.set(name, builder.getStringAttr(value));
  };
  model.set("ir_version", builder.getI64IntegerAttr(header->ir_version()));
  model.set("opset_imports", importOpsets(header->opset_import(), context));
  addString("producer_name", header->producer_name());
  addString("producer_version", header->producer_version());
  addString("domain", header->domain());
  addString("doc_string", header->doc_string());
  addString("graph_name", graph->name());
  if (header->has_model_version())
    model.set("model_version", builder.getI64IntegerAttr(header->model_version()));
  if (header->metadata_props_size())
    model.set("metadata_props", importMetadata(header->metadata_props(), context));
  if (!functions->empty())
    model.set("functions", *functions);
  return model.getDictionary(context);
}

//===----------------------------------------------------------------------------===//
// Paths
//===----------------------------------------------------------------------------===//

std::string quantopt::relativeTo(StringRef path, StringRef folder) {
  if (folder.empty())
    return path.str();
  SmallString<256> target(path), base(folder);
  if (sys::fs::make_absolute(target) || sys::fs::make_absolute(base))
    return path.str();
  sys::path::remove_dots(target, /*remove_dot_dot=*/true);
  sys::path::remove_dots(base, /*remove_dot_dot=*/true);
  auto targetPart = sys::path::begin(target), targetEnd = sys::path::end(target);
  auto basePart = sys::path::begin(base), baseEnd = sys::path::end(base);
  while (targetPart != targetEnd && basePart != baseEnd && *targetPart == *basePart)
    ++targetPart, ++basePart;
  SmallString<256> result;
  for (; basePart != baseEnd; ++basePart)
    sys::path::append(result, "..");
  for (; targetPart != targetEnd; ++targetPart)
    sys::path::append(result, *targetPart);
  return result.str().str();
}

std::string quantopt::resolvePath(ModuleOp module, StringRef path) {
  if (sys::path::is_absolute(path))
    return path.str();
  auto location = module.getLoc()->findInstanceOf<FileLineColLoc>();
  SmallString<256> result(location ? sys::path::parent_path(location.getFilename().getValue()) : "");
  sys::path::append(result, path);
  return result.str().str();
}
