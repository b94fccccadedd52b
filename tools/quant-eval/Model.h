//===- Model.h - a model that predicts tokens ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTEVAL_MODEL_H
#define QUANTOPT_TOOLS_QUANTEVAL_MODEL_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace quantopt::eval {

class Model {
public:
  virtual ~Model();

  /// A .onnx or .mlir file, run by lib/Interp; the folder of a bundle, run on `device`: "interpreter", "cuda:N", or
  /// "reference" for lib/Interp; or a .npy file of logits, [tokens, vocabulary], that another program gave for the same
  /// tokens.
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef path, llvm::StringRef device);

  /// Begins a text, from an empty cache.
  virtual llvm::Error start(llvm::ArrayRef<int64_t> ids) = 0;
  /// Logits [count, vocabulary] in f32 of the text's tokens [begin, begin + count). They are asked for in order.
  virtual llvm::Expected<Tensor> logits(int64_t begin, int64_t count) = 0;
};

/// Rows [begin, begin + count) of [rows, columns].
Tensor copyRows(const Tensor &tensor, int64_t begin, int64_t count);

} // namespace quantopt::eval

#endif // QUANTOPT_TOOLS_QUANTEVAL_MODEL_H
