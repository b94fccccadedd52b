//===- Architecture.h - what each GPU architecture executes ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_TILE_IR_ARCHITECTURE_H
#define QUANTOPT_DIALECT_TILE_IR_ARCHITECTURE_H

#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

#include "tile/TileAttrsEnums.h.inc"

namespace quantopt::tile {

/// Shape of an `mma.sync`; no such instruction where k is 0.
struct MmaShape {
  int64_t m = 0, n = 0, k = 0;
  explicit operator bool() const { return k; }
};

/// One architecture and its reference GPU. Sources: CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability"; PTX ISA, mma; vendor's datasheets, dense figures without sparsity.
struct Architecture {
  llvm::StringLiteral target; ///< `.target` of PTX and `-gpu-name` of ptxas: "sm_80".
  llvm::StringLiteral gpu;    ///< The GPU that the figures below are of.
  MmaShape s4, s8, f16;       ///< s4 is absent where it is emulated (from sm_90 on).
  bool hasCpAsync, hasTma, hasWgmma;
  int64_t sharedPerBlock;         ///< Dynamic shared memory of a block at most, in bytes.
  int64_t sharedPerSm;            ///< Bytes.
  int64_t registersPerSm;         ///< 32-bit registers.
  int64_t sms;                    ///< Streaming multiprocessors.
  double dramGBs;                 ///< DRAM bandwidth in GB/s.
  double s4Tops, s8Tops, f16Tops; ///< Dense tensor peaks; f16 with f32 accumulators.
  unsigned ptxVersion;            ///< Smallest `.version` that LLVM 22 writes for the target: 70 for 7.0.
};

const Architecture &getArchitecture(Arch arch);

} // namespace quantopt::tile

#endif // QUANTOPT_DIALECT_TILE_IR_ARCHITECTURE_H
