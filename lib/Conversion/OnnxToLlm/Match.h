//===- Match.h - what the recognisers share -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_MATCH_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_MATCH_H

#include "Dims.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Onnx/IR/Uses.h"

namespace quantopt {

/// A pattern while it is being matched: the node whose value is replaced, and those that only serve it. Copied to try
/// alternatives.
struct Match {
  explicit Match(mlir::Operation *root) : root(root) {}
  /// The node of type `Op` that defines `value`, taken into the pattern; null when another one defines it.
  template <typename Op> Op take(mlir::Value value) {
    auto op = value.getDefiningOp<Op>();
    if (op)
      inner.push_back(op);
    return op;
  }
  /// Whether the values inside the pattern are read inside it only; otherwise replacing the root would compute them
  /// twice. Who asks for a shape only does not count.
  bool isClosed() const;

  mlir::Operation *root;
  llvm::SmallVector<mlir::Operation *, 12> inner;
};

/// Both orders of the operands of a commutative node.
inline std::array<std::pair<mlir::Value, mlir::Value>, 2> eitherOrder(mlir::Operation *op) {
  mlir::Value a = op->getOperand(0), b = op->getOperand(1);
  return {{{a, b}, {b, a}}};
}

/// Takes what computes `value` from `source` into the pattern, along first operands of nodes.
void takeBetween(Match &match, mlir::Value value, mlir::Value source);

/// The type, when it is a tensor of known rank; null otherwise.
mlir::RankedTensorType rankedType(mlir::Value value);
using onnx::isReturned;
/// Whether `value` is a weight (an expression over parameters) of floating-point type and rank `rank`.
bool isWeight(mlir::Value value, int64_t rank);
/// Whether `axis` counts dimension `dim` of `type`, from either end.
bool isAxis(int64_t axis, int64_t dim, mlir::RankedTensorType type);
/// Whether `node` is a Transpose with this permutation.
bool isTranspose(onnx::TransposeOp node, llvm::ArrayRef<int64_t> permutation);
/// What is cast between floating-point types to give `value`; `value` itself when it is no such cast.
mlir::Value behindCasts(mlir::Value value);
/// Whether both values are the same, or the same operator of the same values.
bool isSameValue(mlir::Value a, mlir::Value b);

/// The type of the value that replaces the root's: static sizes known either from `shape` or from the root. Null when a
/// reader insists on the root's type and that contradicts or says too little of the `required` dimensions.
mlir::RankedTensorType refineType(mlir::Operation *root, llvm::ArrayRef<int64_t> shape,
                                  llvm::ArrayRef<int64_t> required = {});
/// The same for one result of a root that has several.
mlir::RankedTensorType refineType(mlir::Value result, llvm::ArrayRef<int64_t> shape,
                                  llvm::ArrayRef<int64_t> required = {});

/// Erases `op` when nothing reads it, then what only it read.
void eraseDead(mlir::RewriterBase &rewriter, mlir::Operation *op);
/// Replaces the root's value and erases what is no longer read.
void replaceRoot(mlir::RewriterBase &rewriter, mlir::Operation *root, mlir::Value value);
/// Replaces the first results of a root; null for those that nobody reads.
void replaceRoot(mlir::RewriterBase &rewriter, mlir::Operation *root, llvm::ArrayRef<mlir::Value> values);

/// Sizes beyond MatMulNBits' own limit are not looked at: products of two are far from overflow.
constexpr int64_t greatestSize = int64_t(1) << 30;

/// Recognisers look at one node, whose operands have been recognised already. They change nothing when they fail.
using Recognizer = llvm::LogicalResult (*)(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Versions.cpp
/// Gives nodes of older opsets the form that later ones have, where both mean the same.
void stateVersionedForms(mlir::Block &body);
/// Softmax of a matrix that rows were flattened to: of the rows, flattened afterwards.
llvm::LogicalResult recognizeFlattenedSoftmax(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Simplify.cpp
/// Whether the readers of `result` may read `value` in its place: a terminator insists on the type, and an argument
/// that is a result as well stays a node of its own.
bool canStandFor(mlir::Value value, mlir::Value result);
/// Nodes that return their input: casts to the type it has, Identity, full slices, Dropout without a mask, products
/// with 1, Reshapes that lead back to a shape, Concat with nothing.
llvm::LogicalResult dropNoOp(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// Sizes of repeated heads that are those of the heads: asks these for their shape.
llvm::LogicalResult readShapeOfHeads(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Weights.cpp
/// Gather along axis 0 of a weight matrix: llm.embedding.
llvm::LogicalResult recognizeEmbedding(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// MatMul, Gemm or one of their fused forms with a weight matrix, stored any way: llm.linear.
llvm::LogicalResult recognizeLinear(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// llm.linear plus a weight vector: its bias.
llvm::LogicalResult recognizeBias(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Norms.cpp
/// x / sqrt(mean(x²) + eps): llm.rms_norm without a scale, or llm.layer_norm when x is centred.
llvm::LogicalResult recognizeNorm(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// A norm in float32 of a narrower type, cast back to it: the norm of that type.
llvm::LogicalResult recognizeCastNorm(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// A norm without a scale times a weight vector, or one more than it: its scale.
llvm::LogicalResult recognizeNormScale(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// llm.layer_norm plus a weight vector: its bias.
llvm::LogicalResult recognizeNormBias(mlir::Operation *root, mlir::RewriterBase &rewriter);
// WeightsInBlocks.cpp
/// com.microsoft::MatMulNBits over integer codes: llm.linear.
llvm::LogicalResult recognizeMatMulNBits(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// com.microsoft::GatherBlockQuantized: llm.embedding.
llvm::LogicalResult recognizeGatherBlockQuantized(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Flattened.cpp
/// Reshape of layers whose rows were flattened to a matrix: the layers on the unflattened rows.
llvm::LogicalResult recognizeFlattened(mlir::Operation *root, mlir::RewriterBase &rewriter);

// PackedProjections.cpp
/// Split or Slice of a linear's channels, or of its heads, where nothing reads all of them: a linear for each part.
llvm::LogicalResult recognizePackedProjection(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// A linear, at the insertion point, that computes columns [begin, end) of `value` only; null when no llm.linear
/// computes that.
mlir::Value takeColumns(mlir::RewriterBase &rewriter, mlir::Value value, int64_t begin, int64_t end);

// GatherNd.cpp
/// GatherND of whole rows of a Transpose, as indexing in the middle is traced: Gather, and the Transpose behind it.
llvm::LogicalResult recognizeGatherNd(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Stream.cpp
/// A layer's output times a number: llm.scale.
llvm::LogicalResult recognizeScale(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// g · sigmoid(g) · u: llm.swiglu.
llvm::LogicalResult recognizeSwiglu(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// A sum with a layer's output: llm.residual_add.
llvm::LogicalResult recognizeResidualAdd(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Activations.cpp
/// Gelu and Relu behind a linear, in their fused forms with a bias, too; relu(x)²: llm.activation.
llvm::LogicalResult recognizeActivation(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// GELU by arithmetic with Erf or Tanh: llm.activation, or llm.geglu when it is gated.
llvm::LogicalResult recognizeWrittenGelu(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// gelu(g) · u: llm.geglu.
llvm::LogicalResult recognizeGeglu(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Heads.cpp
/// The result shape of a Reshape or an Expand, as far as its second operand and its type tell; empty when not even the
/// rank is known.
llvm::SmallVector<int64_t> statedShape(mlir::Operation *op);
/// `value`, [B, S, heads, d] or [B, heads, S, d], in the other order: what it was split from, or a Transpose.
mlir::Value exchangeHeads(mlir::Operation *root, mlir::RewriterBase &rewriter, mlir::Value value);
/// Reshape to [B, S, heads, d] and a Transpose, norms between them or not: llm.split_heads. Also a Transpose of
/// another.
llvm::LogicalResult recognizeSplitHeads(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// Transpose to [B, S, heads, d] and Reshape: llm.merge_heads.
llvm::LogicalResult recognizeMergeHeads(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Rope.cpp
/// x · cos + [-x₂, x₁] · sin of all or the first elements of heads: llm.rope.
llvm::LogicalResult recognizeRope(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Cache.cpp
/// Concat of an argument and new rows that is a result of the function: llm.kv_append.
llvm::LogicalResult recognizeKvAppend(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Masks.cpp
/// Where(no token counts, 0, attention) over a mask that excludes by large numbers: llm.attention with
/// `zero_masked_rows`.
llvm::LogicalResult recognizeZeroedRows(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Attention.cpp
/// softmax(scale · q kᵀ + mask) v, cache heads repeated or not: llm.attention.
llvm::LogicalResult recognizeAttention(mlir::Operation *root, mlir::RewriterBase &rewriter);

// Rearrange.cpp
/// A Transpose of heads that were merged and split again: of the heads themselves.
llvm::LogicalResult recognizeSplitAgain(mlir::Operation *root, mlir::RewriterBase &rewriter);

// FusedNorms.cpp
/// RMSNormalization, LayerNormalization, their forms with a sum in front: llm.rms_norm, llm.layer_norm and
/// llm.residual_add.
llvm::LogicalResult recognizeFusedNorm(mlir::Operation *root, mlir::RewriterBase &rewriter);

// FusedRope.cpp
/// RotaryEmbedding of ONNX and of ONNX Runtime: llm.rope.
llvm::LogicalResult recognizeRotaryEmbedding(mlir::Operation *root, mlir::RewriterBase &rewriter);

// FusedAttention.cpp
/// Attention of ONNX and MultiHeadAttention of ONNX Runtime: llm.attention with an explicit mask, llm.kv_append.
llvm::LogicalResult recognizeFusedAttention(mlir::Operation *root, mlir::RewriterBase &rewriter);

// GroupQueryAttention.cpp
/// GroupQueryAttention of ONNX Runtime: the projections of its heads, llm.rope, llm.kv_write and llm.attention.
llvm::LogicalResult recognizeGroupQueryAttention(mlir::Operation *root, mlir::RewriterBase &rewriter);
/// TensorScatter along the sequence: llm.kv_write.
llvm::LogicalResult recognizeTensorScatter(mlir::Operation *root, mlir::RewriterBase &rewriter);

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_MATCH_H
