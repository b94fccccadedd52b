//===- Elementwise.cpp - ONNX operators on single elements --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Elementwise.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Support/NarrowFloat.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;
using compute::Unary;

static Kernel unaryKernel(Unary function) {
  return [function](KernelContext &context) { return single(compute::unary(function, context.operand(0))); };
}

static Kernel binaryKernel(Binary function) {
  return [function](KernelContext &context) {
    return single(compute::binary(function, context.operand(0), context.operand(1)));
  };
}

/// Sum, Max, Min: any number of operands, combined from the left.
static llvm::Expected<Tensor> combineAll(KernelContext &context, Binary function) {
  Tensor result = context.operand(0);
  for (unsigned i = 1; i < context.numOperands(); ++i) {
    llvm::Expected<Tensor> next = compute::binary(function, result, context.operand(i));
    if (!next)
      return next;
    result = std::move(*next);
  }
  return result;
}

static Kernel variadicKernel(Binary function) {
  return [function](KernelContext &context) { return single(combineAll(context, function)); };
}

static llvm::Expected<Tensors> mean(KernelContext &context) {
  llvm::Expected<Tensor> sum = combineAll(context, Binary::Add);
  if (!sum)
    return sum.takeError();
  return single(compute::binary(Binary::Div, *sum, compute::scalar(context.numOperands(), sum->dtype())));
}

/// A chain of binary functions with numbers: x, then each step on what is there.
static llvm::Expected<Tensor> withNumber(Binary function, llvm::Expected<Tensor> x, double number) {
  if (!x)
    return x;
  return compute::binary(function, *x, compute::scalar(number, x->dtype()));
}

static llvm::Expected<Tensor> withFunction(Unary function, llvm::Expected<Tensor> x) {
  if (!x)
    return x;
  return compute::unary(function, *x);
}

static llvm::Expected<Tensor> times(const Tensor &x, llvm::Expected<Tensor> factor) {
  if (!factor)
    return factor;
  return compute::binary(Binary::Mul, x, *factor);
}

/// x · sigmoid(alpha · x): Swish and QuickGelu.
static Kernel swishKernel(float defaultAlpha) {
  return [defaultAlpha](KernelContext &context) -> llvm::Expected<Tensors> {
    const Tensor &x = context.operand(0);
    float alpha = context.node().getFloat("alpha", defaultAlpha);
    if (alpha == 1.0f)
      return single(compute::unary(Unary::Silu, x));
    return single(times(x, withFunction(Unary::Sigmoid, withNumber(Binary::Mul, x, alpha))));
  };
}

static llvm::Expected<Tensors> gelu(KernelContext &context) {
  return single(compute::gelu(context.operand(0), context.node().getString("approximate", "none") == "tanh"));
}

/// Bounds are inputs, or attributes before opset 11.
static llvm::Expected<Tensors> clip(KernelContext &context) {
  Tensor x = context.operand(0);
  onnx::NodeOpInterface node = context.node();
  auto bound = [&](unsigned i, llvm::StringRef name) {
    if (context.has(i))
      return context.operand(i);
    return node.hasNodeAttr(name) ? compute::scalar(node.getFloat(name, 0), x.dtype()) : Tensor();
  };
  Tensor low = bound(1, "min"), high = bound(2, "max");
  for (auto [limit, function] : {std::pair(low, Binary::Max), std::pair(high, Binary::Min)}) {
    if (!limit)
      continue;
    llvm::Expected<Tensor> clipped = compute::binary(function, x, limit);
    if (!clipped)
      return clipped.takeError();
    x = std::move(*clipped);
  }
  return Tensors{x};
}

static llvm::Expected<Tensors> modulo(KernelContext &context) {
  Binary function = context.node().getInt("fmod", 0) ? Binary::Fmod : Binary::Mod;
  return single(compute::binary(function, context.operand(0), context.operand(1)));
}

llvm::Expected<DType> interp::fromOnnxType(int64_t type) {
  constexpr DType none = DType::Sequence;
  // In the order of TensorProto.DataType.
  static constexpr DType types[] = {
      none,       DType::F32, DType::U8,       DType::I8,        DType::U16,        DType::I16,    DType::I32,
      DType::I64, none,       DType::Bool,     DType::F16,       DType::F64,        DType::U32,    DType::U64,
      none,       none,       DType::BF16,     DType::F8E4M3FN,  DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ,
      DType::U4,  DType::I4,  DType::F4E2M1FN, DType::F8E8M0FNU, DType::U2,         DType::I2};
  bool known = type >= 0 && type < int64_t(std::size(types)) && types[type] != none;
  if (!known)
    return unsupported("elements of ONNX type " + llvm::Twine(type) + " cannot be computed with");
  return types[type];
}

/// Cast and CastLike.
static llvm::Expected<Tensors> castTo(KernelContext &context, DType type) {
  const Tensor &x = context.operand(0);
  if (isNarrowFloat(type)) {
    llvm::StringRef mode = context.node().getString("round_mode", "up");
    auto powers = llvm::StringSwitch<std::optional<PowerRounding>>(mode)
                      .Case("up", PowerRounding::Up)
                      .Case("down", PowerRounding::Down)
                      .Case("nearest", PowerRounding::Nearest)
                      .Default(std::nullopt);
    if (!powers)
      return compute::makeError("unknown round_mode '" + mode + "'");
    return Tensors{convertToNarrow(x, type, {context.node().getInt("saturate", 1) != 0, *powers})};
  }
  bool isFraction = isFloat(x.dtype()) || isNarrowFloat(x.dtype());
  // The operator keeps the low bits of what does not fit 2 or 4 bits.
  bool wraps = bitsInFile(type) < 8 && isFraction;
  return Tensors{convert(wraps ? convert(x, DType::I64) : x, type)};
}

static llvm::Expected<Tensors> cast(KernelContext &context) {
  llvm::Expected<DType> type = fromOnnxType(context.node().getInt("to", 0));
  if (!type)
    return type.takeError();
  return castTo(context, context.held(*type));
}

static llvm::Expected<Tensors> castLike(KernelContext &context) { return castTo(context, context.operand(1).dtype()); }

/// Strings as their handles, which are equal where they are.
static Tensor comparable(const Tensor &x) {
  if (x.dtype() != DType::String)
    return x;
  Tensor handles(DType::U64, x.shape());
  llvm::copy(llvm::map_range(x.data<StringHandle>(), [](StringHandle text) { return uint64_t(uintptr_t(text)); }),
             handles.mutableData<uint64_t>().begin());
  return handles;
}

static llvm::Expected<Tensors> equal(KernelContext &context) {
  return single(compute::binary(Binary::Equal, comparable(context.operand(0)), comparable(context.operand(1))));
}

static llvm::Expected<Tensors> where(KernelContext &context) {
  return single(compute::where(context.operand(0), context.operand(1), context.operand(2)));
}

static llvm::Expected<Tensors> leakyRelu(KernelContext &context) {
  const Tensor &x = context.operand(0);
  llvm::Expected<Tensor> positive = compute::binary(Binary::Less, compute::scalar(0, x.dtype()), x);
  llvm::Expected<Tensor> scaled = withNumber(Binary::Mul, x, context.node().getFloat("alpha", 0.01f));
  if (!positive || !scaled)
    return llvm::joinErrors(positive.takeError(), scaled.takeError());
  return single(compute::where(*positive, x, *scaled));
}

void interp::registerElementwiseKernels(KernelRegistry &registry) {
  for (auto [name, function] :
       std::initializer_list<std::pair<const char *, Unary>>{{"::Abs", Unary::Abs},
                                                             {"::Neg", Unary::Neg},
                                                             {"::Sign", Unary::Sign},
                                                             {"::Exp", Unary::Exp},
                                                             {"::Log", Unary::Log},
                                                             {"::Sqrt", Unary::Sqrt},
                                                             {"::Erf", Unary::Erf},
                                                             {"::Reciprocal", Unary::Reciprocal},
                                                             {"::Sigmoid", Unary::Sigmoid},
                                                             {"::Relu", Unary::Relu},
                                                             {"::Tanh", Unary::Tanh},
                                                             {"::Cos", Unary::Cos},
                                                             {"::Sin", Unary::Sin},
                                                             {"::Round", Unary::Round},
                                                             {"::Floor", Unary::Floor},
                                                             {"::Ceil", Unary::Ceil},
                                                             {"::Not", Unary::Not},
                                                             {"::IsNaN", Unary::IsNaN}})
    registry.addNode(name, unaryKernel(function));
  for (auto [name, function] :
       std::initializer_list<std::pair<const char *, Binary>>{{"::Add", Binary::Add},
                                                              {"::Sub", Binary::Sub},
                                                              {"::Mul", Binary::Mul},
                                                              {"::Div", Binary::Div},
                                                              {"::Pow", Binary::Pow},
                                                              {"::And", Binary::And},
                                                              {"::Or", Binary::Or},
                                                              {"::Xor", Binary::Xor},
                                                              {"::Less", Binary::Less},
                                                              {"::LessOrEqual", Binary::LessOrEqual},
                                                              {"::Greater", Binary::Greater},
                                                              {"::GreaterOrEqual", Binary::GreaterOrEqual}})
    registry.addNode(name, binaryKernel(function));
  registry.addNode("::Sum", variadicKernel(Binary::Add));
  registry.addNode("::Max", variadicKernel(Binary::Max));
  registry.addNode("::Min", variadicKernel(Binary::Min));
  registry.addNode("::Mean", mean);
  registry.addNode("::Swish", swishKernel(1.0f));
  registry.addNode("com.microsoft::QuickGelu", swishKernel(1.702f));
  registry.addNode("::Gelu", gelu);
  registry.addNode("com.microsoft::Gelu", gelu);
  registry.addNode("::LeakyRelu", leakyRelu);
  registry.addNode("::Clip", clip);
  registry.addNode("::Mod", modulo);
  registry.addNode("::Cast", cast);
  registry.addNode("::CastLike", castLike);
  registry.addNode("::Where", where, {}, Elements::Strings);
  registry.addNode("::Equal", equal, {}, Elements::Strings);
}
