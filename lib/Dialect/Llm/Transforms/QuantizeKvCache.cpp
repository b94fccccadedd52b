//===- QuantizeKvCache.cpp - q-kv-cache -------------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "LinearSelection.h"
#include "QuantizeDynamic.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/ADT/SetVector.h"

namespace quantopt {
#define GEN_PASS_DEF_QKVCACHEPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

static LogicalResult checkChoice(MLIRContext *context, StringRef option, StringRef value, ArrayRef<StringRef> choices) {
  if (llvm::is_contained(choices, value))
    return success();
  return emitError(UnknownLoc::get(context))
         << "q-kv-cache needs " << option << " to be one of " << choices << "; got '" << value << "'";
}

namespace {
struct QKvCachePass : quantopt::impl::QKvCachePassBase<QKvCachePass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    if (failed(llm::checkBits(context, "q-kv-cache", bits)) ||
        failed(checkChoice(context, "scheme", scheme, {"asym", "sym"})) ||
        failed(checkChoice(context, "scale-type", scaleType, {"f32", "f16"})) ||
        failed(checkChoice(context, "keys", keys, {"token", "channel"})))
      return failure();
    if (sinks < 0 || residual < 0 || (keys == "channel" && residual == 0))
      return emitError(UnknownLoc::get(context))
             << "q-kv-cache needs sinks and residual that are not negative, and a residual for keys=channel; got "
             << int64_t(sinks) << " and " << int64_t(residual);
    options = {bits, groupSize, clip, /*hasZero=*/scheme == "asym", /*hasHalfScales=*/scaleType == "f16"};
    return success();
  }

  void runOnOperation() override {
    if (bits == 16)
      return;
    SmallVector<llm::AttentionOp> attentions;
    SmallVector<Operation *> extensions;
    bool isMixed = false;
    getOperation().walk([&](Operation *op) {
      isMixed |= isa<llm::MixedAttentionOp>(op);
      if (auto attention = dyn_cast<llm::AttentionOp>(op))
        attentions.push_back(attention);
      if (llm::isCacheExtension(op))
        extensions.push_back(op);
    });
    if (isMixed) // the cache is quantized already
      return;
    if (!attentions.empty() && extensions.empty())
      getOperation().emitWarning() << "has attention but no cache: there is nothing for q-kv-cache to quantize";
    bool isExactSomewhere = sinks || residual;
    if (isExactSomewhere && failed(quantizeReads(attentions, extensions)))
      return signalPassFailure();
    if (!isExactSomewhere)
      llvm::for_each(extensions, [&](Operation *extension) { quantizeRows(extension->getOpOperand(1)); });
  }

  /// What enters the cache becomes values of codes.
  void quantizeRows(OpOperand &rows) {
    if (rows.get().getDefiningOp<q::DequantizeOp>())
      return;
    llm::DynamicCodes codes = llm::quantizeDynamic(rows.get(), options);
    rows.set(llm::dequantize(codes));
  }

  /// The cache stays exact, and attention reads values of its codes except for sinks and window.
  LogicalResult quantizeReads(ArrayRef<llm::AttentionOp> attentions, ArrayRef<Operation *> extensions) {
    bool hasKeyBlocks = keys == "channel";
    llm::DynamicCodeOptions keyOptions = options;
    if (hasKeyBlocks) {
      keyOptions.groupSize = residual;
      keyOptions.axis = -2;
    }
    SetVector<Operation *> read;
    for (llm::AttentionOp attention : attentions) {
      auto key = attention.getKey().getDefiningOp<llm::KvAppendOp>();
      auto value = attention.getValue().getDefiningOp<llm::KvAppendOp>();
      if (!key || !value)
        continue;
      read.insert(key);
      read.insert(value);
      llm::DynamicCodes keyCodes = llm::quantizeDynamic(key.getResult(), keyOptions);
      llm::DynamicCodes valueCodes = llm::quantizeDynamic(value.getResult(), options);
      Value keyRead = llm::dequantize(keyCodes), valueRead = llm::dequantize(valueCodes);
      OpBuilder builder(attention);
      auto mixed = llm::MixedAttentionOp::create(
          builder, attention.getLoc(), attention.getType(), attention.getQuery(), keyRead, valueRead, key.getResult(),
          value.getResult(), attention.getMask(), attention.getScaleAttr(), builder.getI64IntegerAttr(sinks),
          builder.getI64IntegerAttr(residual), builder.getI64IntegerAttr(hasKeyBlocks ? int64_t(residual) : 0),
          attention.getSoftcapAttr(), attention.getZeroMaskedRowsAttr());
      mixed->setDiscardableAttrs(attention->getDiscardableAttrDictionary());
      attention.replaceAllUsesWith(mixed.getResult());
      attention.erase();
    }
    for (Operation *extension : extensions)
      if (!read.contains(extension))
        return extension->emitError() << nodePrefix(extension)
                                      << "q-kv-cache with sinks or residual: expected a cache that "
                                      << (isa<llm::KvWriteOp>(extension) ? "grows; this one is written in place"
                                                                         : "llm.attention reads");
    return success();
  }

  llm::DynamicCodeOptions options;
};
} // namespace
