//===- Attention.cpp - configurations of attention and of what fills its cache --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "Selection.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

LogicalResult Selection::select(RopeAppendOp append) {
  if (append.getConfig())
    return success();
  append.setConfigAttr(chooseHeads(append.getContext(), options.arch));
  reason = std::to_string(append.getConfig()->getThreads()) + " threads for heads of " +
           std::to_string(getAttentionShape(append).headDim);
  return finish(append, append);
}

LogicalResult Selection::select(AttentionOp attention) {
  if (attention.getConfig())
    return success();
  constexpr int64_t mostHeads = 16; // of queries for one of the cache: C24
  if (isDecodePhase && getAttentionShape(attention).getGroup() <= mostHeads)
    return splitAttention(attention);
  auto choice = chooseAttention(attention.getContext(), options.arch);
  attention.setConfigAttr(choice.config);
  reason = choice.reason;
  return finish(attention, attention);
}

LogicalResult Selection::splitAttention(AttentionOp attention) {
  AttentionShape shape = getAttentionShape(attention);
  MLIRContext *context = attention.getContext();
  int64_t maxContext = attention.getCache().getPage() * (attention.getPages() ? lastSize(attention.getPages()) : 1);
  auto choice = chooseDecodeAttention(context, options.arch, shape.kvHeads, maxContext);
  int64_t splits = choice.config.getSplits();
  SmallVector<int64_t> parts(typeOf(attention.getResult()).getShape());
  parts.back() = shape.heads * splits * (shape.headDim + 2);

  OpBuilder builder(attention);
  auto decode = AttentionDecodeOp::create(
      builder, attention.getLoc(), RankedTensorType::get(parts, builder.getF32Type()), attention.getQuery(),
      attention.getSequences(), attention.getPages(), attention.getKeyCache(), attention.getValueCache(),
      attention.getScaleAttr(), attention.getWindowAttr(), attention.getSoftcapAttr(), attention.getCacheAttr(),
      choice.config, /*kernel=*/SymbolRefAttr());
  reason = choice.reason;
  if (failed(finish(attention, decode)))
    return failure();
  auto combine = AttentionCombineOp::create(builder, attention.getLoc(), attention.getType(), decode.getResult(),
                                            splits, chooseHeads(context, options.arch), /*kernel=*/SymbolRefAttr());
  reason = std::to_string(splits) + " parts";
  if (failed(finish(attention, combine)))
    return failure();
  attention.replaceAllUsesWith(combine.getResult());
  attention.erase();
  return success();
}
