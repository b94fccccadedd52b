//===- FusedRope.cpp - operators that are rotary position embeddings ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Fused.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------------===//

bool quantopt::hasHeads(Value value, int64_t heads) {
  RankedTensorType type = rankedType(value);
  return type && type.getRank() == 3 && heads > 0 && type.getDimSize(2) > 0 && type.getDimSize(2) % heads == 0;
}

Value quantopt::toHeads(Value value, int64_t heads, Operation *root, RewriterBase &rewriter) {
  if (auto merge = value.getDefiningOp<llm::MergeHeadsOp>())
    if (rankedType(merge.getInput()).getDimSize(1) == heads)
      return merge.getInput();
  RankedTensorType type = rankedType(value);
  auto split = RankedTensorType::get({type.getDimSize(0), heads, type.getDimSize(1), type.getDimSize(2) / heads},
                                     type.getElementType());
  rewriter.setInsertionPoint(root);
  return llm::SplitHeadsOp::create(rewriter, root->getLoc(), split, value);
}

//===----------------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------------===//

/// Each element twice: for the two of its pair, which are halves apart or, interleaved, neighbours.
static Value forBothOfPair(Value table, bool isInterleaved, Nodes &nodes) {
  int64_t half = rankedType(table).getDimSize(2);
  if (!isInterleaved)
    return nodes.twice(table, 2);
  return nodes.reshape(nodes.twice(nodes.reshape(table, {0, 0, half, 1}), 3), {0, 0, 2 * half});
}

Value quantopt::createRope(Value x, const RopeRows &rows, Operation *root, RewriterBase &rewriter) {
  Nodes nodes(rewriter, root);
  Value cos = forBothOfPair(rows.cos, rows.isInterleaved, nodes);
  Value sin = forBothOfPair(rows.sin, rows.isInterleaved, nodes);
  rewriter.setInsertionPoint(root);
  return llm::RopeOp::create(rewriter, root->getLoc(), x.getType(), x, cos, sin, rows.isInterleaved);
}

/// A table that was taken for an embedding of tokens, as rows of a matrix.
static Value asTableRows(Value table, RewriterBase &rewriter) {
  auto embedding = table.getDefiningOp<llm::EmbeddingOp>();
  if (!embedding)
    return table;
  Value rows = Nodes(rewriter, embedding).gatherRows(embedding.getTable(), embedding.getIds());
  rewriter.replaceOp(embedding, rows);
  return rows;
}

//===----------------------------------------------------------------------------===//
// RotaryEmbedding
//===----------------------------------------------------------------------------===//

namespace {
/// The operands of either RotaryEmbedding.
struct Rotary {
  Value x, cos, sin;
  Value positions; // null: the tables have a row for each token
  int64_t heads = 0, half = 0;
  bool isInterleaved = false;
};
} // namespace

/// Whether the tables are matrices of at least `half` columns with positions, or [B, S, width] without.
static bool haveFittingTables(const Rotary &rotary) {
  RankedTensorType cos = rankedType(rotary.cos), sin = rankedType(rotary.sin);
  int64_t rank = rotary.positions ? 2 : 3;
  return cos && sin && cos.getRank() == rank && sin.getRank() == rank && !cos.isDynamicDim(rank - 1) &&
         cos.getDimSize(rank - 1) == sin.getDimSize(rank - 1) && rotary.half <= cos.getDimSize(rank - 1);
}

/// The operands of a RotaryEmbedding of either domain; nothing when it is another operator, or a form that is not
/// known.
static std::optional<Rotary> rotaryOf(Operation *root) {
  auto node = dyn_cast<NodeOpInterface>(root);
  bool isMicrosoft = node && node.isNode("RotaryEmbedding", "com.microsoft");
  if (!node || (!isMicrosoft && !node.isNode("RotaryEmbedding")))
    return std::nullopt;
  if (node.getInt("is_packed_batching", 0) || node.getFloat("scale", 1.0f) != 1.0f)
    return std::nullopt;
  Rotary rotary{node.getNodeInput(0), node.getNodeInput(isMicrosoft ? 2 : 1), node.getNodeInput(isMicrosoft ? 3 : 2),
                node.getNodeInput(isMicrosoft ? 1 : 3)};
  rotary.heads = node.getInt("num_heads", 0);
  rotary.half = node.getInt("rotary_embedding_dim", 0) / 2;
  rotary.isInterleaved = node.getInt("interleaved", 0) != 0;
  if (!rotary.x || !rotary.cos || !rotary.sin || (isMicrosoft && !rotary.positions) || !haveFittingTables(rotary))
    return std::nullopt;
  if (rotary.half == 0)
    rotary.half = rankedType(rotary.cos).getShape().back();
  return rotary.half > 0 ? std::optional(rotary) : std::nullopt;
}

/// The rows of the tables for each token. One position alone is that of the first token.
static RopeRows rowsOf(const Rotary &rotary, Operation *root, RewriterBase &rewriter) {
  Nodes nodes(rewriter, root);
  RopeRows rows{rotary.cos, rotary.sin, rotary.isInterleaved};
  if (rotary.positions) {
    Value positions = rotary.positions;
    if (rankedType(positions).getRank() == 1) {
      Value first = nodes.castTo(nodes.reshape(positions, {1, 1}), rewriter.getI64Type());
      Value tokens = nodes.sizeOf(rotary.x, rankedType(rotary.x).getRank() == 4 ? 2 : 1);
      positions = nodes.binary("Add", first, nodes.range(tokens));
    }
    rows.cos = nodes.gatherRows(rotary.cos, positions);
    rows.sin = nodes.gatherRows(rotary.sin, positions);
  } else {
    rows.cos = asTableRows(rows.cos, rewriter);
    rows.sin = asTableRows(rows.sin, rewriter);
  }
  rows.cos = nodes.sliceLast(rows.cos, 0, rotary.half);
  rows.sin = nodes.sliceLast(rows.sin, 0, rotary.half);
  return rows;
}

LogicalResult quantopt::recognizeRotaryEmbedding(Operation *root, RewriterBase &rewriter) {
  std::optional<Rotary> rotary = rotaryOf(root);
  RankedTensorType type = rotary ? rankedType(rotary->x) : RankedTensorType();
  if (!type)
    return failure();
  if (rotary->positions) {
    RankedTensorType positions = rankedType(rotary->positions);
    if (!positions || positions.getRank() < 1 || positions.getRank() > 2)
      return failure();
  }
  if (type.getRank() == 3 && rotary->heads == 0 && !type.isDynamicDim(2))
    rotary->heads = type.getDimSize(2) / (2 * rankedType(rotary->cos).getShape().back());
  bool isMerged = hasHeads(rotary->x, rotary->heads);
  bool isSplit = type.getRank() == 4 && !type.isDynamicDim(1) && !type.isDynamicDim(3);
  RankedTensorType result = isMerged  ? refineType(root, type.getShape(), /*required=*/{2})
                            : isSplit ? refineType(root, type.getShape(), /*required=*/{1, 3})
                                      : RankedTensorType();
  int64_t depth = isMerged ? type.getDimSize(2) / rotary->heads : isSplit ? type.getDimSize(3) : 0;
  if (!result || 2 * rotary->half > depth)
    return failure();
  RopeRows rows = rowsOf(*rotary, root, rewriter);
  Value x = isMerged ? toHeads(rotary->x, rotary->heads, root, rewriter) : rotary->x;
  Value rotated = createRope(x, rows, root, rewriter);
  if (isMerged)
    rotated = llm::MergeHeadsOp::create(rewriter, root->getLoc(), result, rotated);
  else
    rotated.setType(result);
  replaceRoot(rewriter, root, rotated);
  return success();
}
