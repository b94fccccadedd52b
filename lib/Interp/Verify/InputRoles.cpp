//===- InputRoles.cpp - what the arguments of a decoder mean ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InputDescription.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;
using onnx::NodeOpInterface;
using Role = InputRole;

//===----------------------------------------------------------------------------===//
// By dataflow
//===----------------------------------------------------------------------------===//

/// The table whose rows a use of token ids or positions picks; null if it picks none.
static RankedTensorType indexedTable(OpOperand &use) {
  Operation *user = use.getOwner();
  Value table;
  if (auto embedding = dyn_cast<llm::EmbeddingOp>(user))
    table = embedding.getIds() == use.get() ? embedding.getTable() : Value();
  else if (auto node = dyn_cast<NodeOpInterface>(user); node && use.getOperandNumber() == 1)
    if (node.isNode("Gather") || node.isNode("GatherBlockQuantized", "com.microsoft"))
      table = user->getOperand(0);
  auto type = table ? dyn_cast<RankedTensorType>(table.getType()) : RankedTensorType();
  return type && type.getRank() == 2 && param::isWeightExpression(table) ? type : RankedTensorType();
}

/// Static sizes of a cache that only the op that extends it states.
static RankedTensorType refineCache(RankedTensorType cache, int64_t sequenceDim, Operation *extension) {
  SmallVector<int64_t> shape(cache.getShape());
  SmallVector<Value> values(extension->getOperands());
  values.push_back(extension->getResult(0));
  for (Value value : values)
    if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() == cache.getRank())
      for (auto [dim, size] : llvm::enumerate(shape))
        if (int64_t(dim) != sequenceDim && ShapedType::isDynamic(size))
          size = type.getDimSize(dim);
  return RankedTensorType::get(shape, cache.getElementType());
}

/// The dimension that a Concat lengthens; nothing for other uses.
static std::optional<int64_t> concatenatedDim(OpOperand &use) {
  auto concat = dyn_cast<onnx::ConcatOp>(use.getOwner());
  auto type = dyn_cast<RankedTensorType>(use.get().getType());
  if (!concat || !type || type.getRank() < 3 || use.getOperandNumber() != 0)
    return std::nullopt;
  int64_t axis = cast<NodeOpInterface>(*concat).getInt("axis", 0);
  axis += axis < 0 ? type.getRank() : 0;
  return axis > 0 && axis < type.getRank() - 1 ? std::optional<int64_t>(axis) : std::nullopt;
}

static Role roleInNode(NodeOpInterface node, unsigned operand) {
  auto among = [&](std::initializer_list<unsigned> operands) { return llvm::is_contained(operands, operand); };
  if (node.isNode("If") && operand == 0)
    return Role::UseCache;
  if (node.isNode("TensorScatter"))
    return operand == 0 ? Role::Cache : operand == 2 ? Role::WriteIndex : Role::Other;
  if (node.isNode("Attention"))
    return operand == 3 ? Role::ScoreMask : among({4, 5}) ? Role::Cache : operand == 6 ? Role::Length : Role::Other;
  if (node.isNode("GroupQueryAttention", "com.microsoft"))
    return among({3, 4})   ? Role::Cache
           : operand == 5  ? Role::LastIndex
           : operand == 6  ? Role::Length
           : operand == 9  ? Role::Positions
           : operand == 10 ? Role::ScoreMask
                           : Role::Other;
  if (node.isNode("MultiHeadAttention", "com.microsoft"))
    return among({6, 7}) ? Role::Cache : operand == 5 ? Role::ScoreMask : Role::Other;
  if (node.isNode("RotaryEmbedding"))
    return operand == 3 ? Role::Positions : Role::Other;
  if (node.isNode("RotaryEmbedding", "com.microsoft"))
    return operand == 1 ? Role::Positions : Role::Other;
  return Role::Other;
}

static Role roleInLayer(OpOperand &use) {
  Operation *user = use.getOwner();
  if (isa<llm::KvAppendOp>(user))
    return use.getOperandNumber() == 0 ? Role::Cache : Role::Other;
  if (auto write = dyn_cast<llm::KvWriteOp>(user))
    return use.get() == write.getCache()    ? Role::Cache
           : use.get() == write.getIndex()  ? Role::WriteIndex
           : use.get() == write.getLength() ? Role::Length
                                            : Role::Other;
  if (auto attention = dyn_cast<llm::AttentionOp>(user))
    return use.get() == attention.getMask() ? Role::ScoreMask : Role::Other;
  return Role::Other;
}

/// Whether an op hands on what its first operand means.
static bool isCarrier(Operation *op) {
  auto node = dyn_cast<NodeOpInterface>(op);
  return node && node.getDomain().empty() &&
         llvm::StringSwitch<bool>(node.getOpType())
             .Cases({"Cast", "CastLike", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Expand", "Transpose"}, true)
             .Default(false);
}

/// A limit at which sums of heads are far from overflow.
constexpr int64_t maxHeads = int64_t(1) << 30;

/// Heads and head size of the caches of a fused attention, as far as its attributes and the type of its queries tell.
static std::pair<int64_t, int64_t> headsOfCache(NodeOpInterface node) {
  int64_t heads = node.getInt("num_heads", node.getInt("q_num_heads", 0));
  int64_t cacheHeads = node.getInt("kv_num_heads", heads);
  auto queries = dyn_cast<RankedTensorType>(node->getOperand(0).getType());
  if (!queries || queries.getRank() != 3 || queries.isDynamicDim(2) || heads <= 0 || heads > maxHeads ||
      cacheHeads <= 0 || cacheHeads > maxHeads)
    return {cacheHeads, 0};
  bool isPacked = node.isNode("GroupQueryAttention", "com.microsoft") && !node.getNodeInput(1);
  return {cacheHeads, queries.getDimSize(2) / (isPacked ? heads + 2 * cacheHeads : heads)};
}

/// Static sizes [batch, heads, length, head size] of a cache that only the fused attention knows.
static RankedTensorType refineFusedCache(RankedTensorType cache, NodeOpInterface node) {
  if (cache.getRank() != 4)
    return cache;
  auto [heads, size] = headsOfCache(node);
  SmallVector<int64_t> shape(cache.getShape());
  for (auto [dim, known] : {std::pair(1, heads), std::pair(3, size)})
    if (ShapedType::isDynamic(shape[dim]) && known > 0)
      shape[dim] = known;
  return RankedTensorType::get(shape, cache.getElementType());
}

static void describeCache(OpOperand &use, bool isDirect, int64_t sequenceDim, InputDescription &input) {
  if (input.type.getRank() < 3 || input.role == Role::Cache)
    return;
  input.role = Role::Cache;
  auto node = dyn_cast<NodeOpInterface>(use.getOwner());
  auto write = dyn_cast<llm::KvWriteOp>(use.getOwner());
  input.isBuffer = (node && node.isNode("TensorScatter")) || (write && !write.getLength());
  if (node && node.isNode("TensorScatter"))
    sequenceDim = node.getInt("axis", -2);
  int64_t rank = input.type.getRank();
  if (isDirect) {
    input.sequenceDim = sequenceDim < 0 ? sequenceDim + rank : sequenceDim;
    input.type = refineCache(input.type, input.sequenceDim, use.getOwner());
    if (node)
      input.type = refineFusedCache(input.type, node);
    return;
  }
  // A view of the argument is extended: the length is its only size, the batch aside, that is not fixed.
  input.sequenceDim = std::min<int64_t>(2, rank - 1);
  for (int64_t dim = 1; dim < rank; ++dim)
    if (input.type.isDynamicDim(dim))
      input.sequenceDim = dim;
}

/// What reads an argument, itself or behind carriers, in the order of their uses.
static SmallVector<OpOperand *> usesBehindCarriers(Value argument) {
  SmallVector<OpOperand *> uses, stack;
  llvm::DenseSet<Value> seen;
  auto pushUsesOf = [&](Value value) {
    if (!seen.insert(value).second)
      return;
    size_t first = stack.size();
    for (OpOperand &use : value.getUses())
      stack.push_back(&use);
    std::reverse(stack.begin() + first, stack.end());
  };
  pushUsesOf(argument);
  while (!stack.empty()) {
    OpOperand *use = stack.pop_back_val();
    uses.push_back(use);
    if (isCarrier(use->getOwner()) && use->getOperandNumber() == 0)
      pushUsesOf(use->getOwner()->getResult(0));
  }
  return uses;
}

static void collectRole(Value argument, InputDescription &input) {
  for (OpOperand *use : usesBehindCarriers(argument)) {
    auto node = dyn_cast<NodeOpInterface>(use->getOwner());
    Role role = node ? roleInNode(node, use->getOperandNumber()) : roleInLayer(*use);
    if (RankedTensorType table = indexedTable(*use)) {
      input.role = Role::TokenIds;
      input.rows = std::min(input.rows, table.getDimSize(0));
      input.rowWidth = std::max(input.rowWidth, table.getDimSize(1));
    } else if (std::optional<int64_t> dim = concatenatedDim(*use)) {
      describeCache(*use, use->get() == argument, *dim, input);
    } else if (role == Role::Cache) {
      describeCache(*use, use->get() == argument, 2, input);
    } else if (role != Role::Other) {
      input.role = role;
    }
  }
}

static InputDescription describe(func::FuncOp function, unsigned i) {
  InputDescription input;
  Value value = function.getArgument(i);
  input.type = dyn_cast<RankedTensorType>(value.getType());
  if (auto name = function.getArgAttrOfType<StringAttr>(i, onnx::OnnxDialect::nameAttrName))
    input.name = name.getValue().lower();
  if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, onnx::OnnxDialect::dimsAttrName))
    for (Attribute dim : dims)
      input.dims.push_back(isa<StringAttr>(dim) ? cast<StringAttr>(dim).getValue() : StringRef());
  if (!input.type)
    return input;
  input.dims.resize(input.type.getRank());
  collectRole(value, input);
  if (function.getArgAttr(i, llm::stateAttrName))
    input.role = Role::Cache;
  if (function.getArgAttr(i, onnx::OnnxDialect::leftOutAttrName))
    input.role = Role::UseCache;
  return input;
}

//===----------------------------------------------------------------------------===//
// By comparison with the others, and by name
//===----------------------------------------------------------------------------===//

/// Tables of cosines, sines or positions are indexed as well; the table of tokens is the widest, then the longest.
static void keepOneTokenIds(MutableArrayRef<InputDescription> inputs) {
  auto isCandidate = [](const InputDescription &input) { return input.role == Role::TokenIds; };
  auto rank = [](const InputDescription &input) {
    return std::tuple(!StringRef(input.name).contains("position"), input.rowWidth, input.rows);
  };
  InputDescription *best = nullptr;
  for (InputDescription &input : inputs)
    if (isCandidate(input) && (!best || rank(*best) < rank(input)))
      best = &input;
  for (InputDescription &input : inputs)
    if (isCandidate(input) && &input != best && rank(input) != rank(*best))
      input.role = Role::Positions;
}

/// The argument with the tokens, by ids or as vectors; null where there is none.
static const InputDescription *findTokens(ArrayRef<InputDescription> inputs) {
  for (const InputDescription &input : inputs)
    if (input.role == Role::TokenIds)
      return &input;
  for (const InputDescription &input : inputs)
    if (input.role == Role::Other && input.hasRank(3) && isa<FloatType>(input.type.getElementType()))
      return &input;
  return nullptr;
}

static void completeMatrix(InputDescription &input, const InputDescription *tokens) {
  StringRef name = input.name;
  bool isNamed = tokens && tokens->dims.size() > 1 && !input.dims[1].empty();
  bool isLikeTokens = isNamed && input.dims[1] == tokens->dims[1];
  if (name.contains("mask"))
    input.role = Role::AttentionMask;
  else if (name.contains("position"))
    input.role = Role::Positions;
  else if (!tokens && name.contains("ids"))
    input.role = Role::TokenIds;
  else if (isLikeTokens)
    input.role = Role::Positions;
  else if (isNamed)
    input.role = Role::AttentionMask;
}

/// Scalars and vectors.
static void completeSmall(InputDescription &input, const InputDescription *tokens) {
  StringRef name = input.name;
  bool isPerToken = input.hasRank(1) && tokens && tokens->dims.size() > 1 && !input.dims[0].empty() &&
                    input.dims[0] == tokens->dims[1];
  if (name.contains("use_cache"))
    input.role = Role::UseCache;
  else if (name.contains("keep"))
    input.role = Role::KeptTokens;
  else if (isPerToken || name.contains("position"))
    input.role = Role::Positions;
  else if (name.contains("past") || name.contains("write"))
    input.role = Role::WriteIndex;
  else if (name.contains("seqlens_k"))
    input.role = Role::LastIndex;
  else if (name.contains("len"))
    input.role = Role::Length;
}

static void completeRole(InputDescription &input, const InputDescription *tokens) {
  if (!input.type || input.role != Role::Other)
    return;
  int64_t rank = input.type.getRank();
  StringRef name = input.name;
  bool isInteger = input.type.getElementType().isInteger();
  if (rank >= 4 && (name.contains("past") || name.contains("cache")))
    input.role = Role::Cache;
  else if (rank == 4 && name.contains("mask"))
    input.role = Role::ScoreMask;
  else if (rank == 2 && (isInteger || name.contains("mask")))
    completeMatrix(input, tokens);
  else if (rank == 3 && isInteger && name.contains("position"))
    input.role = Role::Positions;
  else if (rank < 2 && isInteger)
    completeSmall(input, tokens);
}

/// A mask with a row for each sequence is no mask of scores, even where an attention reads it.
static void correctMask(InputDescription &input) {
  if (input.role == Role::ScoreMask && input.hasRank(2) && input.type.getElementType().isInteger())
    input.role = Role::AttentionMask;
}

/// Merged decoders state the dimensions of the decoder without a cache, in which a mask is as long as the tokens.
static void forgetMaskLength(MutableArrayRef<InputDescription> inputs) {
  if (llvm::any_of(inputs, [](const InputDescription &input) { return input.role == Role::UseCache; }))
    for (InputDescription &input : inputs)
      if (input.role == Role::AttentionMask && !input.dims.empty())
        input.dims.back() = "";
}

SmallVector<InputDescription> interp::describeInputs(func::FuncOp function) {
  SmallVector<InputDescription> inputs;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    inputs.push_back(describe(function, i));
  keepOneTokenIds(inputs);
  const InputDescription *tokens = findTokens(inputs);
  for (InputDescription &input : inputs) {
    completeRole(input, tokens);
    correctMask(input);
  }
  forgetMaskLength(inputs);
  return inputs;
}

SmallVector<InputRole> interp::findInputRoles(func::FuncOp function) {
  return llvm::map_to_vector(describeInputs(function), [](const InputDescription &input) { return input.role; });
}
