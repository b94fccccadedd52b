//===- Verification.h - whether two forms of a function compute the same ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_VERIFY_VERIFICATION_H
#define QUANTOPT_INTERP_VERIFY_VERIFICATION_H

#include "quantopt/Interp/Interpreter.h"
#include "llvm/Support/Error.h"

namespace quantopt::interp {

/// Which bases the inputs and results of a function are given in, where its arguments and results (caches) have others.
enum class GivenBases { Standard, Own };

/// Executes one form of a function.
class FormRunner {
public:
  FormRunner(mlir::func::FuncOp function, const param::WeightEvaluator *evaluator, InterpreterOptions options = {},
             GivenBases given = GivenBases::Standard);
  /// An error that lists every op without a kernel.
  llvm::Error check() { return interpreter.check(); }
  /// Errors: those of the interpreter; inputs that the function does not take.
  llvm::Expected<llvm::SmallVector<Tensor>> run(llvm::ArrayRef<Tensor> inputs);

private:
  mlir::func::FuncOp function;
  Interpreter interpreter;
  WeightReader weights;
  GivenBases given;
};

/// Greatest Σ(after - before)² / Σ before² of a result in f64 that passes as rounding.
inline constexpr double maxRelativeMeanSquareError = 1e-20;

/// Inputs of one execution, in the standard basis.
struct VerificationStep {
  /// "prefill", "decode", "chunk", or "run" for a function without a cache.
  std::string name;
  llvm::SmallVector<Tensor> inputs;
};

/// Random inputs that a decoder accepts, the same for every call: a prefill (2 sequences of 8 tokens, caches of length
/// 0), a decode step (1 token after 7) and a chunk (3 tokens after 5); one run of 2 x 8 where there is no cache. The
/// second sequence is shorter by 2: padded on the left where there is a mask, or with a past of its own length where
/// the function reads lengths of sequences (GroupQueryAttention, TensorScatter, llm.kv_write). Sizes that the function
/// fixes are kept.
///
/// What an argument means follows from dataflow where that tells, from dimensions and names else (InputRole).
/// Dimensions that `onnx.dims` gives one name have one size; unnamed ones are batch (the first) or tokens (the rest).
/// Errors: arguments of which no values are known.
llvm::Expected<std::vector<VerificationStep>> makeVerificationSteps(mlir::func::FuncOp function);

/// Sizes of a step of a decoder: new tokens of every sequence after `past` tokens in the caches, and how many of all
/// these are padding on the left, by sequence.
struct DecoderStep {
  int64_t tokens, past;
  llvm::SmallVector<int64_t, 2> padding;
};
/// Inputs for such a step, in the standard basis, in the types of the function: random token ids, positions that do not
/// count padding, caches of zeros. A tensor is null where an argument has a type that is none.
llvm::SmallVector<Tensor> makeDecoderInputs(mlir::func::FuncOp function, const DecoderStep &step);
/// Some values of a function at such a step, in f64, for finding out what a graph computes from positions and masks:
/// what they do not depend on is neither executed nor made an input of. Errors: those of the interpreter; arguments of
/// which no values are known.
llvm::Expected<llvm::SmallVector<Tensor>> evaluateAtStep(mlir::func::FuncOp function,
                                                         llvm::ArrayRef<mlir::Value> values, const DecoderStep &step);

/// What arguments are, as makeVerificationSteps finds it.
enum class InputRole {
  /// Indices of rows of the embedding: integers below their number.
  TokenIds,
  /// Positions of the tokens, without padding.
  Positions,
  /// One row for each sequence: 1 for tokens of past and present, 0 for padding.
  AttentionMask,
  /// [.., tokens, past and present]: causal. Booleans say what is seen; floats are added to scores.
  ScoreMask,
  /// Keys or values of the past: normal values.
  Cache,
  /// Where new rows go, for each sequence: the length of its past.
  WriteIndex,
  /// Tokens of past and present, for each sequence or at most.
  Length,
  /// Length - 1 for each sequence.
  LastIndex,
  /// Whether there is a past: the condition of a merged decoder.
  UseCache,
  /// How many of the last tokens get logits: 1.
  KeptTokens,
  /// Normal values, or integers in {0, 1}.
  Other
};
llvm::SmallVector<InputRole> findInputRoles(mlir::func::FuncOp function);

/// Results of a function in f64 for each step, in the standard basis: inputs and results in rotated bases are converted
/// on the way. Errors: those of the interpreter; inputs that the function does not take.
llvm::Expected<std::vector<llvm::SmallVector<Tensor>>> runVerificationSteps(mlir::func::FuncOp function,
                                                                            llvm::ArrayRef<VerificationStep> steps);

/// An error that names the step, the result and the deviation where one exceeds maxRelativeMeanSquareError: "changed
/// what function 'main' computes: decode, result #0 'logits' has a relative mean square error of ...".
llvm::Error compareVerificationResults(mlir::func::FuncOp function, llvm::ArrayRef<VerificationStep> steps,
                                       llvm::ArrayRef<llvm::SmallVector<Tensor>> before,
                                       llvm::ArrayRef<llvm::SmallVector<Tensor>> after);

/// Σ(actual - expected)² / Σ expected², 0 for equal tensors; infinite where shapes, integers, or what is not a number
/// differ.
double relativeMeanSquareError(const Tensor &expected, const Tensor &actual);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_VERIFY_VERIFICATION_H
