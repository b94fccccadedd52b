//===- Verification.h - whether two forms of a function compute the same ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_VERIFY_VERIFICATION_H
#define QUANTOPT_INTERP_VERIFY_VERIFICATION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::interp {

/// Inputs of one execution, in the standard basis.
struct VerificationStep {
  /// "prefill", "decode", or "run" for a function without a cache.
  std::string name;
  llvm::SmallVector<Tensor> inputs;
};

/// Random inputs that a decoder accepts, the same for every call: a prefill (2 rows of 8 tokens, caches of length 0)
/// and a decode step (1 token after 7), the second row padded on the left by 2; one run of 2 x 8 where there is no
/// cache.
///
/// What an argument means follows from dataflow where that tells, from dimensions and names else:
/// - token ids index the rows of a weight (Gather or llm.embedding): integers below the number of rows;
/// - caches are what a Concat along dimension 2 or llm.kv_append extends, or have `llm.state`: normal values;
/// - the other integer matrices are positions when their name has "position" or they have the dimensions of the token
///   ids, attention masks when their name has "mask" or their second dimension is another one;
/// - all others are normal values, or integers in {0, 1}.
/// Dimensions that `onnx.dims` gives one name have one size; unnamed ones are batch (the first) or tokens (the rest).
std::vector<VerificationStep> makeVerificationSteps(mlir::func::FuncOp function);

/// Sizes of a step of a decoder: new tokens of every sequence after `past` tokens in the caches, and how many of all
/// these are padding on the left, by sequence.
struct DecoderStep {
  int64_t tokens, past;
  llvm::SmallVector<int64_t, 2> padding;
};
/// Inputs for such a step, in the standard basis, in the types of the function: random token ids, positions that do not
/// count padding, caches of zeros. A tensor is null where an argument has a type that is none.
llvm::SmallVector<Tensor> makeDecoderInputs(mlir::func::FuncOp function, const DecoderStep &step);
/// What arguments are, as makeVerificationSteps finds it.
enum class InputRole { TokenIds, Positions, AttentionMask, Cache, Other };
llvm::SmallVector<InputRole> findInputRoles(mlir::func::FuncOp function);

/// Results of a function in f64 for each step, in the standard basis: inputs and results in rotated bases are converted
/// on the way. Errors: those of the interpreter; inputs that the function does not take.
llvm::Expected<std::vector<llvm::SmallVector<Tensor>>> runVerificationSteps(mlir::func::FuncOp function,
                                                                            llvm::ArrayRef<VerificationStep> steps);

/// Σ(actual - expected)² / Σ expected², 0 for equal tensors; infinite where shapes, integers, or what is not a number
/// differ.
double relativeMeanSquareError(const Tensor &expected, const Tensor &actual);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_VERIFY_VERIFICATION_H
