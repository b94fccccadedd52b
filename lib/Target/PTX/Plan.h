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
  enum class Kind { Input, Weight, Result, State };
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
  /// Of an activation or a cache.
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

/// Keys or values of a layer.
struct PlannedCache {
  int64_t heads;
  numerics::KvLayout layout;

  int64_t getTokenBytes() const { return heads * layout.tokenBytes(); }
};

/// Of a model with caches.
struct PlannedModel {
  int64_t maxContext, vocabulary;
  bool isPaged;
};

/// The symbol of a parameter, and the number of a result.
using WeightKey = std::pair<mlir::StringAttr, unsigned>;

struct Plan {
  std::string arch, ptxVersion;
  std::map<std::string, FileDigest> files;
  /// By name, in the order of their first launch.
  llvm::MapVector<mlir::StringAttr, PlannedKernel> kernels;
  std::vector<PlannedPhase> phases;
  std::optional<PlannedModel> model;
  llvm::MapVector<mlir::StringAttr, PlannedCache> caches;
  /// Nodes of ops without a kernel, by the op's name.
  llvm::MapVector<mlir::StringAttr, std::vector<std::string>> unlowered;
  /// What kernels read of the loaded parameters, with one load of each; values of the module that the plan was made of.
  llvm::MapVector<WeightKey, mlir::Value> weights;
  /// Their names in the file of weights, once that is written.
  std::vector<std::string> weightNames;
};

/// The launches of the tile ops of `module`, whose weights are param.loads (param-hoist), and what is not lowered. A
/// function of at most as many rows as its attribute tile.max_rows says, or `maxRows` (0: any number).
Plan collectPlan(mlir::ModuleOp module, int64_t maxRows);

/// What a kernel takes: operands, then the results that have memory of their own.
llvm::SmallVector<mlir::Value> getParameters(tile::KernelOpInterface op);
/// What each of them is to the kernel: "residual".
llvm::SmallVector<llvm::StringRef> getParameterNames(tile::KernelOpInterface op);
/// What a matrix product adds to its result, element by element as it stores that; or none.
mlir::Value getResidual(mlir::Operation *op);
/// The layout of the caches that a kernel reads or writes; null of others.
tile::CacheAttr getCache(mlir::Operation *op);
bool isCacheOperand(mlir::Operation *op, unsigned number);
/// The value whose memory `value` lies in: itself, or what it aliases.
mlir::Value getMemory(mlir::Value value);

/// Bytes of a row in memory: of codes those that fill it up too.
int64_t getRowBytes(mlir::RankedTensorType type);
/// Elements of a row: the last dimension, unless that is one of rows too (token ids).
int64_t getColumns(mlir::RankedTensorType type);

/// What a kernel takes: operands, then the results that have memory of their own.
llvm::SmallVector<mlir::Value> getParameters(tile::KernelOpInterface op);
/// What each of them is to the kernel: "residual".
llvm::SmallVector<llvm::StringRef> getParameterNames(tile::KernelOpInterface op);
/// What a matrix product adds to its result, element by element as it stores that; or none.
mlir::Value getResidual(mlir::Operation *op);
/// The layout of the caches that a kernel reads or writes; null of others.
tile::CacheAttr getCache(mlir::Operation *op);
bool isCacheOperand(mlir::Operation *op, unsigned number);
/// The value whose memory `value` lies in: itself, or what it aliases.
mlir::Value getMemory(mlir::Value value);

/// Bytes of a row in memory: of codes those that fill it up too.
int64_t getRowBytes(mlir::RankedTensorType type);
/// Elements of a row: the last dimension, unless that is one of rows too (token ids).
int64_t getColumns(mlir::RankedTensorType type);

/// Gives the weights of all launches their names in the file, by Plan::weights.
void setWeightNames(Plan &plan, llvm::ArrayRef<std::string> names);

/// What a run takes beside the weights, for people: bytes of activations per row, and of the cache per token.
std::string summarizePlan(const Plan &plan);

/// The text of plan.json. The weights have names.
std::string printPlan(const Plan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_PLAN_H
