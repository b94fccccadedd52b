//===- Rotary.cpp - rotary embeddings of ONNX ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Attention.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;

llvm::Expected<Tensor> interp::splitHeads(const Tensor &x, int64_t heads) {
  if (x.rank() != 3 || heads <= 0 || x.dim(2) % heads)
    return compute::makeError("cannot split " + compute::toString(x.shape()) + " into " + llvm::Twine(heads) +
                              " heads");
  return compute::transpose(x.reshaped({x.dim(0), x.dim(1), heads, x.dim(2) / heads}), {0, 2, 1, 3});
}

llvm::Expected<Tensor> interp::mergeHeads(const Tensor &x) {
  llvm::Expected<Tensor> rows = compute::transpose(x, {0, 2, 1, 3});
  if (!rows)
    return rows;
  return rows->reshaped({rows->dim(0), rows->dim(1), rows->dim(2) * rows->dim(3)});
}

/// Tables [.., half] cut to the elements that are turned, as rows.
static llvm::Expected<Tensor> tableRows(const Tensor &table, int64_t half) {
  int64_t width = table.dim(-1);
  Tensor rows = table.reshaped({width ? table.numElements() / width : 0, width});
  return half && half < width ? compute::slice(rows, {0}, {half}, {1}, {1}) : rows;
}

/// x turned; `positions` null: the tables have a row for each token.
static llvm::Expected<Tensor> turn(KernelContext &context, const Tensor &cos, const Tensor &sin,
                                   const Tensor &positions) {
  onnx::NodeOpInterface node = context.node();
  const Tensor &x = context.operand(0);
  int64_t half = node.getInt("rotary_embedding_dim", 0) / 2, heads = node.getInt("num_heads", 0);
  llvm::Expected<Tensor> c = tableRows(cos, half), s = tableRows(sin, half);
  if (!c || !s)
    return llvm::joinErrors(c.takeError(), s.takeError());
  if (x.rank() == 3 && heads == 0)
    heads = c->dim(1) ? x.dim(2) / (2 * c->dim(1)) : 0;
  llvm::Expected<Tensor> byHead = x.rank() == 3 ? splitHeads(x, heads) : llvm::Expected<Tensor>(x);
  if (!byHead)
    return byHead;
  if (byHead->rank() != 4)
    return compute::makeError("expected an input of 3 or 4 dimensions, not " + compute::toString(x.shape()));
  int64_t tokens = byHead->dim(0) * byHead->dim(2);
  compute::RotaryTables tables{*c, *s, {}, node.getInt("interleaved", 0) != 0};
  if (positions)
    tables.positions = compute::toIntegers(positions);
  bool isOffset = positions && positions.numElements() == 1 && tokens != 1;
  int64_t first = isOffset ? tables.positions[0] : 0;
  if (!positions || isOffset) {
    tables.positions.clear();
    for (int64_t token = 0; token < tokens; ++token)
      tables.positions.push_back(isOffset ? first + token % byHead->dim(2) : token);
  }
  llvm::Expected<Tensor> turned = compute::rotary(*byHead, tables);
  if (!turned || x.rank() == 4)
    return turned;
  return mergeHeads(*turned);
}

static llvm::Expected<Tensors> rotaryEmbedding(KernelContext &context) {
  return single(turn(context, context.operand(1), context.operand(2), context.operand(3)));
}

/// com.microsoft: positions come second; one position is the first of all tokens.
static llvm::Expected<Tensors> rotaryEmbeddingMicrosoft(KernelContext &context) {
  if (context.node().getInt("is_packed_batching", 0) || context.node().getFloat("scale", 1.0f) != 1.0f)
    return unsupported("packed batches and scales of rotary embeddings cannot be computed");
  return single(turn(context, context.operand(2), context.operand(3), context.operand(1)));
}

void interp::registerRotaryKernels(KernelRegistry &registry) {
  registry.addNode("::RotaryEmbedding", rotaryEmbedding);
  registry.addNode("com.microsoft::RotaryEmbedding", rotaryEmbeddingMicrosoft);
}
