//===- Onnx.cpp - kernels of ONNX operators -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"

using namespace quantopt;

void interp::registerOnnxKernels(KernelRegistry &registry) {
  registerElementwiseKernels(registry);
  registerShapeKernels(registry);
  registerIndexKernels(registry);
  registerReductionKernels(registry);
  registerMatMulKernels(registry);
  registerQuantizationKernels(registry);
  registerBlockQuantizedKernels(registry);
  registerAttentionKernels(registry);
  registerRotaryKernels(registry);
  registerControlFlowKernels(registry);
  registerSequenceKernels(registry);
  registerActivationKernels(registry);
  registerGroupQueryKernels(registry);
  registerMultiHeadKernels(registry);
  registerSelectionKernels(registry);
  registerEinsumKernels(registry);
  registerQuantizedProductKernels(registry);
}
