//===- OnnxToLlm.h - recognition of decoder layers ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H
#define QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H

#include "mlir/Pass/Pass.h"

namespace quantopt {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "onnx/OnnxPasses.h.inc"
} // namespace quantopt

#endif // QUANTOPT_CONVERSION_ONNXTOLLM_ONNXTOLLM_H
