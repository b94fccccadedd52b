//===- KernelContext.h - what a kernel sees of the op it computes -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_KERNELCONTEXT_H
#define QUANTOPT_INTERP_KERNELCONTEXT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/KernelRegistry.h"
#include "quantopt/Interp/WeightReader.h"

namespace quantopt::interp {

enum class Precision {
  /// Every type as the graph states it.
  F32,
  /// All floating-point tensors are f64; conversions between floats round nothing.
  F64,
};

/// A weight that no one has read yet, perhaps seen the other way round.
struct WeightView {
  mlir::Value expression;
  bool transposed = false;
};

/// What a value is while the function runs: a tensor, a weight, or (omitted inputs) neither.
struct Slot {
  Tensor tensor;
  std::optional<WeightView> weight;
};

/// Runs the graphs in attributes of a node.
class SubgraphRunner {
public:
  virtual ~SubgraphRunner() = default;
  /// The function of graph `attribute` of the node: its inputs and the node's captures in, its outputs out.
  virtual llvm::Expected<mlir::func::FuncOp> get(mlir::Operation *node, llvm::StringRef attribute) = 0;
  virtual llvm::Expected<Tensors> run(mlir::func::FuncOp subgraph, llvm::ArrayRef<Tensor> inputs,
                                      llvm::ArrayRef<Slot> captures) = 0;
  /// Counts an iteration of a loop; an error where there were more than is allowed.
  virtual llvm::Error countIteration() = 0;
};

class KernelContext {
public:
  KernelContext(mlir::Operation *op, llvm::MutableArrayRef<Slot> operands, Precision precision, WeightReader &weights,
                SubgraphRunner *subgraphs = nullptr)
      : operation(op), operands(operands), floats(precision), weights(weights), subgraphs(subgraphs) {}

  mlir::Operation *op() const { return operation; }
  /// The op as an ONNX node; only for kernels of nodes.
  onnx::NodeOpInterface node() const { return llvm::cast<onnx::NodeOpInterface>(operation); }

  /// Graphs of a node, whose captured operands may be weights. Captures go along by themselves.
  llvm::Expected<mlir::func::FuncOp> subgraph(llvm::StringRef attribute) {
    return subgraphs->get(operation, attribute);
  }
  llvm::Expected<Tensors> runSubgraph(mlir::func::FuncOp subgraph, llvm::ArrayRef<Tensor> inputs) {
    return subgraphs->run(subgraph, inputs, llvm::ArrayRef<Slot>(operands).drop_front(numInputs()));
  }
  llvm::Error countIteration() { return subgraphs->countIteration(); }
  /// Operands of a node that are not captured by its subgraphs.
  unsigned numInputs() const { return node().getNodeInputs().size(); }
  /// The version of the standard operators that the node is of; the newest where the model does not say.
  int64_t opset() const;

  unsigned numOperands() const { return operands.size(); }
  /// Whether there is an operand `i` and it is not omitted.
  bool has(unsigned i) const { return i < operands.size() && (operands[i].tensor || operands[i].weight); }
  /// Operand `i`; null when it is absent, omitted or a deferred weight.
  const Tensor &operand(unsigned i) const { return i < operands.size() ? operands[i].tensor : none; }

  /// Whether operand `i` is a weight to be read in pieces.
  bool isDeferred(unsigned i) const { return i < operands.size() && operands[i].weight.has_value(); }
  const WeightView &weight(unsigned i) const { return *operands[i].weight; }
  /// Sees a deferred weight that is `param.transpose` of another as that one, the other way round: a product reads
  /// either.
  void lookThroughTranspose(unsigned i);
  /// Shape of a deferred weight as it is stored, transposition aside.
  llvm::ArrayRef<int64_t> weightShape(unsigned i) const;
  /// Rows [begin, end) of a deferred weight as it is stored; of several weights with equally many rows at once.
  llvm::Expected<Tensor> weightRows(unsigned i, int64_t begin, int64_t end);
  llvm::Expected<llvm::SmallVector<Tensor>> weightRows(llvm::ArrayRef<unsigned> i, int64_t begin, int64_t end);
  /// How many rows of these weights to ask for at a time.
  int64_t rowsPerPiece(llvm::ArrayRef<unsigned> i) const;

  /// All of a parameter by name, in f64: what transforms are made of.
  llvm::Expected<Tensor> parameter(mlir::FlatSymbolRefAttr name) { return weights.parameter(name); }
  /// All of a stored parameter, in the type that it is held in.
  llvm::Expected<Tensor> stored(mlir::FlatSymbolRefAttr name);

  Precision precision() const { return floats; }
  /// The type that holds elements of `type` in this precision.
  DType held(DType type) const { return floats == Precision::F64 && isFloat(type) ? DType::F64 : type; }
  /// The element type of result `i` as it is held; none where the graph does not state one.
  std::optional<DType> resultType(unsigned i) const;
  /// Whether result `i` is wanted: stated and not omitted.
  bool wantsResult(unsigned i) const;

private:
  mlir::Operation *operation;
  llvm::MutableArrayRef<Slot> operands;
  Precision floats;
  WeightReader &weights;
  SubgraphRunner *subgraphs;
  Tensor none;
};

/// An op, or a form of one, that nothing here can compute; other errors are errors of the model or its inputs.
class UnsupportedError : public llvm::ErrorInfo<UnsupportedError> {
public:
  static char ID;
  explicit UnsupportedError(std::string message) : message(std::move(message)) {}
  void log(llvm::raw_ostream &stream) const override { stream << message; }
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

private:
  std::string message;
};
inline llvm::Error unsupported(const llvm::Twine &message) { return llvm::make_error<UnsupportedError>(message.str()); }

/// The elements of an attribute, floats as f64 in that precision. Errors: element types without a DType.
llvm::Expected<Tensor> toTensor(mlir::DenseElementsAttr elements, Precision precision);

/// The results of a kernel with one.
inline llvm::Expected<Tensors> single(llvm::Expected<Tensor> result) {
  if (!result)
    return result.takeError();
  return Tensors{std::move(*result)};
}

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_KERNELCONTEXT_H
