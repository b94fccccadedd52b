//===- RopeAppend.cpp - RoPE, Hadamard transform, quantization into the cache ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "CacheWriter.h"
#include "HadamardKernel.h"
#include "RowKernels.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// Block (x, y) works on the token of row y. Its heads are numbered: those of the queries, of the keys, of the values.
/// 8 to 32 lanes have a head; lanes of heads beyond the last compute that one and write nothing.
class RopeAppend {
public:
  RopeAppend(KernelBuilder &k, tile::RopeAppendOp op, const tile::RowPlan &plan);
  void build();

private:
  void findHead();
  void findToken();
  Value fetch(RowKernel &row, const RowElements &x, int64_t c, int64_t v, int64_t distance);
  Value isTurned(Value place);
  std::pair<Fragment, Fragment> loadAngles(Value place, int64_t count);
  RowElements rotate(RowKernel &row, const RowElements &x);
  void append(RowKernel &row, const RowElements &x);

  KernelBuilder &k;
  tile::RopeAppendOp op;
  const tile::RowPlan &plan;
  numerics::KvLayout layout;
  tile::AttentionShape shape;
  /// Elements of half of what is rotated.
  int64_t half;
  /// Rows of the tables of angles.
  int64_t positions;
  /// Among the parameters.
  unsigned firstCache, result;

  /// Of this lane's head: whether there is one, of which tensor it is, and its number there.
  Value exists, isQuery, isValue, head;
  /// Of this block's token: its sequence, its index in the cache, and its position, within the tables.
  Value sequence, index, position;
};
} // namespace

RopeAppend::RopeAppend(KernelBuilder &k, tile::RopeAppendOp op, const tile::RowPlan &plan)
    : k(k), op(op), plan(plan), layout(op.getCache().getLayout()), shape(tile::getAttentionShape(op)),
      half(lastSize(op.getCos())), positions(typeOf(op.getCos()).getDimSize(0)), firstCache(op.getPages() ? 7 : 6),
      result(firstCache + 2) {}

void RopeAppend::findHead() {
  int64_t count = shape.heads + 2 * shape.kvHeads;
  Value wanted = k.add(k.mul(k.blockX(), plan.rowsPerBlock), k.divU(k.threadX(), plan.threadsPerRow));
  exists = k.lessS(wanted, count);
  Value number = k.min(wanted, count - 1);
  isQuery = k.lessS(number, shape.heads);
  isValue = k.greaterEqualS(number, shape.heads + shape.kvHeads);
  head = k.sub(number, k.select(isQuery, 0, k.select(isValue, shape.heads + shape.kvHeads, shape.heads)));
}

void RopeAppend::findToken() {
  Value sequences = k.pointer(5), row = k.blockY();
  Value tokens = k.load(k.i32(), k.address(sequences, 8), 4);
  sequence = k.divU(row, tokens);
  Value state = k.load(k.vectorOf(4, k.i32()), k.rowPointer(sequences, sequence, 16), 16);
  index = k.add(k.element(state, 0), k.sub(row, k.mul(sequence, tokens)));
  // Whatever the state says, no angle is read from beyond its table.
  position = k.min(k.max(k.sub(index, k.element(state, 1)), 0), positions - 1);
}

//===----------------------------------------------------------------------------===//
// RoPE
//===----------------------------------------------------------------------------===//

/// The element `distance` places behind element v of vector c of the head; anything where there is none.
Value RopeAppend::fetch(RowKernel &row, const RowElements &x, int64_t c, int64_t v, int64_t distance) {
  int64_t lanes = plan.threadsPerRow, vectors = llvm::divideFloorSigned(v + distance, plan.width);
  int64_t element = v + distance - vectors * plan.width;
  int64_t turns = llvm::divideFloorSigned(vectors, lanes);
  Value sum = k.add(row.getThread(), vectors - turns * lanes);
  Value source = k.add(k.sub(k.lane(), row.getThread()), k.remU(sum, lanes));
  // The lane holds it in vector c + turns, or in the next one where the sum has gone round.
  auto get = [&](int64_t vector) {
    return vector < 0 || vector >= plan.vectors ? Value() : k.shuffleFrom(x[vector * plan.width + element], source);
  };
  Value same = get(c + turns), next = get(c + turns + 1);
  if (same && next)
    return k.select(k.lessS(sum, lanes), same, next);
  return same ? same : next ? next : x[c * plan.width + v];
}

/// Elements of a head begin with two halves that are turned by `half` angles: [x1·cos - x2·sin, x2·cos + x1·sin]. The
/// rest of the head, and values, stay as they are.
RowElements RopeAppend::rotate(RowKernel &row, const RowElements &x) {
  // With whole vectors in each half, what holds for the first element of one holds for all.
  bool isAligned = half % plan.width == 0;
  RowElements result;
  for (int64_t c : llvm::seq(plan.vectors)) {
    Value first = k.mul(row.getVectorIndex(c), plan.width);
    Fragment cosines, sines;
    if (isAligned)
      std::tie(cosines, sines) = loadAngles(first, plan.width);
    for (int64_t v : llvm::seq(plan.width)) {
      Value place = isAligned ? first : k.add(first, v);
      Value isLower = k.lessS(place, half), isTurned = this->isTurned(place);
      if (!isAligned) {
        auto [cosine, sine] = loadAngles(place, 1);
        cosines.append(cosine), sines.append(sine);
      }
      Value above = fetch(row, x, c, v, half), below = fetch(row, x, c, v, -half);
      Value self = x[c * plan.width + v], partner = k.select(isLower, k.neg(above), below);
      Value turned = k.fma(partner, sines[v], k.mul(self, cosines[v]));
      result.push_back(k.select(isTurned, turned, self));
    }
  }
  return result;
}

Value RopeAppend::isTurned(Value place) {
  return k.bitAnd(k.lessS(place, 2 * half), k.equal(isValue, k.boolean(false)));
}

/// Cosines and sines for `count` elements from `place` on; anything where elements are not turned.
std::pair<Fragment, Fragment> RopeAppend::loadAngles(Value place, int64_t count) {
  Type type = k.vectorOf(count, k.f32());
  unsigned alignment = std::min<int64_t>(16, 4 * count);
  llvm::SmallVector<Value> angles = k.ifElse(
      isTurned(place),
      [&] {
        llvm::SmallVector<Value> loaded;
        for (unsigned table : {3u, 4u}) {
          Value base = k.rowPointer(k.pointer(table), position, 4 * half);
          loaded.push_back(k.load(type, k.address(base, k.mul(k.remU(place, half), 4)), alignment));
        }
        return loaded;
      },
      [&] { return llvm::SmallVector<Value>(2, k.zero(type)); });
  return {k.elements(angles[0]), k.elements(angles[1])};
}

//===----------------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------------===//

/// Keys and values of tokens that the cache has room for.
void RopeAppend::append(RowKernel &row, const RowElements &x) {
  int64_t page = layout.pageTokens, pagesOfSequence = op.getPages() ? lastSize(op.getPages()) : 1;
  Value isWritten = k.bitAnd(exists, k.lessU(index, std::min(positions, page * pagesOfSequence)));
  isWritten = k.bitAnd(isWritten, k.equal(isQuery, k.boolean(false)));
  Value number = sequence, token = index;
  if (op.getPages()) {
    Value entry = k.address(k.rowPointer(k.pointer(6), sequence, 4 * pagesOfSequence), k.mul(k.divU(index, page), 4));
    number = k.loadIf(isWritten, k.i32(), entry, 4, k.constantI32(-1));
    isWritten = k.bitAnd(isWritten, k.greaterEqualS(number, 0));
    token = k.remU(index, page);
  }
  Value cache = k.select(isValue, k.pointer(firstCache + 1), k.pointer(firstCache));
  Value block = k.rowPointer(cache, k.add(k.mul(number, shape.kvHeads), head), layout.blockBytes());
  CacheWriter(row, layout).write(x, block, token, isWritten);
}

//===----------------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------------===//

void RopeAppend::build() {
  findHead();
  findToken();
  Value heads = k.select(isQuery, k.constantI32(shape.heads), shape.kvHeads);
  RowKernel row(k, plan, k.add(k.mul(k.blockY(), heads), head), k.bitAnd(exists, isQuery));
  Value tensor = k.select(isQuery, k.pointer(0), k.select(isValue, k.pointer(2), k.pointer(1)));
  RowElements x = rotate(row, row.load(tensor, typeOf(op.getQuery()).getElementType()));
  if (plan.transform) {
    RowElements transformed = x;
    Value factor = transformRowScaled(row, transformed);
    x = row.map([&](size_t i) { return k.select(isValue, x[i], k.mul(transformed[i], factor)); });
  }
  row.store(x, k.pointer(result), k.f16());
  // Warps of queries alone are done.
  int64_t warpHeads = 32 / plan.threadsPerRow;
  Value next = k.add(k.mul(k.blockX(), plan.rowsPerBlock), k.mul(k.add(k.warp(), 1), warpHeads));
  k.ifThen(k.greaterS(next, shape.heads), [&] { append(row, x); });
}

void quantopt::buildRopeAppend(gpu::GPUModuleOp module, tile::RopeAppendOp op) {
  tile::RowPlan plan = llvm::cantFail(tile::getRowPlan(op));
  KernelBuilder k(module, op.getLoc(),
                  {op.getKernelName(), /*pointers=*/op->getNumOperands() + 1, unsigned(plan.getThreads())});
  RopeAppend(k, op, plan).build();
  k.finish();
}
