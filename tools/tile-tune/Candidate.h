//===- Candidate.h - one configuration of one kernel, measured --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_TILE_TUNE_CANDIDATE_H
#define QUANTOPT_TOOLS_TILE_TUNE_CANDIDATE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Ptx/Counters.h"

namespace quantopt::tiletune {

/// The tiles that a search is about; the rest of a #tile.gemm follows.
struct Tiles {
  int64_t bm, bn, bk, wm, wn, stages;
};

/// A matrix product y[rows, n] = x[rows, k] · wᵀ.
struct Problem {
  int64_t n, k;
};

/// The op of one problem, alone in a module.
struct Candidate {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  tile::KernelOpInterface op;
};

/// What searching needs to know.
struct Target {
  tile::Arch arch;
  std::string kernel; ///< "gemm_w4a4", ...
  std::string ptxas;  ///< The program.
};

/// All tiles worth trying, by size of block. Pipelines of asynchronous copies have at least three stages: two leave one
/// tile under way, which no model with round numbers should find enough.
std::vector<Tiles> listTiles(tile::Arch arch);

/// An op with these tiles, or nothing where it does not verify.
std::optional<Candidate> makeCandidate(mlir::MLIRContext &context, const Target &target, Tiles tiles, Problem problem);
/// The PTX of its kernel; nothing where there is no kernel of these tiles.
std::optional<std::string> buildPtx(Candidate &candidate);

/// Registers of a thread and bytes that spill, as ptxas -v says.
struct Registers {
  int64_t count = 0, spilledBytes = 0;
};
llvm::Expected<Registers> readRegisters(llvm::StringRef ptx, const Target &target);

/// What one block executes, on the interpreter: the part before and after the contraction, and that of a tile of it.
struct BlockWork {
  struct Counts {
    double instructions = 0, sharedCycles = 0;
  };
  Counts fixed, perTile;
};
llvm::Expected<BlockWork> measureBlock(mlir::MLIRContext &context, const Target &target, Tiles tiles);

/// Bytes of every argument of a launch over `rows` rows, operands first.
std::vector<uint64_t> argumentBytes(tile::KernelOpInterface op, int64_t rows);

} // namespace quantopt::tiletune

#endif // QUANTOPT_TOOLS_TILE_TUNE_CANDIDATE_H
