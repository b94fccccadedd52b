//===- MatMul.cpp - ONNX operators that multiply matrices ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/MatMul.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/Linear.h"

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;

static llvm::Expected<Tensors> matMul(KernelContext &context) {
  if (context.isDeferred(1) && context.weightShape(1).size() == 2)
    return single(multiplyByWeight(context, context.operand(0), 1, /*inputFirst=*/true));
  if (!context.isDeferred(1))
    return single(compute::matmul(context.operand(0), context.operand(1)));
  llvm::Expected<Tensor> whole = context.weightRows(1, 0, context.weightShape(1)[0]);
  return whole ? single(compute::matmul(context.operand(0), *whole)) : whole.takeError();
}

/// The last two dimensions exchanged.
static llvm::Expected<Tensor> transposed(const Tensor &x, bool exchange) {
  if (!exchange || x.rank() < 2)
    return x;
  compute::Shape permutation;
  for (int64_t d = 0; d < x.rank(); ++d)
    permutation.push_back(d);
  std::swap(permutation[x.rank() - 2], permutation[x.rank() - 1]);
  return compute::transpose(x, permutation);
}

/// [M, batch..., K] as [batch..., M, K], where the node has it the first way.
static llvm::Expected<Tensor> batchesFirst(const Tensor &x, bool isTransposed) {
  if (!isTransposed || x.rank() < 3)
    return x;
  compute::Shape permutation;
  for (int64_t d = 1; d + 1 < x.rank(); ++d)
    permutation.push_back(d);
  permutation.push_back(0);
  permutation.push_back(x.rank() - 1);
  return compute::transpose(x, permutation);
}

static llvm::Expected<Tensor> scaled(llvm::Expected<Tensor> x, float factor) {
  if (!x || factor == 1.0f)
    return x;
  return compute::binary(Binary::Mul, *x, compute::scalar(factor, x->dtype()));
}

/// alpha · op(a) · op(b).
static llvm::Expected<Tensor> product(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  llvm::Expected<Tensor> a = batchesFirst(context.operand(0), node.getInt("transBatchA", 0));
  llvm::Expected<Tensor> b = batchesFirst(context.operand(1), node.getInt("transBatchB", 0));
  if (a)
    a = transposed(*a, node.getInt("transA", 0));
  if (b)
    b = transposed(*b, node.getInt("transB", 0));
  if (!a || !b)
    return llvm::joinErrors(a.takeError(), b.takeError());
  return scaled(compute::matmul(*a, *b), node.getFloat("alpha", 1.0f));
}

static llvm::Expected<Tensors> fusedMatMul(KernelContext &context) { return single(product(context)); }

static llvm::Expected<Tensors> gemm(KernelContext &context) {
  llvm::Expected<Tensor> result = product(context);
  if (!result || !context.has(2))
    return single(std::move(result));
  llvm::Expected<Tensor> bias = scaled(context.operand(2), context.node().getFloat("beta", 1.0f));
  return bias ? single(compute::binary(Binary::Add, *result, *bias)) : bias.takeError();
}

void interp::registerMatMulKernels(KernelRegistry &registry) {
  registry.addNode("::MatMul", matMul, {1});
  registry.addNode("::Gemm", gemm);
  registry.addNode("com.microsoft::FusedMatMul", fusedMatMul);
}
