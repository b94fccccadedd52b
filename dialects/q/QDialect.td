//===- QDialect.td - the q dialect ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef Q_DIALECT
#define Q_DIALECT
include "mlir/IR/DialectBase.td"

def Q_Dialect : Dialect {
  let name = "q";
  let cppNamespace = "::quantopt::q";
  let summary = "Quantized tensors as several values: codes, scale, zero point";
  let description = [{
    Codes are `i4`/`i8` (symmetric) or `ui4`/`ui8` (with a zero point). The shape of the scale is the granularity:
    its last dimension counts the groups along the last dimension of the codes, the last group may be shorter. Codes
    keep the basis of what was quantized: a quantizer is an approximate identity.
  }];
  let dependentDialects = ["::quantopt::rot::RotDialect", "::quantopt::param::ParamDialect"];
}
#endif
