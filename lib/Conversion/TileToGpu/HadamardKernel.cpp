//===- HadamardKernel.cpp - Hadamard transforms of rows in registers ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HadamardKernel.h"
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;

static constexpr int32_t signBit = INT32_MIN;
/// Signs of a dense factor's column in one word.
static constexpr int64_t signsPerWord = 32;

namespace {
/// One transform of one row. Works on `planes` elements of every vector at a time where threads exchange them.
class Transform {
public:
  Transform(RowKernel &row, RowElements &elements)
      : row(row), k(row.k), plan(row.plan), transform(plan.transform), x(elements) {}
  Value run();

private:
  Value &at(int64_t c, int64_t v) { return x[c * plan.width + v]; }
  void butterfly(Value &left, Value &right);
  void applySigns();
  void crossElements();
  void crossLanes();
  void crossVectors();
  void exchange(int64_t firstElement);
  void crossWarps(int64_t level, int64_t count);
  void sumDenseAxis(int64_t firstElement);

  /// Outputs of a thread that are sums of the same inputs.
  struct Outputs {
    llvm::SmallVector<int64_t> vectors;
    llvm::SmallVector<Value> axisIndices; ///< Of each vector, on the dense axis.
    Value inputs;                         ///< Address of the first input.
    llvm::SmallVector<Value> sums;        ///< [vector][plane].
  };
  llvm::SmallVector<Outputs> groupOutputs();
  int64_t getInputStride() const { return 4 * transform.b / plan.width; }
  void accumulate(Outputs &outputs, llvm::ArrayRef<Value> factors, Value offset, int64_t constantOffset);
  void sumSigned(Outputs &outputs);
  void sumSignedWords(Outputs &outputs, Value table, Operand firstWord, Value offset, int64_t quads);
  void sumHartley(Outputs &outputs);
  void loadHartleyFactors();

  RowKernel &row;
  KernelBuilder &k;
  const tile::RowPlan &plan;
  const tile::RowTransform &transform;
  RowElements &x;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Sylvester's factor
//===----------------------------------------------------------------------------===//

void Transform::butterfly(Value &left, Value &right) {
  Value sum = k.add(left, right);
  right = k.sub(left, right);
  left = sum;
}

/// Element e of the row is multiplied by the sign of row e of the transform.
void Transform::applySigns() {
  int64_t size = transform.a * transform.b;
  llvm::SmallVector<uint32_t> words(llvm::divideCeil(size, 32));
  for (int64_t i : llvm::seq(size))
    if (numerics::randomSign(transform.seed, i) < 0)
      words[i / 32] |= 1u << i % 32;
  Value table =
      constantTable(k, ("random_signs_" + llvm::Twine(size) + "_" + llvm::Twine(transform.seed)).str(), words);
  for (int64_t c : llvm::seq(plan.vectors)) {
    Value first = k.mul(k.remU(row.getVectorIndex(c), size / plan.width), plan.width);
    Value word = k.load(k.i32(), k.address(table, k.mul(k.divU(first, 32), 4)), 4);
    Value bits = k.shrU(word, k.remU(first, 32));
    for (int64_t v : llvm::seq(plan.width)) {
      Value sign = k.bitAnd(k.shl(bits, 31 - v), signBit);
      at(c, v) = k.bitcast(k.bitXor(k.bitcast(at(c, v), k.i32()), sign), k.f32());
    }
  }
}

void Transform::crossElements() {
  for (int64_t level : llvm::seq(plan.elementLevels))
    for (int64_t c : llvm::seq(plan.vectors))
      for (int64_t v : llvm::seq(plan.width))
        if (!(v >> level & 1))
          butterfly(at(c, v), at(c, v | int64_t(1) << level));
}

void Transform::crossLanes() {
  for (int64_t level : llvm::seq(plan.laneLevels)) {
    int64_t mask = int64_t(1) << level;
    Value isUpper = k.notEqual(k.bitAnd(row.getThread(), mask), 0);
    Value sign = k.select(isUpper, -1.0f, 1.0f);
    for (Value &value : x)
      value = k.fma(value, sign, k.shuffleXor(value, mask));
  }
}

void Transform::crossVectors() {
  for (int64_t level : llvm::seq(plan.vectorLevels))
    for (int64_t c : llvm::seq(plan.vectors)) {
      int64_t partner = c | int64_t(1) << level;
      if (partner != c && partner < plan.vectors)
        for (int64_t v : llvm::seq(plan.width))
          butterfly(at(c, v), at(partner, v));
    }
}

/// `count` levels between warps from `level` on, in shared memory and in place. Each of the 2^count warps that exchange
/// elements takes an equal share of the planes.
void Transform::crossWarps(int64_t level, int64_t count) {
  int64_t shift = 5 + level, warps = int64_t(1) << count, share = plan.planes >> count;
  Value self = k.bitAnd(k.shrU(row.getThread(), shift), warps - 1);
  Value first = k.bitAnd(row.getThread(), ~((warps - 1) << shift));
  Value base = row.getSharedWord(k.add(k.mul(self, share * plan.planeWords), first));
  for (int64_t c : llvm::seq(plan.vectors))
    for (int64_t plane : llvm::seq(share)) {
      auto address = [&](int64_t warp) {
        return k.address(base, 4 * (plane * plan.planeWords + c * plan.threadsPerRow + (warp << shift)));
      };
      llvm::SmallVector<Value> values;
      for (int64_t warp : llvm::seq(warps))
        values.push_back(k.load(k.f32(), address(warp), 4));
      for (int64_t bit : llvm::seq(count))
        for (int64_t warp : llvm::seq(warps))
          if (!(warp >> bit & 1))
            butterfly(values[warp], values[warp | int64_t(1) << bit]);
      for (int64_t warp : llvm::seq(warps))
        k.store(values[warp], address(warp), 4);
    }
}

//===----------------------------------------------------------------------------===//
// The dense factor
//===----------------------------------------------------------------------------===//

/// y[i][j] = Σ_k A[k][i]·x[k][j] for the vectors of this thread: which i and which inputs each has.
llvm::SmallVector<Transform::Outputs> Transform::groupOutputs() {
  int64_t vectorsOfAxis = transform.b / plan.width; // between neighbours on the dense axis
  int64_t period = std::max<int64_t>(1, vectorsOfAxis / plan.threadsPerRow);
  // With several blocks every vector has inputs of its own.
  int64_t count = transform.blocks > 1 ? plan.vectors : period;
  llvm::SmallVector<Outputs> groups(std::min(count, plan.vectors));
  int64_t lastAxisIndex = transform.blocks * transform.a - 1;
  for (int64_t c : llvm::seq(plan.vectors)) {
    if (c * plan.threadsPerRow >= plan.getVectorsOfRow())
      break;
    Outputs &group = groups[c % groups.size()];
    Value index = row.getVectorIndex(c);
    Value axisIndex = k.divU(index, vectorsOfAxis);
    if ((c + 1) * plan.threadsPerRow > plan.getVectorsOfRow())
      axisIndex = k.min(axisIndex, lastAxisIndex);
    if (group.vectors.empty()) {
      group.inputs = k.remU(index, vectorsOfAxis);
      if (transform.blocks > 1)
        group.inputs = k.add(group.inputs, k.mul(k.divU(axisIndex, transform.a), transform.a * vectorsOfAxis));
      group.inputs = row.getSharedWord(group.inputs);
    }
    group.vectors.push_back(c);
    group.axisIndices.push_back(transform.blocks > 1 ? k.remU(axisIndex, transform.a) : axisIndex);
    group.sums.append(plan.planes, k.constantF32(0));
  }
  llvm::erase_if(groups, [](const Outputs &group) { return group.vectors.empty(); });
  return groups;
}

/// Adds the inputs at `offset` + `constantOffset` bytes times the factor of each output.
void Transform::accumulate(Outputs &outputs, llvm::ArrayRef<Value> factors, Value offset, int64_t constantOffset) {
  Value input = k.address(outputs.inputs, offset);
  for (int64_t plane : llvm::seq(plan.planes)) {
    Value value = k.load(k.f32(), k.address(input, constantOffset + 4 * plane * plan.planeWords), 4);
    for (auto [i, factor] : llvm::enumerate(factors)) {
      Value &sum = outputs.sums[i * plan.planes + plane];
      sum = k.fma(value, factor, sum);
    }
  }
}

/// 4·quads inputs from byte `offset` on, whose signs are in word `firstWord` of every output's column.
void Transform::sumSignedWords(Outputs &outputs, Value table, Operand firstWord, Value offset, int64_t quads) {
  int64_t wordsPerColumn = llvm::divideCeil(transform.a, signsPerWord), count = outputs.vectors.size();
  llvm::SmallVector<Value> carried = {offset};
  for (Value axisIndex : outputs.axisIndices) {
    Value word = k.add(k.mul(axisIndex, wordsPerColumn), firstWord);
    carried.push_back(k.load(k.i32(), k.address(table, k.mul(word, 4)), 4));
  }
  carried.append(outputs.sums);
  // Long rows have no registers for many inputs under way, least of all beside elements that wait for their turn.
  int64_t steps = plan.vectors * plan.width <= 48 ? 4 : plan.planes == plan.width ? 2 : 1;
  carried = k.loop(0, 4 / steps * quads, 1, carried, [&](Value, ValueRange values) {
    llvm::SmallVector<Value> words(values.slice(1, count));
    outputs.sums.assign(values.begin() + 1 + count, values.end());
    for (int64_t step : llvm::seq(steps)) {
      llvm::SmallVector<Value> factors;
      for (Value word : words) // ±1
        factors.push_back(k.bitcast(k.bitOr(k.bitAnd(k.shl(word, step), signBit), 0x3f800000), k.f32()));
      accumulate(outputs, factors, values[0], step * getInputStride());
    }
    llvm::SmallVector<Value> next = {k.add(values[0], steps * getInputStride())};
    for (Value word : words)
      next.push_back(k.shl(word, steps));
    next.append(outputs.sums);
    return next;
  });
  outputs.sums.assign(carried.begin() + 1 + count, carried.end());
}

/// A Hadamard matrix: a is a multiple of 4, and a word has the signs of 32 factors of an output, the first on top.
void Transform::sumSigned(Outputs &outputs) {
  int64_t a = transform.a, wordsPerColumn = llvm::divideCeil(a, signsPerWord);
  std::vector<int8_t> matrix = numerics::constructHadamard(a);
  llvm::SmallVector<uint32_t> words(a * wordsPerColumn);
  for (int64_t i : llvm::seq(a))
    for (int64_t j : llvm::seq(a))
      if (matrix[j * a + i] < 0)
        words[i * wordsPerColumn + j / signsPerWord] |= 1u << (signsPerWord - 1 - j % signsPerWord);
  Value table = constantTable(k, ("hadamard_signs_" + llvm::Twine(a)).str(), words);

  int64_t whole = a / signsPerWord;
  auto addWord = [&](Value word, ValueRange sums) {
    outputs.sums.assign(sums.begin(), sums.end());
    sumSignedWords(outputs, table, word, k.mul(word, signsPerWord * getInputStride()), signsPerWord / 4);
    return llvm::SmallVector<Value>(outputs.sums);
  };
  if (whole == 1)
    addWord(k.constantI32(0), llvm::SmallVector<Value>(outputs.sums));
  else if (whole > 1)
    outputs.sums = k.loop(0, whole, 1, llvm::SmallVector<Value>(outputs.sums), addWord);
  if (a % signsPerWord)
    sumSignedWords(outputs, table, whole, k.constantI32(whole * signsPerWord * getInputStride()), a % signsPerWord / 4);
}

/// Hartley's factors cas(2πr/a), r = 0, ..., a - 1, to shared memory, where threads read different ones at once.
void Transform::loadHartleyFactors() {
  int64_t a = transform.a;
  llvm::Expected<numerics::HadamardFactors> factors = numerics::hadamardFactors(a);
  assert(factors && "the plan was made of this structure");
  llvm::SmallVector<uint32_t> words;
  for (int64_t r : llvm::seq(a))
    words.push_back(llvm::bit_cast<uint32_t>(float(factors->slow[a + r])));
  Value table = constantTable(k, ("hartley_factors_" + llvm::Twine(a)).str(), words);
  row.stageFactors(table, a);
  k.barrier();
}

/// The factor of input k and output i is entry k·i mod a of the table.
void Transform::sumHartley(Outputs &outputs) {
  int64_t count = outputs.vectors.size();
  llvm::SmallVector<Value> carried = {k.constantI32(0)};
  carried.append(count, k.constantI32(0));
  carried.append(outputs.sums);
  carried = k.loop(0, transform.a, 1, carried, [&](Value, ValueRange values) {
    outputs.sums.assign(values.begin() + 1 + count, values.end());
    llvm::SmallVector<Value> factors, next = {k.add(values[0], getInputStride())};
    for (auto [entry, step] : llvm::zip(values.slice(1, count), outputs.axisIndices)) {
      factors.push_back(k.load(k.f32(), k.address(k.shared(plan.factorOffset), k.mul(entry, 4)), 4));
      Value sum = k.add(entry, step);
      next.push_back(k.select(k.lessS(sum, transform.a), sum, k.sub(sum, transform.a)));
    }
    accumulate(outputs, factors, values[0], 0);
    next.append(outputs.sums);
    return next;
  });
  outputs.sums.assign(carried.begin() + 1 + count, carried.end());
}

void Transform::sumDenseAxis(int64_t firstElement) {
  for (Outputs &outputs : groupOutputs()) {
    if (transform.isHartley)
      sumHartley(outputs);
    else
      sumSigned(outputs);
    for (auto [i, c] : llvm::enumerate(outputs.vectors))
      for (int64_t plane : llvm::seq(plan.planes))
        at(c, firstElement + plane) = outputs.sums[i * plan.planes + plane];
  }
}

//===----------------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------------===//

/// What reaches across warps, for elements firstElement, ..., firstElement + planes - 1 of every vector.
void Transform::exchange(int64_t firstElement) {
  Value own = row.getSharedWord(row.getThread());
  auto address = [&](int64_t c, int64_t plane) {
    return k.address(own, 4 * (plane * plan.planeWords + c * plan.threadsPerRow));
  };
  for (int64_t c : llvm::seq(plan.vectors))
    for (int64_t plane : llvm::seq(plan.planes))
      k.store(at(c, firstElement + plane), address(c, plane), 4);
  row.synchronize();
  int64_t step = llvm::Log2_64(plan.planes);
  for (int64_t level = 0; level < plan.warpLevels; level += step) {
    crossWarps(level, std::min(step, plan.warpLevels - level));
    row.synchronize();
  }
  if (transform.a > 1)
    return sumDenseAxis(firstElement);
  for (int64_t c : llvm::seq(plan.vectors))
    for (int64_t plane : llvm::seq(plan.planes))
      at(c, firstElement + plane) = k.load(k.f32(), address(c, plane), 4);
}

Value Transform::run() {
  if (transform.seed)
    applySigns();
  crossElements();
  crossLanes();
  crossVectors();
  if (plan.usesTensorCores)
    return sumOnTensorCores(row, x);
  if (!plan.planes)
    return Value();
  if (transform.isHartley)
    loadHartleyFactors();
  for (int64_t first = 0; first < plan.width; first += plan.planes) {
    if (first)
      row.synchronize();
    exchange(first);
  }
  row.clearPadding(x);
  return Value();
}

Value quantopt::transformRow(RowKernel &row, RowElements &elements) {
  return row.plan.transform ? Transform(row, elements).run() : Value();
}

Value quantopt::transformRowScaled(RowKernel &row, RowElements &elements) {
  Value unscale = transformRow(row, elements), factor = row.k.constantF32(float(getTransformScale(row.plan)));
  return unscale ? row.k.mul(unscale, factor) : factor;
}

double quantopt::getTransformScale(const tile::RowPlan &plan) {
  return plan.transform ? 1 / std::sqrt(double(plan.transform.a * plan.transform.b)) : 1;
}
