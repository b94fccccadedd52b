//===- Plan.h - what a bundle launches, as plan.json says it ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// plan.json, version 2: the kernels of a bundle, and for each phase (a function of the model) its launches in order and
// the places of what they hand on. plan.schema.json, beside this file, documents and checks every field.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TARGET_PTX_PLAN_H
#define QUANTOPT_LIB_TARGET_PTX_PLAN_H

#include "BundleFolder.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <map>

namespace quantopt {

inline constexpr llvm::StringLiteral planFileName = "plan.json";

/// One array that a kernel reads or writes.
struct PlannedArgument {
  enum class Kind { Input, Weight, Result };
  Kind kind;
  mlir::RankedTensorType type;
  /// What it is to the kernel: "residual".
  std::string role;
  /// Of packed codes: the name of their numerics::Layout.
  std::string layout;
  /// Of what the kernel takes by a tensor map in place of a pointer.
  std::optional<tile::TensorMapPlan> tensorMap;
};

struct PlannedKernel {
  tile::Launch launch;
  llvm::SmallVector<PlannedArgument> arguments;
};

/// What a launch gives its kernel for an argument.
struct PlannedOperand {
  PlannedArgument::Kind kind;
  /// Of an activation; of a weight once the file of weights is written.
  std::string name;
  /// Number of a weight in Plan::weights.
  size_t weight = 0;
};

struct PlannedLaunch {
  std::string kernel, node, role;
  llvm::SmallVector<PlannedOperand> operands;
};

/// An activation. What the caller gives or takes has no place in the arena.
struct PlannedBuffer {
  mlir::RankedTensorType type;
  std::optional<int64_t> offset; ///< Bytes per row of the arena.
  std::string inPlaceOf;         ///< The activation whose place it takes over.
};

/// A function of the model.
struct PlannedPhase {
  std::string name;
  /// Of a launch; 0: any number.
  int64_t maxRows = 0;
  /// Bytes per row.
  int64_t arenaRowBytes = 0;
  /// The first launch from which on all work row by row.
  size_t tail = 0;
  llvm::MapVector<mlir::StringAttr, PlannedBuffer> buffers;
  /// Names in the model, and of the activation.
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
  std::vector<PlannedLaunch> launches;
};

struct Plan {
  std::string arch, ptxVersion;
  std::map<std::string, FileDigest> files;
  /// By name, in the order of their first launch.
  llvm::MapVector<mlir::StringAttr, PlannedKernel> kernels;
  std::vector<PlannedPhase> phases;
  /// Nodes of ops without a kernel, by the op's name.
  llvm::MapVector<mlir::StringAttr, std::vector<std::string>> unlowered;
  /// What kernels read of the loaded parameters: the symbol and the number of the result, with one load of it.
  llvm::MapVector<std::pair<mlir::StringAttr, unsigned>, mlir::Value> weights;
};

/// The launches of the tile ops of `module`, whose weights are param.loads (param-hoist), and what is not lowered. A
/// function of at most as many rows as its attribute tile.max_rows says, or `maxRows` (0: any number).
Plan collectPlan(mlir::ModuleOp module, int64_t maxRows);

/// Bytes of a row in memory: of codes those that fill it up too.
int64_t getRowBytes(mlir::RankedTensorType type);
/// Elements of a row: the last dimension, unless that is one of rows too (token ids).
int64_t getColumns(mlir::RankedTensorType type);

/// Gives the weights of all launches their names in the file, by Plan::weights.
void setWeightNames(Plan &plan, llvm::ArrayRef<std::string> names);

/// The text of plan.json.
std::string printPlan(const Plan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_PLAN_H
