//===- InitAllDialects.h - registers every dialect ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INITALLDIALECTS_H
#define QUANTOPT_INITALLDIALECTS_H

#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// Registers the project's dialects, those of MLIR that they stand beside, and the interfaces attached from outside.
inline void registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<mlir::func::FuncDialect, llm::LlmDialect, onnx::OnnxDialect, param::ParamDialect, q::QDialect,
                  rot::RotDialect, tile::TileDialect>();
  mlir::func::registerInlinerExtension(registry);
  param::registerRotConvertExternalModel(registry);
}

} // namespace quantopt

#endif // QUANTOPT_INITALLDIALECTS_H
