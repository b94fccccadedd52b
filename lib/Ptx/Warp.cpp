//===- Warp.cpp - the state of 32 threads that run together --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Warp.h"
#include "Block.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt::ptx;

std::string quantopt::ptx::describeLanes(uint32_t lanes) {
  std::string text = llvm::popcount(lanes) == 1 ? "lane " : "lanes ";
  llvm::ListSeparator separator(",");
  for (unsigned begin = 0; begin < warpSize; ++begin) {
    if (!(lanes >> begin & 1))
      continue;
    unsigned end = begin;
    while (end + 1 < warpSize && lanes >> (end + 1) & 1)
      ++end;
    text += llvm::StringRef(separator).str() + std::to_string(begin);
    if (end > begin)
      text += "-" + std::to_string(end);
    begin = end;
  }
  return text;
}

Warp::Warp(Block &block, unsigned index, uint32_t lanes)
    : block(block), index(index), living(lanes),
      constants(reinterpret_cast<const uint8_t *>(block.context.kernel.constants.data())),
      registers(block.context.kernel.registerBytes), predicates(block.context.kernel.registers.size()),
      written(block.context.kernel.registers.size()) {
  paths.push_back({0, ~0u, lanes});
}

uint64_t Warp::value(const Operand &operand, unsigned lane) const {
  switch (operand.bits) {
  case 16:
    return source<uint16_t>(operand)[lane];
  case 32:
    return source<uint32_t>(operand)[lane];
  default:
    return source<uint64_t>(operand)[lane];
  }
}

void Warp::setValue(const Operand &operand, unsigned lane, uint64_t value) {
  switch (operand.bits) {
  case 16:
    destination<uint16_t>(operand)[lane] = value;
    return;
  case 32:
    destination<uint32_t>(operand)[lane] = value;
    return;
  default:
    destination<uint64_t>(operand)[lane] = value;
  }
}

void Warp::addresses(const AddressOperand &address, uint64_t *result) const {
  if (address.base.bits == 64) {
    const uint64_t *base = source<uint64_t>(address.base);
    for (unsigned lane = 0; lane < warpSize; ++lane)
      result[lane] = base[lane] + address.displacement;
    return;
  }
  const uint32_t *base = source<uint32_t>(address.base);
  for (unsigned lane = 0; lane < warpSize; ++lane)
    result[lane] = base[lane] + address.displacement;
}

void Warp::fail(uint32_t lanes, const llvm::Twine &what) {
  if (isFailed)
    return;
  isFailed = true;
  Dim3 at = block.coordinates;
  block.failure = (block.context.program.name + ":" + llvm::Twine(current->line) + ": '" + current->text +
                   "': " + what + "; cta (" + llvm::Twine(at.x) + "," + llvm::Twine(at.y) + "," + llvm::Twine(at.z) +
                   "), warp " + llvm::Twine(index) + ", " + describeLanes(lanes))
                      .str();
}

bool Warp::checkWritten(const Operand &operand) {
  uint32_t missing = operand.kind == Operand::Kind::Register ? active & ~written[operand.index] : 0;
  if (missing)
    fail(missing, "reads register '" + llvm::Twine(block.context.kernel.registers[operand.index].name) +
                      "', which was never written");
  return !missing;
}

void Warp::waitFor(uint64_t key, std::string what) {
  --block.counts[--paths.back().pc].executions;
  state = State::Waiting;
  wakeKey = key;
  isTimedOut = false;
  waitsFor = std::move(what);
}

void Warp::branch(uint32_t taken, uint32_t target, uint32_t reconvergence) {
  Path &path = paths.back();
  uint32_t others = path.lanes & ~taken, next = path.pc;
  if (!taken)
    return;
  if (!others) {
    path.pc = target;
    return;
  }
  // The path goes on where its lanes meet; where that is also where it ends itself, those it meets are below.
  path.pc = reconvergence;
  if (path.pc == path.reconvergence && paths.size() > 1)
    paths.pop_back();
  if (next != reconvergence)
    paths.push_back({next, reconvergence, others});
  if (target != reconvergence)
    paths.push_back({target, reconvergence, taken});
}

void Warp::exit(uint32_t lanes) {
  living &= ~lanes;
  for (Path &path : paths)
    path.lanes &= ~lanes;
}

/// Leaves paths that are at their end or empty.
void Warp::settle() {
  while (!paths.empty() && (!paths.back().lanes || (paths.back().pc == paths.back().reconvergence && paths.size() > 1)))
    paths.pop_back();
  if (paths.empty())
    state = State::Done;
}

void Warp::syncLanes(uint32_t lanes) {
  uint32_t &own = clock.known[index];
  if ((lanes & living) == living) {
    clock.synced = own++;
    clock.lanes.clear();
    return;
  }
  if (clock.lanes.empty())
    clock.lanes.assign(warpSize, {});
  std::array<uint32_t, warpSize> joined = {};
  forEachLane(lanes, [&](unsigned lane) {
    for (unsigned other = 0; other < warpSize; ++other)
      joined[other] = std::max(joined[other], clock.lanes[lane][other]);
  });
  forEachLane(lanes, [&](unsigned lane) { joined[lane] = own; });
  forEachLane(lanes, [&](unsigned lane) { clock.lanes[lane] = joined; });
  ++own;
}
