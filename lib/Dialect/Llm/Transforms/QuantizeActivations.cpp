//===- QuantizeActivations.cpp - q-activations ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "LinearSelection.h"
#include "QuantizeDynamic.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Support/NodeName.h"

namespace quantopt {
#define GEN_PASS_DEF_QACTIVATIONSPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct QActivationsPass : quantopt::impl::QActivationsPassBase<QActivationsPass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    auto patterns = llm::LinearPatterns::parse(*skip);
    if (!patterns)
      return emitError(UnknownLoc::get(context)) << "q-activations: " << llvm::toString(patterns.takeError());
    skipped = std::move(*patterns);
    return llm::checkBits(context, "q-activations", bits);
  }

  void runOnOperation() override {
    if (bits == 16)
      return;
    llm::warnWithoutLinears(getOperation(), "q-activations");
    llvm::DenseMap<Value, llm::DynamicCodes> codesOf;
    for (llm::LinearOp linear : llm::selectLinears(getOperation(), skipped, includeHead)) {
      Value input = linear.getInput();
      if (input.getDefiningOp<q::DequantizeOp>())
        continue;
      auto [it, isNew] = codesOf.try_emplace(input);
      if (isNew)
        it->second = llm::quantizeDynamic(input, {bits, groupSize, clip, /*hasZero=*/false});
      auto weight = linear.getWeight().getDefiningOp<q::DequantizeOp>();
      if (!weight || weight.getZero())
        linear.getInputMutable().assign(llm::dequantize(it->second));
      else if (failed(replaceByIntegers(linear, it->second, weight)))
        return signalPassFailure();
    }
  }

  LogicalResult replaceByIntegers(llm::LinearOp linear, llm::DynamicCodes input, q::DequantizeOp weight) {
    if (groupSize && weight.getGroupSize() && groupSize != int64_t(weight.getGroupSize()))
      return linear.emitOpError() << nodePrefix(linear) << "has weights in groups of " << int64_t(weight.getGroupSize())
                                  << ", which cannot meet activations in groups of " << int64_t(groupSize)
                                  << "; use one size, or 0 on one side";
    OpBuilder builder(linear);
    auto quantized =
        q::LinearOp::create(builder, linear.getLoc(), linear.getType(), input.op.getCodes(), input.op.getScale(),
                            weight.getCodes(), weight.getScale(), linear.getBias(), groupSize, weight.getGroupSize());
    quantized->setDiscardableAttrs(linear->getDiscardableAttrDictionary());
    linear.replaceAllUsesWith(quantized.getResult());
    linear.erase();
    if (weight.use_empty())
      weight.erase();
    return success();
  }

  llm::LinearPatterns skipped;
};
} // namespace
