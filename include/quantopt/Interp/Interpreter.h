//===- Interpreter.h - runs functions of the onnx, llm and q forms on the CPU ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_INTERPRETER_H
#define QUANTOPT_INTERP_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "quantopt/Interp/KernelContext.h"
#include <map>

namespace quantopt::interp {

struct InterpreterOptions {
  Precision precision = Precision::F32;
  /// Threads of the whole process's kernels; 0 is one per processor. Results never depend on it.
  unsigned threads = 0;
  /// Bytes of weights kept between uses, in F32 precision.
  uint64_t weightCacheBytes = uint64_t(1) << 30;
  /// Kernels; null means KernelRegistry::standard().
  const KernelRegistry *registry = nullptr;
  /// Called with every value that is computed, after it was, in order of execution: for recording and calibration.
  /// Values of called functions are reported as often as they are called.
  /// Sequences and strings are not reported.
  std::function<void(mlir::Value, const Tensor &)> observe;
  /// Iterations of all loops of a run together, and how deep functions and subgraphs may be nested.
  uint64_t maxIterations = uint64_t(1) << 24;
  unsigned maxDepth = 64;
};

/// UnsupportedError of the interpreter, which knows the op.
class UnsupportedOperatorError : public llvm::ErrorInfo<UnsupportedOperatorError, UnsupportedError> {
public:
  static char ID;
  UnsupportedOperatorError(std::string text, std::string operators)
      : ErrorInfo(std::move(text)), operatorNames(std::move(operators)) {}
  /// The operators, as "Type" or "domain::Type", with commas between.
  llvm::StringRef operators() const { return operatorNames; }

private:
  std::string operatorNames;
};

/// Executes a function, op by op. Weight expressions are never executed: kernels ask for the rows they need. A tensor
/// lives until its last use.
///
/// The same bits come out for any number of threads, on any x86-64; and a row of the result (a token) does not depend
/// on how many rows there are, on padding that a mask hides, or on the length of the cache: a decode through the cache
/// equals the prefill.
class Interpreter : private SubgraphRunner {
public:
  /// `evaluator` may be null where the function has no weights; it must outlive the interpreter.
  Interpreter(mlir::func::FuncOp function, const param::WeightEvaluator *evaluator, InterpreterOptions options = {});

  /// Every op without a kernel, of the function, of those it calls and of the graphs in its nodes. Errors: graphs that
  /// are damaged or nested too deep.
  llvm::Expected<llvm::SmallVector<mlir::Operation *>> missingKernels();
  /// An error that lists them.
  llvm::Error check();

  /// The function's results. Inputs are converted to the precision. Errors: check()'s; inputs that do not fit the
  /// arguments; an op that fails, named.
  llvm::Expected<llvm::SmallVector<Tensor>> run(llvm::ArrayRef<Tensor> inputs);

  /// The results of one op of the function for these operands, for replaying recorded runs: null for omitted ones and
  /// for weights, which are read.
  llvm::Expected<Tensors> runOp(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);

private:
  /// A function in order of execution.
  struct Plan {
    mlir::func::FuncOp function;
    /// For each op, the values that die with it.
    std::vector<std::pair<mlir::Operation *, llvm::SmallVector<mlir::Value, 2>>> steps;
    /// Operands of the return.
    mlir::OperandRange results;
  };
  using Values = llvm::DenseMap<mlir::Value, Slot>;

  const Plan &planOf(mlir::func::FuncOp function);
  mlir::func::FuncOp calleeOf(mlir::Operation *op) const;
  const KernelRegistry &registry() const;
  llvm::Error collectMissing(mlir::func::FuncOp function, llvm::SmallPtrSetImpl<mlir::Operation *> &seen,
                             llvm::SmallVectorImpl<mlir::Operation *> &missing, unsigned level);
  /// The same for the graphs in the attributes of a node.
  llvm::Error collectMissingInSubgraphs(mlir::Operation *op, llvm::SmallPtrSetImpl<mlir::Operation *> &seen,
                                        llvm::SmallVectorImpl<mlir::Operation *> &missing, unsigned level);

  llvm::Expected<mlir::func::FuncOp> get(mlir::Operation *node, llvm::StringRef attribute) override;
  llvm::Expected<Tensors> run(mlir::func::FuncOp subgraph, llvm::ArrayRef<Tensor> inputs,
                              llvm::ArrayRef<Slot> captures) override;
  llvm::Error countIteration() override;

  llvm::Expected<llvm::SmallVector<Slot>> runFunction(mlir::func::FuncOp function, llvm::ArrayRef<Slot> arguments);
  llvm::Error runStep(mlir::Operation *op, Values &values);
  llvm::Expected<Tensors> runKernel(mlir::Operation *op, llvm::MutableArrayRef<Slot> operands);
  llvm::Error makeTensor(Slot &slot);

  mlir::func::FuncOp entry;
  InterpreterOptions options;
  WeightReader weights;
  std::map<mlir::Operation *, Plan> plans;
  /// Model-local functions by "domain::Type".
  llvm::StringMap<mlir::func::FuncOp> nodeFunctions;
  /// The imported graphs of nodes by the attribute that holds them.
  std::map<std::pair<mlir::Operation *, std::string>, mlir::OwningOpRef<mlir::ModuleOp>> subgraphs;
  uint64_t iterations = 0;
  unsigned depth = 0;
};

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_INTERPRETER_H
