//===- ParamOps.td - weights as names of bytes, and expressions over them -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef PARAM_OPS
#define PARAM_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "rot/RotInterfaces.td"
include "param/ParamDialect.td"
include "param/ParamInterfaces.td"

class Param_Op<string mnemonic, list<Trait> traits = []> : Op<Param_Dialect, mnemonic, traits>;

def Param_FileOp : Param_Op<"file", [Symbol]> {
  let summary = "A file that holds weights";
  let description = [{
    A relative path is relative to the folder of the file the IR was read from.

    Example: `param.file @f0 "model.onnx_data"`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$path);
  let assemblyFormat = "$sym_name $path attr-dict";
}
def Param_GlobalOp : Param_Op<"global", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A named tensor whose bytes lie in a file";
  let description = [{
    Row-major, little-endian; 4-bit elements are packed two to a byte, the first in the low nibble.

    Example:
    ```mlir
    param.global @w : tensor<1536x576xf32> from @f0 [offset = 4096, length = 3538944]
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyStaticShapeTensor>:$type, FlatSymbolRefAttr:$file,
                       I64Attr:$offset, I64Attr:$length);
  let assemblyFormat = [{
    $sym_name `:` $type `from` $file `[` `offset` `=` custom<Integer>($offset) `,` `length` `=` custom<Integer>($length) `]` attr-dict
  }];
  let hasVerifier = 1;
}
def Param_DerivedOp : Param_Op<"derived", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "A named weight expression: the unit that the streaming executor runs";
  let description = [{
    Example:
    ```mlir
    param.derived @gate.rotated {
      %0 = param.load @gate : tensor<16x8xf32>
      %1 = rot.convert %0 : tensor<16x8xf32> to tensor<16x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
      param.yield %1 : tensor<16x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let extraClassDeclaration = [{
    mlir::TypeRange getYieldedTypes() { return getBody().front().getTerminator()->getOperandTypes(); }
  }];
}
def Param_YieldOp : Param_Op<"yield", [Terminator, Pure, HasParent<"DerivedOp">]> {
  let summary = "The values of a param.derived";
  let description = "Example: `param.yield %codes, %scale : tensor<16x8xi4>, tensor<16x1xf32>`";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}
def Param_LoadOp : Param_Op<"load", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value (or values) of a parameter, stored or derived";
  let description = "Example: `%0 = param.load @w : tensor<1536x576xf32>`";
  let arguments = (ins FlatSymbolRefAttr:$param);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$param attr-dict `:` type($results)";
}
class Param_WeightOp<string mnemonic, list<Trait> traits = []>
    : Param_Op<mnemonic, [Pure, DeclareOpInterfaceMethods<Rot_BasisOpInterface>,
                          DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole"]>] # traits>;
def Param_ScaleOp : Param_WeightOp<"scale", [AllTypesMatch<["weight", "result"]>]> {
  let summary = "Multiply (or divide) the fibres along one dimension, elementwise, by a vector";
  let description = [{
    The dimension itself must be standard, since scaling works on stored elements; the others may be in any basis.

    Example: `%1 = param.scale %w by %gamma dim 1 : tensor<16x8xf32>, tensor<8xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight, AnyRankedTensor:$scale, I64Attr:$dim, UnitAttr:$inverse);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $weight (`inverse` $inverse^)? `by` $scale `dim` custom<Integer>($dim) attr-dict `:` type($weight) `,` type($scale)
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_TransposeOp : Param_WeightOp<"transpose"> {
  let summary = "A matrix stored the other way round";
  let description = [{
    Exporters store linear weights as [in, out]; `llm.linear` reads [out, in]. Bases move with their dimensions.

    Example: `%1 = param.transpose %0 : tensor<8x16xf32> to tensor<16x8xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_CastOp : Param_WeightOp<"cast"> {
  let summary = "The same numbers in another floating-point type";
  let description = [{
    For kernels that read a weight in f16. It rounds where the expression ends, like every other (C6).

    Example: `%1 = param.cast %0 : tensor<16x8xf32> to tensor<16x8xf16>`
  }];
  let arguments = (ins AnyRankedTensor:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_SliceOp : Param_WeightOp<"slice"> {
  let summary = "Consecutive fibres along one dimension";
  let description = [{
    Packed projections (q, k and v in one matrix) are taken apart by rows, and their biases by elements. Along the dimension
    the operand and the result are in the standard basis.

    Example: `%k = param.slice %qkv dim 0 at 576 : tensor<960x576xf32> to tensor<192x576xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight, I64Attr:$dim, I64Attr:$offset);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $weight `dim` custom<Integer>($dim) `at` custom<Integer>($offset) attr-dict `:` type($weight) `to` type($result)
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_OffsetOp : Param_WeightOp<"offset", [AllTypesMatch<["weight", "result"]>]> {
  let summary = "A number added to every element";
  let description = [{
    The scale of norms that store what it differs from 1 (Gemma).

    Example: `%gamma = param.offset %w by 1.0 : tensor<576xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight, F64Attr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight `by` custom<Float>($value) attr-dict `:` type($weight)";
  let hasVerifier = 1;
}
def Param_CenterOp : Param_WeightOp<"center", [AllTypesMatch<["weight", "result"]>]> {
  let summary = "Each fibre along one dimension minus its mean";
  let description = [{
    What writes such fibres writes values of mean 0, for which `llm.layer_norm` is `llm.rms_norm` (SliceGPT, arXiv:2401.15024,
    section 3).

    Example: `%1 = param.center %w dim 0 : tensor<16x8xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight, I64Attr:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight `dim` custom<Integer>($dim) attr-dict `:` type($weight)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_MatvecOp : Param_WeightOp<"matvec"> {
  let summary = "Matrix times vector";
  let description = [{
    What a linear makes of a bias in front of it.

    Example: `%b = param.matvec %w, %beta : (tensor<16x8xf32>, tensor<8xf32>) -> tensor<16xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight, AnyRankedTensor:$vector);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight `,` $vector attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Param_AddOp : Param_WeightOp<"add", [SameOperandsAndResultType]> {
  let summary = "Sum of two weights";
  let description = "Example: `%b = param.add %0, %1 : tensor<16xf32>`";
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
  let hasVerifier = 1;
}
def Param_ReshapeOp : Param_WeightOp<"reshape"> {
  let summary = "The same elements, row-major, under another shape";
  let description = [{
    For vectors that ONNX stores where a matrix is meant, and the reverse: scales per channel, packed codes.

    Example: `%1 = param.reshape %0 : tensor<32xf32> to tensor<16x2xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_BroadcastOp : Param_WeightOp<"broadcast"> {
  let summary = "The same elements repeated along dimensions of size 1";
  let description = [{
    For one scale that a whole tensor shares. The ranks are equal.

    Example: `%1 = param.broadcast %0 : tensor<1x1xf32> to tensor<16x1xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `to` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
def Param_ConstantOp : Param_Op<"constant", [Pure, AllTypesMatch<["value", "result"]>,
    DeclareOpInterfaceMethods<Param_WeightOpInterface, ["getRole"]>]> {
  let summary = "Small numbers that a pass has computed: a weight expression that reads no file";
  let description = [{
    For tables of kernels, as the cosines of positions. `name` is what the parameter will be called.

    Example: `%cos = param.constant "rope.cos" dense<1.0> : tensor<64x32xf32>`
  }];
  let arguments = (ins StrAttr:$name, ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$name $value attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::DenseElementsAttr":$value), [{
    build($_builder, $_state, value.getType(), $_builder.getStringAttr(name), value);
  }]>];
  let hasVerifier = 1;
}
#endif
