//===- Functions.cpp - calls of model-local functions as the nodes of their bodies ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// On protobuf messages, since subgraphs of nodes are bytes in the IR: bodies of If and Loop are treated as the graph.
//
//===----------------------------------------------------------------------------===//
#include "Functions.h"
#include "Checks.h"
#include "GraphView.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace quantopt;

using AttributeProto = ::onnx::AttributeProto;
using FunctionProto = ::onnx::FunctionProto;
using GraphProto = ::onnx::GraphProto;
using ModelProto = ::onnx::ModelProto;
using NodeProto = ::onnx::NodeProto;

static constexpr StringLiteral opsetKey = "quantopt.opset";

/// The model-local functions of the file, in its order.
static Expected<std::vector<FunctionProto>> functionsOf(const Source &source) {
  std::vector<FunctionProto> functions;
  for (const Record &record : source.modelRecords()) {
    if (record.field != ModelProto::kFunctionsFieldNumber)
      continue;
    auto function = source.message<FunctionProto>(record.payload, "a function");
    if (!function)
      return function.takeError();
    functions.push_back(std::move(*function));
  }
  return functions;
}

bool quantopt::isKnownOperator(StringRef domain, StringRef type, mlir::MLIRContext *context) {
  if (canonicalDomain(domain).empty())
    return mlir::RegisteredOperationName::lookup(("onnx." + type).str(), context).has_value();
  if (domain == "quantopt")
    return type == "HadamardTransform";
  if (domain != "com.microsoft")
    return false;
  return llvm::StringSwitch<bool>(type)
      .Cases({"Attention", "GroupQueryAttention", "MultiHeadAttention", "RotaryEmbedding"}, true)
      .Cases({"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"}, true)
      .Cases({"BiasGelu", "FastGelu", "Gelu", "QuickGelu"}, true)
      .Cases({"FusedGemm", "FusedMatMul", "GatherBlockQuantized", "MatMulBnb4", "MatMulNBits"}, true)
      .Cases({"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}, true)
      .Cases({"QLinearAdd", "QLinearConcat", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax"}, true)
      .Default(false);
}

int64_t quantopt::statedOpset(const NodeProto &node) {
  int64_t opset = 0;
  for (const auto &entry : node.metadata_props())
    if (entry.key() == opsetKey && StringRef(entry.value()).getAsInteger(10, opset))
      return 0;
  return opset;
}

namespace quantopt {

class FunctionInliner {
public:
  FunctionInliner(const Source &source, std::vector<FunctionProto> functions, mlir::MLIRContext *context,
                  const ImportLimits &limits)
      : source(source), functions(std::move(functions)), context(context), limits(limits) {}

  Expected<InlinedFunctions> run();

private:
  using Nodes = std::vector<NodeProto>;
  /// New names for the values of a body.
  using Names = StringMap<std::string>;
  /// What the attribute parameters of a function stand for; null for one that is not given.
  using Bindings = StringMap<const AttributeProto *>;

  void collectNames(const NodeProto &node);
  void collectNames(const GraphProto &graph);
  std::string fresh(StringRef prefix, StringRef name);

  bool callsFunction(const NodeProto &node) const;
  /// Appends `node`, of a graph or function of this opset, or what it stands for.
  void expand(NodeProto node, int64_t opset, Nodes &result);
  void expandGraph(GraphProto &graph, int64_t opset);
  /// Notes that nodes call a function.
  void keep(const FunctionProto &function);
  template <typename Nodes> void keepCalled(const Nodes &nodes);
  std::string refusalOf(const FunctionProto &function, const NodeProto &call) const;
  Nodes instantiate(const FunctionProto &function, const NodeProto &call);

  static void rename(NodeProto &node, const Names &names);
  void renameSubgraphs(NodeProto &node, const Names &names, StringRef prefix);
  void renameGraph(GraphProto &graph, Names names, StringRef prefix);
  static void bind(NodeProto &node, const Bindings &bindings);

  const Source &source;
  std::vector<FunctionProto> functions;
  mlir::MLIRContext *context;
  const ImportLimits &limits;
  /// Of all bodies so far.
  uint64_t bodyBytes = 0;
  StringMap<const FunctionProto *> byKey;
  llvm::StringSet<> used;
  llvm::SmallPtrSet<const FunctionProto *, 4> kept;
  int64_t modelOpset = 0;
  size_t index = 0;
  InlinedFunctions result;
};

} // namespace quantopt

//===----------------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------------===//

void FunctionInliner::collectNames(const NodeProto &node) {
  for (const auto *names : {&node.input(), &node.output()})
    for (const std::string &name : *names)
      used.insert(name);
  for (const GraphProto *graph : subgraphsOf(node))
    collectNames(*graph);
}

void FunctionInliner::collectNames(const GraphProto &graph) {
  for (const auto *values : {&graph.input(), &graph.output()})
    for (const auto &value : *values)
      used.insert(value.name());
  for (const auto &initializer : graph.initializer())
    used.insert(initializer.name());
  for (const auto &initializer : graph.sparse_initializer())
    used.insert(initializer.values().name());
  for (const NodeProto &node : graph.node())
    collectNames(node);
}

std::string FunctionInliner::fresh(StringRef prefix, StringRef name) {
  std::string wanted = (prefix + "/" + name).str(), unique = wanted;
  for (unsigned suffix = 1; !used.insert(unique).second; ++suffix)
    unique = wanted + "_" + std::to_string(suffix);
  return unique;
}

void FunctionInliner::rename(NodeProto &node, const Names &names) {
  for (auto *list : {node.mutable_input(), node.mutable_output()})
    for (std::string &name : *list)
      if (auto known = names.find(name); known != names.end())
        name = known->second;
}

void FunctionInliner::renameSubgraphs(NodeProto &node, const Names &names, StringRef prefix) {
  for (GraphProto *graph : subgraphsOf(node))
    renameGraph(*graph, names, prefix);
}

/// Values of the subgraph get new names, too: they might hide values of the caller.
void FunctionInliner::renameGraph(GraphProto &graph, Names names, StringRef prefix) {
  auto define = [&](std::string &name) { name = names[name] = fresh(prefix, name); };
  for (auto &input : *graph.mutable_input())
    define(*input.mutable_name());
  for (auto &initializer : *graph.mutable_initializer()) {
    bool isInput = any_of(graph.input(), [&](const auto &input) { return input.name() == names[initializer.name()]; });
    if (isInput)
      initializer.set_name(names[initializer.name()]);
    else
      define(*initializer.mutable_name());
  }
  for (auto &initializer : *graph.mutable_sparse_initializer())
    define(*initializer.mutable_values()->mutable_name());
  for (const NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      if (!output.empty())
        names[output] = fresh(prefix, output);
  for (NodeProto &node : *graph.mutable_node()) {
    rename(node, names);
    renameSubgraphs(node, names, prefix);
  }
  for (auto *values : {graph.mutable_output(), graph.mutable_value_info()})
    for (auto &value : *values)
      if (auto known = names.find(value.name()); known != names.end())
        value.set_name(known->second);
}

//===----------------------------------------------------------------------------===//
// Attribute parameters
//===----------------------------------------------------------------------------===//

void FunctionInliner::bind(NodeProto &node, const Bindings &bindings) {
  // Before graphs of the caller take the place of parameters: they are not of this body.
  for (GraphProto *graph : subgraphsOf(node))
    for (NodeProto &inner : *graph->mutable_node())
      bind(inner, bindings);
  auto *attributes = node.mutable_attribute();
  for (int i = attributes->size(); i-- > 0;) {
    AttributeProto &attribute = (*attributes)[i];
    if (attribute.ref_attr_name().empty())
      continue;
    // One that is neither given nor has a default is absent in the body, too.
    const AttributeProto *value = bindings.lookup(attribute.ref_attr_name());
    if (!value) {
      attributes->DeleteSubrange(i, 1);
      continue;
    }
    std::string name = attribute.name();
    attribute = *value;
    attribute.set_name(name);
  }
}

//===----------------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------------===//

bool FunctionInliner::callsFunction(const NodeProto &node) const {
  if (byKey.contains(functionKeyOf(node)))
    return true;
  return any_of(subgraphsOf(node), [&](const GraphProto *graph) {
    return any_of(graph->node(), [&](const NodeProto &inner) { return callsFunction(inner); });
  });
}

std::string FunctionInliner::refusalOf(const FunctionProto &function, const NodeProto &call) const {
  if (call.input_size() > function.input_size())
    return ("it has " + Twine(function.input_size()) + " inputs and is given " + Twine(call.input_size())).str();
  if (call.output_size() > function.output_size())
    return ("it has " + Twine(function.output_size()) + " outputs, of which " + Twine(call.output_size()) + " are read")
        .str();
  for (auto [output, value] : zip(function.output(), call.output())) {
    auto input = find(function.input(), output);
    int i = input - function.input().begin();
    bool isOmitted = input != function.input().end() && (i >= call.input_size() || call.input(i).empty());
    if (!value.empty() && isOmitted)
      return "its output '" + output + "' is an input that is omitted";
  }
  return "";
}

void FunctionInliner::keep(const FunctionProto &function) {
  if (kept.insert(&function).second)
    keepCalled(function.node());
}

template <typename Nodes> void FunctionInliner::keepCalled(const Nodes &nodes) {
  for (const NodeProto &node : nodes) {
    if (const FunctionProto *function = byKey.lookup(functionKeyOf(node)))
      keep(*function);
    for (const GraphProto *graph : subgraphsOf(node))
      keepCalled(graph->node());
  }
}

FunctionInliner::Nodes FunctionInliner::instantiate(const FunctionProto &function, const NodeProto &call) {
  std::string prefix = !call.name().empty() ? call.name() : call.output_size() ? call.output(0) : call.op_type();
  Names names;
  for (auto [i, input] : enumerate(function.input()))
    names[input] = int(i) < call.input_size() ? call.input(i) : "";
  std::vector<std::pair<std::string, std::string>> aliases;
  for (auto [output, value] : zip(function.output(), call.output())) {
    if (value.empty())
      continue;
    if (!names.try_emplace(output, value).second) // an input, or an output for the second time
      aliases.emplace_back(output, value);
  }
  for (const NodeProto &node : function.node())
    for (const std::string &output : node.output())
      if (!output.empty() && !names.contains(output))
        names[output] = fresh(prefix, output);
  Bindings bindings;
  for (const AttributeProto &attribute : function.attribute_proto())
    bindings[attribute.name()] = &attribute;
  for (const AttributeProto &attribute : call.attribute())
    bindings[attribute.name()] = &attribute;

  Nodes body;
  for (const NodeProto &original : function.node()) {
    NodeProto &node = body.emplace_back(original);
    if (!node.name().empty())
      node.set_name(prefix + "/" + node.name());
    rename(node, names);
    renameSubgraphs(node, names, prefix);
    bind(node, bindings);
    bodyBytes += node.ByteSizeLong();
  }
  for (const auto &[output, value] : aliases) {
    NodeProto &node = body.emplace_back();
    node.set_op_type("Identity");
    node.add_input(names[output]);
    node.add_output(value);
  }
  return body;
}

void FunctionInliner::expandGraph(GraphProto &graph, int64_t opset) {
  Nodes nodes;
  for (NodeProto &node : *graph.mutable_node())
    expand(std::move(node), opset, nodes);
  graph.clear_node();
  for (NodeProto &node : nodes)
    *graph.add_node() = std::move(node);
}

/// The opset of the standard operators.
template <typename Imports> static int64_t standardOpset(const Imports &imports, int64_t absent) {
  for (const auto &import : imports)
    if (canonicalDomain(import.domain()).empty())
      return import.version();
  return absent;
}

void FunctionInliner::expand(NodeProto node, int64_t opset, Nodes &nodes) {
  for (GraphProto *graph : subgraphsOf(node))
    expandGraph(*graph, opset);
  const FunctionProto *function = byKey.lookup(functionKeyOf(node));
  bool isCall = function && !isKnownOperator(node.domain(), node.op_type(), context);
  if (std::string why = isCall ? refusalOf(*function, node) : ""; !why.empty()) {
    result.refused.emplace_back(index, "the call of model-local function '" + function->domain() +
                                           "::" + function->name() + "' is not replaced by its body: " + why);
    isCall = false;
  }
  if (!isCall) {
    if (function)
      keep(*function);
    if (opset != modelOpset && canonicalDomain(node.domain()).empty() && !statedOpset(node)) {
      auto *entry = node.add_metadata_props();
      entry->set_key(opsetKey.str());
      entry->set_value(std::to_string(opset));
    }
    nodes.push_back(std::move(node));
    return;
  }
  int64_t inside = standardOpset(function->opset_import(), opset);
  for (NodeProto &inner : instantiate(*function, node))
    if (bodyBytes <= limits.structureBytes)
      expand(std::move(inner), inside, nodes);
}

//===----------------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------------===//

/// A node with all of its bytes.
static Expected<NodeProto> wholeNode(const Source &source, const Record &record) {
  return source.message<NodeProto>(record.payload, "a node");
}

Expected<InlinedFunctions> FunctionInliner::run() {
  auto header = source.header();
  if (!header)
    return header.takeError();
  modelOpset = standardOpset(header->opset_import(), 0);
  for (const FunctionProto &function : functions) {
    byKey.try_emplace(functionKeyOf(function), &function);
    for (const NodeProto &node : function.node())
      collectNames(node);
  }
  for (uint32_t field : {GraphProto::kInputFieldNumber, GraphProto::kOutputFieldNumber})
    for (const Record &record : source.graphRecords(field)) {
      auto info = source.message<::onnx::ValueInfoProto>(record.payload, "a graph value");
      if (!info)
        return info.takeError();
      used.insert(info->name());
    }
  for (const Record &record : source.graphRecords(GraphProto::kInitializerFieldNumber)) {
    auto tensor = source.tensor(record);
    if (!tensor)
      return tensor.takeError();
    used.insert(tensor->proto.name());
  }
  SmallVector<Record, 0> records = source.graphRecords(GraphProto::kNodeFieldNumber);
  for (const Record &record : records) {
    auto node = source.node(record);
    if (!node)
      return node.takeError();
    collectNames(node->proto);
  }
  for (index = 0; index < records.size(); ++index) {
    auto skeleton = source.node(records[index]);
    if (!skeleton)
      return skeleton.takeError();
    if (!callsFunction(skeleton->proto))
      continue;
    Expected<NodeProto> node =
        skeleton->payload ? wholeNode(source, records[index]) : Expected<NodeProto>(std::move(skeleton->proto));
    if (!node)
      return node.takeError();
    std::string original = node->SerializeAsString();
    Nodes nodes;
    expand(std::move(*node), modelOpset, nodes);
    if (bodyBytes > limits.structureBytes)
      return createStringError("the bodies of the functions that " + source.path() +
                               " calls take more than the bytes of --max-structure-bytes");
    if (nodes.size() != 1 || nodes.front().SerializeAsString() != original)
      result.replacements[index] = std::move(nodes);
  }
  for (const FunctionProto &function : functions)
    if (kept.contains(&function))
      result.called.push_back(function);
  return std::move(result);
}

Expected<InlinedFunctions> InlinedFunctions::of(const Source &source, mlir::MLIRContext *context,
                                                const ImportLimits &limits) {
  auto functions = functionsOf(source);
  if (!functions)
    return functions.takeError();
  if (functions->empty())
    return InlinedFunctions();
  if (Error error = checkFunctions(*functions, limits))
    return std::move(error);
  return FunctionInliner(source, std::move(*functions), context, limits).run();
}
