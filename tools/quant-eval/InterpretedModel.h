//===- InterpretedModel.h - a model in lib/Interp --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTEVAL_INTERPRETEDMODEL_H
#define QUANTOPT_TOOLS_QUANTEVAL_INTERPRETEDMODEL_H

#include "Model.h"
#include "mlir/IR/OwningOpRef.h"
#include "quantopt/Interp/Interpreter.h"

namespace quantopt::eval {

/// A file that is removed at the end, also by a signal.
class TemporaryFile {
public:
  ~TemporaryFile();
  static llvm::Expected<std::unique_ptr<TemporaryFile>> create(llvm::StringRef suffix);
  const std::string &path() const { return name; }

private:
  std::string name;
};

/// A model from a .onnx or .mlir file, executed by lib/Interp. Its last product, from hidden states to logits, is a
/// function of its own where it can be, so that logits need not be held for all tokens at once.
class InterpretedModel : public Model {
public:
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef path);

  llvm::Error start(llvm::ArrayRef<int64_t> ids) override;
  llvm::Expected<Tensor> logits(int64_t begin, int64_t count) override;

private:
  InterpretedModel() = default;
  llvm::Error importModel(llvm::StringRef path);
  llvm::Error parseModel(llvm::StringRef path);
  llvm::Error recognize();
  llvm::Error computeWeights();
  void splitHead();
  llvm::Expected<llvm::SmallVector<Tensor>> makeInputs(llvm::ArrayRef<int64_t> ids);
  llvm::Expected<llvm::SmallVector<Tensor>> makeGraphInputs(llvm::ArrayRef<int64_t> ids);
  llvm::Expected<llvm::SmallVector<Tensor>> makeStepInputs(llvm::ArrayRef<int64_t> ids);
  std::string labelOf(mlir::BlockArgument argument);

  std::string path;
  std::unique_ptr<TemporaryFile> weights;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  WeightStore store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
  mlir::func::FuncOp body, head;
  std::unique_ptr<interp::Interpreter> bodyInterpreter, headInterpreter;
  /// Hidden states of the text (or logits) [S, n].
  Tensor states;
};

} // namespace quantopt::eval

#endif // QUANTOPT_TOOLS_QUANTEVAL_INTERPRETEDMODEL_H
