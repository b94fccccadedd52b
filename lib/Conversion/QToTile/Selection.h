//===- Selection.h - one function's ops replaced by kernels ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H
#define QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt::tile {

struct SelectionOptions {
  Arch arch;
  int64_t maxRows; ///< Of a launch; 0: any number.
  bool report;
};

class Selection {
public:
  explicit Selection(const SelectionOptions &options) : options(options) {}
  mlir::LogicalResult run(mlir::func::FuncOp function);

private:
  template <typename OpTy> mlir::LogicalResult selectEach(mlir::func::FuncOp function);
  mlir::LogicalResult select(q::LinearOp linear);
  mlir::LogicalResult select(llm::LinearOp linear);
  mlir::LogicalResult replaceFloats(llm::LinearOp linear);
  mlir::LogicalResult replaceWeightOnly(llm::LinearOp linear, q::DequantizeOp weight);
  mlir::LogicalResult select(llm::EmbeddingOp embedding);
  mlir::LogicalResult select(llm::RmsNormOp norm);
  /// A SwiGLU with the change of basis that alone reads it.
  mlir::LogicalResult select(llm::SwigluOp swiglu);
  mlir::LogicalResult select(RopeAppendOp append);
  /// The context of few sequences is split, in the phase that decodes, for enough blocks.
  mlir::LogicalResult select(AttentionOp attention);
  mlir::LogicalResult splitAttention(AttentionOp attention);

  /// Rows that are not in f16 or bf16 but that a kernel makes, as getHalf() has it make.
  static bool canMakeHalf(mlir::Value rows);
  /// The same rows in f16, made once for all who read them; rows of f16 or bf16 as they are. What kernels of linears
  /// read in a model of f32.
  mlir::FailureOr<mlir::Value> getHalf(mlir::Value rows);
  /// Erases what made rows that by now are read in f16 alone.
  void eraseReplaced();
  /// The kernel of a norm without a scale, or of a SwiGLU and a transform, with results of that type. A residual
  /// addition before the norm becomes part of it.
  mlir::FailureOr<mlir::Value> makeNorm(llm::RmsNormOp norm, mlir::Type element);
  mlir::FailureOr<mlir::Value> makeSwiglu(llm::SwigluOp swiglu, mlir::Value rows, rot::Transform transform,
                                          mlir::Type element);

  /// A quantizer with what makes the rows that it alone reads: a norm or a SwiGLU, and a change of basis.
  mlir::LogicalResult select(q::QuantizeDynamicOp quantize);
  mlir::LogicalResult replaceQuantizer(q::QuantizeDynamicOp quantize, mlir::Value rows, rot::Transform transform);
  mlir::LogicalResult replaceNorm(q::QuantizeDynamicOp quantize, llm::RmsNormOp norm, rot::Transform transform);
  mlir::LogicalResult replaceSwiglu(q::QuantizeDynamicOp quantize, llm::SwigluOp swiglu, rot::Transform transform);
  /// Puts codes and scale of `kernel`, its first results, in the place of the quantizer's; erases it, a change of basis
  /// in front of it and the producer of the rows, if given, where nothing else reads them.
  mlir::LogicalResult replaceCodes(q::QuantizeDynamicOp quantize, mlir::Operation *kernel, mlir::Operation *producer);
  /// The configuration that the op asks for, or the table's.
  mlir::FailureOr<GemmAttr> chooseConfig(mlir::Operation *op, llvm::StringRef kernel, int64_t n, int64_t k);
  mlir::FailureOr<RowsAttr> chooseRowsConfig(mlir::Operation *op, mlir::Value rows);
  /// Codes in 8 bits whatever their range; null where they are not this function's to make.
  mlir::Value widenCodes(mlir::Value codes);
  /// Says, in a report, why an op has no kernel.
  void keep(mlir::Operation *op, const llvm::Twine &reason);
  /// Verifies the kernel of an op, takes over its attributes and says what was chosen.
  mlir::LogicalResult finish(mlir::Operation *before, mlir::Operation *kernel);

  bool isDecode() const;

  /// Where the kernel of a linear goes: a residual addition that alone reads the linear is part of it.
  struct LinearPlace {
    mlir::Operation *last; ///< The op that the kernel replaces.
    mlir::Value residual;
  };
  static LinearPlace findPlace(mlir::Operation *linear);
  /// Finishes a kernel that was made at its place, and erases what it replaces.
  mlir::LogicalResult replaceLinear(mlir::Operation *linear, const LinearPlace &place, mlir::Operation *gemm);

  SelectionOptions options;
  std::string reason; ///< Of the last choice.
  llvm::DenseMap<mlir::Value, mlir::Value> widened;
  llvm::DenseMap<mlir::Value, mlir::Value> halves;
  /// The function is one step of one token for each sequence.
  bool isDecodePhase = false;
};

/// What takes rows from the basis of one type to that of another, where only that of the last dimension changes; null
/// for nothing. Failure where kernels have no such transform.
mlir::FailureOr<rot::Transform> findTransform(mlir::RankedTensorType from, mlir::RankedTensorType to);

/// Whether a linear's weight is a parameter, and its bias, if any, one as well or in f32, as kernels read it.
bool hasStoredWeights(mlir::Value weight, mlir::Value bias);
/// A weight expression in that type; null for null.
mlir::Value castWeight(mlir::OpBuilder &builder, mlir::Value weight, mlir::Type element);
/// Codes and scales of a weight in the order that `layout` says.
q::PackOp packWeight(mlir::OpBuilder &builder, mlir::Location location, mlir::Value codes, mlir::Value scale,
                     int64_t groupSize, numerics::Layout layout);

} // namespace quantopt::tile

#endif // QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H
