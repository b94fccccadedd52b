//===- Inference.h - types, shapes and small integer values of ONNX graphs ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_INFERENCE_H
#define QUANTOPT_LIB_ONNX_INFERENCE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <optional>

namespace quantopt {

/// An integer that is known, or a name for one that is not: equal symbols are equal integers. Dimensions of symbolic
/// size and elements of shape tensors are of this kind, so that [B, S, 576] reshaped to [B, S, -1, 64] gives 9 heads.
class Dim {
public:
  Dim() = default;
  static Dim constant(int64_t value) { return Dim(value, false); }
  static Dim symbol(int64_t id) { return Dim(id, true); }
  bool isConstant() const { return !isSymbol; }
  bool is(int64_t value) const { return !isSymbol && number == value; }
  /// The value of a constant, the identity of a symbol.
  int64_t get() const { return number; }
  bool operator==(const Dim &other) const { return number == other.number && isSymbol == other.isSymbol; }
  bool operator!=(const Dim &other) const { return !(*this == other); }
  bool operator<(const Dim &other) const {
    return std::pair(isSymbol, number) < std::pair(other.isSymbol, other.number);
  }

private:
  Dim(int64_t number, bool isSymbol) : number(number), isSymbol(isSymbol) {}
  int64_t number = 0;
  bool isSymbol = false;
};
using Dims = llvm::SmallVector<Dim, 4>;

/// What is known of a value.
struct Fact {
  /// Null when unknown.
  mlir::Type elementType;
  /// Nothing for a value of unknown rank.
  std::optional<Dims> shape;
  /// Elements of a tensor of at most one dimension whose elements are integers (of whatever element type).
  std::optional<Dims> elements;
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
/// left unknown, since it is for the executor to refuse a model.
class Inference {
public:
  explicit Inference(mlir::MLIRContext *context) : context(context) {}

  llvm::SmallVector<Fact> infer(const NodeFacts &node);

  /// What a type and its named dimensions say; unnamed dynamic dimensions become new symbols.
  Fact declare(mlir::Type type, mlir::ArrayAttr dims);
  /// Adds to `inferred` what `declared` knows better.
  static void refine(Fact &inferred, const Fact &declared);
  /// Facts of a constant, its elements included when they are few and integers.
  Fact constant(mlir::DenseElementsAttr elements);

  Dim newSymbol() { return Dim::symbol(nextSymbol++); }
  /// The same symbol for the same name.
  Dim named(llvm::StringRef name);
  /// a (op) b; the same symbol for the same operands, so that P + S is one dimension wherever it is computed.
  Dim combine(char op, Dim a, Dim b);

  mlir::MLIRContext *getContext() const { return context; }

private:
  mlir::MLIRContext *context;
  int64_t nextSymbol = 0;
  llvm::StringMap<Dim> names;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_INFERENCE_H
