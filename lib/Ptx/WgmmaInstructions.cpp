//===- WgmmaInstructions.cpp - wgmma.* ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InstructionTable.h"
#include "MemoryAccess.h"
#include "Wgmma.h"

using namespace quantopt::ptx;

//===----------------------------------------------------------------------------===//
// wgmma.mma_async: modifiers[0] n; [1] types of A and B, and of D; [2] flags. Operands: D, A, the descriptor of B, and
// the predicate that says whether D is added.
//===----------------------------------------------------------------------------===//

namespace {

enum Flag : uint32_t { Saturates = 1, FragmentsOfA = 2, NegatesA = 4, NegatesB = 8, HasPredicate = 16, Adds = 32 };

} // namespace

static Wgmma decoded(const Instruction &instruction) {
  uint32_t types = instruction.modifiers[1], flags = instruction.modifiers[2];
  Wgmma result{instruction.modifiers[0], MatrixType(types & 0xff), MatrixType(types >> 8 & 0xff),
               AccumulatorType(types >> 16)};
  result.satfinite = flags & Saturates;
  result.accumulates = flags & Adds;
  result.negatesA = flags & NegatesA;
  result.negatesB = flags & NegatesB;
  return result;
}

/// A descriptor, the same in all lanes.
static bool readDescriptor(Warp &warp, const Operand &operand, llvm::StringRef name, uint64_t &bits) {
  const uint64_t *row = warp.source<uint64_t>(operand);
  bits = row[0];
  for (unsigned lane = 1; lane < warpSize; ++lane)
    if (row[lane] != bits) {
      warp.fail(1u << lane, "the descriptor of " + name + " differs between lanes");
      return false;
    }
  llvm::StringRef problem = MatrixDescriptor::decode(bits).findProblem();
  if (problem.empty())
    return true;
  warp.fail(allLanes, "descriptor of " + name + ": " + problem);
  return false;
}

/// 32 bytes of each of `count` rows. Hardware reads them as matrices of 8 rows of 16 bytes.
static bool readRows(Warp &warp, uint64_t bits, unsigned firstRow, unsigned count, uint8_t (*rows)[32],
                     bool isCounted) {
  MatrixDescriptor descriptor = MatrixDescriptor::decode(bits);
  for (unsigned row = 0; row < count; ++row)
    for (unsigned chunk = 0; chunk < 2; ++chunk)
      if (!warp.block.shared.readAsync(warp, 0, descriptor.chunkAddress(firstRow + row, chunk), 16,
                                       rows[row] + 16 * chunk))
        return false;
  if (!isCounted || !warp.block.context.options.counters)
    return true;
  llvm::SmallVector<uint64_t, 64> addresses;
  for (unsigned chunk = 0; chunk < 2; ++chunk)
    for (unsigned row = 0; row < count; ++row)
      addresses.push_back(descriptor.chunkAddress(firstRow + row, chunk));
  countMatrixRequest(warp, *warp.current, addresses.data(), addresses.size() / 8);
  return true;
}

static void executeWgmma(Warp &warp, const Instruction &instruction) {
  Wgmma operation = decoded(instruction);
  unsigned registers = operation.registers();
  bool hasFragments = instruction.modifiers[2] & FragmentsOfA;
  llvm::ArrayRef<Operand> operands = instruction.operands, accumulators = operands.take_front(registers);
  llvm::ArrayRef<Operand> aOperands = operands.slice(registers, hasFragments ? 4 : 1);
  const Operand &bOperand = operands[registers + aOperands.size()];
  if (instruction.modifiers[2] & HasPredicate) {
    uint32_t adds = warp.predicate(operands[registers + aOperands.size() + 1]);
    if (adds != 0 && adds != allLanes)
      return warp.fail(adds, "scale-d differs between lanes");
    operation.accumulates = adds;
  }
  if (operation.accumulates)
    for (const Operand &operand : accumulators)
      if (!warp.checkWritten(operand))
        return;

  uint64_t aDescriptor = 0, bDescriptor;
  if (!readDescriptor(warp, bOperand, "B", bDescriptor) ||
      (!hasFragments && !readDescriptor(warp, aOperands[0], "A", aDescriptor)))
    return;
  uint32_t shape = instruction.modifiers[0] | instruction.modifiers[1] << 9;
  if (!warp.block.warpGroups->issue(warp, accumulators, hasFragments ? aOperands : llvm::ArrayRef<Operand>(), shape,
                                    aDescriptor, bDescriptor))
    return;

  ++warp.agentStamp;
  uint8_t b[256][32];
  // B is read once for the four warps.
  if (!readRows(warp, bDescriptor, 0, operation.n, b, warp.index % 4 == 0))
    return;
  uint32_t aRegisters[4][warpSize];
  const uint32_t *a[4];
  for (unsigned i = 0; i < 4; ++i)
    a[i] = hasFragments ? warp.source<uint32_t>(aOperands[i]) : aRegisters[i];
  if (!hasFragments) {
    uint8_t rows[16][32];
    if (!readRows(warp, aDescriptor, warp.index % 4 * 16, 16, rows, true))
      return;
    arrangeWgmmaA(rows, aRegisters);
  }
  llvm::SmallVector<uint32_t *, 128> d;
  for (const Operand &operand : accumulators)
    d.push_back(warp.destination<uint32_t>(operand));
  wgmma(operation, a, b, d.data());
}

static MatrixType matrixType(InstructionDecoder &decoder, ScalarType type) {
  switch (type) {
  case ScalarType::S8:
    return MatrixType::S8;
  case ScalarType::U8:
    return MatrixType::U8;
  case ScalarType::F16:
    return MatrixType::F16;
  case ScalarType::BF16:
    return MatrixType::BF16;
  default:
    decoder.fail("matrices have elements of type s8, u8, f16 or bf16 here");
    return MatrixType::S8;
  }
}

static AccumulatorType accumulatorType(InstructionDecoder &decoder, ScalarType type) {
  switch (type) {
  case ScalarType::S32:
    return AccumulatorType::S32;
  case ScalarType::F32:
    return AccumulatorType::F32;
  case ScalarType::F16:
    return AccumulatorType::F16;
  default:
    decoder.fail("accumulators are s32, f32 or f16");
    return AccumulatorType::S32;
  }
}

/// m64nNkK.
static bool takeShape(InstructionDecoder &decoder, unsigned &n, unsigned &k) {
  for (llvm::StringRef modifier : decoder.remaining()) {
    llvm::StringRef rest = modifier;
    if (!rest.consume_front("m64n") || rest.consumeInteger(10, n) || !rest.consume_front("k") ||
        rest.getAsInteger(10, k))
      continue;
    return decoder.take(modifier);
  }
  decoder.fail("expected a shape like m64n256k32");
  return false;
}

/// imm-scale-a and imm-scale-b: 1 or -1.
static bool readNegation(InstructionDecoder &decoder, unsigned i) {
  int64_t scale = int32_t(decoder.readImmediate(i));
  if (scale != 1 && scale != -1)
    decoder.fail("imm-scale is 1 or -1");
  return scale == -1;
}

/// The operands after the descriptor of B.
static uint32_t decodeScales(InstructionDecoder &decoder, bool isInteger, bool hasFragments) {
  uint32_t flags = 0;
  decoder.expectOperands(isInteger ? 4 : hasFragments ? 7 : 8);
  if (std::optional<uint64_t> adds = decoder.immediateAt(3)) {
    flags |= *adds ? Adds : 0;
  } else {
    flags |= HasPredicate;
    decoder.readPredicate(3);
  }
  if (isInteger)
    return flags;
  flags |= readNegation(decoder, 4) ? NegatesA : 0;
  flags |= readNegation(decoder, 5) ? NegatesB : 0;
  for (unsigned i = 6; i < decoder.numOperands(); ++i)
    if (decoder.readImmediate(i) != 0)
      decoder.fail("matrices that are not K-major (imm-trans) are not supported");
  return flags;
}

static void requireWarpGroups(InstructionDecoder &decoder) {
  decoder.require(90);
  if (decoder.target() != 90 || decoder.targetSuffix() != 'a')
    decoder.fail("wgmma needs .target sm_90a");
  if (!decoder.take("sync") || !decoder.take("aligned"))
    decoder.fail("expected .sync.aligned");
  decoder.result.needsAllLanes = true;
  decoder.useAsyncProxy();
  decoder.useWarpGroups();
}

static void decodeMma(InstructionDecoder &decoder) {
  requireWarpGroups(decoder);
  unsigned n = 0, k = 0;
  if (!takeShape(decoder, n, k))
    return;
  AccumulatorType accumulator = accumulatorType(decoder, decoder.takeType());
  MatrixType a = matrixType(decoder, decoder.takeType()), b = matrixType(decoder, decoder.takeType());
  Wgmma operation{n, a, b, accumulator};
  uint32_t flags = decoder.take("satfinite") ? Saturates : 0;
  if (!operation.isLegal() || k * matrixBits(a) != 256 || (flags && accumulator != AccumulatorType::S32))
    return decoder.fail("there is no wgmma of this shape and these types");
  if (decoder.numOperands() < 4)
    return decoder.fail("expected at least 4 operands");

  decoder.writeVector(0, operation.registers(), 32);
  bool hasFragments = decoder.isVector(1);
  if (hasFragments)
    decoder.readVector(1, 4, 32);
  else
    decoder.read(1, 64);
  decoder.read(2, 64);
  flags |= hasFragments ? FragmentsOfA : 0;
  flags |= decodeScales(decoder, accumulator == AccumulatorType::S32, hasFragments);
  decoder.result.modifiers[0] = n;
  decoder.result.modifiers[1] = uint32_t(a) | uint32_t(b) << 8 | uint32_t(accumulator) << 16;
  decoder.result.modifiers[2] = flags;
  decoder.result.isWgmma = true;
  decoder.access(StateSpace::Shared, 16);
  decoder.execute(executeWgmma);
}

//===----------------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------------===//

static void executeFence(Warp &warp, const Instruction &) { warp.block.warpGroups->fence(warp); }
static void executeCommit(Warp &warp, const Instruction &) { warp.block.warpGroups->commit(warp); }
static void executeWait(Warp &warp, const Instruction &instruction) {
  warp.block.warpGroups->wait(warp, instruction.modifiers[0]);
}

template <Execute execute> static void decodeGroup(InstructionDecoder &decoder) {
  requireWarpGroups(decoder);
  decoder.expectOperands(0);
  decoder.execute(execute);
}

static void decodeWait(InstructionDecoder &decoder) {
  requireWarpGroups(decoder);
  decoder.expectOperands(1);
  decoder.result.modifiers[0] = decoder.readImmediate(0);
  decoder.execute(executeWait);
}

void quantopt::ptx::addWgmmaInstructions(InstructionTable &table) {
  table.add("wgmma.mma_async", decodeMma);
  table.add("wgmma.fence", decodeGroup<executeFence>);
  table.add("wgmma.commit_group", decodeGroup<executeCommit>);
  table.add("wgmma.wait_group", decodeWait);
}
