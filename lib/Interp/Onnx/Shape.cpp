//===- Shape.cpp - ONNX operators that rearrange tensors ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Onnx/TensorFile.h"
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Shape;

std::optional<llvm::SmallVector<int64_t>> interp::integersOf(KernelContext &context, llvm::StringRef name,
                                                             unsigned operand) {
  if (context.has(operand))
    return compute::toIntegers(context.operand(operand));
  if (std::optional<llvm::ArrayRef<int64_t>> listed = context.node().getInts(name))
    return llvm::SmallVector<int64_t>(*listed);
  return std::nullopt;
}

llvm::Expected<int64_t> interp::integerOf(const Tensor &tensor) {
  if (!tensor || !isNumeric(tensor.dtype()) || tensor.numElements() != 1)
    return compute::makeError("expected one integer" +
                              (tensor ? ", not " + compute::toString(tensor.shape()) : std::string()));
  return compute::toIntegers(tensor)[0];
}

static Tensor integerTensor(llvm::ArrayRef<int64_t> values) {
  return Tensor::from<int64_t>(DType::I64, {int64_t(values.size())}, values);
}

static llvm::Expected<Tensors> constant(KernelContext &context) {
  if (auto name = llvm::dyn_cast_or_null<mlir::FlatSymbolRefAttr>(context.node().getNodeAttr("value")))
    return single(context.stored(name));
  if (auto proto = llvm::dyn_cast_or_null<onnx::ProtoAttr>(context.node().getNodeAttr("value"))) {
    llvm::Expected<Tensor> tensor = readTensorAttribute(proto);
    return tensor ? Tensors{*tensor} : llvm::Expected<Tensors>(unsupported(llvm::toString(tensor.takeError())));
  }
  mlir::DenseElementsAttr elements = onnx::getConstant(context.op()->getResult(0));
  if (!elements)
    return unsupported("this form of constant cannot be computed with");
  return single(toTensor(elements, context.precision()));
}

static llvm::Expected<Tensors> constantOfShape(KernelContext &context) {
  Tensor element = compute::scalar(0, context.held(DType::F32));
  if (mlir::DenseElementsAttr value = context.node().getTensor("value")) {
    llvm::Expected<Tensor> stated = toTensor(value, context.precision());
    if (!stated)
      return stated.takeError();
    element = std::move(*stated);
  }
  return Tensors{compute::fill(compute::toIntegers(context.operand(0)), element)};
}

static llvm::Expected<Tensors> identity(KernelContext &context) { return Tensors{context.operand(0)}; }

/// At inference nothing is dropped.
static llvm::Expected<Tensors> dropout(KernelContext &context) {
  Tensors results{context.operand(0)};
  if (context.wantsResult(1))
    results.push_back(compute::fill(context.operand(0).shape(), compute::scalar(1, DType::Bool)));
  return results;
}

static llvm::Expected<Tensors> shape(KernelContext &context) {
  llvm::ArrayRef<int64_t> dims = context.operand(0).shape();
  int64_t rank = dims.size();
  auto position = [&](llvm::StringRef name, int64_t absent) {
    int64_t value = context.node().getInt(name, absent);
    return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  int64_t start = position("start", 0), end = position("end", rank);
  return Tensors{integerTensor(dims.slice(start, std::max<int64_t>(end - start, 0)))};
}

static llvm::Expected<Tensors> size(KernelContext &context) {
  return Tensors{Tensor::from<int64_t>(DType::I64, {}, {context.operand(0).numElements()})};
}

static llvm::Expected<Tensors> reshape(KernelContext &context) {
  const Tensor &x = context.operand(0);
  std::optional<llvm::SmallVector<int64_t>> wanted = integersOf(context, "shape", 1);
  if (!wanted)
    return compute::makeError("no shape is given");
  bool allowZero = context.node().getInt("allowzero", 0);
  int64_t known = 1, unknown = -1;
  for (auto [i, dim] : llvm::enumerate(*wanted)) {
    if (dim == 0 && !allowZero && int64_t(i) < x.rank())
      dim = x.dim(i);
    if (dim == -1)
      unknown = i;
    else
      known *= dim;
  }
  if (unknown >= 0)
    (*wanted)[unknown] = known ? x.numElements() / known : 0;
  if (compute::product(*wanted) != x.numElements())
    return compute::makeError("cannot give " + compute::toString(x.shape()) + " the shape " +
                              compute::toString(*wanted));
  return Tensors{x.reshaped(*wanted)};
}

static llvm::Expected<Tensors> flatten(KernelContext &context) {
  const Tensor &x = context.operand(0);
  int64_t axis = context.node().getInt("axis", 1);
  axis = axis < 0 ? axis + x.rank() : axis;
  if (axis < 0 || axis > x.rank())
    return compute::makeError("no axis " + llvm::Twine(axis) + " in " + compute::toString(x.shape()));
  return Tensors{
      x.reshaped({compute::product(x.shape().take_front(axis)), compute::product(x.shape().drop_front(axis))})};
}

static llvm::Expected<Tensors> squeeze(KernelContext &context) {
  const Tensor &x = context.operand(0);
  std::optional<llvm::SmallVector<int64_t>> axes = integersOf(context, "axes", 1);
  llvm::SmallVector<bool> dropped(x.rank(), false);
  for (int64_t d = 0; d < x.rank() && !axes; ++d)
    dropped[d] = x.dim(d) == 1;
  for (int64_t axisFromEnd : axes.value_or(llvm::SmallVector<int64_t>())) {
    llvm::Expected<int64_t> axis = compute::normalizeAxis(axisFromEnd, x.rank());
    if (!axis)
      return axis.takeError();
    if (x.dim(*axis) != 1)
      return compute::makeError("dimension " + llvm::Twine(*axis) + " of " + compute::toString(x.shape()) +
                                " is not 1");
    dropped[*axis] = true;
  }
  Shape kept;
  for (int64_t d = 0; d < x.rank(); ++d)
    if (!dropped[d])
      kept.push_back(x.dim(d));
  return Tensors{x.reshaped(kept)};
}

static llvm::Expected<Tensors> unsqueeze(KernelContext &context) {
  const Tensor &x = context.operand(0);
  std::optional<llvm::SmallVector<int64_t>> axes = integersOf(context, "axes", 1);
  if (!axes)
    return compute::makeError("no axes are given");
  int64_t rank = x.rank() + axes->size();
  llvm::SmallVector<bool> added(rank, false);
  for (int64_t axisFromEnd : *axes) {
    llvm::Expected<int64_t> axis = compute::normalizeAxis(axisFromEnd, rank);
    if (!axis)
      return axis.takeError();
    added[*axis] = true;
  }
  Shape dims;
  for (int64_t d = 0, next = 0; d < rank; ++d)
    dims.push_back(added[d] ? 1 : x.dim(next++));
  return Tensors{x.reshaped(dims)};
}

static llvm::Expected<Tensors> transpose(KernelContext &context) {
  const Tensor &x = context.operand(0);
  Shape permutation;
  if (std::optional<llvm::ArrayRef<int64_t>> stated = context.node().getInts("perm"))
    permutation.assign(stated->begin(), stated->end());
  else
    for (int64_t d = x.rank(); d-- > 0;)
      permutation.push_back(d);
  return single(compute::transpose(x, permutation));
}

static llvm::Expected<Tensors> concat(KernelContext &context) {
  llvm::SmallVector<Tensor> inputs;
  for (unsigned i = 0; i < context.numOperands(); ++i)
    inputs.push_back(context.operand(i));
  return single(compute::concat(inputs, context.node().getInt("axis", 0)));
}

static llvm::Expected<Tensors> split(KernelContext &context) {
  const Tensor &x = context.operand(0);
  llvm::Expected<int64_t> axis = compute::normalizeAxis(context.node().getInt("axis", 0), x.rank());
  if (!axis)
    return axis.takeError();
  std::optional<llvm::SmallVector<int64_t>> sizes = integersOf(context, "split", 1);
  if (!sizes) {
    int64_t pieces = context.op()->getNumResults(), total = x.dim(*axis), piece = (total + pieces - 1) / pieces;
    sizes.emplace();
    for (int64_t i = 0; i < pieces; ++i)
      sizes->push_back(std::clamp<int64_t>(total - i * piece, 0, piece));
  }
  llvm::Expected<llvm::SmallVector<Tensor>> results = compute::split(x, *sizes, *axis);
  if (!results)
    return results.takeError();
  return Tensors(results->begin(), results->end());
}

static llvm::Expected<Tensors> slice(KernelContext &context) {
  std::optional<llvm::SmallVector<int64_t>> starts = integersOf(context, "starts", 1),
                                            ends = integersOf(context, "ends", 2),
                                            axes = integersOf(context, "axes", 3),
                                            steps = integersOf(context, "steps", 4);
  if (!starts || !ends)
    return compute::makeError("no bounds are given");
  if (!axes) {
    axes.emplace();
    for (size_t d = 0; d < starts->size(); ++d)
      axes->push_back(d);
  }
  if (!steps)
    steps.emplace(starts->size(), 1);
  return single(compute::slice(context.operand(0), *starts, *ends, *axes, *steps));
}

static llvm::Expected<Tensors> expand(KernelContext &context) {
  return single(compute::expand(context.operand(0), compute::toIntegers(context.operand(1))));
}

static llvm::Expected<Tensors> tile(KernelContext &context) {
  return single(compute::tile(context.operand(0), compute::toIntegers(context.operand(1))));
}

static llvm::Expected<Tensors> range(KernelContext &context) {
  return single(compute::range(context.operand(0), context.operand(1), context.operand(2)));
}

static llvm::Expected<Tensors> trilu(KernelContext &context) {
  llvm::Expected<int64_t> k = context.has(1) ? integerOf(context.operand(1)) : 0;
  if (!k)
    return k.takeError();
  return single(compute::triangle(context.operand(0), *k, context.node().getInt("upper", 1)));
}

/// The element that stands at position i of a dimension of n elements continued beyond its ends.
static int64_t continuedAt(int64_t i, int64_t n, llvm::StringRef mode) {
  if (mode == "edge")
    return std::clamp<int64_t>(i, 0, n - 1);
  int64_t period = mode == "wrap" ? n : std::max<int64_t>(2 * (n - 1), 1), rest = ((i % period) + period) % period;
  return rest < n ? rest : period - rest;
}

/// Padding with elements of the tensor itself; negative pads cut.
static llvm::Expected<Tensor> padFromInside(Tensor x, llvm::ArrayRef<int64_t> begins, llvm::ArrayRef<int64_t> ends,
                                            llvm::StringRef mode) {
  if (mode != "edge" && mode != "reflect" && mode != "wrap")
    return unsupported("padding by mode '" + mode + "' cannot be computed");
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (begins[d] == 0 && ends[d] == 0)
      continue;
    int64_t n = x.dim(d);
    if (n == 0)
      return compute::makeError("there are no elements to pad dimension " + llvm::Twine(d) + " with");
    llvm::SmallVector<int64_t> from;
    for (int64_t i = -begins[d]; i < n + ends[d]; ++i)
      from.push_back(continuedAt(i, n, mode));
    llvm::Expected<Tensor> padded = compute::gather(x, integerTensor(from), d);
    if (!padded)
      return padded;
    x = std::move(*padded);
  }
  return x;
}

static llvm::Expected<Tensors> pad(KernelContext &context) {
  const Tensor &x = context.operand(0);
  std::optional<llvm::SmallVector<int64_t>> pads = integersOf(context, "pads", 1),
                                            axes = integersOf(context, "axes", 3);
  if (!pads)
    return compute::makeError("no pads are given");
  int64_t count = pads->size() / 2;
  Shape begins(x.rank(), 0), ends(x.rank(), 0);
  for (int64_t i = 0; i < count; ++i) {
    llvm::Expected<int64_t> axis = compute::normalizeAxis(axes ? (*axes)[i] : i, x.rank());
    if (!axis)
      return axis.takeError();
    begins[*axis] = (*pads)[i];
    ends[*axis] = (*pads)[count + i];
  }
  llvm::StringRef mode = context.node().getString("mode", "constant");
  if (mode != "constant")
    return single(padFromInside(x, begins, ends, mode));
  Tensor value = context.has(2) ? context.operand(2) : compute::scalar(context.node().getFloat("value", 0), x.dtype());
  return single(compute::pad(x, begins, ends, value));
}

void interp::registerShapeKernels(KernelRegistry &registry) {
  registry.addNode("::Constant", constant);
  registry.addNode("::ConstantOfShape", constantOfShape);
  registry.addNode("::Identity", identity, {}, Elements::Sequences);
  registry.addNode("::Dropout", dropout);
  registry.addNode("::Shape", shape, {}, Elements::StringsFirst);
  registry.addNode("::Size", size, {}, Elements::StringsFirst);
  registry.addNode("::Reshape", reshape, {}, Elements::StringsFirst);
  registry.addNode("::Flatten", flatten, {}, Elements::StringsFirst);
  registry.addNode("::Squeeze", squeeze, {}, Elements::StringsFirst);
  registry.addNode("::Unsqueeze", unsqueeze, {}, Elements::StringsFirst);
  registry.addNode("::Transpose", transpose, {}, Elements::StringsFirst);
  registry.addNode("::Concat", concat, {}, Elements::Strings);
  registry.addNode("::Split", split, {}, Elements::StringsFirst);
  registry.addNode("::Slice", slice, {}, Elements::StringsFirst);
  registry.addNode("::Expand", expand, {}, Elements::StringsFirst);
  registry.addNode("::Tile", tile, {}, Elements::StringsFirst);
  registry.addNode("::Range", range);
  registry.addNode("::Trilu", trilu);
  registry.addNode("::Pad", pad);
}
