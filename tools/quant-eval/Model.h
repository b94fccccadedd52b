//===- Model.h - a model that predicts tokens ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTEVAL_MODEL_H
#define QUANTOPT_TOOLS_QUANTEVAL_MODEL_H

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
class Model {
public:
  /// `path` may also be a .npy file of logits, [tokens, vocabulary], that another runtime gave for the same tokens.
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef path);

  /// Hidden states (or logits) [1, S, n] of token ids, from an empty cache.
  llvm::Expected<Tensor> run(llvm::ArrayRef<int64_t> ids);
  /// Logits [count, vocabulary] in f32 of tokens [begin, begin + count) of what run() gave.
  llvm::Expected<Tensor> logits(const Tensor &states, int64_t begin, int64_t count);

private:
  Model() = default;
  llvm::Error importModel(llvm::StringRef path);
  llvm::Error parseModel(llvm::StringRef path);
  llvm::Error recognize();
  llvm::Error computeWeights();
  void splitHead();
  llvm::Expected<llvm::SmallVector<Tensor>> makeInputs(llvm::ArrayRef<int64_t> ids);
  llvm::Expected<Tensor> nextRecorded(int64_t count);

  std::string path;
  /// Logits of a .npy file, of which the first `used` tokens have been compared; null for a model that runs.
  Tensor recorded;
  int64_t used = 0;
  std::unique_ptr<TemporaryFile> weights;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  WeightStore store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
  mlir::func::FuncOp body, head;
  std::unique_ptr<interp::Interpreter> bodyInterpreter, headInterpreter;
};

} // namespace quantopt::eval

#endif // QUANTOPT_TOOLS_QUANTEVAL_MODEL_H
