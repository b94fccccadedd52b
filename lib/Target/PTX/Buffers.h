//===- Buffers.h - places of activations in one arena -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TARGET_PTX_BUFFERS_H
#define QUANTOPT_LIB_TARGET_PTX_BUFFERS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>

namespace quantopt {

/// An array of rows that ops hand on. Ops are numbered in the order in which they run.
struct BufferRequest {
  int64_t rowBytes;
  /// The op that writes it, and the last that reads it (or `begin`).
  int64_t begin, end;
  /// The number of a request whose array the op `begin` reads element by element where it writes this one: its place is
  /// taken over if nothing reads it later.
  std::optional<size_t> residual;
};

struct BufferPlan {
  /// Bytes per row of the arena before each array: with R rows an array begins at offset · R. Multiples of 16.
  llvm::SmallVector<int64_t> offsets;
  /// Whether it lies where its residual lay.
  llvm::SmallVector<bool> isInPlace;
  /// Of the arena: a multiple of 16.
  int64_t rowBytes = 0;
};

/// Gives places to arrays so that no two overlap while both are needed: the largest first, each at the lowest place
/// that is free for as long as it lives (greedy by size: Pisarchyk and Lee, "Efficient Memory Management for Deep
/// Neural Net Inference", 2020, section 5.2).
BufferPlan planBuffers(llvm::ArrayRef<BufferRequest> requests);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_BUFFERS_H
