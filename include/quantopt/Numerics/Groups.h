//===- Groups.h - elements of a row that share a scale --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_GROUPS_H
#define QUANTOPT_NUMERICS_GROUPS_H

#include <cstdint>

namespace quantopt::numerics {

/// Elements per group of a row of `size`; a group size of 0 stands for the whole row.
inline int64_t groupWidth(int64_t size, int64_t groupSize) { return groupSize ? groupSize : size; }

/// Groups of a row of `size` elements, the last one possibly shorter.
inline int64_t groupCount(int64_t size, int64_t groupSize) {
  return groupSize ? (size + groupSize - 1) / groupSize : 1;
}

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_GROUPS_H
