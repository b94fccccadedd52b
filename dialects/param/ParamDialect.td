//===- ParamDialect.td - the param dialect ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef PARAM_DIALECT
#define PARAM_DIALECT
include "mlir/IR/DialectBase.td"

def Param_Dialect : Dialect {
  let name = "param";
  let cppNamespace = "::quantopt::param";
  let summary = "Weights as names of bytes, and expressions over them";
  let description = [{
    A weight is the name of a range of bytes in a file (`param.global`). Passes stack ordinary ops on it; nothing is
    read until an expression is evaluated. `param-hoist` outlines each expression into a `param.derived`, the unit
    that the streaming executor runs.
  }];
}
#endif
