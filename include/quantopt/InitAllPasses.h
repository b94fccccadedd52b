//===- InitAllPasses.h - registers every pass -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INITALLPASSES_H
#define QUANTOPT_INITALLPASSES_H

#include "mlir/Transforms/Passes.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "quantopt/Interp/KvLower/KvLower.h"
#include "quantopt/Pipelines/Pipelines.h"
#include "quantopt/Target/PTX/Bundle.h"

namespace quantopt {

/// Registers the project's passes, its named pipelines, and MLIR's general ones (canonicalize, cse, symbol-dce, inline,
/// ...).
inline void registerAllPasses() {
  mlir::registerTransformsPasses();
  registerLlmPasses();
  registerOnnxPasses();
  registerParamPasses();
  registerKvLowerPass();
  registerTileSelectPass();
  registerTileLowerPass();
  registerEmitBundlePass();
  registerPipelines();
}

} // namespace quantopt

#endif // QUANTOPT_INITALLPASSES_H
