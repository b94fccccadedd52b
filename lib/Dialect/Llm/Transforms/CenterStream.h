//===- CenterStream.h - streams of mean 0, whose LayerNorm is RMSNorm ------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_LLM_TRANSFORMS_CENTERSTREAM_H
#define QUANTOPT_DIALECT_LLM_TRANSFORMS_CENTERSTREAM_H

#include "quantopt/Dialect/Llm/IR/Llm.h"

namespace quantopt::llm {

/// Where `norm` has neither scale nor bias, and weights alone write the stream it reads and only such norms read it:
/// the weights are centred, and all these norms become llm.rms_norm (SliceGPT, arXiv:2401.15024, section 3). Otherwise
/// nothing changes, and the result is false.
bool centerStream(LayerNormOp norm);

} // namespace quantopt::llm

#endif // QUANTOPT_DIALECT_LLM_TRANSFORMS_CENTERSTREAM_H
