//===- Kernels.h - groups of kernels of ONNX operators ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_ONNX_KERNELS_H
#define QUANTOPT_LIB_INTERP_ONNX_KERNELS_H

#include "quantopt/Interp/KernelContext.h"
#include "quantopt/Interp/KernelRegistry.h"

namespace quantopt::interp {

void registerElementwiseKernels(KernelRegistry &registry);
void registerShapeKernels(KernelRegistry &registry);
void registerIndexKernels(KernelRegistry &registry);
void registerReductionKernels(KernelRegistry &registry);
void registerMatMulKernels(KernelRegistry &registry);
void registerQuantizationKernels(KernelRegistry &registry);
void registerBlockQuantizedKernels(KernelRegistry &registry);
void registerAttentionKernels(KernelRegistry &registry);
void registerRotaryKernels(KernelRegistry &registry);
void registerControlFlowKernels(KernelRegistry &registry);
void registerSequenceKernels(KernelRegistry &registry);
void registerActivationKernels(KernelRegistry &registry);
void registerGroupQueryKernels(KernelRegistry &registry);
void registerMultiHeadKernels(KernelRegistry &registry);
void registerSelectionKernels(KernelRegistry &registry);
void registerEinsumKernels(KernelRegistry &registry);
void registerQuantizedProductKernels(KernelRegistry &registry);

/// x [B, S, heads · D] as [B, heads, S, D], and back.
llvm::Expected<Tensor> splitHeads(const Tensor &x, int64_t heads);
llvm::Expected<Tensor> mergeHeads(const Tensor &x);

/// Codes (ui8), scale and zero point over the range of a tensor, which includes zero: DynamicQuantizeLinear.
llvm::Expected<Tensors> quantizeDynamically(const Tensor &x);

/// The element type of a number of TensorProto.DataType; an error for those without a DType.
llvm::Expected<DType> fromOnnxType(int64_t type);

/// The only element of a tensor; an error where there is not one.
llvm::Expected<int64_t> integerOf(const Tensor &tensor);

/// A list of integers that is attribute `name` or, in later opsets, input `operand`; nothing where both are absent.
std::optional<llvm::SmallVector<int64_t>> integersOf(KernelContext &context, llvm::StringRef name, unsigned operand);

} // namespace quantopt::interp

#endif // QUANTOPT_LIB_INTERP_ONNX_KERNELS_H
