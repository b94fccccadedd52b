//===- ControlFlow.cpp - ONNX operators that run subgraphs --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cstring>
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using mlir::func::FuncOp;

/// The truth of a condition, a tensor of one element.
static llvm::Expected<bool> truth(const Tensor &condition) {
  if (!condition || condition.dtype() != DType::Bool || condition.numElements() != 1)
    return compute::makeError(
        "expected one i1 as the condition" +
        (condition ? ", not " + compute::toString(condition.shape()) + " of " + toString(condition.dtype()).str()
                   : std::string()));
  return condition.data<uint8_t>()[0] != 0;
}

static llvm::Expected<Tensors> branch(KernelContext &context) {
  llvm::Expected<bool> condition = truth(context.operand(0));
  if (!condition)
    return condition.takeError();
  llvm::Expected<FuncOp> graph = context.subgraph(*condition ? "then_branch" : "else_branch");
  if (!graph)
    return graph.takeError();
  return context.runSubgraph(*graph, {});
}

//===----------------------------------------------------------------------------===//
// Outputs that collect an element of each iteration
//===----------------------------------------------------------------------------===//

/// What output `i` of a subgraph would hold if it never ran: no elements, of the declared type and dimensions.
static llvm::Expected<Tensor> emptyCollection(KernelContext &context, FuncOp graph, unsigned i) {
  auto type = llvm::dyn_cast<mlir::ShapedType>(graph.getResultTypes()[i]);
  std::optional<DType> element = type ? param::getDType(type.getElementType()) : std::nullopt;
  if (!element)
    return compute::makeError("no iteration ran, and the subgraph does not declare the type of output " +
                              llvm::Twine(i));
  compute::Shape shape{0};
  if (auto dims = graph.getResultAttrOfType<mlir::ArrayAttr>(i, onnx::OnnxDialect::dimsAttrName))
    for (mlir::Attribute dim : dims) {
      auto size = llvm::dyn_cast<mlir::IntegerAttr>(dim);
      shape.push_back(size ? size.getInt() : 0);
    }
  return Tensor(context.held(*element), shape);
}

/// The elements side by side along a new first dimension.
static llvm::Expected<Tensor> stack(llvm::ArrayRef<Tensor> elements) {
  const Tensor &first = elements.front();
  compute::Shape shape(first.shape());
  shape.insert(shape.begin(), elements.size());
  if (!isNumeric(first.dtype()))
    return unsupported("outputs of each iteration that are no numbers cannot be computed");
  Tensor result(first.dtype(), shape);
  char *target = result.mutableRaw();
  for (const Tensor &element : elements) {
    if (element.shape() != first.shape() || element.dtype() != first.dtype())
      return compute::makeError("outputs of the iterations differ: " + compute::toString(first.shape()) + " of " +
                                toString(first.dtype()) + " and " + compute::toString(element.shape()) + " of " +
                                toString(element.dtype()));
    if (element.sizeInBytes())
      std::memcpy(target, element.raw(), element.sizeInBytes());
    target += element.sizeInBytes();
  }
  return result;
}

/// A dimension moved from the front to `axis`.
static llvm::Expected<Tensor> moveFirstTo(const Tensor &x, int64_t axisFromEnd) {
  llvm::Expected<int64_t> axis = compute::normalizeAxis(axisFromEnd, x.rank());
  if (!axis || *axis == 0)
    return axis ? llvm::Expected<Tensor>(x) : axis.takeError();
  compute::Shape permutation;
  for (int64_t d = 0; d < x.rank(); ++d)
    permutation.push_back(d < *axis ? d + 1 : d == *axis ? 0 : d);
  return compute::transpose(x, permutation);
}

//===----------------------------------------------------------------------------===//
// Loop
//===----------------------------------------------------------------------------===//

/// body(iteration, condition, carried...) -> (condition, carried..., collected...), while the condition holds.
static llvm::Expected<Tensors> loop(KernelContext &context) {
  llvm::Expected<FuncOp> body = context.subgraph("body");
  if (!body)
    return body.takeError();
  llvm::Expected<int64_t> trips =
      context.has(0) ? integerOf(context.operand(0)) : llvm::Expected<int64_t>(std::numeric_limits<int64_t>::max());
  if (!trips)
    return trips.takeError();
  llvm::Expected<bool> goesOn = context.has(1) ? truth(context.operand(1)) : llvm::Expected<bool>(true);
  if (!goesOn)
    return goesOn.takeError();
  unsigned carried = std::max(context.numInputs(), 2u) - 2, outputs = body->getNumResults();
  if (outputs < 1 + carried)
    return compute::makeError("the body has " + llvm::Twine(outputs) + " outputs for " + llvm::Twine(carried) +
                              " carried values");
  Tensors state;
  for (unsigned i = 0; i < carried; ++i)
    state.push_back(context.operand(2 + i));
  std::vector<std::vector<Tensor>> collected(outputs - 1 - carried);
  for (int64_t trip = 0; trip < *trips && *goesOn; ++trip) {
    if (llvm::Error error = context.countIteration())
      return error;
    Tensors inputs{Tensor::from<int64_t>(DType::I64, {}, {trip}), Tensor::from<uint8_t>(DType::Bool, {}, {1})};
    for (Tensor &value : state)
      inputs.push_back(std::move(value));
    llvm::Expected<Tensors> results = context.runSubgraph(*body, inputs);
    if (!results)
      return results.takeError();
    goesOn = truth(results->front());
    if (!goesOn)
      return goesOn.takeError();
    for (unsigned i = 0; i < carried; ++i)
      state[i] = std::move((*results)[1 + i]);
    for (auto [i, elements] : llvm::enumerate(collected))
      elements.push_back(std::move((*results)[1 + carried + i]));
  }
  for (auto [i, elements] : llvm::enumerate(collected)) {
    llvm::Expected<Tensor> output =
        elements.empty() ? emptyCollection(context, *body, 1 + carried + i) : stack(elements);
    if (!output)
      return output.takeError();
    state.push_back(std::move(*output));
  }
  return state;
}

//===----------------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------------===//

namespace {

/// The attributes of a Scan.
struct ScanPlan {
  unsigned states, inputs;
  llvm::ArrayRef<int64_t> inputAxes, inputDirections, outputAxes, outputDirections;

  static int64_t at(llvm::ArrayRef<int64_t> list, unsigned i) { return i < list.size() ? list[i] : 0; }
};

} // namespace

/// How many elements the scanned inputs have, all the same.
static llvm::Expected<int64_t> scanLength(KernelContext &context, const ScanPlan &plan) {
  std::optional<int64_t> length;
  for (unsigned i = 0; i < plan.inputs; ++i) {
    const Tensor &x = context.operand(plan.states + i);
    if (!x)
      return compute::makeError("a scanned input is missing");
    llvm::Expected<int64_t> axis = compute::normalizeAxis(ScanPlan::at(plan.inputAxes, i), x.rank());
    if (!axis)
      return axis.takeError();
    if (length.value_or(x.dim(*axis)) != x.dim(*axis))
      return compute::makeError("scanned inputs have different lengths, " + llvm::Twine(*length) + " and " +
                                llvm::Twine(x.dim(*axis)));
    length = x.dim(*axis);
  }
  return length.value_or(0);
}

/// body(state..., element of each input...) -> (state..., element of each output...).
static llvm::Expected<Tensors> scan(KernelContext &context) {
  if (context.opset() < 9)
    return unsupported("the batched Scan of opset 8 cannot be computed");
  llvm::Expected<FuncOp> body = context.subgraph("body");
  if (!body)
    return body.takeError();
  onnx::NodeOpInterface node = context.node();
  int64_t scanned = node.getInt("num_scan_inputs", 0), states = int64_t(context.numInputs()) - scanned;
  if (scanned <= 0 || states < 0 || int64_t(body->getNumResults()) < states)
    return compute::makeError("num_scan_inputs is " + llvm::Twine(scanned) + ", which does not fit the operands");
  auto listed = [&](llvm::StringRef name) { return node.getInts(name).value_or(llvm::ArrayRef<int64_t>()); };
  ScanPlan plan{unsigned(states),           unsigned(scanned),
                listed("scan_input_axes"),  listed("scan_input_directions"),
                listed("scan_output_axes"), listed("scan_output_directions")};
  llvm::Expected<int64_t> length = scanLength(context, plan);
  if (!length)
    return length.takeError();
  Tensors state;
  for (unsigned i = 0; i < plan.states; ++i)
    state.push_back(context.operand(i));
  std::vector<std::vector<Tensor>> collected(body->getNumResults() - plan.states);
  for (int64_t step = 0; step < *length; ++step) {
    if (llvm::Error error = context.countIteration())
      return error;
    Tensors inputs = state;
    for (unsigned i = 0; i < plan.inputs; ++i) {
      int64_t at = ScanPlan::at(plan.inputDirections, i) ? *length - 1 - step : step;
      llvm::Expected<Tensor> element =
          compute::gather(context.operand(plan.states + i), Tensor::from<int64_t>(DType::I64, {}, {at}),
                          ScanPlan::at(plan.inputAxes, i));
      if (!element)
        return element.takeError();
      inputs.push_back(std::move(*element));
    }
    llvm::Expected<Tensors> results = context.runSubgraph(*body, inputs);
    if (!results)
      return results.takeError();
    for (unsigned i = 0; i < plan.states; ++i)
      state[i] = std::move((*results)[i]);
    for (auto [i, elements] : llvm::enumerate(collected))
      elements.push_back(std::move((*results)[plan.states + i]));
  }
  for (auto [i, elements] : llvm::enumerate(collected)) {
    if (ScanPlan::at(plan.outputDirections, i))
      std::reverse(elements.begin(), elements.end());
    llvm::Expected<Tensor> output =
        elements.empty() ? emptyCollection(context, *body, plan.states + i) : stack(elements);
    if (output)
      output = moveFirstTo(*output, ScanPlan::at(plan.outputAxes, i));
    if (!output)
      return output.takeError();
    state.push_back(std::move(*output));
  }
  return state;
}

void interp::registerControlFlowKernels(KernelRegistry &registry) {
  registry.addNode("::If", branch, {}, Elements::Sequences);
  registry.addNode("::Loop", loop, {}, Elements::Sequences);
  registry.addNode("::Scan", scan, {}, Elements::Strings);
}
