//===- Llm.cpp - kernels of the llm dialect -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Interp/Compute/Attention.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/KernelContext.h"
#include "quantopt/Interp/Linear.h"
#include "quantopt/Interp/RowGather.h"

using namespace quantopt;
using namespace quantopt::interp;

static llvm::Expected<Tensors> embedding(KernelContext &context) {
  if (context.isDeferred(1))
    return single(gatherWeightRows(context, 1, context.operand(0)));
  return single(compute::gather(context.operand(1), context.operand(0), 0));
}

static llvm::Expected<Tensors> rmsNorm(KernelContext &context) {
  double epsilon = llvm::cast<llm::RmsNormOp>(context.op()).getEps().convertToDouble();
  return single(compute::rmsNorm(context.operand(0), context.operand(1), epsilon, -1));
}

static llvm::Expected<Tensors> layerNorm(KernelContext &context) {
  double epsilon = llvm::cast<llm::LayerNormOp>(context.op()).getEps().convertToDouble();
  bool hasScale = bool(llvm::cast<llm::LayerNormOp>(context.op()).getScale());
  bool hasBias = bool(llvm::cast<llm::LayerNormOp>(context.op()).getBias());
  Tensor scale = hasScale ? context.operand(1) : Tensor();
  Tensor bias = hasBias ? context.operand(hasScale ? 2 : 1) : Tensor();
  llvm::Expected<compute::LayerNormResult> result = compute::layerNorm(context.operand(0), scale, bias, epsilon, -1);
  if (!result)
    return result.takeError();
  return Tensors{result->output};
}

static llvm::Expected<Tensors> linear(KernelContext &context) {
  llvm::Expected<Tensor> result = multiplyByWeight(context, context.operand(0), 1, /*inputFirst=*/false);
  if (!result || !context.has(2))
    return single(std::move(result));
  return single(compute::binary(compute::Binary::Add, *result, context.operand(2)));
}

static llvm::Expected<Tensors> residualAdd(KernelContext &context) {
  return single(compute::binary(compute::Binary::Add, context.operand(0), context.operand(1)));
}

static llvm::Expected<Tensors> swiglu(KernelContext &context) {
  const Tensor &gate = context.operand(0), &up = context.operand(1);
  if (gate.shape() != up.shape())
    return compute::makeError("a gate of shape " + compute::toString(gate.shape()) + " does not fit " +
                              compute::toString(up.shape()));
  return Tensors{compute::swiglu(gate, up)};
}

static llvm::Expected<Tensors> geglu(KernelContext &context) {
  llm::GeluForm form = llvm::cast<llm::GegluOp>(context.op()).getGelu();
  llvm::Expected<Tensor> gate = compute::gelu(context.operand(0), form.isTanh, form.factor, form.cubic);
  if (!gate)
    return gate.takeError();
  return single(compute::binary(compute::Binary::Mul, *gate, context.operand(1)));
}

static llvm::Expected<Tensors> activation(KernelContext &context) {
  auto op = llvm::cast<llm::ActivationOp>(context.op());
  const Tensor &x = context.operand(0);
  if (op.getFunction().starts_with("gelu")) {
    llm::GeluForm form = op.getGelu();
    return single(compute::gelu(x, form.isTanh, form.factor, form.cubic));
  }
  llvm::Expected<Tensor> positive = compute::binary(compute::Binary::Max, x, compute::scalar(0, x.dtype()));
  if (!positive || op.getFunction() == "relu")
    return single(std::move(positive));
  return single(compute::binary(compute::Binary::Mul, *positive, *positive));
}

static llvm::Expected<Tensors> scale(KernelContext &context) {
  double factor = llvm::cast<llm::ScaleOp>(context.op()).getFactor().convertToDouble();
  const Tensor &x = context.operand(0);
  return single(compute::binary(compute::Binary::Mul, x, compute::scalar(factor, x.dtype())));
}

static llvm::Expected<Tensors> splitHeads(KernelContext &context) {
  const Tensor &x = context.operand(0);
  auto type = llvm::cast<mlir::RankedTensorType>(context.op()->getResult(0).getType());
  int64_t heads = type.getDimSize(1), depth = type.getDimSize(3);
  if (x.rank() != 3 || heads * depth != x.dim(2))
    return compute::makeError("cannot split " + compute::toString(x.shape()) + " into " + llvm::Twine(heads) +
                              " heads of " + llvm::Twine(depth));
  return single(compute::transpose(x.reshaped({x.dim(0), x.dim(1), heads, depth}), {0, 2, 1, 3}));
}

static llvm::Expected<Tensors> mergeHeads(KernelContext &context) {
  llvm::Expected<Tensor> rows = compute::transpose(context.operand(0), {0, 2, 1, 3});
  if (!rows)
    return rows.takeError();
  return Tensors{rows->reshaped({rows->dim(0), rows->dim(1), rows->dim(2) * rows->dim(3)})};
}

static llvm::Expected<Tensors> rope(KernelContext &context) {
  return single(compute::rope(context.operand(0), context.operand(1), context.operand(2),
                              llvm::cast<llm::RopeOp>(context.op()).getInterleaved()));
}

static llvm::Expected<Tensors> kvAppend(KernelContext &context) {
  return single(compute::concat({context.operand(0), context.operand(1)}, 2));
}

/// `cache` with rows [position, rows) of each sequence cleared, and at least `length` rows.
static Tensor clearFrom(const Tensor &cache, llvm::ArrayRef<int64_t> positions, int64_t length) {
  int64_t kept = cache.dim(2), rows = std::max(kept, length), heads = cache.dim(1);
  Tensor result = Tensor::zeros(cache.dtype(), {cache.dim(0), heads, rows, cache.dim(3)});
  int64_t rowBytes = cache.dim(3) * bytesInMemory(cache.dtype());
  for (int64_t block = 0; block < cache.dim(0) * heads; ++block) {
    int64_t count = std::clamp<int64_t>(positions[block / heads], 0, kept);
    std::memcpy(result.mutableRaw() + block * rows * rowBytes, cache.raw() + block * kept * rowBytes, count * rowBytes);
  }
  return result;
}

static llvm::Expected<Tensors> kvWrite(KernelContext &context) {
  Tensor cache = context.operand(0);
  llvm::SmallVector<int64_t> positions = compute::toIntegers(context.operand(2));
  if (cache.rank() != 4 || int64_t(positions.size()) != cache.dim(0))
    return compute::makeError("a cache of shape " + compute::toString(cache.shape()) + " is not written at " +
                              llvm::Twine(positions.size()) + " positions");
  if (context.has(3))
    cache = clearFrom(cache, positions, compute::toIntegers(context.operand(3))[0]);
  return single(compute::scatterRows(cache, context.operand(1), positions, 2, /*wraps=*/false));
}

template <typename OpTy> static compute::AttentionOptions optionsOf(OpTy op) {
  return {op.getScale().convertToDouble(), op.getSoftcap().convertToDouble(), op.getZeroMaskedRows()};
}

static llvm::Expected<Tensors> attention(KernelContext &context) {
  return single(compute::attention(context.operand(0), context.operand(1), context.operand(2), context.operand(3),
                                   optionsOf(llvm::cast<llm::AttentionOp>(context.op()))));
}

static llvm::Expected<Tensors> mixedAttention(KernelContext &context) {
  auto op = llvm::cast<llm::MixedAttentionOp>(context.op());
  return single(
      compute::mixedAttention(context.operand(0), context.operand(1), context.operand(2), context.operand(3),
                              context.operand(4), context.operand(5), optionsOf(op),
                              {int64_t(op.getSinks()), int64_t(op.getResidual()), int64_t(op.getKeyBlock())}));
}

void interp::registerLlmKernels(KernelRegistry &registry) {
  registry.add<llm::EmbeddingOp>(embedding, {1});
  registry.add<llm::RmsNormOp>(rmsNorm);
  registry.add<llm::LayerNormOp>(layerNorm);
  registry.add<llm::LinearOp>(linear, {1});
  registry.add<llm::ResidualAddOp>(residualAdd);
  registry.add<llm::SwigluOp>(swiglu);
  registry.add<llm::GegluOp>(geglu);
  registry.add<llm::ActivationOp>(activation);
  registry.add<llm::ScaleOp>(scale);
  registry.add<llm::SplitHeadsOp>(splitHeads);
  registry.add<llm::MergeHeadsOp>(mergeHeads);
  registry.add<llm::RopeOp>(rope);
  registry.add<llm::KvAppendOp>(kvAppend);
  registry.add<llm::KvWriteOp>(kvWrite);
  registry.add<llm::AttentionOp>(attention);
  registry.add<llm::MixedAttentionOp>(mixedAttention);
}
