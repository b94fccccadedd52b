//===- Inputs.cpp - random inputs that a decoder accepts ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InputDescription.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;
using Role = InputRole;

namespace {
/// Tokens of buffers whose length nothing fixes, if a step has no more.
constexpr int64_t defaultBufferLength = 16;

/// Sizes of one step, and how the sequences of the batch differ in length.
struct Sizes : DecoderStep {
  /// Padding on the left, hidden by a mask. Without, sequences that may are shorter: `ragged`.
  bool isLeftPadded = false;
  /// New rows of each sequence follow its own past.
  bool isRagged = false;

  int64_t batch() const { return padding.size(); }
  int64_t paddingOf(int64_t sequence) const { return isLeftPadded ? padding[sequence] : 0; }
  int64_t pastOf(int64_t sequence) const { return isRagged ? std::max<int64_t>(past - padding[sequence], 0) : past; }
  int64_t endOf(int64_t sequence) const { return pastOf(sequence) + tokens; }
  int64_t positionOf(int64_t sequence, int64_t token) const {
    return std::max<int64_t>(pastOf(sequence) + token - paddingOf(sequence), 0);
  }
  /// Whether column `token` of the past and the new tokens is a token of the sequence.
  bool isToken(int64_t sequence, int64_t token) const {
    return token >= paddingOf(sequence) && token < endOf(sequence);
  }
};

/// Uniform 64-bit integers (splitmix64) and normal values made of them.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  double uniform() { return ((next() >> 11) + 0.5) * 0x1p-53; }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform()); }

private:
  uint64_t state;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------------===//

/// The size of a dynamic dimension whose meaning the argument's role tells.
static std::optional<int64_t> sizeByRole(const InputDescription &input, int64_t dim, const Sizes &sizes) {
  int64_t rank = input.type.getRank();
  bool isLast = dim == rank - 1;
  switch (input.role) {
  case Role::TokenIds:
  case Role::Positions:
    return isLast ? sizes.tokens : sizes.batch();
  case Role::AttentionMask:
    return isLast ? sizes.past + sizes.tokens : sizes.batch();
  case Role::ScoreMask:
    return isLast ? sizes.past + sizes.tokens : dim == rank - 2 ? sizes.tokens : dim == rank - 3 ? 1 : sizes.batch();
  case Role::Cache:
    // Caches of five dimensions hold keys and values in the first one.
    if (dim == input.sequenceDim)
      return input.isBuffer ? std::max(defaultBufferLength, sizes.past + sizes.tokens) : sizes.past;
    return dim == (rank == 5 ? 1 : 0) ? std::optional<int64_t>(sizes.batch()) : std::nullopt;
  case Role::WriteIndex:
  case Role::Length:
  case Role::LastIndex:
    return sizes.batch();
  case Role::UseCache:
  case Role::KeptTokens:
    return 1;
  case Role::Other:
    return std::nullopt;
  }
  llvm_unreachable("covered switch");
}

static SmallVector<int64_t> shapeOf(const InputDescription &input, const Sizes &sizes,
                                    const llvm::StringMap<int64_t> &named) {
  SmallVector<int64_t> shape;
  for (auto [dim, size] : llvm::enumerate(input.type.getShape())) {
    auto name = named.find(input.dims[dim]);
    if (!ShapedType::isDynamic(size))
      shape.push_back(size);
    else if (name != named.end() && !input.dims[dim].empty())
      shape.push_back(name->second);
    else if (std::optional<int64_t> known = sizeByRole(input, dim, sizes))
      shape.push_back(*known);
    else
      shape.push_back(dim == 0 ? sizes.batch() : sizes.tokens);
  }
  return shape;
}

//===----------------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------------===//

/// The sequence and the place in it that element `index` is about. Leading dimensions may be missing or 1.
static std::pair<int64_t, int64_t> placeOf(const InputDescription &input, ArrayRef<int64_t> shape, int64_t index,
                                           const Sizes &sizes) {
  bool isPerSequence = input.role == Role::WriteIndex || input.role == Role::Length || input.role == Role::LastIndex;
  if (isPerSequence || shape.empty())
    return {shape.size() == 1 && shape[0] == 1 ? 0 : index % sizes.batch(), 0};
  int64_t row = index / shape.back(), column = index % shape.back();
  if (input.role == Role::ScoreMask && shape.size() > 2)
    row = shape.size() == 4 ? row / (shape[1] * shape[2]) : row / shape[1];
  return {row % sizes.batch(), column};
}

static int64_t integerFor(const InputDescription &input, ArrayRef<int64_t> shape, int64_t index, const Sizes &sizes,
                          Random &random) {
  auto [sequence, column] = placeOf(input, shape, index, sizes);
  switch (input.role) {
  case Role::TokenIds:
    return random.next() % (input.rowWidth ? input.rows : 8);
  case Role::AttentionMask:
    return sizes.isToken(sequence, column);
  case Role::ScoreMask: {
    int64_t token = index / shape.back() % sizes.tokens;
    return sizes.isToken(sequence, column) && column <= sizes.pastOf(sequence) + token;
  }
  case Role::Positions:
    return sizes.positionOf(sequence, column);
  case Role::WriteIndex:
    return sizes.pastOf(sequence);
  case Role::Length:
    return sizes.endOf(sequence);
  case Role::LastIndex:
    return sizes.endOf(sequence) - 1;
  case Role::UseCache:
    return sizes.past > 0;
  case Role::KeptTokens:
    return 1;
  case Role::Cache:
    return random.next() % 7;
  case Role::Other:
    return random.next() % 2;
  }
  llvm_unreachable("covered switch");
}

/// What an additive mask has where a token is hidden, in every type that it may be in.
static double hiddenScore(DType type) { return type == DType::F16 ? -65504.0 : -0x1.fep127; }

static Tensor floatsFor(const InputDescription &input, DType type, ArrayRef<int64_t> shape, const Sizes &sizes,
                        Random &random) {
  Tensor tensor(DType::F64, shape);
  bool isMask = input.role == Role::ScoreMask;
  for (auto [i, element] : llvm::enumerate(tensor.mutableData<double>()))
    if (isMask)
      element = integerFor(input, shape, i, sizes, random) ? 0 : hiddenScore(type);
    else if (input.role == Role::AttentionMask)
      element = integerFor(input, shape, i, sizes, random);
    else
      element = random.normal();
  return tensor;
}

/// A null tensor for types of which no values are known.
static Tensor valuesFor(const InputDescription &input, ArrayRef<int64_t> shape, const Sizes &sizes, Random &random) {
  std::optional<DType> dtype = input.type ? param::getDType(input.type.getElementType()) : std::nullopt;
  if (!dtype)
    return {};
  if (isFloat(*dtype))
    return floatsFor(input, *dtype, shape, sizes, random);
  Tensor tensor(*dtype, shape);
  auto fill = [&](auto data) {
    for (auto [i, element] : llvm::enumerate(data))
      element = integerFor(input, shape, i, sizes, random);
    return tensor;
  };
  switch (*dtype) {
  case DType::I64:
    return fill(tensor.mutableData<int64_t>());
  case DType::I32:
    return fill(tensor.mutableData<int32_t>());
  case DType::Bool:
  case DType::U8:
    return fill(tensor.mutableData<uint8_t>());
  case DType::I8:
    return fill(tensor.mutableData<int8_t>());
  default:
    return {};
  }
}

static bool readsOwnLengths(func::FuncOp function, ArrayRef<InputDescription> inputs) {
  bool hasLengths = llvm::any_of(inputs, [](const InputDescription &input) {
    return input.role == Role::WriteIndex || input.role == Role::Length || input.role == Role::LastIndex;
  });
  return hasLengths || function
                           .walk([](Operation *op) {
                             auto node = dyn_cast<onnx::NodeOpInterface>(op);
                             bool isRagged = isa<llm::KvWriteOp>(op) ||
                                             (node && node.isNode("GroupQueryAttention", "com.microsoft"));
                             return isRagged ? WalkResult::interrupt() : WalkResult::advance();
                           })
                           .wasInterrupted();
}

/// The step, as sequences of this function may differ in length.
static Sizes sizesFor(func::FuncOp function, ArrayRef<InputDescription> inputs, const DecoderStep &step) {
  Sizes sizes{step};
  sizes.isRagged = readsOwnLengths(function, inputs);
  sizes.isLeftPadded = !sizes.isRagged && llvm::any_of(inputs, [](const InputDescription &input) {
    return input.role == Role::AttentionMask || input.role == Role::ScoreMask;
  });
  return sizes;
}

static SmallVector<SmallVector<int64_t>> shapesFor(ArrayRef<InputDescription> inputs, const Sizes &sizes) {
  llvm::StringMap<int64_t> named;
  // What tokens and caches say comes before what others are thought to be.
  for (bool isFirst : {true, false})
    for (const InputDescription &input : inputs)
      for (auto [dim, symbol] : llvm::enumerate(input.dims))
        if (!symbol.empty() && input.type && isFirst == (input.role == Role::TokenIds || input.role == Role::Cache))
          if (std::optional<int64_t> size = sizeByRole(input, dim, sizes))
            named.try_emplace(symbol, *size);
  return llvm::map_to_vector(inputs, [&](const InputDescription &input) {
    return input.type ? shapeOf(input, sizes, named) : SmallVector<int64_t>();
  });
}

SmallVector<SmallVector<int64_t>> interp::makeInputShapes(func::FuncOp function, ArrayRef<InputDescription> inputs,
                                                          const DecoderStep &step) {
  return shapesFor(inputs, sizesFor(function, inputs, step));
}

SmallVector<Tensor> interp::makeInputs(func::FuncOp function, ArrayRef<InputDescription> inputs,
                                       const DecoderStep &step, llvm::function_ref<bool(unsigned)> isNeeded) {
  Sizes sizes = sizesFor(function, inputs, step);
  SmallVector<SmallVector<int64_t>> shapes = shapesFor(inputs, sizes);
  SmallVector<Tensor> tensors;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    Random random(i * 1000 + sizes.past);
    bool canMake = input.type && isNeeded(i);
    tensors.push_back(canMake ? valuesFor(input, shapes[i], sizes, random) : Tensor());
  }
  return tensors;
}

//===----------------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------------===//

static bool all(unsigned) { return true; }

/// Sizes that the function fixes replace those of a step.
static void fitStep(DecoderStep &step, ArrayRef<InputDescription> inputs) {
  for (const InputDescription &input : inputs) {
    if (input.role == Role::TokenIds && input.hasRank(2)) {
      if (!input.type.isDynamicDim(1))
        step.tokens = input.type.getDimSize(1);
      if (!input.type.isDynamicDim(0))
        step.padding.resize(input.type.getDimSize(0), 0);
    }
    if (input.role == Role::Cache && !input.isBuffer && !input.type.isDynamicDim(input.sequenceDim))
      step.past = input.type.getDimSize(input.sequenceDim);
  }
}

static std::string describeArgument(func::FuncOp function, unsigned i) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "argument #" << i;
  if (auto name = function.getArgAttrOfType<StringAttr>(i, onnx::OnnxDialect::nameAttrName))
    stream << " '" << name.getValue() << "'";
  stream << " of type " << function.getArgument(i).getType();
  return text;
}

llvm::Expected<std::vector<VerificationStep>> interp::makeVerificationSteps(func::FuncOp function) {
  SmallVector<InputDescription> inputs = describeInputs(function);
  bool hasCache = llvm::any_of(inputs, [](const InputDescription &input) { return input.role == Role::Cache; });
  std::vector<std::pair<StringRef, DecoderStep>> plan{{hasCache ? "prefill" : "run", {8, 0, {0, 2}}}};
  if (hasCache) {
    plan.push_back({"decode", {1, 7, {0, 2}}});
    plan.push_back({"chunk", {3, 5, {0, 2}}});
  }
  std::vector<VerificationStep> steps;
  llvm::SmallSet<std::pair<int64_t, int64_t>, 4> seen;
  for (auto &[name, step] : plan) {
    fitStep(step, inputs);
    if (!seen.insert({step.tokens, step.past}).second)
      continue;
    steps.push_back({name.str(), makeInputs(function, inputs, step, all)});
    for (auto [i, tensor] : llvm::enumerate(steps.back().inputs))
      if (!tensor)
        return llvm::createStringError("random values cannot be made for " + describeArgument(function, i));
  }
  return steps;
}

SmallVector<Tensor> interp::makeDecoderInputs(func::FuncOp function, const DecoderStep &step) {
  SmallVector<InputDescription> inputs = describeInputs(function);
  SmallVector<Tensor> tensors = makeInputs(function, inputs, step, all);
  for (auto [input, tensor] : llvm::zip_equal(inputs, tensors))
    if (input.role == Role::Cache && tensor)
      tensor = Tensor::zeros(tensor.dtype(), tensor.shape());
  return tensors;
}
