//===- QToTile.h - quantized layers to kernels -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_QTOTILE_QTOTILE_H
#define QUANTOPT_CONVERSION_QTOTILE_QTOTILE_H

#include "mlir/Pass/Pass.h"

namespace quantopt {
#define GEN_PASS_DECL_TILESELECTPASS
#define GEN_PASS_REGISTRATION_TILESELECTPASS
#include "tile/TilePasses.h.inc"
} // namespace quantopt

#endif // QUANTOPT_CONVERSION_QTOTILE_QTOTILE_H
