//===- Inputs.cpp - random inputs that a decoder accepts ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;

namespace {
/// Sizes of one step.
struct Sizes : DecoderStep {
  int64_t batch() const { return padding.size(); }
};
using Role = InputRole;

struct Argument {
  Role role = Role::Other;
  RankedTensorType type;
  std::string name;
  /// Names of the dimensions; empty for numbers and where the graph names none.
  SmallVector<StringRef> dims;
  /// Number of rows of the smallest table that token ids index.
  int64_t rows = std::numeric_limits<int64_t>::max();
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
// What arguments mean
//===----------------------------------------------------------------------------===//

/// The number of rows of the table that a use of `value` indexes; nothing if it indexes none.
static std::optional<int64_t> indexedRows(OpOperand &use) {
  Operation *user = use.getOwner();
  Value table;
  if (auto embedding = dyn_cast<llm::EmbeddingOp>(user))
    table = embedding.getIds() == use.get() ? embedding.getTable() : Value();
  else if (isa<onnx::GatherOp>(user) && use.getOperandNumber() == 1)
    table = user->getOperand(0);
  auto type = table ? dyn_cast<RankedTensorType>(table.getType()) : RankedTensorType();
  return type && type.getRank() == 2 && param::isWeightExpression(table) ? std::optional<int64_t>(type.getDimSize(0))
                                                                         : std::nullopt;
}

static bool extendsCache(OpOperand &use) {
  if (use.getOperandNumber() != 0)
    return false;
  if (isa<llm::KvAppendOp>(use.getOwner()))
    return true;
  auto concat = dyn_cast<onnx::ConcatOp>(use.getOwner());
  std::optional<int64_t> axis = concat ? cast<onnx::NodeOpInterface>(*concat).getInt("axis") : std::nullopt;
  return axis == 2 || axis == -2;
}

/// Static sizes of a cache that only the op that extends it states.
static RankedTensorType refineCache(RankedTensorType cache, Operation *extension) {
  SmallVector<int64_t> shape(cache.getShape());
  SmallVector<Value> values(extension->getOperands());
  values.push_back(extension->getResult(0));
  for (Value value : values)
    if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() == cache.getRank())
      for (auto [dim, size] : llvm::enumerate(shape))
        if (dim != 2 && ShapedType::isDynamic(size))
          size = type.getDimSize(dim);
  return RankedTensorType::get(shape, cache.getElementType());
}

static void collectRole(Value value, Argument &argument) {
  for (OpOperand &use : value.getUses()) {
    if (std::optional<int64_t> rows = indexedRows(use)) {
      argument.role = Role::TokenIds;
      argument.rows = std::min(argument.rows, *rows);
    } else if (argument.type.getRank() == 4 && extendsCache(use)) {
      argument.role = Role::Cache;
      argument.type = refineCache(argument.type, use.getOwner());
    } else if (isa<onnx::CastOp, onnx::IdentityOp>(use.getOwner())) {
      collectRole(use.getOwner()->getResult(0), argument);
    }
  }
}

static Argument describe(func::FuncOp function, unsigned i) {
  Argument argument;
  Value value = function.getArgument(i);
  argument.type = dyn_cast<RankedTensorType>(value.getType());
  if (auto name = function.getArgAttrOfType<StringAttr>(i, onnx::OnnxDialect::nameAttrName))
    argument.name = name.getValue().lower();
  if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, onnx::OnnxDialect::dimsAttrName))
    for (Attribute dim : dims)
      argument.dims.push_back(isa<StringAttr>(dim) ? cast<StringAttr>(dim).getValue() : StringRef());
  if (!argument.type)
    return argument;
  argument.dims.resize(argument.type.getRank());
  collectRole(value, argument);
  if (function.getArgAttr(i, llm::stateAttrName))
    argument.role = Role::Cache;
  return argument;
}

/// Positions and masks are known by name or by how their dimensions compare with those of the token ids.
static void completeRoles(MutableArrayRef<Argument> arguments) {
  const Argument *ids = llvm::find_if(arguments, [](const Argument &a) { return a.role == Role::TokenIds; });
  for (Argument &argument : arguments) {
    if (argument.role != Role::Other || !argument.type || !argument.type.getElementType().isInteger() ||
        argument.type.getRank() != 2)
      continue;
    bool isLikeIds = ids != arguments.end() && !argument.dims[1].empty() && argument.dims[1] == ids->dims[1];
    bool isUnlikeIds = ids != arguments.end() && !argument.dims[1].empty() && argument.dims[1] != ids->dims[1];
    if (StringRef(argument.name).contains("mask"))
      argument.role = Role::AttentionMask;
    else if (StringRef(argument.name).contains("position") || isLikeIds)
      argument.role = Role::Positions;
    else if (isUnlikeIds)
      argument.role = Role::AttentionMask;
  }
}

//===----------------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------------===//

/// The size of a dynamic dimension whose meaning the argument's role tells.
static std::optional<int64_t> sizeByRole(const Argument &argument, int64_t dim, const Sizes &sizes) {
  bool isLast = dim == argument.type.getRank() - 1;
  switch (argument.role) {
  case Role::TokenIds:
  case Role::Positions:
    return isLast ? sizes.tokens : sizes.batch();
  case Role::AttentionMask:
    return isLast ? sizes.past + sizes.tokens : sizes.batch();
  case Role::Cache:
    return dim == 0   ? std::optional<int64_t>(sizes.batch())
           : dim == 2 ? std::optional<int64_t>(sizes.past)
                      : std::nullopt;
  case Role::Other:
    return std::nullopt;
  }
  llvm_unreachable("covered switch");
}

/// Whether the argument is the mask of an attention, [batch, heads, tokens, past + tokens].
static bool isScoreMask(Value argument) {
  return llvm::any_of(argument.getUsers(), [&](Operation *user) {
    auto attention = dyn_cast<llm::AttentionOp>(user);
    return attention && attention.getMask() == argument;
  });
}

static SmallVector<int64_t> shapeOf(const Argument &argument, Value value, const Sizes &sizes,
                                    const llvm::StringMap<int64_t> &named) {
  SmallVector<int64_t> shape;
  for (auto [dim, size] : llvm::enumerate(argument.type.getShape())) {
    auto name = named.find(argument.dims[dim]);
    if (!ShapedType::isDynamic(size))
      shape.push_back(size);
    else if (std::optional<int64_t> known = sizeByRole(argument, dim, sizes))
      shape.push_back(*known);
    else if (name != named.end())
      shape.push_back(name->second);
    else if (dim == 3 && isScoreMask(value))
      shape.push_back(sizes.past + sizes.tokens);
    else
      shape.push_back(dim == 0 ? sizes.batch() : sizes.tokens);
  }
  return shape;
}

//===----------------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------------===//

static int64_t integerFor(const Argument &argument, int64_t index, const Sizes &sizes, bool isPadded, Random &random) {
  int64_t width = argument.role == Role::AttentionMask ? sizes.past + sizes.tokens : sizes.tokens;
  int64_t row = index / width, column = index % width;
  switch (argument.role) {
  case Role::TokenIds:
    return random.next() % argument.rows;
  case Role::AttentionMask:
    return column >= sizes.padding[row];
  case Role::Positions:
    return std::max<int64_t>(sizes.past + column - (isPadded ? sizes.padding[row] : 0), 0);
  default:
    return random.next() % 2;
  }
}

static Tensor valuesFor(const Argument &argument, ArrayRef<int64_t> shape, const Sizes &sizes, bool isPadded,
                        Random &random) {
  std::optional<DType> dtype = param::getDType(argument.type.getElementType());
  if (!dtype)
    return {};
  if (isFloat(*dtype)) {
    Tensor tensor(DType::F64, shape);
    for (double &element : tensor.mutableData<double>())
      element = random.normal();
    return tensor;
  }
  Tensor tensor(*dtype, shape);
  auto fill = [&](auto data) {
    for (auto [i, element] : llvm::enumerate(data))
      element = integerFor(argument, i, sizes, isPadded, random);
  };
  if (*dtype == DType::I64)
    fill(tensor.mutableData<int64_t>());
  else if (*dtype == DType::I32)
    fill(tensor.mutableData<int32_t>());
  else if (*dtype == DType::Bool)
    fill(tensor.mutableData<uint8_t>());
  else
    return {};
  return tensor;
}

static SmallVector<Tensor> makeInputs(func::FuncOp function, ArrayRef<Argument> arguments, const Sizes &sizes) {
  llvm::StringMap<int64_t> named;
  for (const Argument &argument : arguments)
    for (auto [dim, symbol] : llvm::enumerate(argument.dims))
      if (!symbol.empty())
        if (std::optional<int64_t> size = sizeByRole(argument, dim, sizes))
          named.try_emplace(symbol, *size);
  bool isPadded = llvm::any_of(arguments, [](const Argument &a) { return a.role == Role::AttentionMask; });
  SmallVector<Tensor> inputs;
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    Random random(i * 1000 + sizes.past);
    Tensor input;
    if (argument.type)
      input = valuesFor(argument, shapeOf(argument, function.getArgument(i), sizes, named), sizes, isPadded, random);
    inputs.push_back(input);
  }
  return inputs;
}

static SmallVector<Argument> describeAll(func::FuncOp function) {
  SmallVector<Argument> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    arguments.push_back(describe(function, i));
  completeRoles(arguments);
  return arguments;
}

std::vector<VerificationStep> interp::makeVerificationSteps(func::FuncOp function) {
  SmallVector<Argument> arguments = describeAll(function);
  bool hasCache = llvm::any_of(arguments, [](const Argument &a) { return a.role == Role::Cache; });
  std::vector<VerificationStep> steps;
  steps.push_back({hasCache ? "prefill" : "run", makeInputs(function, arguments, {{8, 0, {0, 2}}})});
  if (hasCache)
    steps.push_back({"decode", makeInputs(function, arguments, {{1, 7, {0, 2}}})});
  return steps;
}

SmallVector<InputRole> interp::findInputRoles(func::FuncOp function) {
  return llvm::map_to_vector(describeAll(function), [](const Argument &argument) { return argument.role; });
}

SmallVector<Tensor> interp::makeDecoderInputs(func::FuncOp function, const DecoderStep &step) {
  SmallVector<Argument> arguments = describeAll(function);
  SmallVector<Tensor> inputs = makeInputs(function, arguments, {step});
  for (auto [argument, input] : llvm::zip_equal(arguments, inputs))
    if (argument.role == Role::Cache)
      input = Tensor::zeros(input.dtype(), input.shape());
  return inputs;
}
