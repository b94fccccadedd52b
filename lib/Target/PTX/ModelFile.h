//===- ModelFile.h - the model of a bundle, for lib/Interp ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TARGET_PTX_MODELFILE_H
#define QUANTOPT_LIB_TARGET_PTX_MODELFILE_H

#include "Plan.h"
#include "mlir/IR/OwningOpRef.h"

namespace quantopt {

inline constexpr llvm::StringLiteral modelFileName = "model.mlir";

/// A copy of `lowered`, as tile-lower has left it, of which functions alone stay: tile ops without their kernels, and
/// nothing of the machine that it is made on.
mlir::OwningOpRef<mlir::ModuleOp> copyFunctions(mlir::ModuleOp lowered);

/// The text of `model`, made by copyFunctions(), with the weights of the plan read from the file `weightsFile` in the
/// bundle. `stored` has the parameters of that file, by the names of Plan::weightNames.
std::string printModel(mlir::ModuleOp model, const Plan &plan, mlir::ModuleOp stored, llvm::StringRef weightsFile);

} // namespace quantopt

#endif // QUANTOPT_LIB_TARGET_PTX_MODELFILE_H
