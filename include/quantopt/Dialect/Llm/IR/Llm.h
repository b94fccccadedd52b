//===- Llm.h - the layers of a decoder ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_IR_LLM_H
#define QUANTOPT_DIALECT_LLM_IR_LLM_H

#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"

#include "llm/LlmOpsDialect.h.inc"
namespace quantopt::llm {

/// √(2/π) and 0.044715, of GELU's approximation by tanh.
inline constexpr double geluTanhFactor = 0.79788456080286535588, geluTanhCubic = 0.044715;

/// x/2·(1 + erf(factor·x)), or x/2·(1 + tanh(factor·(x + cubic·x³))).
struct GeluForm {
  bool isTanh;
  double factor, cubic;
  /// With the usual numbers where none are stated.
  static GeluForm of(bool isTanh, std::optional<llvm::APFloat> factor, std::optional<llvm::APFloat> cubic);
};

} // namespace quantopt::llm

#define GET_OP_CLASSES
#include "llm/LlmOps.h.inc"

namespace quantopt::llm {

/// Marks an argument or a result of a function as state of the model: StringAttr, equal for past and present.
inline constexpr ::llvm::StringLiteral stateAttrName = "llm.state";
/// Says which layer of the decoder an op is: StringAttr, "layers.0.q_proj". Names of derived weights come from it.
inline constexpr ::llvm::StringLiteral roleAttrName = "llm.role";
/// Of the arguments of a function that llm-kv-lower has made: "ids", "sequences" or "pages".
inline constexpr ::llvm::StringLiteral inputAttrName = "llm.input";
/// Of a function that llm-specialize has made: "prefill" or "decode".
inline constexpr ::llvm::StringLiteral phaseAttrName = "llm.phase";
/// Of a function: the rows of its launches at most, for tile-select. I64.
inline constexpr ::llvm::StringLiteral maxRowsAttrName = "tile.max_rows";

/// Whether an op extends a cache, by appending to it or writing into it: operand 0 is the cache, operand 1 its new
/// rows.
inline bool isCacheExtension(::mlir::Operation *op) { return ::llvm::isa_and_nonnull<KvAppendOp, KvWriteOp>(op); }

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_IR_LLM_H
