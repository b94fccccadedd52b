//===- PackedProjections.cpp - one linear for several projections -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// Parts of weights
//===----------------------------------------------------------------------------===//

namespace {
/// Which channels of a linear: they are seen as [outer, size, inner], of which the middle one is cut.
struct ChannelPart {
  int64_t outer, size, inner, begin, count;
};
} // namespace

/// Those rows of a matrix or elements of a vector.
static Value takePart(OpBuilder &builder, Location loc, Value weight, ChannelPart part) {
  RankedTensorType type = typeOf(weight);
  auto shaped = [&](ArrayRef<int64_t> leading) {
    SmallVector<int64_t> shape(leading);
    llvm::append_range(shape, type.getShape().drop_front());
    return type.clone(shape);
  };
  if (part.outer == 1)
    return builder.createOrFold<param::SliceOp>(loc, shaped({part.count * part.inner}), weight, 0,
                                                part.begin * part.inner);
  Value split = builder.createOrFold<param::ReshapeOp>(loc, shaped({part.outer, part.size, part.inner}), weight);
  Value taken =
      builder.createOrFold<param::SliceOp>(loc, shaped({part.outer, part.count, part.inner}), split, 1, part.begin);
  return builder.createOrFold<param::ReshapeOp>(loc, shaped({part.outer * part.count * part.inner}), taken);
}

/// Rows of a weight that stays quantized: those of its codes, scales and zero points.
static Value takeRows(OpBuilder &builder, Location loc, Value weight, ChannelPart part) {
  auto dequantize = weight.getDefiningOp<q::DequantizeOp>();
  if (!dequantize)
    return takePart(builder, loc, weight, part);
  Value codes = takePart(builder, loc, dequantize.getCodes(), part);
  Value scale = takePart(builder, loc, dequantize.getScale(), part), zero;
  if (dequantize.getZero())
    zero = takePart(builder, loc, dequantize.getZero(), part);
  auto type = typeOf(weight).clone(typeOf(codes).getShape());
  return q::DequantizeOp::create(builder, loc, type, codes, scale, zero, dequantize.getGroupSize());
}

/// The linear that computes those channels only.
static llm::LinearOp takeChannels(OpBuilder &builder, llm::LinearOp linear, ChannelPart part) {
  Location loc = linear.getLoc();
  Value weight = takeRows(builder, loc, linear.getWeight(), part), bias;
  if (linear.getBias())
    bias = takePart(builder, loc, linear.getBias(), part);
  SmallVector<int64_t> shape(typeOf(linear.getResult()).getShape());
  shape.back() = typeOf(weight).getDimSize(0);
  return llm::LinearOp::create(builder, loc, typeOf(linear.getResult()).clone(shape), linear.getInput(), weight, bias);
}

Value quantopt::takeColumns(RewriterBase &rewriter, Value value, int64_t begin, int64_t end) {
  auto linear = value.getDefiningOp<llm::LinearOp>();
  if (!linear || ShapedType::isDynamic(lastSize(value)) || begin < 0 || begin >= end || end > lastSize(value))
    return {};
  return takeChannels(rewriter, linear, {1, lastSize(value), 1, begin, end - begin});
}

//===----------------------------------------------------------------------------===//
// Cuts
//===----------------------------------------------------------------------------===//

namespace {
/// Consecutive elements of one dimension.
struct Cut {
  int64_t dim, begin, count;
};
} // namespace

static std::optional<SmallVector<Cut>> cutsOfSplit(onnx::SplitOp split) {
  RankedTensorType type = rankedType(split->getOperand(0));
  int64_t axis = cast<NodeOpInterface>(*split).getInt("axis", 0), begin = 0;
  axis += axis < 0 ? type.getRank() : 0;
  if (axis < 0 || axis >= type.getRank())
    return std::nullopt;
  SmallVector<Cut> cuts;
  for (Value result : split->getResults()) {
    RankedTensorType part = rankedType(result);
    if (!part || part.getRank() != type.getRank() || part.isDynamicDim(axis))
      return std::nullopt;
    cuts.push_back({axis, begin, part.getDimSize(axis)});
    begin += part.getDimSize(axis);
  }
  return begin == type.getDimSize(axis) ? std::optional(cuts) : std::nullopt;
}

static std::optional<Cut> cutOfSlice(onnx::SliceOp slice) {
  NodeOpInterface node = slice;
  RankedTensorType type = rankedType(slice->getOperand(0));
  auto input = [&](unsigned i, StringRef attribute) -> std::optional<int64_t> {
    std::optional<SmallVector<int64_t>> values;
    if (Value value = node.getNodeInput(i))
      values = evaluateIntegers(value);
    else if (auto stated = node.getInts(attribute)) // before opset 10
      values = llvm::to_vector(*stated);
    return values && values->size() == 1 ? std::optional(values->front()) : std::nullopt;
  };
  std::optional<int64_t> from = input(1, "starts"), to = input(2, "ends"), axis = input(3, "axes");
  if (!from || !to || !axis || (node.getNodeInput(4) && input(4, "") != 1))
    return std::nullopt;
  int64_t dim = *axis + (*axis < 0 ? type.getRank() : 0);
  if (dim < 0 || dim >= type.getRank() || type.isDynamicDim(dim))
    return std::nullopt;
  int64_t size = type.getDimSize(dim);
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  int64_t begin = clamp(*from), end = clamp(*to);
  return begin < end ? std::optional(Cut{dim, begin, end - begin}) : std::nullopt;
}

/// What each result of a node is of its first operand.
static std::optional<SmallVector<Cut>> cutsOf(Operation *op) {
  if (!isa<onnx::SplitOp, onnx::SliceOp>(op) || !rankedType(op->getOperand(0)))
    return std::nullopt;
  if (auto split = dyn_cast<onnx::SplitOp>(op))
    return cutsOfSplit(split);
  std::optional<Cut> cut = cutOfSlice(cast<onnx::SliceOp>(op));
  return cut ? std::optional(SmallVector<Cut>{*cut}) : std::nullopt;
}

//===----------------------------------------------------------------------------===//
// Packed projections
//===----------------------------------------------------------------------------===//

/// The channels of the linear that a cut of its value, or of its heads, takes. Nothing for a cut of something else.
static std::optional<ChannelPart> channelsOf(Value value, Cut cut) {
  RankedTensorType type = typeOf(value);
  if (!value.getDefiningOp<llm::SplitHeadsOp>())
    return cut.dim == type.getRank() - 1
               ? std::optional(ChannelPart{1, type.getDimSize(cut.dim), 1, cut.begin, cut.count})
               : std::nullopt;
  if (cut.dim == 1)
    return ChannelPart{1, type.getDimSize(1), type.getDimSize(3), cut.begin, cut.count};
  return cut.dim == 3 ? std::optional(ChannelPart{type.getDimSize(1), type.getDimSize(3), 1, cut.begin, cut.count})
                      : std::nullopt;
}

/// Whether each reader takes a part of the channels, so that nothing needs them all.
static bool isCutByAll(Value value) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    std::optional<SmallVector<Cut>> cuts = user->getOperand(0) == value ? cutsOf(user) : std::nullopt;
    return cuts && llvm::all_of(*cuts, [&](Cut cut) { return bool(channelsOf(value, cut)); });
  });
}

/// The type of a part: what its reader was told, and the sizes that are known now. Null when they contradict.
static RankedTensorType partType(Value part, RankedTensorType computed) {
  RankedTensorType stated = rankedType(part);
  if (!stated || stated.getElementType() != computed.getElementType() ||
      failed(verifyCompatibleShape(stated.getShape(), computed.getShape())))
    return {};
  bool keepsType =
      llvm::any_of(part.getUsers(), [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
  return keepsType ? stated : computed;
}

LogicalResult quantopt::recognizePackedProjection(Operation *root, RewriterBase &rewriter) {
  std::optional<SmallVector<Cut>> cuts = cutsOf(root);
  if (!cuts)
    return failure();
  Value packed = root->getOperand(0);
  auto heads = packed.getDefiningOp<llm::SplitHeadsOp>();
  Value channels = heads ? heads.getInput() : packed;
  auto linear = channels.getDefiningOp<llm::LinearOp>();
  if (!linear || (heads && !channels.hasOneUse()) || !isCutByAll(packed) || lastSize(channels) < 1)
    return failure();
  SmallVector<RankedTensorType> types;
  for (auto [cut, result] : llvm::zip_equal(*cuts, root->getResults())) {
    SmallVector<int64_t> shape(typeOf(packed).getShape());
    shape[cut.dim] = cut.count;
    types.push_back(partType(result, typeOf(packed).clone(shape)));
    if (!types.back() || cut.count < 1)
      return failure();
  }
  rewriter.setInsertionPoint(root);
  SmallVector<Value> parts;
  for (auto [cut, type] : llvm::zip_equal(*cuts, types)) {
    llm::LinearOp part = takeChannels(rewriter, linear, *channelsOf(packed, cut));
    if (heads)
      parts.push_back(llm::SplitHeadsOp::create(rewriter, heads.getLoc(), type, part));
    else {
      part.getResult().setType(type);
      parts.push_back(part);
    }
  }
  rewriter.replaceOp(root, parts);
  for (Operation *op : {heads.getOperation(), linear.getOperation()})
    if (op && op->use_empty())
      rewriter.eraseOp(op);
  return success();
}
