//===- AttentionLoop.cpp - softmax(q kᵀ) v over a cache, in registers -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionLoop.h"

using namespace mlir;
using namespace quantopt;

/// Less than any score: a row that has seen nothing yet. Finite, so that differences are numbers.
static constexpr double leastScore = -1e30;
static constexpr double log2OfE = 1.4426950408889634;
/// p·scale is below 2 to this power plus 1.
static constexpr int64_t headroom = 14;

/// A long step has fewer exchanges between lanes for each token; it has to lie in one page, and its codes in registers.
static int64_t chooseStep(const CacheFragments &fragments) {
  const numerics::KvLayout &layout = fragments.getLayout();
  return layout.pageTokens % 32 == 0 && layout.headDim <= 64 && fragments.getScaleRegisters() == 1 ? 32 : 16;
}

AttentionLoop::AttentionLoop(KernelBuilder &k, const AttentionProblem &problem, int64_t halves)
    : k(k), problem(problem), fragments(k, problem.layout), halves(halves), stepTokens(chooseStep(fragments)),
      prefetches(problem.layout.headDim <= 128 && fragments.getScaleRegisters() <= 4) {
  row = k.shrU(k.lane(), 2);
  quad = k.bitAnd(k.lane(), 3);
}

//===----------------------------------------------------------------------===//
// Around the loop
//===----------------------------------------------------------------------===//

SequenceState AttentionLoop::loadState(Value sequences, Value sequence) {
  Fragment fields = k.elements(k.load(k.vectorOf(2, k.i32()), k.rowPointer(sequences, sequence, 16), 8));
  return {fields[0], fields[1]};
}

std::array<Value, 2> AttentionLoop::getAllowed(const SequenceState &state, Value index) {
  Value first = state.start;
  if (problem.window)
    first = k.max(first, k.sub(index, problem.window - 1));
  return {first, k.max(k.sub(k.add(index, 1), first), 0)};
}

void AttentionLoop::loadQueries(ArrayRef<Value> rows) {
  for (const HeadChunk &chunk : fragments.getChunks()) {
    int64_t count = chunk.size / 4, width = std::min<int64_t>(8, count);
    SmallVector<Fragment> elements(2);
    for (int64_t half = 0; half < halves; ++half) {
      Value part = k.address(k.address(rows[half], chunk.first * 2), k.mul(quad, count * 2));
      for (int64_t i = 0; i < count; i += width)
        elements[half].append(k.elements(k.load(k.vectorOf(width, k.f16()), k.address(part, 2 * i), 2 * width)));
    }
    for (int64_t i = 0; i < chunk.size / 8; i += 2) {
      Fragment &query = queries.emplace_back();
      for (int64_t pairNumber : {i, i + 1})
        for (int64_t half : {0, 1}) {
          if (half >= halves) {
            query.push_back(k.constantI32(0));
            continue;
          }
          auto [low, high] = fragments.getKeyPair(chunk, pairNumber);
          query.push_back(k.bitcast(k.vector({elements[half][low], elements[half][high]}), k.i32()));
        }
    }
  }
}

Value AttentionLoop::getSum(const AttentionSums &sums, int64_t half) {
  return k.warpReduce(sums.sum[half], [&](Value x, Value y) { return k.add(x, y); }, /*width=*/4);
}

Fragment AttentionLoop::getOutput(const AttentionSums &sums, int64_t half, size_t chunk) {
  ArrayRef<HeadChunk> chunks = fragments.getChunks();
  int64_t first = chunks[chunk].first / 8;
  Fragment elements;
  for (int64_t column : {0, 1})
    for (int64_t product = 0; product < chunks[chunk].size / 8; ++product)
      elements.push_back(sums.output[first + product][2 * half + column]);
  return elements;
}

SmallVector<Value> AttentionLoop::flatten(const AttentionSums &sums) {
  SmallVector<Value> values;
  for (int64_t half = 0; half < halves; ++half)
    values.append({sums.greatest[half], sums.sum[half]});
  values.push_back(sums.shift);
  for (const Fragment &product : sums.output)
    values.append(product);
  return values;
}

AttentionSums AttentionLoop::restore(ValueRange values) {
  AttentionSums sums;
  for (int64_t half = 0; half < halves; ++half) {
    sums.greatest[half] = values[2 * half];
    sums.sum[half] = values[2 * half + 1];
  }
  sums.shift = values[2 * halves];
  for (size_t i = 2 * halves + 1; i < values.size(); i += 4)
    sums.output.push_back(Fragment(values.slice(i, 4)));
  return sums;
}

AttentionSums AttentionLoop::run(const ContextRange &range, Value keys, Value values, Value pages) {
  keyCache = keys;
  valueCache = values;
  pageTable = pages;
  AttentionSums sums;
  for (int64_t half = 0; half < halves; ++half) {
    sums.greatest[half] = k.constantF32(leastScore);
    sums.sum[half] = k.constantF32(0);
  }
  // Below the exponent of any scale.
  sums.shift = k.constantF32(problem.layout.isQuantized() ? -200 : -headroom);
  sums.output.assign(problem.layout.headDim / 8, Fragment(4, k.constantF32(0)));

  // Steps without an edge stand together: those that begin at `fullLower` to `fullUpper`. The order of steps is free.
  auto stepsTo = [&](Value index) {
    return k.divU(k.max(k.add(k.sub(index, range.lower), range.stride - 1), 0), range.stride);
  };
  auto beginOf = [&](Value number) { return k.add(range.lower, k.mul(number, range.stride)); };
  Value steps = stepsTo(range.upper);
  Value first = k.min(stepsTo(range.fullFirst), steps);
  Value last = k.min(k.max(stepsTo(k.sub(range.fullEnd, stepTokens - 1)), first), steps);
  Value fullLower = beginOf(first), fullUpper = beginOf(last), full = k.sub(fullUpper, fullLower);
  runSteps(range, fullLower, fullUpper, /*isEdge=*/false, [&](Value begin) { return begin; }, sums);
  runSteps(
      range, range.lower, k.sub(beginOf(steps), full), /*isEdge=*/true,
      [&](Value begin) { return k.select(k.lessS(begin, fullLower), begin, k.add(begin, full)); }, sums);
  return sums;
}

/// Keys of a step come in while the softmax of the one before is computed; values while scores are. Where registers are
/// scarce, both come when they are needed.
void AttentionLoop::runSteps(const ContextRange &range, Value lower, Value upper, bool isEdge,
                             llvm::function_ref<Value(Value)> begin, AttentionSums &sums) {
  Value lastStep = k.bitAnd(range.last, -stepTokens), lastBegin = k.sub(upper, range.stride);
  SmallVector<Value> carried = flatten(sums);
  size_t size = carried.size();
  KeyStep firstKeys;
  if (prefetches) {
    // There may be no step at all, but there is a place for one.
    Place place{k.min(begin(lower), lastStep), {}, /*isEdge=*/true};
    place.page = loadPage(range, place.begin);
    firstKeys = loadKeys(range, place);
    carried.push_back(place.page);
    carried.append(firstKeys.flatten());
  }
  SmallVector<Value> result = k.loop(lower, upper, range.stride, carried, [&](Value here, ValueRange state) {
    AttentionSums sums = restore(state.take_front(size));
    Place place{begin(here), {}, isEdge}, nextPlace{begin(k.min(k.add(here, range.stride), lastBegin)), {}, isEdge};
    KeyStep next;
    SmallVector<Fragment> scores;
    ValueStep values;
    if (prefetches) {
      place.page = state[size];
      nextPlace.page = loadPage(range, nextPlace.begin);
      values = loadValues(range, place);
      scores = getScores(range, place, firstKeys.restore(state.drop_front(size + 1)));
      next = loadKeys(range, nextPlace);
    } else {
      place.page = loadPage(range, place.begin);
      scores = getScores(range, place, loadKeys(range, place));
      values = loadValues(range, place);
    }
    updateSoftmax(values, scores, sums);
    for (int64_t tile = 0; tile < stepTokens / 8; tile += 2)
      addValues(values, scores, tile, sums);
    SmallVector<Value> results = flatten(sums);
    if (prefetches) {
      results.push_back(nextPlace.page);
      results.append(next.flatten());
    }
    return results;
  });
  sums = restore(ValueRange(result).take_front(size));
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

void KeyStep::forEach(llvm::function_ref<void(Fragment &)> body) {
  llvm::for_each(zeros, body);
  llvm::for_each(scales, body);
  for (SmallVector<Fragment> &chunks : codes)
    llvm::for_each(chunks, body);
}
SmallVector<Value> KeyStep::flatten() {
  SmallVector<Value> values;
  forEach([&](Fragment &fragment) { values.append(fragment); });
  return values;
}
KeyStep KeyStep::restore(ValueRange values) const {
  KeyStep step = *this;
  step.forEach([&](Fragment &fragment) {
    size_t size = fragment.size();
    fragment.assign(values.begin(), values.begin() + size);
    values = values.drop_front(size);
  });
  return step;
}

Value AttentionLoop::loadPage(const ContextRange &range, Value begin) {
  if (!problem.isPaged)
    return range.sequence;
  Value entries = k.rowPointer(pageTable, range.sequence, problem.pageColumns * 4);
  return k.load(k.i32(), k.address(entries, k.mul(k.divU(begin, problem.layout.pageTokens), 4)), 4);
}

Value AttentionLoop::getBlock(Value cache, const ContextRange &range, const Place &place) {
  Value number = k.add(k.mul(place.page, problem.shape.kvHeads), range.kvHead);
  return k.rowPointer(cache, number, problem.layout.blockBytes());
}

AttentionLoop::Offsets AttentionLoop::getOffsets(const ContextRange &range, const Place &place, Value lane,
                                                 int64_t first) {
  const numerics::KvLayout &layout = problem.layout;
  int64_t rowBytes = layout.rowCodeBytes(), scaleBytes = layout.groups() * layout.scaleBytes();
  int64_t more = place.isEdge ? 0 : first, scalesBegin = layout.scaleOffset(0, 0);
  Value inPage = problem.isPaged ? k.remU(place.begin, layout.pageTokens) : place.begin;
  Value within = place.isEdge ? k.min(k.add(lane, first), k.sub(range.last, place.begin)) : lane;
  Value token = k.add(inPage, within);
  return {k.mul(token, rowBytes), k.mul(token, scaleBytes), more * rowBytes, scalesBegin + more * scaleBytes};
}

int64_t AttentionLoop::getToken(int64_t number) { return number / 4 * 16 + number % 4; }

SmallVector<Fragment> AttentionLoop::loadScales(const ContextRange &range, const Place &place, Value block) {
  SmallVector<Fragment> scales;
  // At an edge the four tokens of a lane may not all be there.
  int64_t together = place.isEdge ? 1 : 4;
  for (int64_t number = 0; number < stepTokens / 4; number += together) {
    Offsets token = getOffsets(range, place, k.shl(quad, 2), getToken(number));
    Fragment loaded = fragments.loadScales(k.address(block, token.scales), token.moreScales, together);
    for (int64_t i = 0; i < together; ++i)
      scales.push_back(Fragment(ArrayRef(loaded).slice(i * loaded.size() / together, loaded.size() / together)));
  }
  return scales;
}

KeyStep AttentionLoop::loadKeys(const ContextRange &range, const Place &place) {
  Value block = getBlock(keyCache, range, place);
  Value lane = k.add(k.shl(k.shrU(row, 1), 2), k.bitAnd(row, 1));
  KeyStep step;
  for (int64_t tile = 0; tile < stepTokens / 8; ++tile) {
    Offsets token = getOffsets(range, place, lane, getToken(2 * tile));
    step.zeros.push_back(fragments.loadScales(k.address(block, token.scales), token.moreScales));
    SmallVector<Fragment> &chunks = step.codes.emplace_back();
    for (const HeadChunk &chunk : fragments.getChunks())
      chunks.push_back(fragments.loadKey(chunk, k.address(block, token.codes), token.moreCodes));
  }
  step.scales = loadScales(range, place, block);
  return step;
}

ValueStep AttentionLoop::loadValues(const ContextRange &range, const Place &place) {
  Value block = getBlock(valueCache, range, place);
  ValueStep step;
  step.scales = loadScales(range, place, block);
  for (int64_t number = 0; number < stepTokens / 4; ++number) {
    Offsets token = getOffsets(range, place, k.shl(quad, 2), getToken(number));
    SmallVector<Fragment> &chunks = step.codes.emplace_back();
    for (const HeadChunk &chunk : fragments.getChunks())
      chunks.push_back(fragments.loadValue(chunk, k.address(block, token.codes), token.moreCodes));
  }
  return step;
}

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

Fragment AttentionLoop::getScores(const KeyStep &keys, int64_t tile) {
  // tanh takes e^2x.
  double toExponent = problem.softcap > 0 ? problem.scale * 2 / problem.softcap * log2OfE : problem.scale * log2OfE;
  int64_t groups = std::max<int64_t>(1, problem.layout.groups());
  Fragment scores;
  size_t product = 0;
  for (int64_t group = 0; group < groups; ++group) {
    Fragment sums(4, k.constantF32(0));
    Value zeros = fragments.getZeros(keys.zeros[tile], group);
    for (auto [chunk, codes] : llvm::zip(fragments.getChunks(), keys.codes[tile])) {
      if (chunk.group != group)
        continue;
      Fragment pairs = fragments.unpackKey(chunk, codes, zeros);
      for (size_t i = 0; i < pairs.size(); i += 2)
        sums = k.mmaFloat(k.f16(), queries[product++], {pairs[i], pairs[i + 1]}, sums);
    }
    for (int64_t i = 0; i < 2 * halves; ++i) {
      Value factor = k.constantF32(float(toExponent));
      if (problem.layout.isQuantized())
        factor = k.mul(fragments.getScale(keys.scales[2 * tile + i % 2], group), factor);
      Value score = group ? k.fma(sums[i], factor, scores[i]) : k.mul(sums[i], factor);
      if (group)
        scores[i] = score;
      else
        scores.push_back(score);
    }
  }
  return scores;
}

/// c·log2(e)·tanh(s/c) = c·log2(e) - 2·c·log2(e) / (e^(2s/c) + 1), out of 2s/c·log2(e).
Value AttentionLoop::capScore(Value score) {
  double cap = problem.softcap * log2OfE;
  return k.fma(k.reciprocalApprox(k.add(k.exp2Flushed(score), 1.0f)), float(-2 * cap), float(cap));
}

/// What rows g and g + 8 do not attend to of tokens `index` and `index` + 1 gets no weight.
void AttentionLoop::maskScores(Fragment &scores, const ContextRange &range, Value index) {
  for (int64_t half = 0; half < halves; ++half)
    for (int64_t i : {0, 1}) {
      Value distance = k.sub(k.add(index, i), range.first[half]);
      Value &score = scores[2 * half + i];
      score = k.select(k.lessU(distance, range.count[half]), score, -std::numeric_limits<float>::infinity());
    }
}

SmallVector<Fragment> AttentionLoop::getScores(const ContextRange &range, const Place &place, const KeyStep &keys) {
  SmallVector<Fragment> scores;
  for (int64_t tile = 0; tile < stepTokens / 8; ++tile) {
    Fragment score = getScores(keys, tile);
    if (problem.softcap > 0)
      for (Value &value : score)
        value = capScore(value);
    if (place.isEdge)
      maskScores(score, range, k.add(place.begin, k.add(k.shl(quad, 2), getToken(2 * tile))));
    scores.push_back(score);
  }
  return scores;
}

Value AttentionLoop::reduceQuad(Value x) {
  return k.warpReduce(x, [&](Value left, Value right) { return k.max(left, right); }, /*width=*/4);
}

/// The exponent of the greatest scale less the headroom: as the low bits of the significand of 2^23 it is a number.
Value AttentionLoop::getShift(ArrayRef<Fragment> scales) {
  Value greatest;
  for (const Fragment &token : scales)
    for (int64_t group = 0; group < problem.layout.groups(); ++group) {
      Value scale = fragments.getScale(token, group);
      greatest = greatest ? k.max(greatest, scale) : scale;
    }
  Value exponent = k.shrU(k.bitcast(reduceQuad(greatest), k.i32()), 23);
  return k.sub(k.bitcast(k.bitOr(exponent, 0x4b000000), k.f32()), float(0x1p23 + 127 + headroom));
}

/// Replaces scores by weights relative to the greatest score and scale so far, and makes the sums relative to these.
void AttentionLoop::updateSoftmax(const ValueStep &values, MutableArrayRef<Fragment> scores, AttentionSums &sums) {
  Value shift = problem.layout.isQuantized() ? k.max(sums.shift, getShift(values.scales)) : sums.shift;
  std::array<Value, 2> rescale;
  for (int64_t half = 0; half < halves; ++half) {
    SmallVector<Value *> row;
    for (Fragment &tile : scores)
      row.append({&tile[2 * half], &tile[2 * half + 1]});
    Value greatest = *row.front();
    for (Value *score : ArrayRef(row).drop_front())
      greatest = k.max(greatest, *score);
    greatest = k.max(sums.greatest[half], reduceQuad(greatest));
    Value offset = k.add(greatest, shift);
    rescale[half] = k.exp2Flushed(k.sub(k.add(sums.greatest[half], sums.shift), offset));
    sums.greatest[half] = greatest;
    sums.sum[half] = k.mul(sums.sum[half], rescale[half]);
    for (Value *score : row) {
      *score = k.exp2Flushed(k.sub(*score, offset));
      sums.sum[half] = k.add(sums.sum[half], *score);
    }
  }
  sums.shift = shift;
  for (Fragment &product : sums.output)
    for (int64_t i = 0; i < 2 * halves; ++i)
      product[i] = k.mul(product[i], rescale[i / 2]);
}

/// The left operand of p·v for tiles `tile` and `tile` + 1: weights times the scales of a group.
Fragment AttentionLoop::getWeights(const ValueStep &values, ArrayRef<Fragment> weights, int64_t tile, int64_t group) {
  Fragment operand;
  for (int64_t t : {tile, tile + 1})
    for (int64_t half : {0, 1}) {
      if (half >= halves) {
        operand.push_back(k.constantI32(0));
        continue;
      }
      Fragment scaled;
      for (int64_t i : {0, 1}) {
        Value weight = weights[t][2 * half + i];
        bool isQuantized = problem.layout.isQuantized();
        scaled.push_back(isQuantized ? k.mul(weight, fragments.getScale(values.scales[2 * t + i], group)) : weight);
      }
      operand.push_back(k.bitcast(k.convertFloat(k.vector(scaled), k.f16()), k.i32()));
    }
  return operand;
}

void AttentionLoop::addValues(const ValueStep &values, ArrayRef<Fragment> weights, int64_t tile, AttentionSums &sums) {
  Fragment operand;
  int64_t group = -1;
  for (auto [c, chunk] : llvm::enumerate(fragments.getChunks())) {
    if (chunk.group != group)
      operand = getWeights(values, weights, tile, group = chunk.group);
    SmallVector<Fragment> pairs; // of tokens 2t and 2t + 1, and of 2t + 8 and 2t + 9
    for (int64_t token : {2 * tile, 2 * tile + 2}) {
      Value zeros = fragments.getZeros(values.scales[token], values.scales[token + 1], group);
      pairs.push_back(fragments.unpackValues(chunk, values.codes[token][c], values.codes[token + 1][c], zeros));
    }
    for (int64_t product = 0; product < chunk.size / 8; ++product) {
      Fragment &output = sums.output[chunk.first / 8 + product];
      output = k.mmaFloat(k.f16(), operand, {pairs[0][product], pairs[1][product]}, output);
    }
  }
}
