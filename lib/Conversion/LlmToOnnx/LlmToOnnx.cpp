//===- LlmToOnnx.cpp - layers and quantized values as standard ONNX nodes -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Conversion/LlmToOnnx/LlmToOnnx.h"
#include "Lowering.h"
#include "ModelAttributes.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quantopt {
#define GEN_PASS_DECL_LLMTOONNXPASS
#define GEN_PASS_DEF_LLMTOONNXPASS
#include "onnx/OnnxPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

//===----------------------------------------------------------------------------===//
// One function
//===----------------------------------------------------------------------------===//

/// Whether an op stays in the function as (part of) a weight expression.
static bool isWeightOp(Operation *op) {
  return isa<param::LoadOp>(op) ||
         (isa<param::WeightOpInterface>(op) && llvm::all_of(op->getOperands(), param::isWeightExpression));
}

LogicalResult Lowering::lowerOp(Operation *op) {
  builder.enter(op);
  if (auto quantize = dyn_cast<q::QuantizeDynamicOp>(op))
    return lower(quantize);
  Value value =
      llvm::TypeSwitch<Operation *, Value>(op)
          .Case<llm::EmbeddingOp, llm::RmsNormOp, llm::LayerNormOp, llm::LinearOp, llm::ResidualAddOp, llm::SwigluOp,
                llm::GegluOp, llm::ActivationOp, llm::ScaleOp, llm::SplitHeadsOp, llm::MergeHeadsOp, llm::RopeOp,
                llm::KvAppendOp, llm::KvWriteOp, llm::AttentionOp, q::LinearOp, q::DequantizeOp, rot::ConvertOp>(
              [&](auto typed) { return lower(typed); })
          .Case([](llm::MixedAttentionOp mixed) {
            mixed.emitOpError() << nodePrefix(mixed)
                                << "has no ONNX form: use q-kv-cache without sinks, residual and keys=channel";
            return Value();
          })
          .Default([&](Operation *other) {
            other->emitOpError() << nodePrefix(other) << "has no ONNX form";
            return Value();
          });
  if (!value)
    return failure();
  map.map(op->getResult(0), value);
  return success();
}

LogicalResult Lowering::run() {
  SmallVector<Operation *> lowered;
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (isa<onnx::NodeOpInterface, onnx::NoValueOp, func::ReturnOp>(op) || isWeightOp(&op)) {
      for (OpOperand &operand : op.getOpOperands())
        operand.set(get(operand.get()));
      continue;
    }
    if (failed(lowerOp(&op)))
      return failure();
    lowered.push_back(&op);
  }
  for (Operation *op : llvm::reverse(lowered))
    op->erase();
  dequantizeWeights();
  // Weight expressions that only the old ops read.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isWeightOp(&op) && op.use_empty())
      op.erase();
  finishSignature();
  return success();
}

/// Weights of codes that a node reads as values. Linears read the codes themselves, other expressions are computed.
void Lowering::dequantizeWeights() {
  for (auto weight : llvm::make_early_inc_range(function.getOps<q::DequantizeOp>())) {
    auto isNode = [](OpOperand &use) { return !isWeightOp(use.getOwner()); };
    if (llvm::none_of(weight->getUses(), isNode))
      continue;
    builder.enter(weight);
    weight.getResult().replaceUsesWithIf(lower(weight), isNode);
  }
}

/// Arguments and results have no basis in ONNX; the metadata says which they are in.
void Lowering::finishSignature() {
  auto plain = [](Type type) -> Type {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor ? RankedTensorType::get(tensor.getShape(), tensor.getElementType()) : type;
  };
  for (BlockArgument argument : function.getArguments())
    argument.setType(plain(argument.getType()));
  FunctionType type = function.getFunctionType();
  function.setType(FunctionType::get(function.getContext(), llvm::map_to_vector(type.getInputs(), plain),
                                     llvm::map_to_vector(type.getResults(), plain)));
  function->removeAttr("rot.strict");
}

//===----------------------------------------------------------------------------===//
// The module
//===----------------------------------------------------------------------------===//

/// Records the bases of a function's state in the model's metadata.
static void recordStateBases(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments()) {
    auto state = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), llm::stateAttrName);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!state || !type)
      continue;
    std::string basis = "standard";
    if (auto transform = rot::getBasis(type, type.getRank() - 1)) {
      basis.clear();
      llvm::raw_string_ostream(basis) << transform;
    }
    setModelMetadata(function->getParentOfType<ModuleOp>(), ("quantopt.state." + state.getValue()).str(), basis);
  }
}

LogicalResult quantopt::convertLlmToOnnx(ModuleOp module, const LlmToOnnxOptions &options) {
  SmallVector<func::FuncOp> functions;
  for (auto function : module.getOps<func::FuncOp>())
    if (!function.isExternal() && !function->hasAttr(onnx::OnnxDialect::functionAttrName))
      functions.push_back(function);
  int64_t opset = getModelOpset(module).value_or(0);
  for (func::FuncOp function : functions) {
    recordStateBases(function);
    if (failed(Lowering(function, options, opset).run()))
      return failure();
  }
  return convertOpset(module);
}

namespace {
struct LlmToOnnxPass : quantopt::impl::LlmToOnnxPassBase<LlmToOnnxPass> {
  using LlmToOnnxPassBase::LlmToOnnxPassBase;
  void runOnOperation() override {
    LlmToOnnxOptions options;
    options.accuracyLevel = accuracyLevel;
    if (failed(convertLlmToOnnx(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace
