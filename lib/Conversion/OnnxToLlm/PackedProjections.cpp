//===- PackedProjections.cpp - one linear for several projections -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Dims.h"
#include "Evaluate.h"
#include "Match.h"
#include "Nodes.h"
#include "quantopt/Dialect/Onnx/IR/Axis.h"
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
  std::optional<int64_t> axis = onnx::normalizeAxis(cast<NodeOpInterface>(*split).getInt("axis", 0), type.getRank());
  if (!axis)
    return std::nullopt;
  int64_t begin = 0;
  SmallVector<Cut> cuts;
  for (Value result : split->getResults()) {
    RankedTensorType part = rankedType(result);
    if (!part || part.getRank() != type.getRank() || part.isDynamicDim(*axis))
      return std::nullopt;
    cuts.push_back({*axis, begin, part.getDimSize(*axis)});
    begin += part.getDimSize(*axis);
  }
  return begin == type.getDimSize(*axis) ? std::optional(cuts) : std::nullopt;
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
  std::optional<int64_t> dim = onnx::normalizeAxis(*axis, type.getRank());
  if (!dim || type.isDynamicDim(*dim))
    return std::nullopt;
  int64_t size = type.getDimSize(*dim);
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  int64_t begin = clamp(*from), end = clamp(*to);
  return begin < end ? std::optional(Cut{*dim, begin, end - begin}) : std::nullopt;
}

/// Gather of one index, or of consecutive ones, that keeps the dimension.
static std::optional<Cut> cutOfGather(onnx::GatherOp gather) {
  RankedTensorType type = rankedType(gather->getOperand(0)), ids = rankedType(gather->getOperand(1));
  std::optional<int64_t> dim = onnx::normalizeAxis(cast<NodeOpInterface>(*gather).getInt("axis", 0), type.getRank());
  std::optional<SmallVector<int64_t>> indices = evaluateIntegers(gather->getOperand(1));
  if (!ids || ids.getRank() != 1 || !indices || indices->empty() || !dim || type.isDynamicDim(*dim))
    return std::nullopt;
  int64_t size = type.getDimSize(*dim), count = indices->size();
  for (int64_t &index : *indices)
    index += index < 0 ? size : 0;
  int64_t begin = indices->front();
  if (begin < 0 || begin >= size || count > size - begin)
    return std::nullopt;
  for (int64_t i = 0; i < count; ++i)
    if ((*indices)[i] != begin + i)
      return std::nullopt;
  return Cut{*dim, begin, count};
}

/// What each result of a node is of its first operand.
static std::optional<SmallVector<Cut>> cutsOf(Operation *op) {
  if (!isa<onnx::SplitOp, onnx::SliceOp, onnx::GatherOp>(op) || !rankedType(op->getOperand(0)))
    return std::nullopt;
  if (auto split = dyn_cast<onnx::SplitOp>(op))
    return cutsOfSplit(split);
  auto slice = dyn_cast<onnx::SliceOp>(op);
  std::optional<Cut> cut = slice ? cutOfSlice(slice) : cutOfGather(cast<onnx::GatherOp>(op));
  return cut ? std::optional(SmallVector<Cut>{*cut}) : std::nullopt;
}

//===----------------------------------------------------------------------------===//
// Packed projections
//===----------------------------------------------------------------------------===//

namespace {
/// A value that shows a linear's channels: itself, its heads, or a Reshape of its last dimension into several.
struct PackedValue {
  llm::LinearOp linear;
  Value value;
  /// The dimensions of `value` that the channels are spread over, slowest first.
  SmallVector<int64_t> dims;
};
} // namespace

static std::optional<PackedValue> matchPacked(Value value) {
  RankedTensorType type = rankedType(value);
  Operation *op = value.getDefiningOp();
  if (!type || !op)
    return std::nullopt;
  int64_t rank = type.getRank();
  if (auto linear = dyn_cast<llm::LinearOp>(op))
    return PackedValue{linear, value, {rank - 1}};
  if (!isa<llm::SplitHeadsOp, onnx::ReshapeOp>(op))
    return std::nullopt;
  auto linear = op->getOperand(0).getDefiningOp<llm::LinearOp>();
  if (!linear ||
      !llvm::all_of(linear->getUsers(), [&](Operation *user) { return user == op || isa<onnx::ShapeOp>(user); }))
    return std::nullopt;
  if (isa<llm::SplitHeadsOp>(op))
    return PackedValue{linear, value, {1, 3}};
  int64_t leading = typeOf(linear.getResult()).getRank() - 1, channels = 1;
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq(leading, rank));
  for (int64_t dim : dims)
    if (type.isDynamicDim(dim) || llvm::MulOverflow(channels, type.getDimSize(dim), channels))
      return std::nullopt;
  bool keepsLeading = rank > leading + 1 && llvm::all_of(llvm::seq<int64_t>(leading), [&](int64_t dim) {
                        return dimOf(value, dim) == dimOf(linear.getResult(), dim);
                      });
  return keepsLeading && channels == lastSize(linear.getResult()) ? std::optional(PackedValue{linear, value, dims})
                                                                  : std::nullopt;
}

/// The channels that a cut takes. Nothing for a cut of another dimension.
static std::optional<ChannelPart> channelsOf(const PackedValue &packed, Cut cut) {
  auto position = llvm::find(packed.dims, cut.dim);
  if (position == packed.dims.end() || cut.count < 1)
    return std::nullopt;
  ChannelPart part{1, typeOf(packed.value).getDimSize(cut.dim), 1, cut.begin, cut.count};
  for (auto dim = packed.dims.begin(); dim != packed.dims.end(); ++dim)
    (dim < position ? part.outer : part.inner) *= dim == position ? 1 : typeOf(packed.value).getDimSize(*dim);
  return part;
}

/// Whether each reader takes a part of the channels, so that nothing needs them all; sizes can be had elsewhere. Two
/// parts of every head are what rotary embeddings take apart (halves, or what is rotated and what passes), and no
/// projections.
static bool isCutByAll(const PackedValue &packed) {
  int64_t partsOfHeads = 0;
  bool isCut = llvm::all_of(packed.value.getUsers(), [&](Operation *user) {
    if (isa<onnx::ShapeOp>(user))
      return true;
    std::optional<SmallVector<Cut>> cuts = user->getOperand(0) == packed.value ? cutsOf(user) : std::nullopt;
    return cuts && llvm::all_of(*cuts, [&](Cut cut) {
             std::optional<ChannelPart> part = channelsOf(packed, cut);
             bool cutsHeads = packed.dims.size() > 1 && cut.dim == packed.dims.back();
             partsOfHeads += part && (part->outer > 1 || cutsHeads);
             return bool(part);
           });
  });
  return isCut && (partsOfHeads == 0 || partsOfHeads > 2);
}

/// The type of a part: what its reader was told, and the sizes that are known now. Null when they contradict.
static RankedTensorType partType(Value part, RankedTensorType computed) {
  RankedTensorType stated = rankedType(part);
  if (!stated || stated.getElementType() != computed.getElementType() ||
      failed(verifyCompatibleShape(stated.getShape(), computed.getShape())))
    return {};
  return isReturned(part) ? stated : computed;
}

/// The part in the form that the packed value has.
static Value makePart(RewriterBase &rewriter, const PackedValue &packed, ChannelPart channels, RankedTensorType type) {
  llm::LinearOp part = takeChannels(rewriter, packed.linear, channels);
  Operation *op = packed.value.getDefiningOp();
  if (isa<llm::SplitHeadsOp>(op))
    return llm::SplitHeadsOp::create(rewriter, op->getLoc(), type, part);
  if (isa<llm::LinearOp>(op)) {
    part.getResult().setType(type);
    return part;
  }
  SmallVector<int64_t> target(packed.dims.front(), 0);
  for (int64_t dim : packed.dims)
    target.push_back(type.getDimSize(dim));
  Value reshaped = Nodes(rewriter, op).reshape(part, target);
  reshaped.setType(type);
  return reshaped;
}

/// Lets what reads other sizes of the whole read them of a part, so that the whole need not be computed for them.
static void readSizesOf(RewriterBase &rewriter, Value whole, Value part, int64_t cutDim) {
  for (Operation *shape : llvm::make_early_inc_range(whole.getUsers())) {
    if (!isa<onnx::ShapeOp>(shape) || cast<NodeOpInterface>(shape).getNodeAttrs().size())
      continue;
    Operation *copy = rewriter.clone(*shape);
    copy->setOperand(0, part);
    for (OpOperand &use : llvm::make_early_inc_range(shape->getUses())) {
      auto gather = dyn_cast<onnx::GatherOp>(use.getOwner());
      std::optional<SmallVector<int64_t>> picked =
          gather && use.getOperandNumber() == 0 ? evaluateIntegers(gather->getOperand(1)) : std::nullopt;
      int64_t rank = typeOf(whole).getRank();
      if (picked && llvm::none_of(*picked, [&](int64_t i) { return i == cutDim || i + rank == cutDim; }))
        use.set(copy->getResult(0));
    }
  }
}

/// Makes what one reader takes. Fails where types contradict.
static LogicalResult replaceReader(RewriterBase &rewriter, const PackedValue &packed, Operation *reader) {
  SmallVector<Cut> cuts = *cutsOf(reader);
  SmallVector<RankedTensorType> types;
  for (auto [cut, result] : llvm::zip_equal(cuts, reader->getResults())) {
    SmallVector<int64_t> shape(typeOf(packed.value).getShape());
    shape[cut.dim] = cut.count;
    types.push_back(partType(result, typeOf(packed.value).clone(shape)));
    if (!types.back())
      return failure();
  }
  SmallVector<Value> parts;
  for (auto [cut, type] : llvm::zip_equal(cuts, types))
    parts.push_back(makePart(rewriter, packed, *channelsOf(packed, cut), type));
  readSizesOf(rewriter, packed.value, parts.front(), cuts.front().dim);
  rewriter.replaceAllUsesWith(reader->getResults(), parts);
  return success();
}

LogicalResult quantopt::recognizePackedProjection(Operation *root, RewriterBase &rewriter) {
  if (!cutsOf(root) || isOpTriviallyDead(root))
    return failure();
  std::optional<PackedValue> packed = matchPacked(root->getOperand(0));
  if (!packed || !isCutByAll(*packed))
    return failure();
  // Where the whole is computed: what asks for sizes of it comes before the cuts. Other readers than the root stay,
  // dead, until the walk has come to them.
  rewriter.setInsertionPoint(packed->value.getDefiningOp());
  Operation *whole = packed->value.getDefiningOp();
  for (Operation *reader : llvm::to_vector(packed->value.getUsers()))
    if (!isa<onnx::ShapeOp>(reader) && !isOpTriviallyDead(reader))
      if (failed(replaceReader(rewriter, *packed, reader)) && reader == root)
        return failure();
  if (whole != packed->linear)
    readSizesOf(rewriter, packed->linear.getResult(), packed->linear.getInput(), lastDim(packed->linear.getResult()));
  eraseDead(rewriter, root);
  return success();
}
