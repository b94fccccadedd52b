//===- Reference.h - a bundle's model in lib/Interp -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTRUN_REFERENCE_H
#define QUANTOPT_TOOLS_QUANTRUN_REFERENCE_H

#include "quantopt/Runtime/Model.h"
#include <memory>

namespace quantopt::run {

/// The model of a bundle (model.mlir), executed by lib/Interp: what the kernels ought to compute, op by op, with the
/// same caches. `options.chunk` says nothing: each step runs as a whole.
llvm::Expected<std::unique_ptr<runtime::TokenModel>>
createReference(const runtime::Bundle &bundle, const runtime::SessionOptions &options, unsigned threads);

} // namespace quantopt::run

#endif // QUANTOPT_TOOLS_QUANTRUN_REFERENCE_H
