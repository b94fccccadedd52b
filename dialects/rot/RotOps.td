//===- RotOps.td - change of basis ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef ROT_OPS
#define ROT_OPS
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "rot/RotAttrs.td"

def Rot_ConvertOp : Op<Rot_Dialect, "convert", [Pure]> {
  let summary = "Change of basis";
  let description = [{
    Both bases stand in the types: the matrix is source⁻¹ · target. On a weight expression it costs nothing at run
    time; on an activation it is an online transform.

    Example:
    ```mlir
    %1 = rot.convert %0 : tensor<?x8xf32> to tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
#endif
