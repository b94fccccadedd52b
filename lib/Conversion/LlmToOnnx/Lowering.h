//===- Lowering.h - the state of one conversion, shared by its parts ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_LLMTOONNX_LOWERING_H
#define QUANTOPT_LIB_CONVERSION_LLMTOONNX_LOWERING_H

#include "NodeBuilder.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Conversion/LlmToOnnx/LlmToOnnx.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Dialect/Support/NodeName.h"

namespace quantopt {

/// Lowers the ops of one function in order. Old ops keep their operands and types until all are lowered, so that a
/// lowering sees bases in the types; `get` gives the node's value for an old one.
class Lowering {
public:
  /// `opset` is that of the model as it came; what is made is of opset 21, or of this one if it is later.
  Lowering(mlir::func::FuncOp function, const LlmToOnnxOptions &options, int64_t opset)
      : options(options), opset(opset), function(function), builder(function) {}

  /// Lowers everything, strips bases from the signature, removes what was lowered.
  mlir::LogicalResult run();

  mlir::Value get(mlir::Value old) const { return map.lookupOrDefault(old); }

  // One overload per op; an error has been reported when it gives null.
  mlir::Value lower(llm::EmbeddingOp op);
  mlir::Value lower(llm::RmsNormOp op);
  mlir::Value lower(llm::LayerNormOp op);
  mlir::Value lower(llm::LinearOp op);
  mlir::Value lower(llm::ResidualAddOp op);
  mlir::Value lower(llm::SwigluOp op);
  mlir::Value lower(llm::GegluOp op);
  mlir::Value lower(llm::ActivationOp op);
  mlir::Value lower(llm::ScaleOp op);
  mlir::Value lower(llm::SplitHeadsOp op);
  mlir::Value lower(llm::MergeHeadsOp op);
  mlir::Value lower(llm::RopeOp op);
  mlir::Value lower(llm::KvAppendOp op);
  mlir::Value lower(llm::KvWriteOp op);
  mlir::Value lower(llm::AttentionOp op);
  mlir::Value lower(q::LinearOp op);
  mlir::Value lower(q::DequantizeOp op);
  mlir::Value lower(rot::ConvertOp op);
  mlir::LogicalResult lower(q::QuantizeDynamicOp op);

private:
  mlir::LogicalResult lowerOp(mlir::Operation *op);
  void dequantizeWeights();
  void finishSignature();

  /// The size of dimension 2 of a cache or of rows, as a scalar.
  mlir::Value sizeOfRows(llvm::StringRef step, mlir::Value value);
  /// [0, end) along dimension 2 of a cache: [end, 1].
  mlir::Value rowNumbers(llvm::StringRef step, mlir::Value end);
  /// A cache with `length` rows if it has fewer, and zeros from row first[b] of sequence b on; first is [B, 1, 1, 1].
  mlir::Value clearFrom(mlir::Value cache, mlir::Value first, mlir::Value length, llvm::ArrayRef<int64_t> shape);
  /// x · Wᵀ for a weight [N, K] that is an expression or a value.
  mlir::Value multiply(mlir::Value x, mlir::Value weight, llvm::ArrayRef<int64_t> shape);
  /// GELU, written out: opset 21 has Gelu, but not every runtime runs it in every type.
  mlir::Value gelu(mlir::Value x, llm::GeluForm form);
  mlir::Value addBias(mlir::Value product, mlir::Value bias);
  /// The transpose of a weight, as part of its expression.
  mlir::Value transposedWeight(mlir::Value weight);
  /// Codes and scales of a weight, packed as part of their expression.
  std::pair<mlir::Value, mlir::Value> pack(llvm::StringRef layout, mlir::Value codes, mlir::Value scale,
                                           int64_t groupSize);
  /// Rows of a table of codes; null where no operator takes such codes.
  mlir::Value gatherQuantized(llm::EmbeddingOp op, q::DequantizeOp table);
  mlir::Value weightOnlyLinear(llm::LinearOp op, q::DequantizeOp weight);
  mlir::Value quantizedProduct(q::LinearOp op);
  mlir::Value groupedProduct(q::LinearOp op);
  mlir::Value dequantizeLinear(llvm::StringRef step, mlir::Value codes, mlir::Value scale, mlir::Value zero,
                               int64_t axis, int64_t blockSize);
  /// Max or Min of every group of the last dimension: [.., groups].
  mlir::Value reduceGroups(llvm::StringRef type, llvm::StringRef step, mlir::Value value, int64_t groupSize);
  mlir::Value clampCodes(mlir::Value codes, int64_t bits, mlir::Type codeType);
  /// `scale` as a scale of `type`, f32 or f16, is stored.
  mlir::Value storedScale(mlir::Value scale, mlir::Type type);
  /// x · T along the last dimension.
  mlir::Value applyTransform(mlir::Operation *op, mlir::Value x, rot::Transform transform);
  mlir::Value applyLeaf(mlir::Operation *op, mlir::Value x, rot::Transform transform, int64_t blocks);
  mlir::Value applyHadamard(mlir::Operation *op, mlir::Value x, rot::HadamardAttr hadamard, bool inverted,
                            int64_t blocks);

  LlmToOnnxOptions options;
  int64_t opset;
  mlir::func::FuncOp function;
  NodeBuilder builder;
  mlir::IRMapping map;
};

/// The shape of a value's type.
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape();
}
inline mlir::Type elementOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType();
}

/// The model-local function quantopt::HadamardTransform of `module`, added when it is not there yet.
void addHadamardFunction(mlir::ModuleOp module);

/// Brings the nodes of `module` to opset 21. A diagnostic names the node that cannot be.
mlir::LogicalResult convertOpset(mlir::ModuleOp module);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_LLMTOONNX_LOWERING_H
