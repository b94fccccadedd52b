//===- QuantizeWeights.cpp - q-weights ------------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "LinearSelection.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Support/NodeName.h"

namespace quantopt {
#define GEN_PASS_DEF_QWEIGHTSPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct QWeightsPass : quantopt::impl::QWeightsPassBase<QWeightsPass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    auto error = [&](llvm::Error error) {
      return emitError(UnknownLoc::get(context)) << "q-weights: " << llvm::toString(std::move(error));
    };
    auto patterns = llm::LinearPatterns::parse(*skip);
    if (!patterns)
      return error(patterns.takeError());
    skipped = std::move(*patterns);
    if (failed(llm::checkBits(context, "q-weights", bits)) || bits == 16)
      return failure(bits != 16);
    options = quantizerOptions(context);
    auto quantizer = numerics::QuantizerRegistry::global().create(method, q::getQuantizerOptions(options));
    if (!quantizer)
      return error(quantizer.takeError());
    return success();
  }

  void runOnOperation() override {
    if (bits == 16)
      return;
    llm::warnWithoutLinears(getOperation(), "q-weights");
    for (llm::LinearOp linear : llm::selectLinears(getOperation(), skipped, includeHead)) {
      if (linear.getWeight().getDefiningOp<q::DequantizeOp>())
        continue;
      if (param::isWeightExpression(linear.getWeight()))
        quantize(linear);
      else
        linear.emitRemark() << nodePrefix(linear) << "keeps its weight: it is computed while the model runs";
    }
  }

  DictionaryAttr quantizerOptions(MLIRContext *context) {
    Builder builder(context);
    return builder.getDictionaryAttr({builder.getNamedAttr("bits", builder.getI64IntegerAttr(bits)),
                                      builder.getNamedAttr("group_size", builder.getI64IntegerAttr(groupSize)),
                                      builder.getNamedAttr("clip_steps", builder.getI64IntegerAttr(steps)),
                                      builder.getNamedAttr("clip_norm", builder.getF64FloatAttr(norm))});
  }

  void quantize(llm::LinearOp linear) {
    OpBuilder builder(linear);
    auto type = cast<RankedTensorType>(linear.getWeight().getType());
    int64_t groups = q::groupCount(type.getDimSize(1), groupSize);
    Type codes = type.clone(q::getCodeType(&getContext(), bits, /*hasZero=*/false));
    Type scale = RankedTensorType::get({type.getDimSize(0), groups}, builder.getF32Type());
    auto quantized = q::QuantizeWeightOp::create(builder, linear.getLoc(), codes, scale, linear.getWeight(),
                                                 builder.getStringAttr(method), options);
    Value weight = q::DequantizeOp::create(builder, linear.getLoc(), type, quantized.getCodes(), quantized.getScale(),
                                           /*zero=*/Value(), groupSize);
    linear.getWeightMutable().assign(weight);
  }

  llm::LinearPatterns skipped;
  DictionaryAttr options;
};
} // namespace
