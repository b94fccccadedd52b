//===- Plan.h - what a bundle launches, as plan.json says it ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// plan.json, version 1. Dimensions that are known only when the model runs are null; all dimensions but the last are
// rows, whose number a launch gets as its last argument.
//
//   {"format": "quantopt-bundle", "version": 1, "arch": "sm_80", "ptx_version": "8.0", "max_rows": null,
//    "files": {"kernels.ptx": {"bytes": 1234, "sha256": "..."}, ...},
//    "kernels": [{"name": "gemm_...", "block": 256, "dynamic_shared_bytes": 98304,
//                 "grid": {"x": 12, "rows_per_block": 128},
//                 "arguments": [{"name": "input_scale", "is": "input" | "weight" | "result", "dtype": "f32",
//                                "columns": 1, "row_bytes": 4},
//                               ..., {"name": "rows", "is": "rows", "dtype": "ui32"}]}],
//    "launches": [{"kernel": "gemm_...", "node": "/model/layers.0/self_attn/q_proj/MatMul", "role": "layers.0.q_proj",
//                  "arguments": [{"activation": "..."} | {"weight": "..."}, ...]}],
//    "activations": {"name": {"dtype": "i4", "shape": [null, null, 576], "row_bytes": 288}},
//    "unlowered": [{"op": "llm.attention", "count": 30, "nodes": ["..."]}]}
//
// max_rows is the most that a launch may have, or null. The grid of a launch is x by ceil(rows / rows_per_block)
// blocks. Rows of 4-bit codes are filled up with zeros to a multiple of 64 codes; row_bytes counts that. Weights are
// tensors of weights.safetensors and have a "shape" in place of columns; packed codes have a "layout"
// (numerics::Layout). Launches stand in the order of the graph. An argument with "tensor_map": {"row_bytes": 576,
// "box": [128, 64], "swizzle": 128} is not a pointer but a CUtensorMap (128 bytes) of rank 2 over it: elements are
// bytes, box and strides in bytes and rows, zeros fill what is outside.
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
  /// Of an activation; of a weight once the file of weights is written.
  std::string name;
  /// Number of a weight in Plan::weights.
  unsigned weight = 0;
  /// Of packed codes: the name of their numerics::Layout.
  std::string layout;
  /// Of what the kernel takes by a tensor map in place of a pointer.
  std::optional<tile::TensorMapPlan> tensorMap;
};

struct PlannedLaunch {
  std::string kernel, node, role;
  llvm::SmallVector<PlannedArgument> arguments;
};

struct PlannedKernel {
  tile::Launch launch;
  llvm::SmallVector<PlannedArgument> arguments;
};

struct Plan {
  std::string arch, ptxVersion;
  /// 0: any number.
  int64_t maxRows = 0;
  std::map<std::string, FileDigest> files;
  std::vector<PlannedLaunch> launches;
  /// By name, in the order of their first launch.
  llvm::MapVector<mlir::StringAttr, PlannedKernel> kernels;
  llvm::MapVector<mlir::StringAttr, mlir::RankedTensorType> activations;
  /// Nodes of ops without a kernel, by the op's name.
  llvm::MapVector<mlir::StringAttr, std::vector<std::string>> unlowered;
  /// What kernels read of the loaded parameters.
  llvm::SetVector<mlir::Value> weights;
};

/// The launches of the tile ops of `module`, whose weights are param.loads (param-hoist), and what is not lowered.
Plan collectPlan(mlir::ModuleOp module);

/// Gives the weights of all launches their names in the file, by Plan::weights.
void setWeightNames(Plan &plan, llvm::ArrayRef<std::string> names);

/// The text of plan.json.
std::string printPlan(const Plan &plan);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_PLAN_H
