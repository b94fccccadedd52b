//===- Mlir.h - what nearly every file about IR includes ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Compiled once, for builds without a compiler cache. Files include what they use all the same.
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PRECOMPILED_MLIR_H
#define QUANTOPT_PRECOMPILED_MLIR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#endif // QUANTOPT_PRECOMPILED_MLIR_H
