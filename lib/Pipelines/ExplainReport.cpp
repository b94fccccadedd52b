//===- ExplainReport.cpp - facts about a model as text and as JSON ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Explanation.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantopt;
using namespace quantopt::explain;
using llvm::json::Array;
using llvm::json::Object;

static std::string labelOf(llvm::StringRef key) {
  std::string label = key.str();
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

static void printFacts(llvm::StringRef title, const std::vector<Fact> &facts, llvm::raw_ostream &stream) {
  constexpr unsigned column = 20;
  stream << '\n' << title << '\n';
  for (const Fact &fact : facts)
    stream << "  " << llvm::left_justify(labelOf(fact.key), column) << fact.text << '\n';
}

static void printCounts(llvm::StringRef title, const std::map<std::string, unsigned> &counts,
                        llvm::raw_ostream &stream) {
  stream << title;
  const char *separator = " ";
  for (const auto &[name, count] : counts) {
    stream << separator << count << ' ' << name;
    separator = ", ";
  }
  stream << (counts.empty() ? " none\n" : "\n");
}

static void printGroups(llvm::StringRef title, const std::vector<NodeGroup> &groups, llvm::raw_ostream &stream) {
  if (groups.empty())
    return;
  stream << '\n' << title << '\n';
  for (const NodeGroup &group : groups) {
    stream << "  " << group.nodes.size() << ' ' << group.operatorName << ": " << group.why << '\n';
    for (const std::string &name : group.nodes)
      stream << "      " << name << '\n';
  }
}

void explain::printText(const Explanation &explanation, llvm::StringRef path, llvm::raw_ostream &stream) {
  stream << path << '\n';
  printFacts("The file", explanation.file, stream);
  printFacts("The model", explanation.model, stream);
  stream << '\n';
  printCounts("Recognised layers:", explanation.layers, stream);
  printCounts("Nodes beside them, for masks, positions and sizes:", explanation.helpers, stream);
  printGroups(
      "Nodes that are not recognised (they run and are emitted as they are, but stand in the way of rotation and "
      "quantization)",
      explanation.unrecognised, stream);
  printGroups("Nodes that cannot be executed here (they are emitted as they are)", explanation.unsupported, stream);
  printFacts("Rotations", explanation.rotations, stream);
}

static std::string utf8(llvm::StringRef bytes) {
  return llvm::json::isUTF8(bytes) ? bytes.str() : llvm::json::fixUTF8(bytes);
}

static llvm::json::Value toJson(const std::vector<Fact> &facts) {
  Object object;
  for (const Fact &fact : facts)
    object[fact.key] = fact.value;
  return object;
}

static llvm::json::Value toJson(const std::map<std::string, unsigned> &counts) {
  Object object;
  for (const auto &[name, count] : counts)
    object[utf8(name)] = count;
  return object;
}

static llvm::json::Value toJson(const std::vector<NodeGroup> &groups) {
  Array array;
  for (const NodeGroup &group : groups) {
    Array names;
    for (const std::string &name : group.nodes)
      names.push_back(utf8(name));
    array.push_back(
        Object{{"operator", utf8(group.operatorName)}, {"why", utf8(group.why)}, {"nodes", std::move(names)}});
  }
  return array;
}

void explain::printJson(const Explanation &explanation, llvm::StringRef path, llvm::raw_ostream &stream) {
  llvm::json::Value document = Object{{"path", utf8(path)},
                                      {"file", toJson(explanation.file)},
                                      {"model", toJson(explanation.model)},
                                      {"layers", toJson(explanation.layers)},
                                      {"helpers", toJson(explanation.helpers)},
                                      {"unrecognised", toJson(explanation.unrecognised)},
                                      {"unsupported", toJson(explanation.unsupported)},
                                      {"rotations", toJson(explanation.rotations)}};
  stream << llvm::formatv("{0:2}\n", document);
}
