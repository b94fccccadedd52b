//===- TileDialect.td - the tile dialect --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_DIALECT
#define TILE_DIALECT
include "mlir/IR/DialectBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::quantopt::tile";
  let summary = "One op per GPU kernel, with the configuration that it is built by";
  let description = [{
    Ops work on tensors. All leading dimensions of an activation are *rows*: their number is known when a kernel is
    launched, everything else is static and a part of the kernel. `config` says for which architecture and by which
    tiles; its verifier knows what each architecture executes. Weights are bytes in the order of a `numerics::Layout`.

    In memory 4-bit activation codes are row-major, two to a byte, the first in the low nibble. Rows of codes, 4 or 8
    bits wide, are filled with codes of 0 to a multiple of 64, so that every row begins at a multiple of 32 bytes.
    Why, and the numbered constraints that verifiers cite: Rationale.md.
  }];
  let dependentDialects = ["::quantopt::rot::RotDialect"];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = "void registerAttributes();";
}
#endif
