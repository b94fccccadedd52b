//===- Tile.cpp - kernels of the tile dialect ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"

using namespace quantopt;

void interp::registerTileKernels(KernelRegistry &registry) {
  registerTileGemms(registry);
  registerTileRows(registry);
  registerTileAttention(registry);
}
