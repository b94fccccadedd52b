//===- MatrixInstructions.cpp - ldmatrix, stmatrix, mma ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "MemoryAccess.h"
#include "Mma.h"
#include "llvm/ADT/StringSwitch.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// ldmatrix, stmatrix. modifiers: 0 space, 1 matrices, 2 transposed.
//===----------------------------------------------------------------------------===//

static void executeLdmatrix(Warp &warp, const Instruction &instruction) {
  auto [space, matrices, isTransposed, u0, u1, u2] = instruction.modifiers;
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  for (unsigned matrix = 0; matrix < matrices; ++matrix) {
    uint16_t rows[8][8];
    for (unsigned row = 0; row < 8; ++row) {
      unsigned lane = ldmatrixAddressLane(matrix, row);
      if (!loadLane(warp, StateSpace(space), lane, addresses[lane], 16, rows[row]))
        return;
    }
    ldmatrix(rows, isTransposed, warp.destination<uint32_t>(instruction.operands[matrix]));
  }
  countMatrixRequest(warp, instruction, addresses, matrices);
}

static void executeStmatrix(Warp &warp, const Instruction &instruction) {
  auto [space, matrices, isTransposed, u0, u1, u2] = instruction.modifiers;
  uint64_t addresses[warpSize];
  warp.addresses(instruction.address, addresses);
  warp.block.shared.beginInstruction();
  for (unsigned matrix = 0; matrix < matrices; ++matrix) {
    uint16_t rows[8][8];
    stmatrix(warp.source<uint32_t>(instruction.operands[matrix]), isTransposed, rows);
    for (unsigned row = 0; row < 8; ++row) {
      unsigned lane = ldmatrixAddressLane(matrix, row);
      if (!storeLane(warp, StateSpace(space), lane, addresses[lane], 16, rows[row]))
        return;
    }
  }
  countMatrixRequest(warp, instruction, addresses, matrices);
}

/// Takes all of `modifiers`; false where one is missing.
static bool takeAll(InstructionDecoder &decoder, llvm::ArrayRef<llvm::StringRef> modifiers) {
  return llvm::count_if(modifiers, [&](llvm::StringRef modifier) { return decoder.take(modifier); }) ==
         int64_t(modifiers.size());
}

static unsigned decodeMatrixAccess(InstructionDecoder &decoder) {
  int count = decoder.takeOneOf({"x1", "x2", "x4"});
  decoder.result.modifiers[2] = decoder.take("trans");
  StateSpace space = decoder.takeSpace();
  bool isComplete = takeAll(decoder, {"sync", "aligned", "m8n8", "b16"});
  if (count < 0 || !isComplete || (space != StateSpace::Shared && space != StateSpace::Generic)) {
    decoder.fail("expected .sync.aligned.m8n8, .x1, .x2 or .x4, .shared and .b16");
    return 1;
  }
  decoder.result.modifiers[0] = uint32_t(space);
  decoder.result.modifiers[1] = 1u << count;
  decoder.result.needsAllLanes = true;
  decoder.access(space, 16);
  decoder.expectOperands(2);
  return 1u << count;
}

static void decodeLdmatrix(InstructionDecoder &decoder) {
  decoder.require(75);
  unsigned count = decodeMatrixAccess(decoder);
  decoder.writeVector(0, count, 32);
  decoder.readAddress(1);
  decoder.execute(executeLdmatrix);
}

static void decodeStmatrix(InstructionDecoder &decoder) {
  decoder.require(90);
  unsigned count = decodeMatrixAccess(decoder);
  decoder.readAddress(0);
  decoder.readVector(1, count, 32);
  decoder.execute(executeStmatrix);
}

/// movmatrix: a transposition in registers.
static void executeMovmatrix(Warp &warp, const Instruction &instruction) {
  uint16_t rows[8][8];
  stmatrix(warp.source<uint32_t>(instruction.operands[1]), false, rows);
  ldmatrix(rows, true, warp.destination<uint32_t>(instruction.operands[0]));
}

static void decodeMovmatrix(InstructionDecoder &decoder) {
  decoder.require(75);
  if (!takeAll(decoder, {"sync", "aligned", "m8n8", "trans", "b16"}))
    return decoder.fail("expected .sync.aligned.m8n8.trans.b16");
  decoder.result.needsAllLanes = true;
  decoder.expectOperands(2);
  decoder.write(0, 32);
  decoder.read(1, 32);
  decoder.execute(executeMovmatrix);
}

//===----------------------------------------------------------------------------===//
// mma. modifiers: 0 to 2 the shape, 3 the types, 4 satfinite.
//===----------------------------------------------------------------------------===//

static void executeMma(Warp &warp, const Instruction &instruction) {
  MmaShape shape = {instruction.modifiers[0], instruction.modifiers[1], instruction.modifiers[2]};
  uint32_t types = instruction.modifiers[3];
  MatrixType a = MatrixType(types & 15), b = MatrixType(types >> 4 & 15);
  AccumulatorType accumulator = AccumulatorType(types >> 8);
  MmaRegisters counts = mmaRegisters(shape, a, accumulator);
  const uint32_t *aRows[8], *bRows[4], *cRows[8];
  uint32_t *dRows[8];
  const Operand *operand = instruction.operands.begin();
  for (unsigned i = 0; i < counts.c; ++i)
    dRows[i] = warp.destination<uint32_t>(*operand++);
  for (unsigned i = 0; i < counts.a; ++i)
    aRows[i] = warp.source<uint32_t>(*operand++);
  for (unsigned i = 0; i < counts.b; ++i)
    bRows[i] = warp.source<uint32_t>(*operand++);
  for (unsigned i = 0; i < counts.c; ++i)
    cRows[i] = warp.source<uint32_t>(*operand++);
  mma(shape, a, b, accumulator, instruction.modifiers[4], aRows, bRows, cRows, dRows);
}

static std::optional<MmaShape> takeShape(InstructionDecoder &decoder) {
  for (llvm::StringRef modifier : decoder.remaining()) {
    llvm::StringRef rest = modifier;
    MmaShape shape;
    if (rest.consume_front("m") && !rest.consumeInteger(10, shape.m) && rest.consume_front("n") &&
        !rest.consumeInteger(10, shape.n) && rest.consume_front("k") && !rest.consumeInteger(10, shape.k) &&
        rest.empty()) {
      decoder.take(modifier);
      return shape;
    }
  }
  return std::nullopt;
}

static std::optional<MatrixType> matrixType(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<MatrixType>>(name)
      .Case("s8", MatrixType::S8)
      .Case("u8", MatrixType::U8)
      .Case("s4", MatrixType::S4)
      .Case("u4", MatrixType::U4)
      .Case("f16", MatrixType::F16)
      .Case("bf16", MatrixType::BF16)
      .Default(std::nullopt);
}

static std::optional<AccumulatorType> accumulatorType(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<AccumulatorType>>(name)
      .Case("s32", AccumulatorType::S32)
      .Case("f32", AccumulatorType::F32)
      .Case("f16", AccumulatorType::F16)
      .Default(std::nullopt);
}

static void decodeMma(InstructionDecoder &decoder) {
  std::optional<MmaShape> shape = takeShape(decoder);
  bool isComplete = takeAll(decoder, {"aligned", "row", "col"});
  decoder.result.modifiers[4] = decoder.take("satfinite");
  if (!shape || !isComplete || decoder.remaining().size() != 4)
    return decoder.fail("expected mma.sync.aligned.SHAPE.row.col and the types of D, A, B and C");
  llvm::SmallVector<llvm::StringRef, 4> types(decoder.remaining());
  for (llvm::StringRef type : types)
    decoder.take(type);
  std::optional<AccumulatorType> d = accumulatorType(types[0]), c = accumulatorType(types[3]);
  std::optional<MatrixType> a = matrixType(types[1]), b = matrixType(types[2]);
  if (!a || !b || !c || d != c || !isMma(*shape, *a, *b, *c))
    return decoder.fail("there is no such shape with these types");
  bool isSmall = shape->m == 8;
  if (matrixBits(*a) == 4 && decoder.target() >= 90)
    return decoder.fail(
        "sm_90 and above have no 4-bit tensor cores: they would emulate it, many times slower; widen to s8");
  decoder.require(isSmall || (matrixBits(*a) == 16 && *a == MatrixType::F16 && shape->k == 8) ? 75 : 80);
  decoder.result.modifiers[0] = shape->m;
  decoder.result.modifiers[1] = shape->n;
  decoder.result.modifiers[2] = shape->k;
  decoder.result.modifiers[3] = uint32_t(*a) | uint32_t(*b) << 4 | uint32_t(*c) << 8;
  decoder.result.needsAllLanes = true;
  MmaRegisters counts = mmaRegisters(*shape, *a, *c);
  decoder.expectOperands(4);
  decoder.writeVector(0, counts.c, 32);
  decoder.readVector(1, counts.a, 32);
  decoder.readVector(2, counts.b, 32);
  decoder.readVector(3, counts.c, 32);
  decoder.execute(executeMma);
}

void quantopt::ptx::addMatrixInstructions(InstructionTable &table) {
  table.add("ldmatrix", decodeLdmatrix);
  table.add("stmatrix", decodeStmatrix);
  table.add("movmatrix", decodeMovmatrix);
  table.add("mma.sync", decodeMma);
}
