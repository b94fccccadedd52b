//===- KvLower.h - attention over a packed cache --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_KVLOWER_KVLOWER_H
#define QUANTOPT_INTERP_KVLOWER_KVLOWER_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantopt {

#define GEN_PASS_DECL_KVLOWERPASS
#define GEN_PASS_REGISTRATION_KVLOWERPASS
#include "tile/TilePasses.h.inc"

} // namespace quantopt

#endif // QUANTOPT_INTERP_KVLOWER_KVLOWER_H
