//===- RotDialect.td - the rot dialect ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef ROT_DIALECT
#define ROT_DIALECT
include "mlir/IR/DialectBase.td"

def Rot_Dialect : Dialect {
  let name = "rot";
  let cppNamespace = "::quantopt::rot";
  let summary = "The basis a tensor dimension is stored in";
  let description = [{
    Dimension `d` of a tensor is *in basis T* when every fibre `v` along `d` is stored as `v T`. No encoding means
    the standard basis everywhere. Sums need equal bases; contractions pair T with its dual T⁻ᵀ. Why, and the numbered
    constraints that verifiers cite: Rationale.md.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = "void registerAttributes();";
}
#endif
