//===- GatherNd.h - heads picked by index -------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_ONNXTOLLM_GATHERND_H
#define QUANTOPT_LIB_CONVERSION_ONNXTOLLM_GATHERND_H

#include "mlir/IR/PatternMatch.h"

namespace quantopt {

/// GatherND of whole rows of a Transpose, as indexing in the middle is traced: Gather, and the Transpose behind it.
llvm::LogicalResult recognizeGatherNd(mlir::Operation *root, mlir::RewriterBase &rewriter);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_ONNXTOLLM_GATHERND_H
