//===- RowKernel.cpp - what kernels that work on whole rows share ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;
using namespace quantopt;

static Value findWantedRow(KernelBuilder &k, const tile::RowPlan &plan) {
  return k.add(k.mul(k.blockY(), plan.rowsPerBlock), k.divU(k.threadX(), plan.threadsPerRow));
}

RowKernel::RowKernel(KernelBuilder &builder, const tile::RowPlan &plan)
    : RowKernel(builder, plan, builder.min(findWantedRow(builder, plan), builder.sub(builder.rows(), 1)),
                builder.lessS(findWantedRow(builder, plan), builder.rows())) {}

RowKernel::RowKernel(KernelBuilder &builder, const tile::RowPlan &plan, Value row, Value rowExists)
    : k(builder), plan(plan), row(row), rowExists(rowExists) {
  thread = k.remU(k.threadX(), plan.threadsPerRow);
  rowInBlock = k.divU(k.threadX(), plan.threadsPerRow);
}

Value RowKernel::getVectorIndex(int64_t c) { return k.add(thread, c * plan.threadsPerRow); }

Value RowKernel::getSharedWord(Value word) { return k.shared(k.mul(k.add(k.mul(rowInBlock, plan.rowWords), word), 4)); }

void RowKernel::synchronize() {
  if (plan.getWarpsPerRow() == 1)
    k.syncWarp();
  else
    k.barrier();
}

void RowKernel::stageFactors(Value table, int64_t words) {
  k.loop(k.threadX(), words, plan.getThreads(), [&](Value i) {
    Value offset = k.mul(i, 4);
    k.store(k.load(k.i32(), k.address(table, offset), 4), k.address(k.shared(plan.factorOffset), offset), 4);
  });
}

RowElements RowKernel::map(llvm::function_ref<Value(size_t)> body) const {
  RowElements result;
  for (size_t i : llvm::seq<size_t>(plan.vectors * plan.width))
    result.push_back(body(i));
  return result;
}

//===----------------------------------------------------------------------------===//
// Rows of floats
//===----------------------------------------------------------------------------===//

RowElements RowKernel::loadVectors(Value tensor, Type type, int64_t first, int64_t last) {
  int64_t bytes = type.getIntOrFloatBitWidth() / 8, length = plan.getVectorsOfRow();
  Value base = k.rowPointer(tensor, row, plan.columns * bytes);
  unsigned alignment = std::min<int64_t>(16, plan.width * bytes);
  RowElements elements;
  for (int64_t c : llvm::seq(first, last)) {
    if (c * plan.threadsPerRow >= length) {
      elements.append(plan.width, k.constantF32(0));
      continue;
    }
    // Threads beyond the row read its last vector, which their neighbours read as well.
    Value index = getVectorIndex(c);
    if ((c + 1) * plan.threadsPerRow > length)
      index = k.min(index, length - 1);
    Value pointer = k.address(base, k.mul(index, plan.width * bytes));
    // bf16 is the upper half of an f32: widening needs no instruction that only newer architectures have.
    for (Value x : k.elements(k.load(k.vectorOf(plan.width, type.isBF16() ? k.i16() : type), pointer, alignment)))
      elements.push_back(type.isBF16() ? k.bitcast(k.shl(k.extendU(x, k.i32()), 16), k.f32())
                                       : k.convertFloat(x, k.f32()));
  }
  clearPadding(elements, first, last);
  return elements;
}

RowElements RowKernel::load(Value tensor, Type type) { return loadVectors(tensor, type, 0, plan.vectors); }

void RowKernel::clearPadding(llvm::MutableArrayRef<Value> elements, int64_t first, int64_t last) {
  int64_t length = plan.getVectorsOfRow();
  for (int64_t c : llvm::seq(first, last)) {
    if ((c + 1) * plan.threadsPerRow <= length)
      continue;
    Value inside = k.lessS(getVectorIndex(c), length);
    for (Value &element : elements.slice((c - first) * plan.width, plan.width))
      element = k.select(inside, element, 0.0f);
  }
}

void RowKernel::clearPadding(RowElements &elements) { clearPadding(elements, 0, plan.vectors); }

void RowKernel::forEachStored(int64_t columns, int64_t first, int64_t last, llvm::function_ref<void(int64_t)> body) {
  int64_t length = llvm::divideCeil(columns, plan.width);
  k.ifThen(rowExists, [&] {
    for (int64_t c : llvm::seq(first, last)) {
      if (c * plan.threadsPerRow >= length)
        return;
      if ((c + 1) * plan.threadsPerRow <= length)
        body(c);
      else
        k.ifThen(k.lessS(getVectorIndex(c), length), [&] { body(c); });
    }
  });
}

void RowKernel::storeVectors(llvm::ArrayRef<Value> elements, Value tensor, Type type, int64_t first, int64_t last) {
  int64_t bytes = type.getIntOrFloatBitWidth() / 8;
  Value base = k.rowPointer(tensor, row, plan.columns * bytes);
  unsigned alignment = std::min<int64_t>(16, plan.width * bytes);
  forEachStored(plan.columns, first, last, [&](int64_t c) {
    Value vector = k.vector(elements.slice((c - first) * plan.width, plan.width));
    k.store(k.convertFloat(vector, type), k.address(base, k.mul(getVectorIndex(c), plan.width * bytes)), alignment);
  });
}

void RowKernel::store(const RowElements &elements, Value tensor, Type type) {
  storeVectors(elements, tensor, type, 0, plan.vectors);
}

RowElements RowKernel::loadSum(Value input, Type inputType, Value residual, Type residualType, Value sum,
                               Type sumType) {
  // Up to 32 elements of each at once: enough loads under way to keep memory busy.
  int64_t piece = std::max<int64_t>(1, 32 / plan.width);
  RowElements elements;
  for (int64_t first = 0; first < plan.vectors; first += piece) {
    int64_t last = std::min(first + piece, plan.vectors);
    RowElements part = loadVectors(input, inputType, first, last);
    RowElements other = loadVectors(residual, residualType, first, last);
    for (auto [x, y] : llvm::zip(part, other))
      x = k.convertFloat(k.convertFloat(k.add(x, y), sumType), k.f32());
    if (sum)
      storeVectors(part, sum, sumType, first, last);
    elements.append(part);
  }
  return elements;
}

//===----------------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------------===//

Value RowKernel::sumOfSquares(const RowElements &elements) {
  // Four sums side by side: shorter chains, in latency and in rounding errors.
  constexpr size_t chains = 4;
  llvm::SmallVector<Value> sums;
  for (auto [i, x] : llvm::enumerate(elements)) {
    if (i < chains)
      sums.push_back(k.mul(x, x));
    else
      sums[i % chains] = k.fma(x, x, sums[i % chains]);
  }
  Value sum = sums[0];
  for (Value other : llvm::drop_begin(sums))
    sum = k.add(sum, other);
  return sum;
}

Value RowKernel::greatestMagnitude(const RowElements &elements) {
  Value greatest;
  for (Value x : elements) {
    // Magnitudes are ordered as their bits are, and a NaN lies beyond infinity: it is kept.
    Value bits = k.bitAnd(k.bitcast(x, k.i32()), std::numeric_limits<int32_t>::max());
    greatest = greatest ? k.max(greatest, bits) : bits;
  }
  return k.bitcast(greatest, k.f32());
}

RowKernel::Reduction RowKernel::reduce(Reduction parts) {
  auto sum = [&](Value x, Value y) { return k.add(x, y); };
  auto max = [&](Value x, Value y) { return k.bitcast(k.max(k.bitcast(x, k.i32()), k.bitcast(y, k.i32())), k.f32()); };
  auto inLanes = [&](Reduction x, int64_t width) {
    return Reduction{x.sumOfSquares ? k.warpReduce(x.sumOfSquares, sum, width) : Value(),
                     x.greatest ? k.warpReduce(x.greatest, max, width) : Value()};
  };
  int64_t warps = plan.getWarpsPerRow();
  parts = inLanes(parts, std::min<int64_t>(plan.threadsPerRow, 32));
  if (warps == 1)
    return parts;
  // [row][warp] of sums, then of maxima. Every warp combines the parts again in its lanes.
  Value base = k.shared(plan.reductionOffset);
  int64_t half = 4 * warps * plan.rowsPerBlock;
  Value first = k.mul(rowInBlock, warps), warp = k.divU(thread, 32), lane = k.lane();
  auto slot = [&](Value index, int64_t offset) {
    return k.address(base, k.add(k.mul(k.add(first, index), 4), offset));
  };
  k.ifThen(k.equal(lane, 0), [&] {
    if (parts.sumOfSquares)
      k.store(parts.sumOfSquares, slot(warp, 0), 4);
    if (parts.greatest)
      k.store(parts.greatest, slot(warp, half), 4);
  });
  k.barrier();
  Value index = k.remU(lane, warps);
  Reduction others;
  if (parts.sumOfSquares)
    others.sumOfSquares = k.load(k.f32(), slot(index, 0), 4);
  if (parts.greatest)
    others.greatest = k.load(k.f32(), slot(index, half), 4);
  return inLanes(others, warps);
}

Value RowKernel::getNormFactor(Value sumOfSquares, double epsilon) {
  return k.rsqrtApprox(k.fma(sumOfSquares, float(1.0 / plan.columns), float(epsilon)));
}

//===----------------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------------===//

Value quantopt::divideByConstant(KernelBuilder &k, Value x, float divisor) {
  float reciprocal = 1.0f / divisor;
  Value quotient = k.mul(x, reciprocal);
  return k.fma(k.fma(quotient, -divisor, x), reciprocal, quotient);
}

void RowKernel::quantize(const RowElements &elements, Value greatest, Value factor, const RowQuantizer &quantizer,
                         Value codes, Value scales) {
  int32_t high = (1 << (quantizer.bits - 1)) - 1, low = -high - 1;
  Value scale = divideByConstant(k, k.mul(k.mul(greatest, factor), quantizer.clip), high);
  // This way round a NaN stays one.
  scale = k.select(k.lessS(scale, 1e-8f), 1e-8f, scale);
  Value multiplier = k.mul(factor, k.reciprocalApprox(scale));

  bool isNibble = plan.width == 1 && quantizer.codeBits == 4;
  RowElements rounded = map([&](size_t i) {
    Value code = k.roundToInt(k.mul(elements[i], multiplier));
    // Packing saturates to the width in memory; single nibbles are not packed.
    return quantizer.bits == quantizer.codeBits && !isNibble ? code : k.max(k.min(code, high), low);
  });
  if (isNibble)
    rounded = map([&](size_t i) {
      return k.bitOr(k.bitAnd(rounded[i], 15), k.shl(k.bitAnd(k.shuffleXor(rounded[i], 1), 15), 4));
    });
  Value base = k.rowPointer(codes, row, plan.paddedColumns * quantizer.codeBits / 8);
  forEachStored(plan.paddedColumns, 0, plan.vectors, [&](int64_t c) {
    Value bit = k.mul(getVectorIndex(c), plan.width * quantizer.codeBits);
    storeCodes(llvm::ArrayRef(rounded).slice(c * plan.width, plan.width), k.address(base, k.divU(bit, 8)),
               quantizer.codeBits);
  });
  k.ifThen(k.bitAnd(rowExists, k.equal(thread, 0)), [&] { k.store(scale, k.rowPointer(scales, row, 4), 4); });
}

void RowKernel::storeCodes(llvm::ArrayRef<Value> codes, Value pointer, int64_t codeBits) {
  int64_t bits = codes.size() * codeBits;
  if (bits == 64) {
    k.store(k.vector({k.packS8(codes.take_front(4)), k.packS8(codes.drop_front(4))}), pointer, 8);
    return;
  }
  // Two nibbles of neighbouring threads were joined before: the even thread writes.
  if (bits == 4) {
    k.ifThen(k.equal(k.bitAnd(thread, 1), 0), [&] { k.store(k.truncate(codes[0], k.i8()), pointer, 1); });
    return;
  }
  llvm::SmallVector<Value> filled(codes);
  filled.resize(32 / codeBits, k.constantI32(0));
  Value word = codeBits == 4 ? k.packS4(filled) : k.packS8(filled);
  if (bits < 32)
    word = k.truncate(word, k.builder().getIntegerType(bits));
  k.store(word, pointer, bits / 8);
}

//===----------------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------------===//

Value quantopt::constantTable(KernelBuilder &k, llvm::StringRef name, llvm::ArrayRef<uint32_t> words,
                              size_t mostConstantWords) {
  constexpr unsigned globalSpace = 1, constantSpace = 4;
  unsigned space = words.size() <= mostConstantWords ? constantSpace : globalSpace;
  auto module = k.function()->getParentOfType<gpu::GPUModuleOp>();
  OpBuilder &b = k.builder();
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto type = RankedTensorType::get({int64_t(words.size())}, k.i32());
    LLVM::GlobalOp::create(b, k.location(), LLVM::LLVMArrayType::get(k.i32(), words.size()), /*isConstant=*/true,
                           LLVM::Linkage::Internal, name, DenseElementsAttr::get(type, words), /*alignment=*/16, space);
  }
  return LLVM::AddressOfOp::create(b, k.location(), LLVM::LLVMPointerType::get(b.getContext(), space), name);
}
