//===- AttentionDecode.cpp - attention of one row per sequence over parts of a cache ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionKernels.h"
#include "AttentionLoop.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// The rows of a fragment are the query heads that read one head of the cache. The warps of a block share the tokens of
/// a part of the context (split-KV: FlashDecoding, Dao et al. 2023) and put their sums together in shared memory.
class DecodeAttention {
public:
  DecodeAttention(gpu::GPUModuleOp module, tile::AttentionDecodeOp op);
  void build();

private:
  /// What a lane has of a row: {m, l, o}, the elements of o chunk by chunk.
  struct Row {
    Value greatest, sum;
    SmallVector<Value> output;
  };

  void findPlace();
  ContextRange getRange();
  Value getQueryPointer(int64_t half);
  /// The sums of one warp, relative to the greatest score of the row.
  Row getRow(const AttentionSums &sums, int64_t half);
  /// Writes rows to shared memory.
  void exchange(ArrayRef<Row> rows);
  /// Where a warp's vector of a row is, or its {m, l}.
  Value getVector(Operand warp, int64_t half, Operand vector);
  Value getStatistics(Operand warp, int64_t half);
  /// Adds up what all warps have of a row, and stores this warp's share of it.
  void storeCombined(int64_t half);
  void storeStatistics(Value greatest, Value sum, int64_t half);
  /// Four elements of o.
  void storeVector(ArrayRef<Value> values, Operand vector, int64_t half);
  Value rowExists(int64_t half);
  Value getPart(int64_t half);

  tile::AttentionDecodeOp op;
  AttentionProblem problem;
  int64_t warps, splits, group, halves, vectors;
  KernelBuilder k;
  AttentionLoop loop;
  Value kvHead, split, sequence;
};
} // namespace

static KernelSignature getSignature(tile::AttentionDecodeOp op) {
  return {op.getKernelName(), op.getPages() ? 6u : 5u, unsigned(op.getLaunch().threads)};
}

DecodeAttention::DecodeAttention(gpu::GPUModuleOp module, tile::AttentionDecodeOp op)
    : op(op), problem(op), warps(op.getConfig()->getWarps()), splits(op.getConfig()->getSplits()),
      group(problem.shape.getGroup()), halves(group > 8 ? 2 : 1), vectors(problem.shape.headDim / 16),
      k(module, op.getLoc(), getSignature(op)), loop(k, problem, halves) {}

void DecodeAttention::build() {
  findPlace();
  SmallVector<Value> queries;
  for (int64_t half = 0; half < halves; ++half)
    queries.push_back(getQueryPointer(half));
  loop.loadQueries(queries);
  int64_t keys = problem.isPaged ? 3 : 2;
  AttentionSums sums =
      loop.run(getRange(), k.pointer(keys), k.pointer(keys + 1), problem.isPaged ? k.pointer(2) : Value());
  SmallVector<Row> rows;
  for (int64_t half = 0; half < halves; ++half)
    rows.push_back(getRow(sums, half));
  if (warps > 1)
    exchange(rows);
  for (auto [half, row] : llvm::enumerate(rows)) {
    if (warps > 1) {
      storeCombined(half);
      continue;
    }
    storeStatistics(row.greatest, row.sum, half);
    for (int64_t i = 0; i < vectors; ++i)
      storeVector(ArrayRef(row.output).slice(4 * i, 4), i, half);
  }
  k.finish();
}

void DecodeAttention::findPlace() {
  kvHead = k.divU(k.blockX(), splits);
  split = k.remU(k.blockX(), splits);
  sequence = k.blockY();
}

/// Rows beyond the group repeat its last head.
Value DecodeAttention::getQueryPointer(int64_t half) {
  Value head = k.add(k.mul(kvHead, group), k.min(k.add(loop.getRow(), 8 * half), group - 1));
  return k.rowPointer(k.pointer(0), k.add(k.mul(sequence, problem.shape.heads), head), problem.shape.headDim * 2);
}

/// A part is a number of steps of 16 tokens for each warp. The loop may take longer steps; what lies beyond the part is
/// masked.
ContextRange DecodeAttention::getRange() {
  SequenceState state = loop.loadState(k.pointer(1), sequence);
  int64_t blockStep = 16 * warps, step = loop.getStepTokens();
  Value steps = k.add(k.divU(state.past, blockStep), 1); // of indices 0 to past
  Value partLength = k.mul(k.divU(k.add(steps, splits - 1), splits), blockStep);
  Value partBegin = k.mul(split, partLength);
  Value partEnd = k.min(k.add(partBegin, partLength), k.add(state.past, 1));
  Value first = k.max(loop.getAllowed(state, state.past)[0], partBegin);

  ContextRange range;
  range.sequence = sequence;
  range.kvHead = kvHead;
  Value begin = k.bitAnd(first, -step);
  range.lower = k.add(begin, k.mul(k.warp(), step));
  range.upper = partEnd;
  range.stride = step * warps;
  range.fullFirst = first;
  range.fullEnd = partEnd;
  range.last = state.past;
  range.first = {first, first};
  Value count = k.max(k.sub(partEnd, first), 0);
  range.count = {count, count};
  return range;
}

//===----------------------------------------------------------------------===//
// Sums of several warps
//===----------------------------------------------------------------------===//

DecodeAttention::Row DecodeAttention::getRow(const AttentionSums &sums, int64_t half) {
  Value factor = k.exp2Flushed(sums.shift);
  Row row{sums.greatest[half], k.mul(loop.getSum(sums, half), factor), {}};
  for (size_t chunk = 0; chunk < loop.getFragments().getChunks().size(); ++chunk)
    for (Value value : loop.getOutput(sums, half, chunk))
      row.output.push_back(k.mul(value, factor));
  return row;
}

/// Vectors of 16 bytes, [warps][halves][vectors][32 lanes]; then {m, l}, [warps][halves][8 rows].
Value DecodeAttention::getVector(Operand warp, int64_t half, Operand vector) {
  Value number = k.add(k.add(k.mul(warp, halves * vectors), half * vectors), vector);
  return k.shared(k.add(k.mul(number, 512), k.mul(k.lane(), 16)));
}
Value DecodeAttention::getStatistics(Operand warp, int64_t half) {
  Value number = k.add(k.add(k.mul(warp, 8 * halves), 8 * half), loop.getRow());
  return k.shared(k.add(k.mul(number, 8), warps * halves * vectors * 512));
}

void DecodeAttention::exchange(ArrayRef<Row> rows) {
  for (auto [half, row] : llvm::enumerate(rows)) {
    for (int64_t i = 0; i < vectors; ++i)
      k.store(k.vector(ArrayRef(row.output).slice(4 * i, 4)), getVector(k.warp(), half, i), 16);
    k.storeIf(k.equal(loop.getQuad(), 0), k.vector({row.greatest, row.sum}), getStatistics(k.warp(), half), 8);
  }
  k.barrier();
}

void DecodeAttention::storeCombined(int64_t half) {
  SmallVector<Fragment> statistics;
  Value greatest, sum;
  for (int64_t warp = 0; warp < warps; ++warp) {
    statistics.push_back(k.elements(k.load(k.vectorOf(2, k.f32()), getStatistics(warp, half), 8)));
    greatest = warp ? k.max(greatest, statistics[warp][0]) : statistics[0][0];
  }
  SmallVector<Value> factors;
  for (const Fragment &warp : statistics) {
    factors.push_back(k.exp2Flushed(k.sub(warp[0], greatest)));
    Value part = k.mul(warp[1], factors.back());
    sum = sum ? k.add(sum, part) : part;
  }
  storeStatistics(greatest, sum, half);
  for (int64_t first = 0; first < vectors; first += warps) {
    Value vector = k.add(k.warp(), first);
    k.ifThen(k.lessS(vector, vectors), [&] {
      SmallVector<Value> values(4, k.constantF32(0));
      for (int64_t warp = 0; warp < warps; ++warp) {
        Fragment parts = k.elements(k.load(k.vectorOf(4, k.f32()), getVector(warp, half, vector), 16));
        for (auto [value, part] : llvm::zip(values, parts))
          value = k.fma(part, factors[warp], value);
      }
      storeVector(values, vector, half);
    });
  }
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Value DecodeAttention::rowExists(int64_t half) { return k.lessS(k.add(loop.getRow(), 8 * half), group); }

Value DecodeAttention::getPart(int64_t half) {
  Value head = k.add(k.mul(kvHead, group), k.add(loop.getRow(), 8 * half));
  Value number = k.add(k.mul(k.add(k.mul(sequence, problem.shape.heads), head), splits), split);
  return k.rowPointer(k.pointer(problem.isPaged ? 5 : 4), number, (problem.shape.headDim + 2) * 4);
}

void DecodeAttention::storeStatistics(Value greatest, Value sum, int64_t half) {
  Value isWriter = k.bitAnd(k.equal(loop.getQuad(), 0), k.equal(k.warp(), 0));
  Value isEmpty = k.equal(sum, 0.0f);
  Value shown = k.select(isEmpty, -std::numeric_limits<float>::infinity(), greatest);
  k.storeIf(k.bitAnd(isWriter, rowExists(half)), k.vector({shown, sum}), getPart(half), 8);
}

/// Of each chunk a lane has size/4 successive elements: size/16 vectors.
void DecodeAttention::storeVector(ArrayRef<Value> values, Operand vector, int64_t half) {
  Value element;
  for (const HeadChunk &chunk : loop.getFragments().getChunks()) {
    Value within = k.mul(k.sub(vector, chunk.first / 16), 4);
    Value here = k.add(k.add(within, k.mul(loop.getQuad(), chunk.size / 4)), chunk.first);
    element = element ? k.select(k.lessS(vector, chunk.first / 16), element, here) : here;
  }
  k.ifThen(rowExists(half), [&] {
    Value pointer = k.address(getPart(half), k.add(k.mul(element, 4), 8));
    for (int64_t i : {0, 2})
      k.store(k.vector(values.slice(i, 2)), k.address(pointer, 4 * i), 8);
  });
}

void quantopt::buildAttentionDecode(gpu::GPUModuleOp module, tile::AttentionDecodeOp op) {
  DecodeAttention(module, op).build();
}
