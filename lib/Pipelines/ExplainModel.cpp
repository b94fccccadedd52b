//===- ExplainModel.cpp - the architecture of a recognised model --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Explanation.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::explain;
using onnx::NodeOpInterface;

namespace {
/// What layers say about the architecture; 0 is unknown.
struct Architecture {
  int64_t layers = 0, hidden = 0, heads = 0, kvHeads = 0, headSize = 0, rotated = 0, intermediate = 0, vocabulary = 0;
  double eps = 0, softcap = 0;
  bool hasRmsNorm = false, hasLayerNorm = false, addsOne = false, hasHeadNorms = false, hasOutputNorms = false;
  bool hasSwiglu = false, hasGeglu = false, hasUngated = false, isInterleaved = false, hasRope = false,
       isParallel = false;
  bool isPacked = false, scalesEmbedding = false, scalesResidual = false;
  /// Last parts of the roles of linears with a bias.
  llvm::StringSet<> biases;
};
} // namespace

static int64_t sizeOf(Value value, int64_t dim) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return 0;
  dim += dim < 0 ? type.getRank() : 0;
  return dim < 0 || dim >= type.getRank() || type.isDynamicDim(dim) ? 0 : type.getDimSize(dim);
}

/// The parameter that a weight expression is made of.
static param::LoadOp loadBehind(Value weight) {
  while (Operation *op = weight.getDefiningOp()) {
    if (auto load = dyn_cast<param::LoadOp>(op))
      return load;
    if (op->getNumOperands() == 0)
      break;
    weight = op->getOperand(0);
  }
  return {};
}

template <typename Op> static bool isMadeBy(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<Op>(op))
      return true;
    if (!param::isWeightExpression(value) || op->getNumOperands() == 0)
      return false;
    value = op->getOperand(0);
  }
  return false;
}

static void noteNorm(Operation *op, Value input, Value scale, double eps, Architecture &a) {
  auto type = dyn_cast<RankedTensorType>(input.getType());
  bool isPerHead = input.getDefiningOp<llm::SplitHeadsOp>() || (type && type.getRank() == 4) ||
                   llvm::any_of(op->getUsers(), [](Operation *user) { return isa<llm::RopeOp>(user); });
  a.hasHeadNorms |= isPerHead;
  a.hasOutputNorms |= llvm::any_of(op->getUsers(), [](Operation *user) { return isa<llm::ResidualAddOp>(user); });
  a.addsOne |= scale && isMadeBy<param::OffsetOp>(scale);
  a.eps = eps;
  if (!isPerHead && !a.hidden)
    a.hidden = sizeOf(input, -1);
}

static void noteAttention(llm::AttentionOp op, Architecture &a) {
  ++a.layers;
  a.heads = std::max(a.heads, sizeOf(op.getQuery(), 1));
  a.kvHeads = std::max(a.kvHeads, sizeOf(op.getKey(), 1));
  a.headSize = std::max(a.headSize, sizeOf(op.getQuery(), 3));
  if (op.getSoftcap().convertToDouble() > 0)
    a.softcap = op.getSoftcap().convertToDouble();
}

static void noteLinear(llm::LinearOp op, Architecture &a) {
  a.isPacked |= isMadeBy<param::SliceOp>(op.getWeight());
  if (auto role = op->getAttrOfType<StringAttr>(llm::roleAttrName); role && op.getBias())
    a.biases.insert(role.getValue().rsplit('.').second.empty() ? role.getValue() : role.getValue().rsplit('.').second);
}

static void noteScale(llm::ScaleOp op, Architecture &a) {
  a.scalesEmbedding |= !!op.getInput().getDefiningOp<llm::EmbeddingOp>();
  a.scalesResidual |= llvm::any_of(op->getUsers(), [](Operation *user) { return isa<llm::ResidualAddOp>(user); });
}

/// Attention and heads of nodes that say them in attributes.
static void noteNode(NodeOpInterface node, Architecture &a) {
  bool isFused = node.isNode("GroupQueryAttention", "com.microsoft") ||
                 node.isNode("MultiHeadAttention", "com.microsoft") || node.isNode("Attention");
  if (!isFused)
    return;
  ++a.layers;
  a.heads = std::max({a.heads, node.getInt("num_heads", 0), node.getInt("q_num_heads", 0)});
  a.kvHeads = std::max({a.kvHeads, node.getInt("kv_num_heads", 0)});
  a.hasRope |= node.getInt("do_rotary", 0) != 0;
}

static void noteMlp(Operation *op, Architecture &a) {
  a.hasSwiglu |= isa<llm::SwigluOp>(op);
  a.hasGeglu |= isa<llm::GegluOp>(op);
  a.hasUngated |= isa<llm::ActivationOp>(op);
  a.intermediate = std::max(a.intermediate, sizeOf(op->getResult(0), -1));
}

/// Two layers that read one norm, one of them inside attention and one inside the MLP.
static bool feedsBoth(Operation *norm) {
  bool attention = false, mlp = false;
  for (Operation *user : norm->getUsers())
    if (auto role = user->getAttrOfType<StringAttr>(llm::roleAttrName)) {
      attention |= role.getValue().ends_with(".q_proj");
      mlp |= role.getValue().ends_with(".gate_proj") || role.getValue().ends_with(".up_proj");
    }
  return attention && mlp;
}

static Architecture findArchitecture(func::FuncOp function) {
  Architecture a;
  function.walk([&](Operation *op) {
    if (auto embedding = dyn_cast<llm::EmbeddingOp>(op)) {
      a.hidden = sizeOf(embedding.getTable(), 1);
      a.vocabulary = sizeOf(embedding.getTable(), 0);
    } else if (auto norm = dyn_cast<llm::RmsNormOp>(op)) {
      a.hasRmsNorm = true;
      a.isParallel |= feedsBoth(op);
      noteNorm(op, norm.getInput(), norm.getScale(), norm.getEps().convertToDouble(), a);
    } else if (auto layerNorm = dyn_cast<llm::LayerNormOp>(op)) {
      a.hasLayerNorm = true;
      a.isParallel |= feedsBoth(op);
      noteNorm(op, layerNorm.getInput(), layerNorm.getScale(), layerNorm.getEps().convertToDouble(), a);
    } else if (auto attention = dyn_cast<llm::AttentionOp>(op)) {
      noteAttention(attention, a);
    } else if (auto linear = dyn_cast<llm::LinearOp>(op)) {
      noteLinear(linear, a);
    } else if (auto rope = dyn_cast<llm::RopeOp>(op)) {
      a.hasRope = true;
      a.isInterleaved |= rope.getInterleaved();
      a.rotated = std::max(a.rotated, sizeOf(rope.getCos(), -1));
      a.headSize = std::max(a.headSize, sizeOf(rope.getInput(), -1));
    } else if (auto split = dyn_cast<llm::SplitHeadsOp>(op)) {
      a.headSize = std::max(a.headSize, sizeOf(split.getResult(), 3));
      a.heads = std::max(a.heads, sizeOf(split.getResult(), 1));
    } else if (isa<llm::SwigluOp, llm::GegluOp, llm::ActivationOp>(op)) {
      noteMlp(op, a);
    } else if (auto scale = dyn_cast<llm::ScaleOp>(op)) {
      noteScale(scale, a);
    } else if (auto node = dyn_cast<NodeOpInterface>(op)) {
      noteNode(node, a);
    }
  });
  return a;
}

static std::string guessFamily(const Architecture &a, StringRef ropeScaling, bool hasWindow) {
  auto hasBias = [&](StringRef name) { return a.biases.contains(name); };
  if (!a.layers)
    return "unknown: no attention is recognised";
  if (a.addsOne || (a.hasGeglu && a.scalesEmbedding))
    return a.softcap          ? "Gemma 2 (norms with 1 + weight, soft-capped attention)"
           : a.hasHeadNorms   ? "Gemma 3 (norms with 1 + weight, norms of queries and keys)"
           : a.hasOutputNorms ? "Gemma 2 or 3 (norms with 1 + weight, also behind attention and MLP)"
                              : "Gemma (norms with 1 + weight, scaled embedding)";
  if (a.hasLayerNorm && a.isParallel)
    return a.hasSwiglu ? "Cohere (LayerNorm, attention and MLP in parallel)"
                       : "Phi or GPT-NeoX (LayerNorm, attention and MLP in parallel)";
  if (a.hasLayerNorm)
    return a.hasSwiglu ? "StableLM (LayerNorm, SwiGLU)" : "GPT-like (LayerNorm)";
  if (a.hasOutputNorms)
    return "OLMo 2 (norms behind attention and MLP)";
  if (a.hasHeadNorms)
    return "Qwen 3 (norms of queries and keys)";
  if (a.scalesEmbedding && a.scalesResidual)
    return "Granite (multipliers of embedding and residual)";
  if (a.isPacked && !a.biases.contains("q_proj"))
    return "Phi-3 (packed projections), or a LLaMA whose exporter packed them";
  if (hasBias("q_proj") && !hasBias("o_proj"))
    return "Qwen 2 (biases of queries, keys and values)";
  if (hasWindow)
    return "Mistral (sliding window)";
  return ropeScaling == "llama3" ? "Llama 3 (scaled frequencies)" : "LLaMA";
}

//===----------------------------------------------------------------------------===//
// Tied weights
//===----------------------------------------------------------------------------===//

/// Whether the first rows of two weights are equal; nothing where they cannot be read or are all zero.
static std::optional<bool> haveEqualRows(func::FuncOp function, Value a, Value b) {
  if (sizeOf(a, 0) != sizeOf(b, 0) || sizeOf(a, 1) != sizeOf(b, 1))
    return false;
  WeightStore store;
  param::WeightEvaluator evaluator(function->getParentOfType<ModuleOp>(), store);
  constexpr int64_t rows = 8;
  int64_t count = std::min<int64_t>(rows, sizeOf(a, 0));
  SmallVector<Tensor> tensors;
  for (Value value : {a, b}) {
    llvm::Expected<SmallVector<Tensor>> part = evaluator.evaluateRows(value, 0, count, /*keepF64=*/true);
    if (!part) {
      llvm::consumeError(part.takeError());
      return std::nullopt;
    }
    tensors.push_back(part->front());
  }
  if (llvm::all_of(tensors[0].data<double>(), [](double x) { return x == 0; }))
    return std::nullopt;
  return llvm::equal(tensors[0].data<double>(), tensors[1].data<double>());
}

static std::string describeTie(func::FuncOp function) {
  llm::EmbeddingOp embedding;
  llm::LinearOp head;
  function.walk([&](Operation *op) {
    if (auto found = dyn_cast<llm::EmbeddingOp>(op); found && !embedding)
      embedding = found;
    if (auto role = op->getAttrOfType<StringAttr>(llm::roleAttrName); role && role.getValue() == "head")
      head = dyn_cast<llm::LinearOp>(op);
  });
  if (!embedding || !head)
    return "unknown: embedding or head are not recognised";
  param::LoadOp table = loadBehind(embedding.getTable()), weight = loadBehind(head.getWeight());
  if (!table || !weight)
    return "unknown";
  if (table.getParamAttr() == weight.getParamAttr())
    return "tied: embedding and head are one tensor";
  auto module = function->getParentOfType<ModuleOp>();
  auto a = module.lookupSymbol<param::GlobalOp>(table.getParamAttr()),
       b = module.lookupSymbol<param::GlobalOp>(weight.getParamAttr());
  if (a && b && a.getFile() == b.getFile() && a.getOffset() == b.getOffset() && a.getLength() == b.getLength())
    return "tied: embedding and head are the same bytes";
  std::optional<bool> equal = haveEqualRows(function, embedding.getTable(), head.getWeight());
  return !equal ? "unknown" : *equal ? "tied: the head is a second copy of the embedding" : "not tied";
}

//===----------------------------------------------------------------------------===//
// Facts
//===----------------------------------------------------------------------------===//

static void addSize(std::vector<Fact> &facts, StringRef key, int64_t size) {
  if (size)
    Explanation::add(facts, key, size);
  else
    Explanation::add(facts, key, nullptr, "unknown");
}

static void explainNorms(const Architecture &a, std::vector<Fact> &facts) {
  std::string text = a.hasRmsNorm && a.hasLayerNorm ? "RMSNorm and LayerNorm"
                     : a.hasRmsNorm                 ? "RMSNorm"
                     : a.hasLayerNorm               ? "LayerNorm"
                                                    : "not recognised";
  if (a.eps)
    llvm::raw_string_ostream(text) << llvm::format(", eps %g", a.eps);
  text += a.addsOne ? ", scales are 1 + weight" : "";
  text += a.hasHeadNorms ? ", also of queries and keys" : "";
  text += a.hasOutputNorms ? ", also behind attention and MLP" : "";
  Explanation::add(facts, "norms", text);
}

static void explainMlp(const Architecture &a, std::vector<Fact> &facts) {
  Explanation::add(facts, "activation",
                   a.hasSwiglu && a.hasGeglu ? "SwiGLU and GeGLU"
                   : a.hasSwiglu             ? "SwiGLU"
                   : a.hasGeglu              ? "GeGLU"
                   : a.hasUngated            ? "not gated"
                                             : "not recognised");
  SmallVector<StringRef> names(a.biases.keys().begin(), a.biases.keys().end());
  llvm::sort(names);
  Explanation::add(facts, "biases", names.empty() ? "none" : llvm::join(names, ", "));
  if (a.isParallel)
    Explanation::add(facts, "residual", "attention and MLP in parallel");
  if (a.softcap)
    Explanation::add(facts, "softcap", a.softcap, std::to_string(a.softcap));
}

void explain::explainModel(func::FuncOp function, Explanation &explanation) {
  Architecture a = findArchitecture(function);
  std::string ropeScaling;
  bool hasWindow = false;
  Explanation scratch;
  explainPositions(function, scratch, ropeScaling, hasWindow);
  std::vector<Fact> &facts = explanation.model;
  Explanation::add(facts, "family", "a guess: " + guessFamily(a, ropeScaling, hasWindow));
  addSize(facts, "layers", a.layers);
  addSize(facts, "hidden", a.hidden);
  addSize(facts, "heads", a.heads);
  addSize(facts, "kv_heads", a.kvHeads);
  addSize(facts, "head_size", a.headSize);
  addSize(facts, "intermediate", a.intermediate);
  addSize(facts, "vocabulary", a.vocabulary);
  explainNorms(a, facts);
  explainMlp(a, facts);
  if (a.rotated && a.rotated < a.headSize)
    Explanation::add(facts, "rotated_elements", a.rotated, std::to_string(a.rotated) + " of each head");
  if (a.isInterleaved)
    Explanation::add(facts, "rope_pairs", "neighbours (interleaved)");
  llvm::append_range(facts, scratch.model);
  Explanation::add(facts, "tied", describeTie(function));
}
