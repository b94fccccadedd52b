//===- QuantizedProducts.cpp - ONNX operators between codes -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;

/// Zero points or scales of several rows or columns of a matrix: of rows (dimension -2) they become a column.
static Tensor alongRows(const Tensor &x, bool ofRows) {
  return ofRows && x.rank() == 1 && x.numElements() > 1 ? x.reshaped({x.numElements(), 1}) : x;
}

/// Codes minus their zero point, as i64.
static llvm::Expected<Tensor> centred(const Tensor &codes, const Tensor &zero, bool ofRows) {
  Tensor wide = convert(codes, DType::I64);
  if (!zero)
    return wide;
  return compute::binary(Binary::Sub, wide, alongRows(convert(zero, DType::I64), ofRows));
}

/// The exact integer product of codes, as i64; zero points may be null.
static llvm::Expected<Tensor> multiplyCodes(const Tensor &a, const Tensor &aZero, const Tensor &b,
                                            const Tensor &bZero) {
  llvm::Expected<Tensor> left = centred(a, aZero, true), right = centred(b, bZero, false);
  if (!left || !right)
    return llvm::joinErrors(left.takeError(), right.takeError());
  return compute::matmul(*left, *right);
}

static llvm::Expected<Tensors> matMulInteger(KernelContext &context) {
  llvm::Expected<Tensor> sums =
      multiplyCodes(context.operand(0), context.operand(2), context.operand(1), context.operand(3));
  return sums ? Tensors{convert(*sums, DType::I32)} : llvm::Expected<Tensors>(sums.takeError());
}

/// sums · (aScale · bScale) [+ bias] in the scales' type.
static llvm::Expected<Tensor> scaleSums(const Tensor &sums, const Tensor &aScale, const Tensor &bScale,
                                        const Tensor &bias) {
  llvm::Expected<Tensor> scale = compute::binary(Binary::Mul, alongRows(aScale, true), bScale);
  llvm::Expected<Tensor> result =
      scale ? compute::binary(Binary::Mul, convert(sums, aScale.dtype()), *scale) : std::move(scale);
  return result && bias ? compute::binary(Binary::Add, *result, bias) : std::move(result);
}

/// com.microsoft: (A - zA) · (B - zB) · sA · sB + bias.
static llvm::Expected<Tensors> matMulIntegerToFloat(KernelContext &context) {
  llvm::Expected<Tensor> sums =
      multiplyCodes(context.operand(0), context.operand(4), context.operand(1), context.operand(5));
  if (!sums)
    return sums.takeError();
  return single(scaleSums(*sums, context.operand(2), context.operand(3), context.operand(6)));
}

/// com.microsoft: A is quantized as DynamicQuantizeLinear does.
static llvm::Expected<Tensors> dynamicQuantizeMatMul(KernelContext &context) {
  llvm::Expected<Tensors> codes = quantizeDynamically(context.operand(0));
  if (!codes)
    return codes.takeError();
  llvm::Expected<Tensor> sums = multiplyCodes((*codes)[0], (*codes)[2], context.operand(1), context.operand(3));
  if (!sums)
    return sums.takeError();
  return single(scaleSums(*sums, (*codes)[1], context.operand(2), context.operand(4)));
}

/// Codes of a real tensor under the scale and zero point of operands `scale` and `scale` + 1; a missing zero point is a
/// ui8 zero.
static llvm::Expected<Tensors> requantized(KernelContext &context, llvm::Expected<Tensor> x, unsigned scale) {
  if (!x)
    return x.takeError();
  const Tensor &zero = context.operand(scale + 1);
  return single(compute::quantizeLinear(*x, convert(context.operand(scale), x->dtype()), zero, {},
                                        zero ? zero.dtype() : DType::U8));
}

/// The real tensor of the codes, scale and zero point of operands `first` to `first` + 2.
static llvm::Expected<Tensor> dequantized(KernelContext &context, unsigned first) {
  return compute::dequantizeLinear(context.operand(first), context.operand(first + 1), context.operand(first + 2), {},
                                   context.operand(first + 1).dtype());
}

static llvm::Expected<Tensors> qLinearMatMul(KernelContext &context) {
  llvm::Expected<Tensor> sums =
      multiplyCodes(context.operand(0), context.operand(2), context.operand(3), context.operand(5));
  if (!sums)
    return sums.takeError();
  Tensor aScale = convert(context.operand(1), DType::F32), bScale = convert(context.operand(4), DType::F32);
  return requantized(context, scaleSums(*sums, aScale, bScale, Tensor()), 6);
}

/// com.microsoft: QLinearAdd and QLinearMul.
static Kernel qLinearBinary(Binary function) {
  return [function](KernelContext &context) -> llvm::Expected<Tensors> {
    llvm::Expected<Tensor> a = dequantized(context, 0), b = dequantized(context, 3);
    if (!a || !b)
      return llvm::joinErrors(a.takeError(), b.takeError());
    return requantized(context, compute::binary(function, *a, *b), 6);
  };
}

static llvm::Expected<Tensors> qLinearSigmoid(KernelContext &context) {
  llvm::Expected<Tensor> x = dequantized(context, 0);
  return x ? requantized(context, compute::unary(compute::Unary::Sigmoid, *x), 3) : x.takeError();
}

static llvm::Expected<Tensors> qLinearSoftmax(KernelContext &context) {
  llvm::Expected<Tensor> x = dequantized(context, 0);
  if (!x)
    return x.takeError();
  if (context.node().getInt("opset", 13) < 13)
    return unsupported("the flattening QLinearSoftmax before opset 13 cannot be computed");
  return requantized(context, compute::softmax(*x, context.node().getInt("axis", -1)), 3);
}

/// com.microsoft: operands are the output's scale and zero point, then codes, scale and zero point of each input.
static llvm::Expected<Tensors> qLinearConcat(KernelContext &context) {
  llvm::SmallVector<Tensor> inputs;
  for (unsigned i = 2; i + 2 < context.numOperands(); i += 3) {
    llvm::Expected<Tensor> x = dequantized(context, i);
    if (!x)
      return x.takeError();
    inputs.push_back(std::move(*x));
  }
  return requantized(context, compute::concat(inputs, context.node().getInt("axis", 0)), 0);
}

void interp::registerQuantizedProductKernels(KernelRegistry &registry) {
  registry.addNode("::MatMulInteger", matMulInteger);
  registry.addNode("com.microsoft::MatMulIntegerToFloat", matMulIntegerToFloat);
  registry.addNode("com.microsoft::DynamicQuantizeMatMul", dynamicQuantizeMatMul);
  registry.addNode("::QLinearMatMul", qLinearMatMul);
  registry.addNode("com.microsoft::QLinearAdd", qLinearBinary(Binary::Add));
  registry.addNode("com.microsoft::QLinearMul", qLinearBinary(Binary::Mul));
  registry.addNode("com.microsoft::QLinearSigmoid", qLinearSigmoid);
  registry.addNode("com.microsoft::QLinearSoftmax", qLinearSoftmax);
  registry.addNode("com.microsoft::QLinearConcat", qLinearConcat);
}
