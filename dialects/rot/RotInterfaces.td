//===- RotInterfaces.td - how ops transport bases, what a transform is --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef ROT_INTERFACES
#define ROT_INTERFACES
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Rot_TransformInterface : AttrInterface<"TransformInterface"> {
  let cppNamespace = "::quantopt::rot";
  let description = [{
    An invertible square matrix acting on row vectors, `v -> v T`. Implement this on an attribute of any dialect to
    add a kind of transform; composition, inversion and Kronecker products are then free.
  }];
  let methods = [
    InterfaceMethod<"n, for an n-by-n matrix.", "int64_t", "getSize", (ins)>,
    InterfaceMethod<"T Tᵀ = 1.", "bool", "isOrthogonal", (ins)>,
    InterfaceMethod<"T = Tᵀ.", "bool", "isSymmetric", (ins)>,
    InterfaceMethod<"Nonzero on the diagonal only.", "bool", "isDiagonal", (ins)>,
    InterfaceMethod<[{
      The matrix as a program. `read` gives the values of a parameter that the transform names; errors are its errors,
      or that no matrix of that size exists.
    }], "::llvm::Expected<std::unique_ptr<::quantopt::numerics::LinearMap>>", "makeLinearMap",
        (ins "::quantopt::rot::ParameterReader":$read)>,
  ];
}

def Rot_BasisOpInterface : OpInterface<"BasisOpInterface"> {
  let cppNamespace = "::quantopt::rot";
  let description = [{
    An op that says which dimensions of its operands and results share a basis. The one method drives the verifier,
    the webs of `rot-insert` and the patterns of `rot-absorb`. A dimension that no tie mentions must be in the
    standard basis; so must every dimension of an op without this interface (`rot.strict`).
  }];
  let methods = [
    InterfaceMethod<"The groups of dimensions that share a basis.",
      "::llvm::SmallVector<::quantopt::rot::BasisTie>", "getBasisTies", (ins)>,
  ];
  let verify = [{ return ::quantopt::rot::verifyBasisTies($_op); }];
}
#endif
