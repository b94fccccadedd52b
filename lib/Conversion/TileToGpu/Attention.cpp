//===- Attention.cpp - attention of rows over the cache that holds them -----------------===//
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
class PrefillKernel {
public:
  PrefillKernel(gpu::GPUModuleOp module, tile::AttentionOp op);
  void build();

private:
  void findPlace();
  ContextRange getRange();
  void storeRow(const AttentionSums &sums, int64_t half);
  /// The row's place in a tensor [rows, heads · headDim].
  Value getRowPointer(Value tensor, int64_t half, Type element);

  tile::AttentionOp op;
  AttentionProblem problem;
  KernelBuilder k;
  AttentionLoop loop;
  Value head, sequence, newTokens;
  /// Of this warp's rows; of rows g and g + 8, one that exists.
  Value firstToken;
  std::array<Value, 2> token;
};
} // namespace

static KernelSignature getSignature(tile::AttentionOp op) {
  return {op.getKernelName(), op.getPages() ? 6u : 5u, unsigned(op.getLaunch().threads)};
}

PrefillKernel::PrefillKernel(gpu::GPUModuleOp module, tile::AttentionOp op)
    : op(op), problem(op), k(module, op.getLoc(), getSignature(op)), loop(k, problem, /*halves=*/2) {}

/// Blocks of one sequence stand together. The last tile comes first: it has the longest context.
void PrefillKernel::findPlace() {
  int64_t blockRows = op.getLaunch().rowsPerBlock;
  head = k.blockX();
  newTokens = k.load(k.i32(), k.address(k.pointer(1), 8), 4);
  Value tiles = k.divU(k.add(newTokens, blockRows - 1), blockRows);
  sequence = k.divU(k.blockY(), tiles);
  Value tile = k.sub(k.sub(tiles, 1), k.sub(k.blockY(), k.mul(sequence, tiles)));
  firstToken = k.add(k.mul(tile, blockRows), k.mul(k.warp(), 16));
  for (int64_t half : {0, 1})
    token[half] = k.min(k.add(k.add(firstToken, loop.getRow()), 8 * half), k.sub(newTokens, 1));
}

Value PrefillKernel::getRowPointer(Value tensor, int64_t half, Type element) {
  Value row = k.add(k.mul(sequence, newTokens), token[half]);
  int64_t bytes = element.getIntOrFloatBitWidth() / 8 * problem.shape.headDim;
  return k.rowPointer(tensor, k.add(k.mul(row, problem.shape.heads), head), bytes);
}

ContextRange PrefillKernel::getRange() {
  SequenceState state = loop.loadState(k.pointer(1), sequence);
  ContextRange range;
  range.sequence = sequence;
  range.kvHead = k.divU(head, problem.shape.getGroup());
  int64_t step = loop.getStepTokens();
  for (int64_t half : {0, 1}) {
    auto [first, count] = loop.getAllowed(state, k.add(state.past, token[half]));
    range.first[half] = first;
    range.count[half] = count;
  }
  Value lastToken = k.min(k.add(firstToken, 15), k.sub(newTokens, 1));
  range.last = k.add(state.past, lastToken);
  Value begin = loop.getAllowed(state, k.add(state.past, firstToken))[0];
  range.lower = k.bitAnd(begin, -step);
  // A warp without rows has nothing to do.
  range.upper = k.select(k.lessS(firstToken, newTokens), k.add(range.last, 1), 0);
  range.stride = step;
  range.fullFirst = loop.getAllowed(state, range.last)[0];
  range.fullEnd = k.add(k.add(state.past, firstToken), 1);
  return range;
}

void PrefillKernel::storeRow(const AttentionSums &sums, int64_t half) {
  Value sum = loop.getSum(sums, half);
  Value factor = k.select(k.lessS(0.0f, sum), k.reciprocalApprox(sum), 0.0f);
  Type element = typeOf(op.getResult()).getElementType();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  k.ifThen(k.lessS(k.add(k.add(firstToken, loop.getRow()), 8 * half), newTokens), [&] {
    Value pointer = getRowPointer(k.pointer(op.getPages() ? 5 : 4), half, element);
    for (auto [c, chunk] : llvm::enumerate(loop.getFragments().getChunks())) {
      Fragment values = loop.getOutput(sums, half, c);
      Value part = k.address(k.address(pointer, chunk.first * bytes), k.mul(loop.getQuad(), chunk.size / 4 * bytes));
      for (size_t i = 0; i < values.size(); i += 4) {
        Fragment scaled;
        for (Value value : ArrayRef(values).slice(i, 4))
          scaled.push_back(k.mul(value, factor));
        k.store(k.convertFloat(k.vector(scaled), element), k.address(part, i * bytes), 4 * bytes);
      }
    }
  });
}

void PrefillKernel::build() {
  findPlace();
  ContextRange range = getRange();
  loop.loadQueries({getRowPointer(k.pointer(0), 0, k.f16()), getRowPointer(k.pointer(0), 1, k.f16())});
  bool isPaged = problem.isPaged;
  AttentionSums sums =
      loop.run(range, k.pointer(isPaged ? 3 : 2), k.pointer(isPaged ? 4 : 3), isPaged ? k.pointer(2) : Value());
  for (int64_t half : {0, 1})
    storeRow(sums, half);
  k.finish();
}

void quantopt::buildAttention(gpu::GPUModuleOp module, tile::AttentionOp op) { PrefillKernel(module, op).build(); }
