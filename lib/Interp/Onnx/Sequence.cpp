//===- Sequence.cpp - ONNX operators on sequences and optional values ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;

// A sequence is a tensor of tensors (Tensor::sequence), an optional value what it holds, or nothing.

static llvm::Expected<llvm::ArrayRef<Tensor>> elementsOf(KernelContext &context, unsigned i) {
  const Tensor &x = context.operand(i);
  if (!x || x.dtype() != DType::Sequence)
    return compute::makeError("expected a sequence as operand " + llvm::Twine(i));
  return x.elements();
}

/// The position that operand `i` gives; `absent` without one. Negative ones count from the end; up to `last` is valid.
static llvm::Expected<int64_t> positionOf(KernelContext &context, unsigned i, int64_t length, int64_t last,
                                          int64_t absent) {
  if (!context.has(i))
    return absent;
  llvm::Expected<int64_t> stated = integerOf(context.operand(i));
  if (!stated)
    return stated;
  int64_t position = *stated < 0 ? *stated + length : *stated;
  if (position < 0 || position > last)
    return compute::makeError("position " + llvm::Twine(*stated) + " is outside a sequence of " + llvm::Twine(length));
  return position;
}

static llvm::Expected<Tensors> sequenceEmpty(KernelContext &) { return Tensors{Tensor::sequence({})}; }

static llvm::Expected<Tensors> sequenceConstruct(KernelContext &context) {
  llvm::SmallVector<Tensor> elements;
  for (unsigned i = 0; i < context.numOperands(); ++i) {
    if (!context.has(i) || context.operand(i).dtype() == DType::Sequence)
      return compute::makeError("expected tensors to make a sequence of");
    elements.push_back(context.operand(i));
  }
  return Tensors{Tensor::sequence(elements)};
}

static llvm::Expected<Tensors> sequenceLength(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  return Tensors{Tensor::from<int64_t>(DType::I64, {}, {int64_t(elements->size())})};
}

static llvm::Expected<Tensors> sequenceAt(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  int64_t length = elements->size();
  llvm::Expected<int64_t> position = positionOf(context, 1, length, length - 1, 0);
  if (!position)
    return position.takeError();
  return Tensors{(*elements)[*position]};
}

static llvm::Expected<Tensors> sequenceInsert(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  int64_t length = elements->size();
  llvm::Expected<int64_t> position = positionOf(context, 2, length, length, length);
  if (!position)
    return position.takeError();
  if (!context.has(1) || context.operand(1).dtype() == DType::Sequence)
    return compute::makeError("expected a tensor to insert");
  llvm::SmallVector<Tensor> longer(*elements);
  longer.insert(longer.begin() + *position, context.operand(1));
  return Tensors{Tensor::sequence(longer)};
}

static llvm::Expected<Tensors> sequenceErase(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  int64_t length = elements->size();
  llvm::Expected<int64_t> position = positionOf(context, 1, length, length - 1, length - 1);
  if (!position)
    return position.takeError();
  if (length == 0)
    return compute::makeError("the sequence is empty");
  llvm::SmallVector<Tensor> shorter(*elements);
  shorter.erase(shorter.begin() + *position);
  return Tensors{Tensor::sequence(shorter)};
}

static llvm::Expected<Tensors> concatFromSequence(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  if (elements->empty())
    return compute::makeError("cannot join a sequence without elements");
  int64_t axis = context.node().getInt("axis", 0);
  if (!context.node().getInt("new_axis", 0))
    return single(compute::concat(*elements, axis));
  int64_t rank = elements->front().rank() + 1;
  llvm::Expected<int64_t> at = compute::normalizeAxis(axis, rank);
  if (!at)
    return at.takeError();
  llvm::SmallVector<Tensor> parts;
  for (const Tensor &element : *elements) {
    if (element.rank() + 1 != rank)
      return compute::makeError("elements have different ranks");
    compute::Shape shape(element.shape());
    shape.insert(shape.begin() + *at, 1);
    parts.push_back(element.reshaped(shape));
  }
  return single(compute::concat(parts, *at));
}

/// The sizes of the pieces: a list, or equal ones (the last may be smaller) of the size that a scalar says, or of 1.
static llvm::Expected<llvm::SmallVector<int64_t>> pieceSizes(KernelContext &context, int64_t total) {
  const Tensor &stated = context.operand(1);
  if (stated && stated.rank() == 1 && isNumeric(stated.dtype()))
    return compute::toIntegers(stated);
  llvm::Expected<int64_t> size = stated ? integerOf(stated) : 1;
  if (!size)
    return size.takeError();
  if (*size <= 0)
    return compute::makeError("pieces of size " + llvm::Twine(*size));
  llvm::SmallVector<int64_t> sizes;
  for (int64_t begin = 0; begin < total; begin += *size)
    sizes.push_back(std::min(*size, total - begin));
  return sizes;
}

static llvm::Expected<Tensors> splitToSequence(KernelContext &context) {
  const Tensor &x = context.operand(0);
  if (!x || x.dtype() == DType::Sequence)
    return compute::makeError("expected a tensor to cut");
  llvm::Expected<int64_t> axis = compute::normalizeAxis(context.node().getInt("axis", 0), x.rank());
  if (!axis)
    return axis.takeError();
  auto sizes = pieceSizes(context, x.dim(*axis));
  if (!sizes)
    return sizes.takeError();
  auto pieces = compute::split(x, *sizes, *axis);
  if (!pieces)
    return pieces.takeError();
  // Without sizes the pieces may lose the dimension that is 1.
  if (!context.has(1) && !context.node().getInt("keepdims", 1))
    for (Tensor &piece : *pieces) {
      compute::Shape shape(piece.shape());
      shape.erase(shape.begin() + *axis);
      piece = piece.reshaped(shape);
    }
  return Tensors{Tensor::sequence(*pieces)};
}

/// body(element, ...) of the elements of all sequences at one position, the other operands repeated.
static llvm::Expected<Tensors> sequenceMap(KernelContext &context) {
  auto elements = elementsOf(context, 0);
  if (!elements)
    return elements.takeError();
  llvm::Expected<mlir::func::FuncOp> body = context.subgraph("body");
  if (!body)
    return body.takeError();
  std::vector<llvm::SmallVector<Tensor>> outputs(body->getNumResults());
  for (size_t at = 0; at < elements->size(); ++at) {
    if (llvm::Error error = context.countIteration())
      return error;
    Tensors inputs;
    for (unsigned i = 0; i < context.numInputs(); ++i) {
      const Tensor &x = context.operand(i);
      bool isSequence = x && x.dtype() == DType::Sequence;
      if (isSequence && x.elements().size() != elements->size())
        return compute::makeError("sequences of different lengths");
      inputs.push_back(isSequence ? x.elements()[at] : x);
    }
    llvm::Expected<Tensors> results = context.runSubgraph(*body, inputs);
    if (!results)
      return results.takeError();
    for (auto [output, result] : llvm::zip(outputs, *results)) {
      if (!result || result.dtype() == DType::Sequence)
        return compute::makeError("the subgraph gives no tensor");
      output.push_back(std::move(result));
    }
  }
  Tensors sequences;
  for (const auto &output : outputs)
    sequences.push_back(Tensor::sequence(output));
  return sequences;
}

/// Optional and OptionalGetElement: the value itself.
static llvm::Expected<Tensors> valueOf(KernelContext &context) {
  if (!context.has(0))
    return unsupported("optional values that hold nothing cannot be computed with");
  return Tensors{context.operand(0)};
}

static llvm::Expected<Tensors> hasElement(KernelContext &context) {
  return Tensors{Tensor::from<uint8_t>(DType::Bool, {}, {uint8_t(context.has(0))})};
}

void interp::registerSequenceKernels(KernelRegistry &registry) {
  for (auto [name, kernel] :
       std::initializer_list<std::pair<const char *, Kernel>>{{"::SequenceEmpty", sequenceEmpty},
                                                              {"::SequenceConstruct", sequenceConstruct},
                                                              {"::SequenceLength", sequenceLength},
                                                              {"::SequenceAt", sequenceAt},
                                                              {"::SequenceInsert", sequenceInsert},
                                                              {"::SequenceErase", sequenceErase},
                                                              {"::ConcatFromSequence", concatFromSequence},
                                                              {"::SplitToSequence", splitToSequence},
                                                              {"::SequenceMap", sequenceMap},
                                                              {"::Optional", valueOf},
                                                              {"::OptionalGetElement", valueOf},
                                                              {"::OptionalHasElement", hasElement}})
    registry.addNode(name, kernel, {}, Elements::Sequences);
}
