//===- QuantizeKvCache.cpp - q-kv-cache -------------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "LinearSelection.h"
#include "QuantizeDynamic.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"

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
        failed(checkChoice(context, "scale-type", scaleType, {"f32", "f16"})))
      return failure();
    options = {bits, groupSize, clip, /*hasZero=*/scheme == "asym", /*hasHalfScales=*/scaleType == "f16"};
    return success();
  }

  void runOnOperation() override {
    if (bits == 16)
      return;
    bool hasAttention = false, hasCache = false;
    getOperation().walk([&](Operation *op) {
      hasAttention |= isa<llm::AttentionOp>(op);
      auto append = dyn_cast<llm::KvAppendOp>(op);
      if (!append)
        return;
      hasCache = true;
      if (append.getRows().getDefiningOp<q::DequantizeOp>())
        return;
      llm::DynamicCodes codes = llm::quantizeDynamic(append.getRows(), options);
      append.getRowsMutable().assign(llm::dequantize(codes));
    });
    if (hasAttention && !hasCache)
      getOperation().emitWarning() << "has attention but no cache: there is nothing for q-kv-cache to quantize";
  }

  llm::DynamicCodeOptions options;
};
} // namespace
