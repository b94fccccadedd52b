//===- Passes.h - emission of ONNX models ---------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TARGET_ONNX_PASSES_H
#define QUANTOPT_TARGET_ONNX_PASSES_H

#include "mlir/Pass/Pass.h"

namespace quantopt {

/// `emit-onnx{output=model.onnx}`: writes the module as an ONNX model. The IR stays as it is.
std::unique_ptr<mlir::Pass> createEmitOnnxPass(llvm::StringRef output = "");

void registerOnnxTargetPasses();

} // namespace quantopt

#endif // QUANTOPT_TARGET_ONNX_PASSES_H
