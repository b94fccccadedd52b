//===- Quantization.cpp - ONNX operators that quantize ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::interp;

static compute::ScaleLayout layoutOf(KernelContext &context) {
  return {context.node().getInt("axis", 1), context.node().getInt("block_size", 0)};
}

/// The type of the codes: the zero point's, `output_dtype`, or ui8.
static llvm::Expected<DType> codeTypeOf(KernelContext &context) {
  if (context.has(2))
    return context.operand(2).dtype();
  if (int64_t stated = context.node().getInt("output_dtype", 0))
    return fromOnnxType(stated);
  return DType::U8;
}

static llvm::Expected<Tensors> quantizeLinear(KernelContext &context) {
  llvm::Expected<DType> type = codeTypeOf(context);
  if (!type)
    return type.takeError();
  return single(compute::quantizeLinear(context.operand(0), context.operand(1), context.operand(2), layoutOf(context),
                                        *type, context.node().getInt("saturate", 1)));
}

static llvm::Expected<Tensors> dequantizeLinear(KernelContext &context) {
  DType type = context.operand(1).dtype();
  if (int64_t stated = context.node().getInt("output_dtype", 0)) {
    llvm::Expected<DType> wanted = fromOnnxType(stated);
    if (!wanted)
      return wanted.takeError();
    type = context.held(*wanted);
  }
  return single(
      compute::dequantizeLinear(context.operand(0), context.operand(1), context.operand(2), layoutOf(context), type));
}

llvm::Expected<Tensors> interp::quantizeDynamically(const Tensor &x) {
  llvm::Expected<Tensor> low = compute::reduce(compute::Reduce::Min, x, {}, false);
  llvm::Expected<Tensor> high = compute::reduce(compute::Reduce::Max, x, {}, false);
  if (!low || !high)
    return llvm::joinErrors(low.takeError(), high.takeError());
  // In f32, as the operator's definition states it.
  float bottom = std::min(0.0f, float(compute::scalarAsDouble(*low)));
  float top = std::max(0.0f, float(compute::scalarAsDouble(*high)));
  float step = (top - bottom) / 255.0f;
  float zero = step == 0.0f ? 0.0f : std::nearbyint(std::min(255.0f, std::max(0.0f, 0.0f - bottom / step)));
  Tensor scale = compute::scalar(step, x.dtype()), zeroPoint = compute::scalar(zero, DType::U8);
  llvm::Expected<Tensor> codes = compute::quantizeLinear(x, scale, zeroPoint, {}, DType::U8);
  if (!codes)
    return codes.takeError();
  return Tensors{*codes, scale, zeroPoint};
}

static llvm::Expected<Tensors> dynamicQuantizeLinear(KernelContext &context) {
  return quantizeDynamically(context.operand(0));
}

void interp::registerQuantizationKernels(KernelRegistry &registry) {
  for (llvm::StringRef domain : {"", "com.microsoft"}) {
    registry.addNode((domain + "::QuantizeLinear").str(), quantizeLinear);
    registry.addNode((domain + "::DequantizeLinear").str(), dequantizeLinear);
  }
  registry.addNode("::DynamicQuantizeLinear", dynamicQuantizeLinear);
}
