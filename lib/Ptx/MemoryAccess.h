//===- MemoryAccess.h - memory as instructions name it -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_MEMORYACCESS_H
#define QUANTOPT_LIB_PTX_MEMORYACCESS_H

#include "Block.h"

namespace quantopt::ptx {

// One lane's access to a state space; generic addresses find their own. False after telling the warp what is wrong.
bool loadLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes, void *to,
              bool isStrong = false);
bool storeLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes, const void *from);
/// The bytes of an atomic access, or null. Accesses to global memory hold GlobalMemory::atomicMutex().
uint8_t *atomicLane(Warp &warp, StateSpace space, unsigned lane, uint64_t address, unsigned bytes, bool reads = true);

/// The space of a lane's address: the instruction's, or where a generic address points (`address` becomes one of that
/// space).
StateSpace resolve(StateSpace space, uint64_t &address);

/// Counts a warp's request, where counters are wanted: bank conflicts of shared memory or sectors of global memory.
/// Generic requests go by their first lane.
void countRequest(Warp &warp, const Instruction &instruction, StateSpace space, const uint64_t *addresses,
                  unsigned bytes, bool isStore);
/// A contiguous piece of global memory that a bulk copy reads or writes.
void countBulkCopy(Warp &warp, const Instruction &instruction, uint64_t address, unsigned bytes, bool isStore);
/// One request of ldmatrix, stmatrix or wgmma with an address for each 16 bytes: 8 for each matrix.
void countMatrixRequest(Warp &warp, const Instruction &instruction, const uint64_t *rows, unsigned matrices);

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_MEMORYACCESS_H
