//===- Tile.h - one op per GPU kernel -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_TILE_IR_TILE_H
#define QUANTOPT_DIALECT_TILE_IR_TILE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Dialect/Tile/IR/Architecture.h"
#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Numerics/Layout.h"

namespace quantopt::tile {

/// What the blocks of a launch stand for in its y dimension, of `rows` rows that are the tokens of B sequences, S each.
enum class GridRows {
  Rows,         ///< ceil(rows / rowsPerBlock)
  SequenceRows, ///< B · ceil(S / rowsPerBlock): blocks of one sequence stand together
  Sequences,    ///< B
};

/// How a kernel is launched over `rows` rows.
struct Launch {
  int64_t threads;            ///< Of a block.
  int64_t dynamicSharedBytes; ///< Of a block.
  int64_t gridX;
  int64_t rowsPerBlock;
  GridRows gridRows = GridRows::Rows; ///< What gridY is.
};

/// How a kernel reads an operand [rows, columns] that it takes as a tensor map (CUtensorMap, 128 bytes among the
/// parameters) in place of a pointer: in boxes, with zeros for what is outside of the tensor. Elements are bytes; rows
/// begin at multiples of `rowBytes`.
struct TensorMapPlan {
  int64_t rowBytes;
  int64_t boxBytes, boxRows; ///< Of a row, and rows, in one copy.
  int64_t swizzleBytes;      ///< 32, 64 or 128.
};

/// What a launch has to move and to compute, at least.
struct Cost {
  int64_t bytesRead = 0, bytesWritten = 0;
  int64_t operations = 0; ///< Multiplications and additions on tensor cores.
  Mma mma = Mma::Derived; ///< The instruction that does them; Derived: none.
  /// The larger of the times of memory and of tensor cores on the architecture's reference GPU.
  double getRooflineSeconds(Arch arch) const;
};

/// Numbers of a matrix product that its types and its configuration give.
struct GemmShape {
  int64_t n, k;
  int64_t inputBits, weightBits; ///< 4, 8 or 16.
  int64_t groups;                ///< Of the contraction: 1 without group scales.
  Mma mma;                       ///< Never Derived.
  /// Columns of an input row in memory.
  int64_t getPaddedK() const { return inputBits == 16 ? k : numerics::Layout::getPaddedColumns(k); }
};

} // namespace quantopt::tile

#include "tile/TileInterfacesOp.h.inc"
#include "tile/TileOpsDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "tile/TileAttrs.h.inc"
#define GET_OP_CLASSES
#include "tile/TileOps.h.inc"

namespace quantopt::tile {

/// Operands of any of the gemm ops; null where it has none.
struct GemmOperands {
  mlir::Value input, inputScale, weight, weightScale, groupScales, bias, residual;
  GemmAttr config;
};
GemmOperands getGemmOperands(mlir::Operation *op);
/// The shape of any of the gemm ops.
GemmShape getGemmShape(mlir::Operation *op);
/// Numbers of attention that the types give.
struct AttentionShape {
  int64_t heads, kvHeads, headDim;
  int64_t getGroup() const { return heads / kvHeads; } ///< Query heads that read one head of the cache.
};
/// Of a rope_append, attention or attention_decode op.
AttentionShape getAttentionShape(mlir::Operation *op);
/// The order of a gemm's packed weight; none for float weights, which are row-major.
std::optional<numerics::Layout> getWeightLayout(mlir::Operation *op);
/// Name of a kernel's configuration attribute on an op that is not yet a kernel: overrides the table.
inline constexpr llvm::StringLiteral configAttrName = "tile.config";

} // namespace quantopt::tile

#endif // QUANTOPT_DIALECT_TILE_IR_TILE_H
