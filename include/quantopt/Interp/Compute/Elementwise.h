//===- Elementwise.h - functions of single elements ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_COMPUTE_ELEMENTWISE_H
#define QUANTOPT_INTERP_COMPUTE_ELEMENTWISE_H

#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::compute {

enum class Unary {
  Abs,
  Neg,
  Sign,
  Exp,
  Log,
  Sqrt,
  Reciprocal,
  Sigmoid,
  Silu,
  Relu,
  Tanh,
  Erf,
  Cos,
  Sin,
  Round,
  Floor,
  Ceil,
  Not,
  IsNaN
};
enum class Binary {
  Add,
  Sub,
  Mul,
  Div,
  Pow,
  Max,
  Min,
  Mod,
  Fmod,
  And,
  Or,
  Xor,
  /// Of integers; shifts by the width of the type or more give 0.
  BitAnd,
  BitOr,
  BitXor,
  ShiftLeft,
  ShiftRight,
  Equal,
  Less,
  LessOrEqual,
  Greater,
  GreaterOrEqual
};

/// The function of each element. Round goes to nearest even; Not and IsNaN give Bool; 16-bit floats are computed in f32
/// and rounded. Transcendental functions of f32 are within 2 units in the last place and the same on every machine.
llvm::Expected<Tensor> unary(Unary function, const Tensor &input);

/// The function of elements broadcast as in numpy, in the left operand's type; comparisons and logic give Bool.
/// Division of integers truncates; Mod takes the divisor's sign and Fmod the dividend's; Max and Min propagate NaN.
/// Errors: shapes that do not broadcast, types that differ (Pow excepted).
llvm::Expected<Tensor> binary(Binary function, const Tensor &left, const Tensor &right);

/// `condition ? left : right`, all three broadcast.
llvm::Expected<Tensor> where(const Tensor &condition, const Tensor &left, const Tensor &right);

/// silu(gate) · up, elementwise, without the intermediate tensor; equal shapes.
Tensor swiglu(const Tensor &gate, const Tensor &up);

/// x/2·(1 + erf(factor·x)), or with `tanh` x/2·(1 + tanh(factor·(x + cubic·x³))), rounded after every operation.
llvm::Expected<Tensor> gelu(const Tensor &input, bool tanh, double factor, double cubic);
/// With the factors 1/√2 and √(2/π), and 0.044715.
llvm::Expected<Tensor> gelu(const Tensor &input, bool tanh);

/// exp of `count` values, as Unary::Exp computes it. `input` may be `output`.
void exponentials(const float *input, float *output, int64_t count);
void exponentials(const double *input, double *output, int64_t count);

} // namespace quantopt::compute

#endif // QUANTOPT_INTERP_COMPUTE_ELEMENTWISE_H
