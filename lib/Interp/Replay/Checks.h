//===- Checks.h - whether results of a launch are what they should be ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// What is expected of a kernel, given operands of which every bit is known:
//
// | ops | results |
// |---|---|
// | products of codes, embedding, arg_max, top_k, sums of a norm | the interpreter's bits |
// | norm_quant, swiglu_quant, quant | its codes, or a neighbour where the exact quotient is within 1e-3 of a tie;
// scales within a bound | | rope_append | the same for codes and zeros, made with the stored scale; scales within 1e-6,
// relatively, before they are rounded to their type; not a byte of another token changed; queries within a bound | |
// products of floats, norm, swiglu, attention | within a bound of what exact arithmetic gives |
//
// Bounds are derived where they are computed. u = 2^-24 is half the distance from 1 to the next f32, v = 2^-23 what an
// f32 sum is off by where it is cut off instead of rounded, as tensor cores may.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_REPLAY_CHECKS_H
#define QUANTOPT_LIB_INTERP_REPLAY_CHECKS_H

#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Interp/Interpreter.h"

namespace quantopt::interp {

/// One launch: its op, operands (null for weights) and results, those of the interpreter and those of the kernel. A
/// result that takes over an operand's memory is that memory after the launch.
struct LaunchedOp {
  mlir::Operation *op;
  llvm::ArrayRef<Tensor> operands, expected, actual;
  /// Computes in f64 what the op's function computes.
  Interpreter &exact;
  WeightReader &weights;

  /// Calls a function of Oracle.h with the operands in f64.
  template <typename Result> llvm::Expected<Result> compute(llvm::Expected<Result> (*function)(KernelContext &)) const {
    llvm::Expected<llvm::SmallVector<Slot>> slots = makeSlots();
    if (!slots)
      return slots.takeError();
    KernelContext context(op, *slots, Precision::F64, weights);
    return function(context);
  }
  /// The operands with which exact arithmetic begins: in place of what a norm adds, the sum, rounded as it is stored.
  llvm::SmallVector<Tensor> exactOperands() const;

private:
  llvm::Expected<llvm::SmallVector<Slot>> makeSlots() const;
};

/// How far the results of one launch are off.
class Outcome {
public:
  double worst = 0;
  int64_t ties = 0, elements = 0;
  /// The first deviation that is too large; empty if there is none.
  std::string failure;

  /// A value that may be off by `bound`, of a result that is called `name`.
  void compare(llvm::StringRef name, int64_t index, double actual, double expected, double bound);
  /// A code where `quotient` was rounded: `expected` or, next to a tie, its neighbour.
  void compareCode(llvm::StringRef name, int64_t index, int64_t actual, int64_t expected, double quotient);
  void fail(const llvm::Twine &message);
  void compareBits(llvm::StringRef name, const Tensor &actual, const Tensor &expected);
};

/// What of a quotient is next to a tie.
inline constexpr double tieDistance = 1e-3;
inline constexpr double u = 0x1p-24, v = 0x1p-23;
/// What rounding `value` to a type of floats may change.
double roundingOf(DType type, double value);
/// Elements of any number type as f64.
llvm::SmallVector<double, 0> toDoubles(const Tensor &tensor);

llvm::Expected<Outcome> checkLaunch(const LaunchedOp &launch);
llvm::Error checkQuantizedRows(const LaunchedOp &launch, Outcome &outcome);
llvm::Error checkFloatRows(const LaunchedOp &launch, Outcome &outcome);
llvm::Error checkRopeAppend(const LaunchedOp &launch, Outcome &outcome);
llvm::Error checkAttention(const LaunchedOp &launch, Outcome &outcome);
llvm::Error checkCombine(const LaunchedOp &launch, Outcome &outcome);

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_REPLAY_CHECKS_H
