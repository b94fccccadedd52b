//===- ExplainFile.cpp - what is known of a model before recognition ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Explanation.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::explain;
using onnx::NodeOpInterface;

namespace {
/// What tells exporters apart.
struct Structure {
  std::map<std::string, unsigned> operators;
  unsigned nodes = 0, constantNodes = 0;
  bool hasScopedNames = false, hasOrtDomains = false;

  unsigned count(StringRef name) const {
    auto found = operators.find(name.str());
    return found == operators.end() ? 0 : found->second;
  }
  bool has(StringRef name) const { return count(name) > 0; }
};
} // namespace

static Structure analyze(func::FuncOp function, DictionaryAttr opsets) {
  Structure structure;
  function.walk([&](NodeOpInterface node) {
    if (node->hasAttr(onnx::OnnxDialect::initializerAttrName))
      return;
    ++structure.nodes;
    ++structure.operators[operatorOf(node)];
    structure.constantNodes += node.isNode("Constant");
    structure.hasScopedNames |= node.getNodeName().starts_with("/") && node.getNodeName().count('/') > 1;
  });
  if (opsets)
    structure.hasOrtDomains = opsets.contains("com.microsoft.nchwc") || opsets.contains("com.microsoft.experimental");
  return structure;
}

/// Who first wrote the graph, by its structure.
static std::string guessExporter(const Structure &s) {
  if (s.nodes == 1 && s.has("If"))
    return "Optimum, which merged a decoder that reads a cache and one that has none (one If)";
  if (s.hasOrtDomains)
    return "ONNX Runtime, which saved a graph after its own optimisations";
  if (s.has("com.microsoft::GroupQueryAttention") && !s.constantNodes && !s.has("Softmax"))
    return "the model builder of onnxruntime-genai (GroupQueryAttention, no traced sizes)";
  if (s.has("TensorScatter") || (s.has("Attention") && !s.constantNodes && !s.has("GatherND") && !s.has("LessOrEqual")))
    return "a model builder or a hand that wrote operators of opset 23 and later (Attention), without tracing";
  if (s.constantNodes && (s.hasScopedNames || s.has("ConstantOfShape")))
    return "torch.onnx with TorchScript, perhaps through Optimum (constants are nodes)";
  if (s.has("ConstantOfShape") || s.has("Flatten"))
    return "torch.onnx with TorchScript, simplified since (its traced masks, but constants are initializers)";
  if (s.has("GatherND") || s.has("Range"))
    return "torch.onnx with dynamo (traced masks, constants are initializers)";
  return "unknown";
}

/// What was done to the graph since.
static std::string describeTools(const Structure &s) {
  std::string text;
  bool isBuilt = s.has("com.microsoft::GroupQueryAttention");
  if (!isBuilt && (s.has("com.microsoft::SkipSimplifiedLayerNormalization") || s.has("com.microsoft::RotaryEmbedding")))
    text += "; operators were fused for ONNX Runtime";
  if (s.has("QuantizeLinear"))
    text += "; activations were quantized statically";
  return text;
}

static void explainOrigin(ModuleOp module, const Structure &structure, std::vector<Fact> &facts) {
  auto model = module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::modelAttrName);
  Explanation::add(facts, "exporter", "a guess: " + guessExporter(structure) + describeTools(structure));
  auto text = [&](StringRef name) {
    auto attr = model ? model.getAs<StringAttr>(name) : StringAttr();
    return attr ? attr.str() : std::string();
  };
  std::string producer = text("producer_name");
  if (!producer.empty() && !text("producer_version").empty())
    producer += " " + text("producer_version");
  Explanation::add(facts, "producer", producer.empty() ? "not stated" : producer);
  llvm::json::Object opsets;
  std::string list;
  if (auto imports = model ? model.getAs<DictionaryAttr>("opset_imports") : DictionaryAttr())
    for (NamedAttribute import : imports)
      if (auto version = dyn_cast<IntegerAttr>(import.getValue())) {
        opsets[import.getName().getValue()] = version.getInt();
        list += (list.empty() ? "" : ", ") + import.getName().str() + " " + std::to_string(version.getInt());
      }
  Explanation::add(facts, "opsets", std::move(opsets), list);
  Explanation::add(facts, "nodes", int64_t(structure.nodes));
}

static std::string toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static std::string bytesAsText(uint64_t bytes) {
  constexpr uint64_t mega = 1000000, giga = 1000 * mega;
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (bytes >= giga)
    stream << llvm::format("%.2f GB", double(bytes) / giga);
  else if (bytes >= mega)
    stream << llvm::format("%.1f MB", double(bytes) / mega);
  else
    stream << llvm::format("%.1f kB", double(bytes) / 1000);
  return text;
}

static void explainParameters(ModuleOp module, std::vector<Fact> &facts) {
  struct Sum {
    int64_t tensors = 0, elements = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Sum> sums;
  Sum total;
  for (auto global : module.getOps<param::GlobalOp>()) {
    auto type = cast<ShapedType>(global.getType());
    for (Sum *sum : {&sums[toText(type.getElementType())], &total}) {
      ++sum->tensors;
      sum->elements += type.getNumElements();
      sum->bytes += global.getLength();
    }
  }
  llvm::json::Object byType;
  std::string list;
  for (const auto &[type, sum] : sums) {
    byType[type] =
        llvm::json::Object{{"tensors", sum.tensors}, {"elements", sum.elements}, {"bytes", int64_t(sum.bytes)}};
    list += (list.empty() ? "" : ", ") + type + " " + bytesAsText(sum.bytes);
  }
  byType["total"] =
      llvm::json::Object{{"tensors", total.tensors}, {"elements", total.elements}, {"bytes", int64_t(total.bytes)}};
  Explanation::add(facts, "parameters", std::move(byType),
                   std::to_string(total.elements) + " in " + std::to_string(total.tensors) + " tensors, " +
                       bytesAsText(total.bytes) +
                       (sums.size() > 1 ? " (" + list + ")"
                        : sums.size()   ? " of " + list.substr(0, list.find(' '))
                                        : ""));
}

/// Weights that are stored in few bits, by how.
static void explainQuantization(func::FuncOp function, std::vector<Fact> &facts) {
  std::map<std::string, unsigned> kinds;
  function.walk([&](NodeOpInterface node) {
    std::string kind = operatorOf(node);
    bool isDequantization = node.isNode("DequantizeLinear") && param::isWeightExpression(node->getOperand(0));
    if (node.isNode("MatMulNBits", "com.microsoft") || node.isNode("GatherBlockQuantized", "com.microsoft"))
      kind += " of " + std::to_string(node.getInt("bits", 4)) + " bits in blocks of " +
              std::to_string(node.getInt("block_size", 128)) +
              (node.getNodeInput(3) ? " with zero points" : ", symmetric");
    else if (isDequantization)
      kind += " of " + toText(getElementTypeOrSelf(node->getOperand(0).getType())) +
              (node.getInt("block_size", 0) ? " in blocks of " + std::to_string(node.getInt("block_size", 0)) : "");
    else
      return;
    ++kinds[kind];
  });
  llvm::json::Object counts;
  std::string list;
  for (const auto &[kind, count] : kinds) {
    counts[kind] = count;
    list += (list.empty() ? "" : "; ") + std::to_string(count) + " " + kind;
  }
  Explanation::add(facts, "quantized_weights", std::move(counts), list.empty() ? "none" : list);
}

static std::string describeShape(func::FuncOp function, unsigned argument) {
  auto type = dyn_cast<RankedTensorType>(function.getArgument(argument).getType());
  if (!type)
    return toText(function.getArgument(argument).getType());
  auto dims = function.getArgAttrOfType<ArrayAttr>(argument, onnx::OnnxDialect::dimsAttrName);
  std::string text = "[";
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    auto name = dims && dim < int64_t(dims.size()) ? dyn_cast<StringAttr>(dims[dim]) : StringAttr();
    text +=
        (dim ? ", " : "") + (type.isDynamicDim(dim) ? (name ? name.str() : "?") : std::to_string(type.getDimSize(dim)));
  }
  return text + "] of " + toText(type.getElementType());
}

static void explainCache(func::FuncOp function, const Structure &structure, std::vector<Fact> &facts) {
  SmallVector<interp::InputRole> roles = interp::findInputRoles(function);
  unsigned count = llvm::count(roles, interp::InputRole::Cache);
  if (!count) {
    Explanation::add(facts, "cache", llvm::json::Object{{"tensors", 0}}, "none: every call computes all tokens");
    return;
  }
  unsigned first = llvm::find(roles, interp::InputRole::Cache) - roles.begin();
  std::string shape = describeShape(function, first);
  std::string layout = structure.has("TensorScatter") ? "buffers of fixed length, written in place (TensorScatter)"
                       : structure.has("com.microsoft::GroupQueryAttention")
                           ? "present longer than past, or one buffer for both (GroupQueryAttention)"
                           : "new rows behind the past";
  Explanation::add(facts, "cache", llvm::json::Object{{"tensors", count}, {"shape", shape}, {"layout", layout}},
                   std::to_string(count) + " tensors " + shape + ": " + layout);
}

void explain::explainFile(ModuleOp module, func::FuncOp function, Explanation &explanation) {
  auto model = module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::modelAttrName);
  Structure structure = analyze(function, model ? model.getAs<DictionaryAttr>("opset_imports") : DictionaryAttr());
  explainOrigin(module, structure, explanation.file);
  explainParameters(module, explanation.file);
  explainQuantization(function, explanation.file);
  explainCache(function, structure, explanation.file);
}
