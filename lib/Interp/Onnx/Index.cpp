//===- Index.cpp - ONNX operators that gather and scatter ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/RowGather.h"
#include "llvm/ADT/StringSwitch.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;

/// Rows of a deferred weight are read one by one: an embedding costs the rows it looks up.
static llvm::Expected<Tensors> gather(KernelContext &context) {
  int64_t axis = context.node().getInt("axis", 0);
  if (!context.isDeferred(0))
    return single(compute::gather(context.operand(0), context.operand(1), axis));
  const WeightView &view = context.weight(0);
  if (axis == 0 && !view.transposed)
    return single(gatherWeightRows(context, 0, context.operand(1)));
  llvm::Expected<Tensor> whole = context.weightRows(0, 0, context.weightShape(0)[0]);
  if (whole && view.transposed)
    whole = compute::transpose(*whole, {1, 0});
  return whole ? single(compute::gather(*whole, context.operand(1), axis)) : whole.takeError();
}

static llvm::Expected<Tensors> gatherElements(KernelContext &context) {
  return single(compute::gatherElements(context.operand(0), context.operand(1), context.node().getInt("axis", 0)));
}

static llvm::Expected<Tensors> gatherND(KernelContext &context) {
  return single(compute::gatherND(context.operand(0), context.operand(1), context.node().getInt("batch_dims", 0)));
}

static llvm::Expected<compute::ScatterReduction> reductionOf(KernelContext &context) {
  llvm::StringRef name = context.node().getString("reduction", "none");
  auto reduction = llvm::StringSwitch<std::optional<compute::ScatterReduction>>(name)
                       .Case("none", compute::ScatterReduction::None)
                       .Case("add", compute::ScatterReduction::Add)
                       .Case("mul", compute::ScatterReduction::Mul)
                       .Case("max", compute::ScatterReduction::Max)
                       .Case("min", compute::ScatterReduction::Min)
                       .Default(std::nullopt);
  if (!reduction)
    return compute::makeError("unknown reduction '" + name + "'");
  return *reduction;
}

static llvm::Expected<Tensors> scatterND(KernelContext &context) {
  llvm::Expected<compute::ScatterReduction> reduction = reductionOf(context);
  if (!reduction)
    return reduction.takeError();
  return single(compute::scatterND(context.operand(0), context.operand(1), context.operand(2), *reduction));
}

static llvm::Expected<Tensors> scatterElements(KernelContext &context) {
  llvm::Expected<compute::ScatterReduction> reduction = reductionOf(context);
  if (!reduction)
    return reduction.takeError();
  return single(compute::scatterElements(context.operand(0), context.operand(1), context.operand(2),
                                         context.node().getInt("axis", 0), *reduction));
}

/// Writes update rows into a cache, from each batch's position on; "circular" wraps around.
static llvm::Expected<Tensors> tensorScatter(KernelContext &context) {
  const Tensor &cache = context.operand(0), &update = context.operand(1);
  llvm::Expected<int64_t> axis = compute::normalizeAxis(context.node().getInt("axis", -2), cache.rank());
  if (!axis)
    return axis.takeError();
  llvm::SmallVector<int64_t> positions(cache.dim(0), 0);
  if (context.has(2))
    positions = compute::toIntegers(context.operand(2));
  bool wraps = context.node().getString("mode", "linear") == "circular";
  return single(compute::scatterRows(cache, update, positions, *axis, wraps));
}

static llvm::Expected<Tensors> cumSum(KernelContext &context) {
  llvm::Expected<int64_t> axis = integerOf(context.operand(1));
  if (!axis)
    return axis.takeError();
  return single(compute::cumulativeSum(context.operand(0), *axis, context.node().getInt("exclusive", 0),
                                       context.node().getInt("reverse", 0)));
}

static Kernel argKernel(bool largest) {
  return [largest](KernelContext &context) -> llvm::Expected<Tensors> {
    onnx::NodeOpInterface node = context.node();
    return single(compute::argExtreme(context.operand(0), node.getInt("axis", 0), node.getInt("keepdims", 1), largest,
                                      node.getInt("select_last_index", 0)));
  };
}

/// depth positions along a new axis, "on" where they equal the index. Indices outside [-depth, depth) are off
/// everywhere.
static llvm::Expected<Tensors> oneHot(KernelContext &context) {
  llvm::SmallVector<int64_t> indices = compute::toIntegers(context.operand(0));
  int64_t depth = int64_t(compute::scalarAsDouble(context.operand(1)));
  const Tensor &values = context.operand(2);
  compute::Shape shape(context.operand(0).shape());
  llvm::Expected<int64_t> axis = compute::normalizeAxis(context.node().getInt("axis", -1), shape.size() + 1);
  if (!axis)
    return axis.takeError();
  int64_t inner = compute::product(llvm::ArrayRef(shape).drop_front(*axis));
  shape.insert(shape.begin() + *axis, depth);
  Tensor hot = Tensor::zeros(DType::Bool, shape);
  for (auto [i, index] : llvm::enumerate(indices)) {
    int64_t position = index < 0 ? index + depth : index;
    if (position >= 0 && position < depth)
      hot.mutableData<uint8_t>()[(int64_t(i) / inner * depth + position) * inner + int64_t(i) % inner] = 1;
  }
  auto parts = compute::split(values, {1, 1}, 0);
  return parts ? single(compute::where(hot, (*parts)[1], (*parts)[0])) : parts.takeError();
}

void interp::registerIndexKernels(KernelRegistry &registry) {
  registry.addNode("::Gather", gather, {0}, Elements::StringsFirst);
  registry.addNode("::GatherElements", gatherElements, {}, Elements::StringsFirst);
  registry.addNode("::GatherND", gatherND, {}, Elements::StringsFirst);
  registry.addNode("::ScatterND", scatterND);
  registry.addNode("::ScatterElements", scatterElements);
  registry.addNode("::Scatter", scatterElements); // its name before opset 11
  registry.addNode("::TensorScatter", tensorScatter);
  registry.addNode("::CumSum", cumSum);
  registry.addNode("::ArgMax", argKernel(true));
  registry.addNode("::ArgMin", argKernel(false));
  registry.addNode("::OneHot", oneHot);
}
