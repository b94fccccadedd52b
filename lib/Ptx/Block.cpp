//===- Block.cpp - a CTA being run ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Block.h"
#include "llvm/Support/MathExtras.h"
#include <thread>

using namespace quantopt::ptx;

Block::Block(const LaunchContext &context, uint64_t index)
    : index(index), context(context), counts(context.kernel.instructions.size()),
      numThreads(context.launch.block.count()) {
  Dim3 grid = context.launch.grid;
  coordinates = {uint32_t(index % grid.x), uint32_t(index / grid.x % grid.y), uint32_t(index / grid.x / grid.y)};
  unsigned numWarps = (numThreads + warpSize - 1) / warpSize;
  shared.reset(context.kernel, context.launch.dynamicSharedBytes, numWarps);
  for (unsigned i = 0; i < numWarps; ++i) {
    uint32_t threads = std::min<uint32_t>(numThreads - i * warpSize, warpSize);
    warps.push_back(std::make_unique<Warp>(*this, i, llvm::maskTrailingOnes<uint32_t>(threads)));
    Warp &warp = *warps.back();
    warp.clock.known.assign(context.kernel.usesAsyncProxy ? 3 * numWarps : numWarps, 0);
    warp.clock.known[i] = 1;
    setSpecialRegisters(warp);
  }
  clusterBarrier = std::make_unique<ClusterBarrier>(*this);
  if (context.kernel.usesWarpGroups)
    warpGroups = std::make_unique<WarpGroups>(*this);
}

void Block::setSpecialRegisters(Warp &warp) {
  using S = SpecialRegister;
  Dim3 block = context.launch.block, grid = context.launch.grid;
  for (const auto &[which, operand] : context.kernel.specials) {
    uint32_t *row = warp.destination<uint32_t>(operand);
    warp.written[operand.index] = allLanes;
    for (uint32_t lane = 0; lane < warpSize; ++lane) {
      uint32_t thread = warp.index * warpSize + lane;
      auto value = [&, which = which]() -> uint32_t {
        switch (which) {
        case S::TidX:
          return thread % block.x;
        case S::TidY:
          return thread / block.x % block.y;
        case S::TidZ:
          return thread / block.x / block.y;
        case S::NtidX:
          return block.x;
        case S::NtidY:
          return block.y;
        case S::NtidZ:
          return block.z;
        case S::CtaidX:
          return coordinates.x;
        case S::CtaidY:
          return coordinates.y;
        case S::CtaidZ:
          return coordinates.z;
        case S::NctaidX:
          return grid.x;
        case S::NctaidY:
          return grid.y;
        case S::NctaidZ:
          return grid.z;
        case S::LaneId:
          return lane;
        case S::WarpId:
          return warp.index;
        case S::NWarpId:
          return (numThreads + warpSize - 1) / warpSize;
        case S::LanemaskEq:
          return 1u << lane;
        case S::LanemaskLe:
          return (2u << lane) - 1;
        case S::LanemaskLt:
          return (1u << lane) - 1;
        case S::LanemaskGe:
          return ~((1u << lane) - 1);
        case S::LanemaskGt:
          return ~((2u << lane) - 1);
        case S::DynamicSharedSize:
          return context.launch.dynamicSharedBytes;
        case S::Zero:
          return 0;
        case S::One:
          return 1;
        }
        llvm_unreachable("unknown special register");
      };
      row[lane] = value();
    }
  }
}

//===----------------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------------===//

bool Block::checkReads(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  for (uint32_t index : instruction.reads) {
    uint32_t missing = lanes & ~warp.written[index];
    if (!missing)
      continue;
    warp.fail(missing,
              "reads register '" + llvm::Twine(context.kernel.registers[index].name) + "', which was never written");
    return false;
  }
  return true;
}

void Block::step(Warp &warp) {
  Warp::Path &path = warp.paths.back();
  if (path.pc >= context.kernel.instructions.size())
    return warp.exit(path.lanes);
  const Instruction &instruction = context.kernel.instructions[path.pc];
  warp.current = &instruction;
  ++counts[path.pc++].executions;
  uint32_t lanes = path.lanes;
  if (instruction.guard >= 0) {
    uint32_t missing = lanes & ~warp.written[instruction.guard];
    if (missing)
      return warp.fail(missing, "reads predicate '" + llvm::Twine(context.kernel.registers[instruction.guard].name) +
                                    "', which was never written");
    uint32_t guard = warp.predicates[instruction.guard];
    lanes &= instruction.isGuardNegated ? ~guard : guard;
  }
  if (!lanes && !instruction.isControl)
    return;
  if (instruction.isAligned && lanes && lanes != warp.living)
    return warp.fail(warp.living & ~lanes, "all lanes of the warp must execute this together; the ones named do not");
  if (instruction.needsAllLanes && lanes && lanes != allLanes)
    return warp.fail(~lanes, "all 32 lanes of a warp must execute this together; the ones named do not");
  if (!checkReads(warp, instruction, lanes))
    return;
  warp.active = lanes;
  if (warpGroups && !instruction.isWgmma && !warpGroups->access(warp, instruction))
    return;
  instruction.execute(warp, instruction);
  for (uint32_t index : instruction.writes)
    warp.written[index] |= lanes;
}

/// Runs a warp until it waits, yields or has had its turn; true in the last case, where more of the same may follow.
bool Block::runTurn(Warp &warp) {
  constexpr unsigned turn = 4096;
  warp.yields = false;
  for (unsigned i = 0; i < turn && warp.state == Warp::State::Ready && !warp.yields; ++i) {
    step(warp);
    if (warp.failed())
      return false;
    warp.settle();
    ++warp.issued;
  }
  if (warp.issued > context.options.instructionLimit)
    warp.fail(warp.living,
              "the warp has issued " + llvm::Twine(warp.issued) + " instructions: it is taken to loop for ever");
  return !warp.yields;
}

llvm::Error Block::run() {
  for (;;) {
    bool anyReady = false, allDone = true, allYield = true;
    for (std::unique_ptr<Warp> &warp : warps) {
      if (warp->state == Warp::State::Ready) {
        anyReady = true;
        allYield &= !runTurn(*warp);
      }
      if (!failure.empty())
        return llvm::createStringError(failure);
      allDone &= warp->state == Warp::State::Done;
    }
    if (allDone)
      return finish();
    if (!anyReady && !expireWaits())
      failDeadlock();
    // Perhaps they poll for what another CTA does.
    if (anyReady && allYield)
      std::this_thread::yield();
  }
}

void Block::wake(uint64_t key) {
  for (std::unique_ptr<Warp> &warp : warps)
    if (warp->state == Warp::State::Waiting && warp->wakeKey == key) {
      warp->state = Warp::State::Ready;
      warp->wakeKey = 0;
    }
}

/// Nothing can run: mbarrier.try_wait would reach its time limit. False where that has not helped before.
bool Block::expireWaits() {
  constexpr unsigned limit = 4;
  uint64_t progress = mbarriers.progress() + barriersPassed;
  idleTurns = progress == lastProgress ? idleTurns + 1 : 0;
  lastProgress = progress;
  bool anyWoken = false;
  for (std::unique_ptr<Warp> &warp : warps) {
    if (warp->state != Warp::State::Waiting || warp->wakeKey == 0)
      continue;
    warp->isTimedOut = true;
    warp->wakeKey = 0;
    // The last turn is for the message: its waits fail like the others.
    if (idleTurns < limit)
      warp->state = Warp::State::Ready;
    anyWoken = true;
  }
  return anyWoken && idleTurns < limit;
}

/// What still runs when every thread has exited is lost.
llvm::Error Block::finish() {
  std::string unfinished = mbarriers.findUnfinished();
  if (unfinished.empty() && warpGroups)
    unfinished = warpGroups->findUnfinished();
  for (const std::unique_ptr<Warp> &warp : warps)
    if (unsigned line = unfinished.empty() ? warp->bulkGroups.unfinishedLine() : 0)
      unfinished = "the CTA ends while the bulk copy of line " + std::to_string(line) +
                   " may still read shared memory: no cp.async.bulk.wait_group came after it";
  if (unfinished.empty())
    return llvm::Error::success();
  Dim3 at = coordinates;
  return llvm::createStringError(context.program.name + ": kernel '" + context.kernel.info.name + "': " + unfinished +
                                 "; cta (" + llvm::Twine(at.x) + "," + llvm::Twine(at.y) + "," + llvm::Twine(at.z) +
                                 ")");
}

void Block::fenceProxy(Warp &warp) {
  size_t numWarps = warps.size();
  std::vector<uint32_t> &known = warp.clock.known;
  for (size_t i = 0; i < numWarps; ++i)
    known[2 * numWarps + i] = std::max(known[2 * numWarps + i], known[i]);
  // What follows is not covered.
  ++known[warp.index];
}

void Block::setMaximumRegisters(Warp &warp, unsigned count) {
  constexpr unsigned registersOfProcessor = 65536;
  maximumRegisters.resize(warps.size());
  maximumRegisters[warp.index] = count;
  unsigned sum = 0;
  for (unsigned registers : maximumRegisters)
    sum += registers * warpSize;
  if (sum > registersOfProcessor)
    warp.fail(warp.active, "the warps have asked for " + llvm::Twine(sum) + " registers; there are 65536");
}

/// Every warp that is left waits for something that nobody will bring.
void Block::failDeadlock() {
  std::string others;
  Warp *first = nullptr;
  for (std::unique_ptr<Warp> &warp : warps) {
    if (warp->state != Warp::State::Waiting) {
      others += "; warp " + std::to_string(warp->index) + " has exited";
      continue;
    }
    if (!first)
      first = warp.get();
    else
      others += "; warp " + std::to_string(warp->index) + " waits at line " + std::to_string(warp->current->line);
  }
  first->fail(first->living, "waits for ever for " + first->waitsFor + others);
}

//===----------------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------------===//

void Block::arriveAtBarrier(Warp &warp, unsigned number, uint32_t threads, bool waits) {
  if (number >= barriers.size())
    return warp.fail(warp.active, "barrier " + llvm::Twine(number) + " does not exist: there are 16");
  Barrier &barrier = barriers[number];
  if (threads % warpSize)
    return warp.fail(warp.active, "the number of threads, " + llvm::Twine(threads) + ", is not a multiple of 32");
  uint32_t expected = threads ? threads : numThreads;
  if (barrier.arrived == 0) {
    barrier.expected = expected;
    barrier.line = warp.current->line;
    barrier.clock.assign(warp.clock.known.size(), 0);
  } else if (barrier.expected != expected) {
    return warp.fail(warp.active, "barrier " + llvm::Twine(number) + " expects " + llvm::Twine(barrier.expected) +
                                      " threads since line " + llvm::Twine(barrier.line) + ", not " +
                                      llvm::Twine(expected));
  }
  if (llvm::is_contained(barrier.participants, &warp))
    return warp.fail(warp.active, "arrives again at barrier " + llvm::Twine(number) + " before it is complete");
  // A barrier for a number of threads counts whole warps.
  barrier.arrived += threads ? warpSize : llvm::popcount(warp.active);
  barrier.participants.push_back(&warp);
  for (size_t i = 0; i < barrier.clock.size(); ++i)
    barrier.clock[i] = std::max(barrier.clock[i], warp.clock.known[i]);
  if (waits) {
    barrier.waiting.push_back(&warp);
    warp.state = Warp::State::Waiting;
    warp.waitsFor = "barrier " + std::to_string(number) + ", where ";
  } else {
    // What follows is not covered.
    ++warp.clock.known[warp.index];
  }
  for (Warp *waiting : barrier.waiting)
    waiting->waitsFor = "barrier " + std::to_string(number) + ", where " + std::to_string(barrier.arrived) + " of " +
                        std::to_string(barrier.expected) + " threads are";
  if (barrier.arrived >= barrier.expected)
    completeBarrier(barrier);
}

void Block::reduceAtBarrier(Warp &warp, unsigned number, uint32_t threads, uint32_t predicate) {
  if (number < barriers.size())
    barriers[number].holding += llvm::popcount(predicate & warp.active);
  arriveAtBarrier(warp, number, threads, true);
}

void Block::completeBarrier(Barrier &barrier) {
  for (Warp *warp : barrier.waiting) {
    warp->state = Warp::State::Ready;
    uint32_t own = warp->clock.known[warp->index];
    for (size_t i = 0; i < barrier.clock.size(); ++i)
      warp->clock.known[i] = std::max(warp->clock.known[i], barrier.clock[i]);
    warp->clock.synced = own;
    warp->clock.lanes.clear();
    warp->clock.known[warp->index] = own + 1;
    finishReduction(*warp, barrier.holding, barrier.expected);
  }
  barriersPassed += barrier.waiting.size() == warps.size();
  barrier = Barrier();
}

/// The result of bar.red: modifiers[0] of the instruction says which (1 popc, 2 and, 3 or).
void Block::finishReduction(Warp &warp, uint32_t holding, uint32_t expected) {
  const Instruction &instruction = *warp.current;
  if (instruction.modifiers[0] == 0)
    return;
  const Operand &result = instruction.operands[0];
  warp.active = warp.onPath();
  if (instruction.modifiers[0] == 1)
    forEachLane(warp.active, [&](unsigned lane) { warp.setValue(result, lane, holding); });
  else
    warp.setPredicate(result, (instruction.modifiers[0] == 2 ? holding == expected : holding > 0) ? allLanes : 0);
}
