//===- Checks.cpp - what import refuses before it reads on ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Checks.h"
#include "GraphView.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantopt;

using FunctionProto = ::onnx::FunctionProto;
using GraphProto = ::onnx::GraphProto;
using ModelProto = ::onnx::ModelProto;
using NodeProto = ::onnx::NodeProto;

//===----------------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------------===//

static ImportLimits statedLimits;

const ImportLimits &ImportLimits::stated() { return statedLimits; }

namespace {
struct LimitOption : cl::opt<uint64_t, true> {
  LimitOption(StringRef name, uint64_t &limit, StringRef what)
      : cl::opt<uint64_t, true>(name, cl::location(limit), cl::init(limit), cl::value_desc("N"),
                                cl::cat(inputCategory()), cl::desc(what)) {}
};
} // namespace

static LimitOption maxNodes("max-nodes", statedLimits.nodes, "most nodes of a model (default: 1000000)");
static LimitOption maxInitializers("max-initializers", statedLimits.initializers,
                                   "most initializers of a model (default: 1000000)");
static LimitOption maxAttributes("max-attributes", statedLimits.attributes,
                                 "most attributes of a node (default: 1000)");
static LimitOption maxNameBytes("max-name-bytes", statedLimits.nameBytes, "longest name in a model (default: 65536)");
static LimitOption maxRank("max-rank", statedLimits.rank, "most dimensions of a tensor (default: 64)");
static LimitOption maxDepth("max-depth", statedLimits.depth,
                            "deepest nesting of subgraphs and calls of functions (default: 16)");
static LimitOption maxStructureBytes("max-structure-bytes", statedLimits.structureBytes,
                                     "most bytes of a model besides its tensors (default: 1073741824)");

static Error tooMany(const Twine &what, uint64_t limit, StringRef option) {
  return createStringError(what + ", more than the " + Twine(limit) + " of --" + option);
}

//===----------------------------------------------------------------------------===//
// Counts and names
//===----------------------------------------------------------------------------===//

Error quantopt::checkCounts(const Source &source, const ImportLimits &limits) {
  uint64_t nodes = 0, initializers = 0, structure = 0;
  for (const Record &record : source.modelRecords())
    if (record.field != ModelProto::kGraphFieldNumber)
      structure += record.whole.size();
  for (const Record &record : source.graphRecords()) {
    bool isInitializer = record.field == GraphProto::kInitializerFieldNumber;
    bool isNode = record.field == GraphProto::kNodeFieldNumber;
    nodes += isNode;
    initializers += isInitializer;
    if (!isInitializer && (!isNode || record.payload.size() <= Source::inlineLimit)) // larger nodes are constants
      structure += record.whole.size();
  }
  StringRef path = source.path();
  if (nodes > limits.nodes)
    return tooMany(path + " has " + Twine(nodes) + " nodes", limits.nodes, "max-nodes");
  if (initializers > limits.initializers)
    return tooMany(path + " has " + Twine(initializers) + " initializers", limits.initializers, "max-initializers");
  if (structure > limits.structureBytes)
    return tooMany(path + " has " + Twine(structure) + " bytes besides its tensors", limits.structureBytes,
                   "max-structure-bytes");
  return Error::success();
}

Error quantopt::checkName(StringRef name, StringRef what, const ImportLimits &limits) {
  if (name.size() > limits.nameBytes)
    return tooMany(what + " has a name of " + Twine(name.size()) + " bytes", limits.nameBytes, "max-name-bytes");
  if (!json::isUTF8(name))
    return createStringError(what + " has a name that is not UTF-8: '" + json::fixUTF8(name) + "'");
  return Error::success();
}

Error NodeChecker::check(const GraphProto &graph, unsigned depth) {
  if (depth > limits.depth)
    return tooMany("subgraphs nest " + Twine(depth) + " deep", limits.depth, "max-depth");
  for (const auto &initializer : graph.initializer())
    if (Error error = checkName(initializer.name(), "an initializer of a subgraph", limits))
      return error;
  for (const NodeProto &node : graph.node())
    if (Error error = check(node, depth))
      return error;
  return Error::success();
}

Error NodeChecker::check(const NodeProto &node, unsigned depth) {
  if (++nodes > limits.nodes)
    return tooMany("the model has " + Twine(nodes) + " nodes and more", limits.nodes, "max-nodes");
  if (uint64_t(node.attribute_size()) > limits.attributes)
    return tooMany("there are " + Twine(node.attribute_size()) + " attributes", limits.attributes, "max-attributes");
  for (StringRef name : {StringRef(node.name()), StringRef(node.op_type()), StringRef(node.domain())})
    if (Error error = checkName(name, "a node", limits))
      return error;
  for (const auto *names : {&node.input(), &node.output()})
    for (const std::string &name : *names)
      if (Error error = checkName(name, "an edge", limits))
        return error;
  for (const auto &attribute : node.attribute())
    if (Error error = checkName(attribute.name(), "an attribute", limits))
      return error;
  for (const GraphProto *graph : subgraphsOf(node))
    if (Error error = check(*graph, depth + 1))
      return error;
  return Error::success();
}

//===----------------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------------===//

namespace {
/// Walks the calls of functions, each function once.
class CallGraph {
public:
  CallGraph(ArrayRef<FunctionProto> functions, const ImportLimits &limits) : functions(functions), limits(limits) {}
  Error check();

private:
  enum class State { New, Active, Done };
  struct Info {
    State state = State::New;
    /// With all calls replaced; the longest chain of calls below.
    uint64_t nodes = 0, depth = 0;
  };

  Error visit(size_t index, unsigned depth);
  template <typename Nodes> Error visitNodes(const Nodes &nodes, Info &info, unsigned depth);

  ArrayRef<FunctionProto> functions;
  const ImportLimits &limits;
  std::vector<Info> infos;
  StringMap<size_t> numbers;
};
} // namespace

Error CallGraph::check() {
  infos.resize(functions.size());
  for (size_t i = 0; i < functions.size(); ++i) {
    const FunctionProto &function = functions[i];
    if (!numbers.try_emplace(functionKeyOf(function), i).second)
      return createStringError("function '" + function.domain() + "::" + function.name() + "' is given twice");
  }
  for (size_t i = 0; i < functions.size(); ++i)
    if (Error error = visit(i, 1))
      return error;
  return Error::success();
}

Error CallGraph::visit(size_t index, unsigned depth) {
  Info &info = infos[index];
  const FunctionProto &function = functions[index];
  if (info.state == State::Active)
    return createStringError("function '" + function.domain() + "::" + function.name() + "' calls itself");
  if (depth > limits.depth || depth + info.depth > limits.depth + 1)
    return tooMany("functions call each other " + Twine(depth) + " deep and more", limits.depth, "max-depth");
  if (info.state == State::Done)
    return Error::success();
  info.state = State::Active;
  if (Error error = visitNodes(function.node(), info, depth))
    return error;
  info.state = State::Done;
  if (info.nodes > limits.nodes)
    return tooMany("function '" + function.domain() + "::" + function.name() + "' has " + Twine(info.nodes) +
                       " nodes with what it calls",
                   limits.nodes, "max-nodes");
  return Error::success();
}

template <typename Nodes> Error CallGraph::visitNodes(const Nodes &nodes, Info &info, unsigned depth) {
  for (const NodeProto &node : nodes) {
    info.nodes = SaturatingAdd(info.nodes, uint64_t(1));
    auto called = numbers.find(functionKeyOf(node));
    if (called != numbers.end()) {
      if (Error error = visit(called->second, depth + 1))
        return error;
      info.nodes = SaturatingAdd(info.nodes, infos[called->second].nodes);
      info.depth = std::max(info.depth, infos[called->second].depth + 1);
    }
    for (const GraphProto *graph : subgraphsOf(node))
      if (Error error = visitNodes(graph->node(), info, depth))
        return error;
  }
  return Error::success();
}

Error quantopt::checkFunctions(ArrayRef<FunctionProto> functions, const ImportLimits &limits) {
  return CallGraph(functions, limits).check();
}
