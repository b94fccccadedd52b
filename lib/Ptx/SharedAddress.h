//===- SharedAddress.h - addresses of shared memory ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_SHAREDADDRESS_H
#define QUANTOPT_LIB_PTX_SHAREDADDRESS_H

#include "InstructionTable.h"
#include "MemoryAccess.h"

namespace quantopt::ptx {

/// Takes .shared, .shared::cta or .shared::cluster (a cluster is one CTA); without one, addresses are generic.
inline StateSpace takeSharedSpace(InstructionDecoder &decoder) {
  bool isShared = decoder.take("shared") || decoder.take("shared::cta") || decoder.take("shared::cluster");
  return isShared ? StateSpace::Shared : StateSpace::Generic;
}

/// An offset in shared memory from an address of either space; false after telling the warp.
inline bool toSharedOffset(Warp &warp, unsigned lane, StateSpace space, uint64_t &address) {
  if (resolve(space, address) == StateSpace::Shared)
    return true;
  warp.fail(1u << lane, "the generic address is not one of shared memory");
  return false;
}

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_SHAREDADDRESS_H
