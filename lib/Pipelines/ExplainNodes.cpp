//===- ExplainNodes.cpp - what is left, and what that forbids -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Explanation.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Interp/Interpreter.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::explain;
using onnx::NodeOpInterface;

/// What a list calls a node: its name, or that of its first value.
static std::string nameOf(Operation *op) {
  auto node = dyn_cast<NodeOpInterface>(op);
  if (!node)
    return op->getName().getStringRef().str();
  if (!node.getNodeName().empty())
    return node.getNodeName().str();
  if (!node.getOutputNames().empty())
    return "the one that computes '" + cast<StringAttr>(node.getOutputNames()[0]).str() + "'";
  return "one without a name";
}

/// Adds a node to the group of its operator and reason.
static void addNode(std::vector<NodeGroup> &groups, Operation *op, StringRef why) {
  auto node = dyn_cast<NodeOpInterface>(op);
  std::string name = node ? operatorOf(node) : op->getName().getStringRef().str();
  auto group =
      llvm::find_if(groups, [&](const NodeGroup &group) { return group.operatorName == name && group.why == why; });
  if (group == groups.end())
    group = groups.insert(groups.end(), {name, {}, why.str()});
  group->nodes.push_back(nameOf(op));
}

void explain::explainUnsupported(func::FuncOp function, Explanation &explanation) {
  interp::Interpreter interpreter(function, nullptr);
  llvm::Expected<SmallVector<Operation *>> missing = interpreter.missingKernels();
  if (!missing) {
    explanation.unsupported.push_back(
        {"graph inside a node", {function.getName().str()}, toString(missing.takeError())});
    return;
  }
  for (Operation *op : *missing)
    addNode(explanation.unsupported, op, "lib/Interp has no kernel for this operator");
}

//===----------------------------------------------------------------------------===//
// Nodes that stay
//===----------------------------------------------------------------------------===//

static bool isFloatTensor(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

static bool isMatrixWeight(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= 2 && param::isWeightExpression(value);
}

/// Whether an op begins what is computed from tokens: the embedding, or without one any node with a matrix.
static bool beginsStream(Operation *op, bool hasEmbedding) {
  if (isa<llm::EmbeddingOp>(op))
    return true;
  return !hasEmbedding && (isa_and_nonnull<llm::LlmDialect>(op->getDialect()) ||
                           (isa<NodeOpInterface>(op) && llvm::any_of(op->getOperands(), isMatrixWeight)));
}

static std::string whyUnrecognised(NodeOpInterface node) {
  if (node.isNode("MatMul") || node.isNode("Gemm"))
    return llvm::any_of(node->getOperands(), isMatrixWeight) ? "a product with a weight of a form that is not known"
                                                             : "a product of two computed values, as in attention, "
                                                               "whose surroundings are not those of any known form";
  if (node.isNode("Softmax"))
    return "of an attention whose scale, mask or heads are not of any known form";
  if (!node.getDomain().empty())
    return "no pattern knows this operator here";
  return "between layers, and part of no pattern";
}

void explain::explainNodes(func::FuncOp function, Explanation &explanation) {
  bool hasEmbedding = !function.getOps<llm::EmbeddingOp>().empty();
  DenseSet<Value> stream;
  for (Operation &op : function.front().without_terminator()) {
    if (isa_and_nonnull<llm::LlmDialect>(op.getDialect()))
      ++explanation.layers[op.getName().stripDialect().str()];
    bool isInStream = beginsStream(&op, hasEmbedding) || llvm::any_of(op.getOperands(), [&](Value operand) {
                        return stream.contains(operand) && isFloatTensor(operand);
                      });
    auto node = dyn_cast<NodeOpInterface>(op);
    // Sizes are no part of what is computed.
    isInStream &= !node || llvm::any_of(op.getResults(), isFloatTensor);
    if (isInStream)
      stream.insert(op.result_begin(), op.result_end());
    if (node && isInStream)
      addNode(explanation.unrecognised, &op, whyUnrecognised(node));
    else if (node)
      ++explanation.helpers[operatorOf(node)];
  }
}

//===----------------------------------------------------------------------------===//
// Rotations
//===----------------------------------------------------------------------------===//

namespace {
/// What passes said about one site.
struct SiteRemarks {
  std::string refusal;
  std::vector<std::string> notes, conversions;
};
} // namespace

static void explainSite(StringRef name, StringRef description, const SiteRemarks &remarks, std::vector<Fact> &facts) {
  std::string text = description.str() + ": ";
  llvm::json::Array reasons;
  if (remarks.refusal.empty()) {
    text += remarks.conversions.empty() ? "can be rotated" : "can be rotated, with conversions while the model runs";
    for (const std::string &conversion : remarks.conversions) {
      text += "\n      " + conversion;
      reasons.push_back(conversion);
    }
  } else {
    text += remarks.refusal;
    reasons.push_back(remarks.refusal);
    for (const std::string &note : remarks.notes) {
      text += "\n      " + note;
      reasons.push_back(note);
    }
  }
  Explanation::add(facts, name,
                   llvm::json::Object{{"available", remarks.refusal.empty()}, {"remarks", std::move(reasons)}}, text);
}

static std::string firstLine(const Diagnostic &diagnostic) {
  std::string text = diagnostic.str();
  return text.substr(0, text.find('\n'));
}

void explain::explainRotations(ModuleOp module, Explanation &explanation) {
  constexpr std::pair<StringLiteral, StringLiteral> sites[] = {{"R1", "the residual stream"},
                                                               {"R2", "the values of attention"},
                                                               {"R3", "queries and keys"},
                                                               {"R4", "the input of the down projection"}};
  std::map<StringRef, SiteRemarks> remarks;
  std::string error;
  bool hasPassed;
  {
    ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
      std::string text = firstLine(diagnostic);
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error && error.empty())
        error = text;
      for (auto [site, description] : sites) {
        if (StringRef(text).contains("no place for " + site.str()) || StringRef(text).starts_with(site.str() + ", ")) {
          if (remarks[site].refusal.empty())
            remarks[site].refusal = text;
          for (const Diagnostic &note : diagnostic.getNotes())
            remarks[site].notes.push_back(note.str());
        } else if (StringRef(text).contains("(" + site.str() + ")")) {
          remarks[site].conversions.push_back(text);
        }
      }
    });
    PassManager manager(module.getContext());
    OpPassManager &function = manager.nest<func::FuncOp>();
    function.addPass(createFuseNormScalePass());
    function.addPass(createRotInsertPass());
    hasPassed = succeeded(manager.run(module));
  }
  for (auto [site, description] : sites) {
    SiteRemarks &found = remarks[site];
    if (!hasPassed && found.refusal.empty())
      found.refusal = "not available: " + error;
    explainSite(site, description, found, explanation.rotations);
  }
}
