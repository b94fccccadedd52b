//===- Attention.cpp - attention operators of ONNX ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Attention.h"
#include "AttentionParts.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;
using compute::Unary;

/// `attn_mask` as numbers to add, of all positions: what is missing at the end is masked.
static llvm::Expected<Tensor> statedMask(const Tensor &stated, int64_t positions, DType type) {
  if (!stated)
    return stated;
  Tensor hidden = compute::scalar(minusInfinity, type);
  llvm::Expected<Tensor> mask = convert(stated, type);
  if (stated.dtype() == DType::Bool)
    mask = compute::where(stated, compute::scalar(0, type), hidden);
  int64_t missing = mask ? positions - mask->dim(-1) : 0;
  if (!mask || missing <= 0 || mask->dim(-1) == 1)
    return mask;
  compute::Shape begins(mask->rank(), 0), ends(mask->rank(), 0);
  ends.back() = missing;
  return compute::pad(*mask, begins, ends, hidden);
}

static llvm::Expected<Heads> headsOf(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  Heads heads{context.operand(0), context.operand(1), context.operand(2), context.operand(0).rank() == 3};
  if (!heads.merged)
    return heads;
  if (llvm::Error error = splitAll(heads, node.getInt("q_num_heads", 0), node.getInt("kv_num_heads", 0)))
    return error;
  return heads;
}

/// Everything that hides positions: attn_mask, causality, the lengths of padded caches.
static llvm::Expected<Tensor> wholeMask(KernelContext &context, const Heads &heads, int64_t past) {
  int64_t batches = heads.q.dim(0), queries = heads.q.dim(2), positions = heads.k.dim(2);
  DType type = compute::arithmeticType(heads.q.dtype());
  llvm::Expected<Tensor> mask = statedMask(context.operand(3), positions, type);
  llvm::SmallVector<int64_t> lengths;
  if (context.has(6))
    lengths = compute::toIntegers(context.operand(6));
  if (context.node().getInt("is_causal", 0)) {
    Tensor causal =
        maskWhere(lengths.empty() ? 1 : batches, queries, positions, type, [&](int64_t b, int64_t s, int64_t t) {
          return t <= s + (lengths.empty() ? past : lengths[b] - queries);
        });
    if (mask)
      mask = addMasks(*mask, causal);
  }
  if (!lengths.empty() && mask)
    mask = addMasks(
        *mask, maskWhere(batches, 1, positions, type, [&](int64_t b, int64_t, int64_t t) { return t < lengths[b]; }));
  return mask;
}

static llvm::Expected<Tensors> attention(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  llvm::Expected<Heads> heads = headsOf(context);
  if (!heads)
    return heads.takeError();
  int64_t past = 0;
  if (context.has(4)) {
    past = context.operand(4).dim(2);
    llvm::Expected<Tensor> k = compute::concat({context.operand(4), heads->k}, 2);
    llvm::Expected<Tensor> v = compute::concat({context.operand(5), heads->v}, 2);
    if (!k || !v)
      return llvm::joinErrors(k.takeError(), v.takeError());
    heads->k = std::move(*k);
    heads->v = std::move(*v);
  }
  llvm::Expected<Tensor> mask = wholeMask(context, *heads, past);
  if (!mask)
    return mask.takeError();
  compute::AttentionOptions options;
  options.scale = node.getFloat("scale", float(1 / std::sqrt(double(heads->q.dim(3)))));
  options.softcap = node.getFloat("softcap", 0);
  options.zeroMaskedRows = true;
  llvm::Expected<Tensor> result = compute::attention(heads->q, heads->k, heads->v, *mask, options);
  if (result && heads->merged)
    result = mergeHeads(*result);
  if (!result)
    return result.takeError();
  Tensors results{*result, heads->k, heads->v};
  if (context.wantsResult(3)) {
    llvm::Expected<Tensor> scores = scoresAt(node.getInt("qk_matmul_output_mode", 0), *heads, *mask, options);
    if (!scores)
      return scores.takeError();
    results.push_back(std::move(*scores));
  }
  return results;
}

void interp::registerAttentionKernels(KernelRegistry &registry) { registry.addNode("::Attention", attention); }
