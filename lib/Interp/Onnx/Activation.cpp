//===- Activation.cpp - ONNX functions of one number, and bits ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;

/// A function of each element of a float tensor, in f64 and rounded once.
static llvm::Expected<Tensor> mapped(const Tensor &x, llvm::function_ref<double(double)> function) {
  if (!isFloat(x.dtype()))
    return compute::makeError("expected floating point elements, not " + toString(x.dtype()));
  Tensor wide = convert(x, DType::F64), result(DType::F64, x.shape());
  const double *source = wide.data<double>().data();
  double *target = result.mutableData<double>().data();
  compute::parallelForRanges(x.numElements(), 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      target[i] = function(source[i]);
  });
  return convert(result, x.dtype());
}

static Kernel mapKernel(double (*function)(double)) {
  return [function](KernelContext &context) { return single(mapped(context.operand(0), function)); };
}

namespace {
/// The two numbers that an activation takes as attributes.
struct Parameters {
  const char *firstName;
  float first;
  const char *secondName = "";
  float second = 0;
};
} // namespace

static Kernel mapKernel(Parameters absent, double (*function)(double, double, double)) {
  return [=](KernelContext &context) {
    double first = context.node().getFloat(absent.firstName, absent.first);
    double second = context.node().getFloat(absent.secondName, absent.second);
    return single(mapped(context.operand(0), [&](double x) { return function(x, first, second); }));
  };
}

/// log(1 + e^x), which does not overflow.
static double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

static double hardSigmoid(double x, double alpha, double beta) {
  return std::max(0.0, std::min(1.0, alpha * x + beta));
}

static void registerMaps(KernelRegistry &registry) {
  for (auto [name, function] : std::initializer_list<std::pair<const char *, double (*)(double)>>{
           {"::Tan", [](double x) { return std::tan(x); }},
           {"::Asin", [](double x) { return std::asin(x); }},
           {"::Acos", [](double x) { return std::acos(x); }},
           {"::Atan", [](double x) { return std::atan(x); }},
           {"::Sinh", [](double x) { return std::sinh(x); }},
           {"::Cosh", [](double x) { return std::cosh(x); }},
           {"::Asinh", [](double x) { return std::asinh(x); }},
           {"::Acosh", [](double x) { return std::acosh(x); }},
           {"::Atanh", [](double x) { return std::atanh(x); }},
           {"::Softplus", softplus},
           {"::Softsign", [](double x) { return x / (1 + std::abs(x)); }},
           {"::Mish", [](double x) { return x * std::tanh(softplus(x)); }},
           {"::HardSwish", [](double x) { return x * hardSigmoid(x, 1.0 / 6, 0.5); }}})
    registry.addNode(name, mapKernel(function));
  registry.addNode("::HardSigmoid", mapKernel({"alpha", 0.2f, "beta", 0.5f}, hardSigmoid));
  registry.addNode("::Elu", mapKernel({"alpha", 1.0f}, [](double x, double alpha, double) {
                     return x < 0 ? alpha * std::expm1(x) : x;
                   }));
  registry.addNode("::Celu", mapKernel({"alpha", 1.0f}, [](double x, double alpha, double) {
                     return std::max(0.0, x) + std::min(0.0, alpha * std::expm1(x / alpha));
                   }));
  registry.addNode("::Selu", mapKernel({"alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
                                       [](double x, double alpha, double gamma) {
                                         return gamma * (x > 0 ? x : alpha * std::expm1(x));
                                       }));
  registry.addNode("::ThresholdedRelu",
                   mapKernel({"alpha", 1.0f}, [](double x, double alpha, double) { return x > alpha ? x : 0; }));
  registry.addNode("::Shrink", mapKernel({"lambd", 0.5f, "bias", 0.0f}, [](double x, double lambda, double bias) {
                     return x < -lambda ? x + bias : x > lambda ? x - bias : 0;
                   }));
}

static llvm::Expected<Tensors> isInf(KernelContext &context) {
  bool positive = context.node().getInt("detect_positive", 1), negative = context.node().getInt("detect_negative", 1);
  Tensor wide = convert(context.operand(0), DType::F64), result(DType::Bool, wide.shape());
  uint8_t *target = result.mutableData<uint8_t>().data();
  for (double x : wide.data<double>())
    *target++ = std::isinf(x) && (x > 0 ? positive : negative);
  return Tensors{result};
}

static llvm::Expected<Tensors> pRelu(KernelContext &context) {
  const Tensor &x = context.operand(0);
  llvm::Expected<Tensor> scaled = compute::binary(Binary::Mul, x, context.operand(1));
  llvm::Expected<Tensor> negative = compute::binary(Binary::Less, x, compute::scalar(0, x.dtype()));
  if (!scaled || !negative)
    return llvm::joinErrors(scaled.takeError(), negative.takeError());
  return single(compute::where(*negative, *scaled, x));
}

/// com.microsoft::FastGelu and BiasGelu: of x [+ bias].
static Kernel biasGeluKernel(bool tanh) {
  return [tanh](KernelContext &context) -> llvm::Expected<Tensors> {
    llvm::Expected<Tensor> x = context.operand(0);
    if (context.has(1))
      x = compute::binary(Binary::Add, *x, context.operand(1));
    return x ? single(compute::gelu(*x, tanh)) : x.takeError();
  };
}

//===----------------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------------===//

static Kernel bitKernel(Binary function) {
  return [function](KernelContext &context) {
    return single(compute::binary(function, context.operand(0), context.operand(1)));
  };
}

static llvm::Expected<Tensors> bitShift(KernelContext &context) {
  llvm::StringRef direction = context.node().getString("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    return compute::makeError("expected the direction LEFT or RIGHT, not '" + direction + "'");
  Binary function = direction == "LEFT" ? Binary::ShiftLeft : Binary::ShiftRight;
  return single(compute::binary(function, context.operand(0), context.operand(1)));
}

static llvm::Expected<Tensors> bitwiseNot(KernelContext &context) {
  const Tensor &x = context.operand(0);
  DType working = x.dtype() == DType::U64 ? DType::U64 : DType::I64;
  Tensor ones = convert(compute::scalar(-1, DType::I64), working);
  llvm::Expected<Tensor> flipped = compute::binary(Binary::BitXor, convert(x, working), ones);
  return flipped ? Tensors{convert(*flipped, x.dtype())} : llvm::Expected<Tensors>(flipped.takeError());
}

void interp::registerActivationKernels(KernelRegistry &registry) {
  registerMaps(registry);
  registry.addNode("::IsInf", isInf);
  registry.addNode("::PRelu", pRelu);
  registry.addNode("com.microsoft::FastGelu", biasGeluKernel(true));
  registry.addNode("com.microsoft::BiasGelu", biasGeluKernel(false));
  registry.addNode("::BitwiseAnd", bitKernel(Binary::BitAnd));
  registry.addNode("::BitwiseOr", bitKernel(Binary::BitOr));
  registry.addNode("::BitwiseXor", bitKernel(Binary::BitXor));
  registry.addNode("::BitwiseNot", bitwiseNot);
  registry.addNode("::BitShift", bitShift);
}
