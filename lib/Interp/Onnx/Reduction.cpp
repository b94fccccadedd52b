//===- Reduction.cpp - ONNX operators that reduce and normalise ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Reduction.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;

/// A reduction over no axes: of each element alone, a square of it for example.
static llvm::Expected<Tensor> reduceNothing(const Tensor &x,
                                            llvm::function_ref<llvm::Expected<Tensor>(const Tensor &)> reduceLast) {
  compute::Shape shape(x.shape());
  shape.push_back(1);
  return reduceLast(x.reshaped(shape));
}

static Kernel reduceKernel(compute::Reduce kind) {
  return [kind](KernelContext &context) -> llvm::Expected<Tensors> {
    std::optional<llvm::SmallVector<int64_t>> axes = integersOf(context, "axes", 1);
    onnx::NodeOpInterface node = context.node();
    if (!axes || axes->empty()) {
      if (node.getInt("noop_with_empty_axes", 0))
        return single(
            reduceNothing(context.operand(0), [&](const Tensor &x) { return compute::reduce(kind, x, {-1}, false); }));
      axes.emplace();
    }
    return single(compute::reduce(kind, context.operand(0), *axes, node.getInt("keepdims", 1)));
  };
}

namespace {
using RowFunction = llvm::Expected<Tensor> (*)(const Tensor &, int64_t);
} // namespace

/// Softmax and its like: along an axis; before opset 13 over all dimensions from `axis` (1) on, as one.
static Kernel softmaxKernel(RowFunction function) {
  return [function](KernelContext &context) -> llvm::Expected<Tensors> {
    const Tensor &x = context.operand(0);
    if (context.opset() >= 13)
      return single(function(x, context.node().getInt("axis", -1)));
    int64_t axis = context.node().getInt("axis", 1);
    axis = axis < 0 ? axis + x.rank() : axis;
    if (axis < 0 || axis > x.rank())
      return compute::makeError("no axis " + llvm::Twine(axis) + " in " + compute::toString(x.shape()));
    llvm::Expected<Tensor> rows = function(
        x.reshaped({compute::product(x.shape().take_front(axis)), compute::product(x.shape().drop_front(axis))}), 1);
    return rows ? Tensors{rows->reshaped(x.shape())} : llvm::Expected<Tensors>(rows.takeError());
  };
}

/// log(Σ eˣ) along axes, without overflow.
static llvm::Expected<Tensor> logSumExp(const Tensor &x, llvm::ArrayRef<int64_t> axes, bool keepDims) {
  using compute::Unary;
  llvm::Expected<Tensor> top = compute::reduce(compute::Reduce::Max, x, axes, true);
  // A row of -inf has no largest element to subtract.
  if (top)
    top = compute::binary(Binary::Max, *top, compute::scalar(std::numeric_limits<float>::lowest(), x.dtype()));
  llvm::Expected<Tensor> shifted = top ? compute::binary(Binary::Sub, x, *top) : std::move(top);
  if (shifted)
    shifted = compute::unary(Unary::Exp, *shifted);
  if (shifted)
    shifted = compute::reduce(compute::Reduce::Sum, *shifted, axes, keepDims);
  if (shifted)
    shifted = compute::unary(Unary::Log, *shifted);
  if (!shifted)
    return shifted;
  return compute::binary(Binary::Add, *shifted, top->reshaped(shifted->shape()));
}

/// x − log Σ eˣ along an axis.
static llvm::Expected<Tensor> logSoftmax(const Tensor &x, int64_t axis) {
  DType working = compute::arithmeticType(x.dtype());
  Tensor wide = convert(x, working);
  llvm::Expected<Tensor> total = logSumExp(wide, {axis}, true);
  llvm::Expected<Tensor> result = total ? compute::binary(Binary::Sub, wide, *total) : std::move(total);
  return result ? llvm::Expected<Tensor>(convert(*result, x.dtype())) : std::move(result);
}

/// 1 at the first largest element along an axis, 0 elsewhere.
static llvm::Expected<Tensor> hardmax(const Tensor &x, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = compute::normalizeAxis(axisFromEnd, x.rank());
  if (!axis)
    return axis.takeError();
  llvm::Expected<Tensor> best = compute::argExtreme(x, *axis, true, true);
  if (!best)
    return best;
  compute::Shape ones(best->shape());
  return compute::scatterElements(convert(compute::fill(x.shape(), compute::scalar(0, x.dtype())), x.dtype()), *best,
                                  compute::fill(ones, compute::scalar(1, x.dtype())), *axis,
                                  compute::ScatterReduction::None);
}

/// ReduceLogSum and ReduceLogSumExp.
static Kernel logReduceKernel(bool ofExponentials) {
  return [ofExponentials](KernelContext &context) -> llvm::Expected<Tensors> {
    onnx::NodeOpInterface node = context.node();
    std::optional<llvm::SmallVector<int64_t>> axes = integersOf(context, "axes", 1);
    auto reduce = [&](const Tensor &x, llvm::ArrayRef<int64_t> listed, bool keepDims) -> llvm::Expected<Tensor> {
      if (ofExponentials)
        return logSumExp(x, listed, keepDims);
      llvm::Expected<Tensor> sum = compute::reduce(compute::Reduce::Sum, x, listed, keepDims);
      return sum ? compute::unary(compute::Unary::Log, *sum) : std::move(sum);
    };
    if ((!axes || axes->empty()) && node.getInt("noop_with_empty_axes", 0))
      return single(reduceNothing(context.operand(0), [&](const Tensor &x) { return reduce(x, {-1}, false); }));
    return single(reduce(context.operand(0), axes.value_or(llvm::SmallVector<int64_t>()), node.getInt("keepdims", 1)));
  };
}

/// x / sqrt(mean(x²) + epsilon) · scale. Statistics in f32 for 16-bit types; the result has the scale's type.
static llvm::Expected<Tensor> rmsNorm(const Tensor &x, const Tensor &scale, float epsilon, int64_t axis) {
  DType type = scale ? scale.dtype() : x.dtype(), working = compute::arithmeticType(x.dtype());
  if (working == compute::arithmeticType(type)) {
    llvm::Expected<Tensor> result =
        compute::rmsNorm(convert(x, working), scale ? convert(scale, working) : Tensor(), epsilon, axis);
    return result ? llvm::Expected<Tensor>(convert(*result, type)) : std::move(result);
  }
  llvm::Expected<Tensor> normalised = compute::rmsNorm(x, Tensor(), epsilon, axis);
  if (!normalised)
    return normalised;
  return compute::binary(Binary::Mul, convert(*normalised, type), scale);
}

static llvm::Expected<Tensors> rmsNormalization(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  float epsilon = node.getFloat("epsilon", 1e-5f);
  return single(rmsNorm(context.operand(0), context.operand(1), epsilon, node.getInt("axis", -1)));
}

static llvm::Expected<Tensors> layerNormalization(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  auto result = compute::layerNorm(context.operand(0), context.operand(1), context.operand(2),
                                   node.getFloat("epsilon", 1e-5f), node.getInt("axis", -1));
  if (!result)
    return result.takeError();
  return Tensors{result->output, result->mean, result->inverseDeviation};
}

/// com.microsoft: (input + skip [+ bias]) normalised; the sum is output 3.
static Kernel skipNormKernel(bool isRms) {
  return [isRms](KernelContext &context) -> llvm::Expected<Tensors> {
    unsigned biasAt = isRms ? 3 : 4;
    llvm::Expected<Tensor> sum = compute::binary(Binary::Add, context.operand(0), context.operand(1));
    if (sum && context.has(biasAt))
      sum = compute::binary(Binary::Add, *sum, context.operand(biasAt));
    if (!sum)
      return sum.takeError();
    float epsilon = context.node().getFloat("epsilon", 1e-12f);
    Tensors results(4);
    results[3] = *sum;
    if (isRms) {
      llvm::Expected<Tensor> output = rmsNorm(*sum, context.operand(2), epsilon, -1);
      if (!output)
        return output.takeError();
      results[0] = *output;
      return results;
    }
    auto norm = compute::layerNorm(*sum, context.operand(2), context.operand(3), epsilon, -1);
    if (!norm)
      return norm.takeError();
    results[0] = norm->output;
    results[1] = norm->mean;
    results[2] = norm->inverseDeviation;
    return results;
  };
}

/// (x - mean) / sqrt(variance + epsilon) · scale + bias, all of them per channel (dimension 1), as trained.
static llvm::Expected<Tensors> batchNormalization(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  if (node.getInt("training_mode", 0) || !node.getInt("spatial", 1) || context.wantsResult(1))
    return unsupported("BatchNormalization in training, or per element, cannot be computed");
  const Tensor &x = context.operand(0);
  compute::Shape shape(std::max<int64_t>(x.rank() - 1, 1), 1);
  shape[0] = context.operand(1).numElements();
  auto perChannel = [&](unsigned i) { return context.operand(i).reshaped(shape); };
  for (unsigned i : {1, 2, 3, 4})
    if (context.operand(i).numElements() != shape[0])
      return compute::makeError("expected " + llvm::Twine(shape[0]) + " channels in every input");
  Tensor epsilon = compute::scalar(node.getFloat("epsilon", 1e-5f), context.operand(4).dtype());
  llvm::Expected<Tensor> deviation = compute::binary(Binary::Add, perChannel(4), epsilon);
  if (deviation)
    deviation = compute::unary(compute::Unary::Sqrt, *deviation);
  llvm::Expected<Tensor> result = compute::binary(Binary::Sub, x, perChannel(3));
  if (result && deviation)
    result = compute::binary(Binary::Div, *result, *deviation);
  if (result)
    result = compute::binary(Binary::Mul, *result, perChannel(1));
  if (result)
    result = compute::binary(Binary::Add, *result, perChannel(2));
  if (!deviation)
    return llvm::joinErrors(deviation.takeError(), result.takeError());
  return single(std::move(result));
}

static llvm::Expected<Tensors> lpNormalization(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  auto kind = node.getInt("p", 2) == 1 ? compute::Reduce::L1 : compute::Reduce::L2;
  llvm::Expected<Tensor> norm = compute::reduce(kind, context.operand(0), {node.getInt("axis", -1)}, true);
  return norm ? single(compute::binary(Binary::Div, context.operand(0), *norm)) : norm.takeError();
}

void interp::registerReductionKernels(KernelRegistry &registry) {
  using compute::Reduce;
  for (auto [name, kind] :
       std::initializer_list<std::pair<const char *, Reduce>>{{"::ReduceSum", Reduce::Sum},
                                                              {"::ReduceMean", Reduce::Mean},
                                                              {"::ReduceMax", Reduce::Max},
                                                              {"::ReduceMin", Reduce::Min},
                                                              {"::ReduceSumSquare", Reduce::SumSquare},
                                                              {"::ReduceProd", Reduce::Prod},
                                                              {"::ReduceL1", Reduce::L1},
                                                              {"::ReduceL2", Reduce::L2}})
    registry.addNode(name, reduceKernel(kind));
  registry.addNode("::ReduceLogSum", logReduceKernel(false));
  registry.addNode("::ReduceLogSumExp", logReduceKernel(true));
  registry.addNode("::Softmax", softmaxKernel(compute::softmax));
  registry.addNode("::LogSoftmax", softmaxKernel(logSoftmax));
  registry.addNode("::Hardmax", softmaxKernel(hardmax));
  registry.addNode("::RMSNormalization", rmsNormalization);
  registry.addNode("::SimplifiedLayerNormalization", rmsNormalization);
  registry.addNode("::LayerNormalization", layerNormalization);
  registry.addNode("::LpNormalization", lpNormalization);
  registry.addNode("::BatchNormalization", batchNormalization);
  registry.addNode("com.microsoft::SkipSimplifiedLayerNormalization", skipNormKernel(true));
  registry.addNode("com.microsoft::SkipLayerNormalization", skipNormKernel(false));
}
