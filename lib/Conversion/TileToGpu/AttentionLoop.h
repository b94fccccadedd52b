//===- AttentionLoop.h - softmax(q kᵀ) v over a cache, in registers ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONLOOP_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONLOOP_H

#include "CacheFragments.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// What an attention op says.
struct AttentionProblem {
  template <typename OpTy>
  explicit AttentionProblem(OpTy op)
      : layout(op.getCache().getLayout()), shape(tile::getAttentionShape(op)), scale(op.getScale().convertToDouble()),
        softcap(op.getSoftcap().convertToDouble()), window(op.getWindow()), isPaged(bool(op.getPages())),
        pageColumns(isPaged ? lastSize(op.getPages()) : 0) {}

  numerics::KvLayout layout;
  tile::AttentionShape shape;
  double scale, softcap;
  int64_t window;
  bool isPaged;
  /// Of the table of pages.
  int64_t pageColumns;
};

/// A row of the tensor `sequences`.
struct SequenceState {
  mlir::Value past, start;
};

/// The part of the context that one warp goes over, in indices of the cache.
struct ContextRange {
  mlir::Value sequence, kvHead;
  /// From index `lower` on, a multiple of the step, to `upper`, by `stride`.
  mlir::Value lower, upper;
  int64_t stride;
  /// An index that has been written, at least 0; none after it is read.
  mlir::Value last;
  /// For rows g and g + 8: the first index that they attend to, and how many.
  std::array<mlir::Value, 2> first, count;
  /// All rows attend to the indices from `fullFirst` to `fullEnd`, and those have been written.
  mlir::Value fullFirst, fullEnd;
};

/// What a warp knows of its rows after some of the context: m, the greatest score; l = Σ 2^(s - m - shift), of this
/// lane's part of the context; o = Σ 2^(s - m - shift)·v, 4 registers for each product of 8 columns.
struct AttentionSums {
  std::array<mlir::Value, 2> greatest, sum;
  mlir::Value shift;
  llvm::SmallVector<Fragment> output;
};

/// What a lane has of the keys of a step, as it comes from memory.
struct KeyStep {
  /// For each 8 tokens, of that in column g: scales, for their zeros; codes, chunk by chunk.
  llvm::SmallVector<Fragment> zeros;
  llvm::SmallVector<llvm::SmallVector<Fragment>> codes;
  /// For each 8 tokens, of those in columns 2t and 2t + 1.
  llvm::SmallVector<Fragment> scales;

  llvm::SmallVector<mlir::Value> flatten();
  /// A step like this one, out of flattened registers.
  KeyStep restore(mlir::ValueRange values) const;

private:
  void forEach(llvm::function_ref<void(Fragment &)> body);
};

/// The same of values: for each 8 tokens, of those in rows 2t and 2t + 1.
struct ValueStep {
  llvm::SmallVector<Fragment> scales;
  llvm::SmallVector<llvm::SmallVector<Fragment>> codes;
};

/// Attention of 16 rows over a cache, by one warp and in its registers (FlashAttention-2: Dao 2023, algorithm 1).
/// Scores are in the domain of log2. A step takes some tokens: products q·kᵀ, the softmax so far, products p·v.
///
/// The weights p of a step are rounded to f16 together with the scales of values: 2^(s - m)·scale. So that these
/// products neither overflow nor lose bits, all of a warp's weights have the factor 2^-shift, with shift = e - 14 where
/// 2^e is the power of two not above the greatest scale so far: p·scale < 2^15, and down to 2^-14 it has all bits of
/// f16. That is a weight of 2^-29 of the greatest, or more; smaller ones are off by 2^-25 at most, which is 2^-40 of
/// it.
///
/// Which token is which column of scores is free. Of 16 tokens, lane t has 4t to 4t + 3: as columns 2t and 2t + 1 of
/// two products, and as rows 2t, 2t + 1, 2t + 8 and 2t + 9 of values. So their scales come in one load.
///
/// Rows g + 8 can be left out: then they are zeros all along.
class AttentionLoop {
public:
  /// `halves`: 1 where only rows 0 to 7 count, else 2.
  AttentionLoop(KernelBuilder &k, const AttentionProblem &problem, int64_t halves);

  const CacheFragments &getFragments() const { return fragments; }
  /// Tokens of a step.
  int64_t getStepTokens() const { return stepTokens; }
  mlir::Value getRow() const { return row; }
  mlir::Value getQuad() const { return quad; }

  SequenceState loadState(mlir::Value sequences, mlir::Value sequence);
  /// The first index that a row at cache index `index` attends to, and how many there are up to `index`.
  std::array<mlir::Value, 2> getAllowed(const SequenceState &state, mlir::Value index);
  /// Reads the queries, f16 [headDim]: pointers to rows g and g + 8.
  void loadQueries(llvm::ArrayRef<mlir::Value> rows);
  /// `pages` is null for contiguous caches.
  AttentionSums run(const ContextRange &range, mlir::Value keys, mlir::Value values, mlir::Value pages);
  /// l of whole rows, in every lane.
  mlir::Value getSum(const AttentionSums &sums, int64_t half);
  /// The elements of row g (half 0) or g + 8 that this lane has of a chunk: size/4, from first + t·size/4 on.
  Fragment getOutput(const AttentionSums &sums, int64_t half, size_t chunk);

private:
  /// A step's place in memory. At an edge, tokens after the last one are not read, but the last one again.
  struct Place {
    mlir::Value begin, page;
    bool isEdge;
  };
  /// Goes over steps begin(lower), begin(lower + stride), ... up to `upper`.
  void runSteps(const ContextRange &range, mlir::Value lower, mlir::Value upper, bool isEdge,
                llvm::function_ref<mlir::Value(mlir::Value)> begin, AttentionSums &sums);
  mlir::Value loadPage(const ContextRange &range, mlir::Value begin);
  /// The block of the cache that a step lies in.
  mlir::Value getBlock(mlir::Value cache, const ContextRange &range, const Place &place);
  /// Byte offsets within the block of the token that is `lane` + `first` tokens into the step: one that differs from
  /// lane to lane, and a constant.
  struct Offsets {
    mlir::Value codes, scales;
    int64_t moreCodes, moreScales;
  };
  Offsets getOffsets(const ContextRange &range, const Place &place, mlir::Value lane, int64_t first);
  /// Of the tokens of a step that lane t has as columns of scores: number `number`, less 4t.
  static int64_t getToken(int64_t number);
  /// Of each of them.
  llvm::SmallVector<Fragment> loadScales(const ContextRange &range, const Place &place, mlir::Value block);
  KeyStep loadKeys(const ContextRange &range, const Place &place);
  ValueStep loadValues(const ContextRange &range, const Place &place);
  /// Scores of 8 tokens, still without cap and mask.
  Fragment getScores(const KeyStep &keys, int64_t tile);
  /// Scores of a step; those of tokens that a row does not attend to are -inf.
  llvm::SmallVector<Fragment> getScores(const ContextRange &range, const Place &place, const KeyStep &keys);
  mlir::Value capScore(mlir::Value score);
  void maskScores(Fragment &scores, const ContextRange &range, mlir::Value index);
  mlir::Value reduceQuad(mlir::Value x);
  mlir::Value getShift(llvm::ArrayRef<Fragment> scales);
  void updateSoftmax(const ValueStep &values, llvm::MutableArrayRef<Fragment> scores, AttentionSums &sums);
  Fragment getWeights(const ValueStep &values, llvm::ArrayRef<Fragment> weights, int64_t tile, int64_t group);
  /// Adds products with the values of 16 tokens.
  void addValues(const ValueStep &values, llvm::ArrayRef<Fragment> weights, int64_t tile, AttentionSums &sums);
  llvm::SmallVector<mlir::Value> flatten(const AttentionSums &sums);
  AttentionSums restore(mlir::ValueRange values);

  KernelBuilder &k;
  AttentionProblem problem;
  CacheFragments fragments;
  int64_t halves, stepTokens;
  /// Whether codes are loaded ahead of their use.
  bool prefetches;
  mlir::Value row, quad;
  mlir::Value keyCache, valueCache, pageTable;
  /// Left operands: those of each chunk one after the other.
  llvm::SmallVector<Fragment> queries;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_ATTENTIONLOOP_H
