//===- Inference.h - types, shapes and small integer values of ONNX graphs ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_ANALYSIS_INFERENCE_H
#define QUANTOPT_DIALECT_ONNX_ANALYSIS_INFERENCE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "quantopt/Dialect/Onnx/Analysis/SymbolicDim.h"
#include <optional>

namespace quantopt::onnx {

/// What is known of a value.
struct Fact {
  /// Null when unknown.
  mlir::Type elementType;
  /// Nothing for a value of unknown rank. Dimensions are not negative.
  std::optional<SymbolicDims> shape;
  /// Elements, row-major, of a small tensor whose elements are integers (of whatever element type).
  std::optional<SymbolicDims> elements;
  /// An omitted optional input.
  bool isOmitted = false;

  /// The tensor type that says the same; `!onnx.unknown` for the element type where that is not known.
  mlir::Type toType(mlir::MLIRContext *context) const;
};

/// A node as inference sees it.
struct NodeFacts {
  llvm::StringRef domain;
  llvm::StringRef type;
  mlir::DictionaryAttr attributes;
  llvm::ArrayRef<Fact> inputs;
  unsigned numOutputs = 1;
};

/// Forward inference for the operators of LLM graphs. Element types follow for all of them; ranks and sizes wherever
/// they follow from the inputs' facts. Unknown operators give empty facts. Never fails: what does not fit together is
/// left unknown, since it is for the executor to refuse a model. One set of rules serves import, which has no IR yet,
/// and SymbolicShapes, which has.
class Inference {
public:
  explicit Inference(mlir::MLIRContext *context) : context(context) {}

  llvm::SmallVector<Fact> infer(const NodeFacts &node);

  /// What a type and its dimensions, integers and names, say; dynamic ones without a name become unknowns.
  Fact declare(mlir::Type type, mlir::ArrayAttr dims);
  /// Adds to `inferred` what `declared` knows better.
  static void refine(Fact &inferred, const Fact &declared);
  /// Facts of a constant, its elements included when they are few and integers.
  Fact constant(mlir::DenseElementsAttr elements);

  /// A dimension about which nothing is known.
  SymbolicDim newSize() { return dims.unknown(/*isNonNegative=*/true); }
  mlir::MLIRContext *getContext() const { return context; }

  DimContext dims;

private:
  /// Drops elements that cannot be right, and names the unknown elements of small integer tensors, so that a tensor of
  /// which one element is known can be used.
  void complete(Fact &fact);

  mlir::MLIRContext *context;
};

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_ANALYSIS_INFERENCE_H
