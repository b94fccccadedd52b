//===- RotAttrs.td - transforms, and the basis of a tensor's dimensions -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef ROT_ATTRS
#define ROT_ATTRS
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/IR/EnumAttr.td"
include "rot/RotDialect.td"
include "rot/RotInterfaces.td"

class Rot_Attr<string name, string mnemo, list<Trait> traits = []> : AttrDef<Rot_Dialect, name, traits> {
  let mnemonic = mnemo;
}
class Rot_Leaf<string name, string mnemo, bit orthogonal, bit diagonal>
    : Rot_Attr<name, mnemo, [Rot_TransformInterface]> {
  let extraClassDeclaration = "bool isOrthogonal() const { return " # !if(orthogonal, "true", "false") # "; }\n"
                              "bool isSymmetric() const { return isDiagonal(); }\n"
                              "bool isDiagonal() const { return " # !if(diagonal, "true", "false") # "; }\n"
                              "llvm::Expected<std::unique_ptr<quantopt::numerics::LinearMap>> "
                              "makeLinearMap(quantopt::rot::ParameterReader read) const;";
}

def Rot_HadamardAttr : Rot_Leaf<"Hadamard", "hadamard", 1, 0> {
  let summary = "Orthonormal Hadamard matrix with signs";
  let description = [{
    `diag(signs(seed)) · H`; seed 0 means no signs. The signs stand on the input side: on the output side symmetric
    quantizers would not see them. `H = H_K ⊗ H_2^k` with the construction of lib/Numerics (Sylvester, Paley,
    Williamson; where no Hadamard matrix exists, a Hartley factor).

    Example: `#rot.hadamard<576, seed = 7>`
  }];
  let parameters = (ins "int64_t":$size, DefaultValuedParameter<"int64_t", "0">:$seed);
  let assemblyFormat = "`<` $size (`,` `seed` `=` $seed^)? `>`";
  let genVerifyDecl = 1;
}
def Rot_OrthogonalAttr : Rot_Leaf<"Orthogonal", "orthogonal", 1, 0> {
  let summary = "Orthogonal matrix stored as a parameter (SpinQuant, OSTQuant, DFRot)";
  let description = "Example: `#rot.orthogonal<@r1, 576>`";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$param, "int64_t":$size);
  let assemblyFormat = "`<` $param `,` $size `>`";
}
def Rot_DiagonalAttr : Rot_Leaf<"Diagonal", "diagonal", 0, 1> {
  let summary = "Diagonal matrix stored as a parameter (SmoothQuant, SmoothRot)";
  let description = "Example: `#rot.diagonal<@s0, 1536>`";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$param, "int64_t":$size);
  let assemblyFormat = "`<` $param `,` $size `>`";
}

def Rot_VariantKind : I32EnumAttr<"VariantKind", "what is done to a leaf", [
    I32EnumAttrCase<"Inverse", 1, "inverse">, I32EnumAttrCase<"Transpose", 2, "transpose">,
    I32EnumAttrCase<"Dual", 3, "dual">]> {
  let cppNamespace = "::quantopt::rot";
  let genSpecializedAttr = 0;
}
class Rot_Composite<string name, string mnemo>
    : Rot_Attr<name, mnemo, [DeclareAttrInterfaceMethods<Rot_TransformInterface>]> {
  let genVerifyDecl = 1;
}
def Rot_VariantAttr : Rot_Composite<"Variant", "variant"> {
  let summary = "Inverse, transpose or dual (inverse transpose) of a leaf";
  let description = "Example: `#rot.variant<#rot.hadamard<12>, inverse>`";
  let parameters = (ins "::mlir::Attribute":$leaf, EnumParameter<Rot_VariantKind>:$kind);
  let assemblyFormat = "`<` $leaf `,` $kind `>`";
}
def Rot_KronAttr : Rot_Composite<"Kron", "kron"> {
  let summary = "Kronecker product; an integer n stands for the identity of size n";
  let description = "Example: `#rot.kron<9, #rot.hadamard<64>>` is I₉ ⊗ H₆₄, a rotation per head.";
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$factors);
  let assemblyFormat = "`<` custom<Factors>($factors) `>`";
}
def Rot_ChainAttr : Rot_Composite<"Chain", "chain"> {
  let summary = "Product, leftmost applied first";
  let description = "Example: `#rot.chain<#rot.diagonal<@s, 8>, #rot.hadamard<8>>` is diag(s) · H (SmoothRot)";
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$factors);
  let assemblyFormat = "`<` custom<Factors>($factors) `>`";
}

def Rot_BasisAttr : Rot_Attr<"Basis", "basis", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Encoding of a ranked tensor: one transform per dimension, `_` for the standard basis";
  let description = [{
    Dimension d is in basis T when every fibre v along d is stored as v·T.

    Example: `tensor<?x?x576xf32, #rot.basis<[_, _, #rot.hadamard<576, seed = 7>]>>`
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$dims);
  let assemblyFormat = "`<` `[` custom<Dims>($dims) `]` `>`";
  let genVerifyDecl = 1;
}
#endif
