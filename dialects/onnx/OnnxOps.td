//===- OnnxOps.td - ops of the onnx dialect ---------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------------===//
#ifndef ONNX_OPS_TD
#define ONNX_OPS_TD

include "onnx/OnnxAttrs.td"
include "onnx/OnnxInterfaces.td"
include "onnx/OnnxTypes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Onnx_NoValueOp : Op<Onnx_Dialect, "no_value", [Pure]> {
  let summary = "an omitted optional input";
  let description = [{
    Example:
    ```mlir
    %none = onnx.no_value
    %y = onnx.Clip(%x, %none, %limit) : (tensor<?x4xf32>, none, tensor<f32>) -> tensor<?x4xf32>
    ```
  }];
  let results = (outs NoneType:$value);
  let assemblyFormat = "attr-dict";
}

/// What all nodes share. Written and read by one printer and one parser, because 80 generated ones cost minutes of
/// build time and could differ.
class Onnx_NodeBase<string mnemonic, dag extraArguments, list<Trait> traits = []>
    : Op<Onnx_Dialect, mnemonic, [Pure, Onnx_NodeOpInterface] # traits> {
  let arguments = !con(extraArguments, (ins Variadic<AnyType>:$inputs,
                                            StrAttr:$node, StrArrayAttr:$outputs,
                                            DictionaryAttr:$node_attributes,
                                            OptionalAttr<StrArrayAttr>:$captures,
                                            OptionalAttr<I64Attr>:$index));
  let results = (outs Variadic<AnyType>:$values);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
}

/// A node of any operator: `onnx.node "com.microsoft::MatMulNBits"(...)`.
def Onnx_Opaque : NativeOpTrait<"Opaque"> {
  let cppNamespace = "::quantopt::rot";
}
def Onnx_NodeOp : Onnx_NodeBase<"node", (ins StrAttr:$qualified_type), [Onnx_Opaque]> {
  let summary = "a node of an operator that has no op of its own";
  let description = [{
    Example:
    ```mlir
    %y = onnx.node "com.microsoft::QuickGelu"(%x) {alpha = 1.0 : f32} node "/act/QuickGelu" outputs ["y"]
       : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let builders = [
    OpBuilder<(ins "::llvm::StringRef":$qualifiedType, "::mlir::TypeRange":$results, "::mlir::ValueRange":$inputs,
                   CArg<"::llvm::ArrayRef<::mlir::NamedAttribute>", "{}">:$attributes,
                   CArg<"::llvm::StringRef", "{}">:$node,
                   CArg<"::llvm::ArrayRef<::llvm::StringRef>", "{}">:$outputs), [{
      $_state.addAttribute("qualified_type", $_builder.getStringAttr(qualifiedType));
      populateNode($_builder, $_state, results, inputs, attributes, node, outputs);
    }]>];
  let extraClassDeclaration = [{
    ::llvm::StringRef getDomain() { return getQualifiedTypeAttr().getValue().rsplit("::").first; }
    ::llvm::StringRef getOpType() { return getQualifiedTypeAttr().getValue().rsplit("::").second; }
  }];
  let extraClassDefinition = [{
    ::mlir::ParseResult $cppClass::parse(::mlir::OpAsmParser &parser, ::mlir::OperationState &state) {
      ::mlir::StringAttr type;
      return ::mlir::failure(parser.parseAttribute(type, "qualified_type", state.attributes) ||
                             parseNode(parser, state));
    }
    void $cppClass::print(::mlir::OpAsmPrinter &printer) {
      printer << ' ' << getQualifiedTypeAttr();
      printNode(printer, *this);
    }
  }];
}

/// A node of a standard operator with `min` to `max` inputs and `minOutputs` to `maxOutputs` outputs; -1 is any number.
/// `kinds` lists its attributes in all opset versions from 7 on, each as name:kind (constraint C5).
class Onnx_Operator<string type, int min, int max, int minOutputs = 1, int maxOutputs = 1, string kinds = "">
    : Onnx_NodeBase<type, (ins)> {
  let summary = "the operator " # type;
  let builders = [
    OpBuilder<(ins "::mlir::TypeRange":$results, "::mlir::ValueRange":$inputs,
                   CArg<"::llvm::ArrayRef<::mlir::NamedAttribute>", "{}">:$attributes,
                   CArg<"::llvm::StringRef", "{}">:$node,
                   CArg<"::llvm::ArrayRef<::llvm::StringRef>", "{}">:$outputs), [{
      populateNode($_builder, $_state, results, inputs, attributes, node, outputs);
    }]>];
  let extraClassDeclaration = [{
    ::llvm::StringRef getDomain() { return ""; }
    ::llvm::StringRef getOpType() { return getOperationName().drop_front(sizeof("onnx.") - 1); }
  }];
  let extraClassDefinition = [{
    ::mlir::ParseResult $cppClass::parse(::mlir::OpAsmParser &parser, ::mlir::OperationState &state) {
      return parseNode(parser, state);
    }
    void $cppClass::print(::mlir::OpAsmPrinter &printer) { printNode(printer, *this); }
    ::llvm::LogicalResult $cppClass::verify() {
      return verifyNode(*this, }] # min # ", " # max # ", " # minOutputs # ", " # maxOutputs #
                                    ", \"" # kinds # [{");
    }
  }];
}

def Onnx_AbsOp : Onnx_Operator<"Abs", 1, 1>;
def Onnx_AddOp : Onnx_Operator<"Add", 2, 2>;
def Onnx_AndOp : Onnx_Operator<"And", 2, 2>;
def Onnx_ArgMaxOp : Onnx_Operator<"ArgMax", 1, 1, 1, 1, "axis:int keepdims:int select_last_index:int">;
def Onnx_ArgMinOp : Onnx_Operator<"ArgMin", 1, 1, 1, 1, "axis:int keepdims:int select_last_index:int">;
def Onnx_AttentionOp : Onnx_Operator<"Attention", 3, 7, 1, 4,
    "is_causal:int kv_num_heads:int left_window_size:int q_num_heads:int qk_matmul_output_mode:int "
    "right_window_size:int scale:float softcap:float softmax_precision:int">;
def Onnx_BatchNormalizationOp : Onnx_Operator<"BatchNormalization", 5, 5, 1, 5,
    "epsilon:float momentum:float spatial:int training_mode:int">;
def Onnx_BitwiseAndOp : Onnx_Operator<"BitwiseAnd", 2, 2>;
def Onnx_BitwiseOrOp : Onnx_Operator<"BitwiseOr", 2, 2>;
def Onnx_CastOp : Onnx_Operator<"Cast", 1, 1, 1, 1, "round_mode:string saturate:int to:int">;
def Onnx_CastLikeOp : Onnx_Operator<"CastLike", 2, 2, 1, 1, "round_mode:string saturate:int">;
def Onnx_CeilOp : Onnx_Operator<"Ceil", 1, 1>;
def Onnx_ClipOp : Onnx_Operator<"Clip", 1, 3, 1, 1, "max:float min:float">;
def Onnx_ConcatOp : Onnx_Operator<"Concat", 1, -1, 1, 1, "axis:int">;
def Onnx_ConcatFromSequenceOp : Onnx_Operator<"ConcatFromSequence", 1, 1, 1, 1, "axis:int new_axis:int">;
def Onnx_ConstantOp : Onnx_Operator<"Constant", 0, 0, 1, 1,
    "sparse_value:other value:tensor value_float:float value_floats:floats value_int:int value_ints:ints "
    "value_string:string value_strings:strings">;
def Onnx_ConstantOfShapeOp : Onnx_Operator<"ConstantOfShape", 1, 1, 1, 1, "value:tensor">;
def Onnx_CosOp : Onnx_Operator<"Cos", 1, 1>;
def Onnx_CumSumOp : Onnx_Operator<"CumSum", 2, 2, 1, 1, "exclusive:int reverse:int">;
def Onnx_DequantizeLinearOp : Onnx_Operator<"DequantizeLinear", 2, 3, 1, 1, "axis:int block_size:int output_dtype:int">;
def Onnx_DivOp : Onnx_Operator<"Div", 2, 2>;
def Onnx_DropoutOp : Onnx_Operator<"Dropout", 1, 3, 1, 2, "ratio:float seed:int">;
def Onnx_DynamicQuantizeLinearOp : Onnx_Operator<"DynamicQuantizeLinear", 1, 1, 3, 3>;
def Onnx_EinsumOp : Onnx_Operator<"Einsum", 1, -1, 1, 1, "equation:string">;
def Onnx_EqualOp : Onnx_Operator<"Equal", 2, 2>;
def Onnx_ErfOp : Onnx_Operator<"Erf", 1, 1>;
def Onnx_ExpOp : Onnx_Operator<"Exp", 1, 1>;
def Onnx_ExpandOp : Onnx_Operator<"Expand", 2, 2>;
def Onnx_FlattenOp : Onnx_Operator<"Flatten", 1, 1, 1, 1, "axis:int">;
def Onnx_FloorOp : Onnx_Operator<"Floor", 1, 1>;
def Onnx_GatherOp : Onnx_Operator<"Gather", 2, 2, 1, 1, "axis:int">;
def Onnx_GatherElementsOp : Onnx_Operator<"GatherElements", 2, 2, 1, 1, "axis:int">;
def Onnx_GatherNDOp : Onnx_Operator<"GatherND", 2, 2, 1, 1, "batch_dims:int">;
def Onnx_GeluOp : Onnx_Operator<"Gelu", 1, 1, 1, 1, "approximate:string">;
def Onnx_GemmOp : Onnx_Operator<"Gemm", 2, 3, 1, 1, "alpha:float beta:float transA:int transB:int">;
def Onnx_GreaterOp : Onnx_Operator<"Greater", 2, 2>;
def Onnx_GreaterOrEqualOp : Onnx_Operator<"GreaterOrEqual", 2, 2>;
def Onnx_GroupNormalizationOp : Onnx_Operator<"GroupNormalization", 3, 3, 1, 1,
    "epsilon:float num_groups:int stash_type:int">;
def Onnx_IdentityOp : Onnx_Operator<"Identity", 1, 1>;
def Onnx_IfOp : Onnx_Operator<"If", 1, 1, 1, -1, "else_branch:graph then_branch:graph">;
def Onnx_InstanceNormalizationOp : Onnx_Operator<"InstanceNormalization", 3, 3, 1, 1, "epsilon:float">;
def Onnx_IsInfOp : Onnx_Operator<"IsInf", 1, 1, 1, 1, "detect_negative:int detect_positive:int">;
def Onnx_IsNaNOp : Onnx_Operator<"IsNaN", 1, 1>;
def Onnx_LayerNormalizationOp : Onnx_Operator<"LayerNormalization", 2, 3, 1, 3,
    "axis:int epsilon:float stash_type:int">;
def Onnx_LeakyReluOp : Onnx_Operator<"LeakyRelu", 1, 1, 1, 1, "alpha:float">;
def Onnx_LessOp : Onnx_Operator<"Less", 2, 2>;
def Onnx_LessOrEqualOp : Onnx_Operator<"LessOrEqual", 2, 2>;
def Onnx_LogOp : Onnx_Operator<"Log", 1, 1>;
def Onnx_LogSoftmaxOp : Onnx_Operator<"LogSoftmax", 1, 1, 1, 1, "axis:int">;
def Onnx_LoopOp : Onnx_Operator<"Loop", 2, -1, 1, -1, "body:graph">;
def Onnx_LpNormalizationOp : Onnx_Operator<"LpNormalization", 1, 1, 1, 1, "axis:int p:int">;
def Onnx_MatMulOp : Onnx_Operator<"MatMul", 2, 2>;
def Onnx_MatMulIntegerOp : Onnx_Operator<"MatMulInteger", 2, 4>;
def Onnx_MaxOp : Onnx_Operator<"Max", 1, -1>;
def Onnx_MinOp : Onnx_Operator<"Min", 1, -1>;
def Onnx_ModOp : Onnx_Operator<"Mod", 2, 2, 1, 1, "fmod:int">;
def Onnx_MulOp : Onnx_Operator<"Mul", 2, 2>;
def Onnx_NegOp : Onnx_Operator<"Neg", 1, 1>;
def Onnx_NonZeroOp : Onnx_Operator<"NonZero", 1, 1>;
def Onnx_NotOp : Onnx_Operator<"Not", 1, 1>;
def Onnx_OneHotOp : Onnx_Operator<"OneHot", 3, 3, 1, 1, "axis:int">;
def Onnx_OrOp : Onnx_Operator<"Or", 2, 2>;
def Onnx_PadOp : Onnx_Operator<"Pad", 1, 4, 1, 1, "mode:string pads:ints value:float">;
def Onnx_PowOp : Onnx_Operator<"Pow", 2, 2>;
def Onnx_QuantizeLinearOp : Onnx_Operator<"QuantizeLinear", 2, 3, 1, 1,
    "axis:int block_size:int output_dtype:int precision:int saturate:int">;
def Onnx_RMSNormalizationOp : Onnx_Operator<"RMSNormalization", 2, 2, 1, 1, "axis:int epsilon:float stash_type:int">;
def Onnx_RangeOp : Onnx_Operator<"Range", 3, 3, 1, 1, "stash_type:int">;
def Onnx_ReciprocalOp : Onnx_Operator<"Reciprocal", 1, 1>;
def Onnx_ReduceL2Op : Onnx_Operator<"ReduceL2", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceMaxOp : Onnx_Operator<"ReduceMax", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceMeanOp : Onnx_Operator<"ReduceMean", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceMinOp : Onnx_Operator<"ReduceMin", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceProdOp : Onnx_Operator<"ReduceProd", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceSumOp : Onnx_Operator<"ReduceSum", 1, 2, 1, 1, "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReduceSumSquareOp : Onnx_Operator<"ReduceSumSquare", 1, 2, 1, 1,
    "axes:ints keepdims:int noop_with_empty_axes:int">;
def Onnx_ReluOp : Onnx_Operator<"Relu", 1, 1>;
def Onnx_ReshapeOp : Onnx_Operator<"Reshape", 2, 2, 1, 1, "allowzero:int">;
def Onnx_RotaryEmbeddingOp : Onnx_Operator<"RotaryEmbedding", 3, 4, 1, 1,
    "interleaved:int num_heads:int rotary_embedding_dim:int">;
def Onnx_RoundOp : Onnx_Operator<"Round", 1, 1>;
def Onnx_ScanOp : Onnx_Operator<"Scan", 1, -1, 1, -1,
    "body:graph directions:ints num_scan_inputs:int scan_input_axes:ints scan_input_directions:ints "
    "scan_output_axes:ints scan_output_directions:ints">;
def Onnx_ScatterElementsOp : Onnx_Operator<"ScatterElements", 3, 3, 1, 1, "axis:int reduction:string">;
def Onnx_ScatterNDOp : Onnx_Operator<"ScatterND", 3, 3, 1, 1, "reduction:string">;
def Onnx_SequenceAtOp : Onnx_Operator<"SequenceAt", 2, 2>;
def Onnx_SequenceConstructOp : Onnx_Operator<"SequenceConstruct", 1, -1>;
def Onnx_SequenceEmptyOp : Onnx_Operator<"SequenceEmpty", 0, 0, 1, 1, "dtype:int">;
def Onnx_SequenceEraseOp : Onnx_Operator<"SequenceErase", 1, 2>;
def Onnx_SequenceInsertOp : Onnx_Operator<"SequenceInsert", 2, 3>;
def Onnx_SequenceLengthOp : Onnx_Operator<"SequenceLength", 1, 1>;
def Onnx_ShapeOp : Onnx_Operator<"Shape", 1, 1, 1, 1, "end:int start:int">;
def Onnx_SigmoidOp : Onnx_Operator<"Sigmoid", 1, 1>;
def Onnx_SignOp : Onnx_Operator<"Sign", 1, 1>;
def Onnx_SimplifiedLayerNormalizationOp : Onnx_Operator<"SimplifiedLayerNormalization", 2, 2, 1, 3,
    "axis:int epsilon:float stash_type:int">;
def Onnx_SinOp : Onnx_Operator<"Sin", 1, 1>;
def Onnx_SizeOp : Onnx_Operator<"Size", 1, 1>;
def Onnx_SliceOp : Onnx_Operator<"Slice", 1, 5, 1, 1, "axes:ints ends:ints starts:ints">;
def Onnx_SoftmaxOp : Onnx_Operator<"Softmax", 1, 1, 1, 1, "axis:int">;
def Onnx_SoftplusOp : Onnx_Operator<"Softplus", 1, 1>;
def Onnx_SplitOp : Onnx_Operator<"Split", 1, 2, 1, -1, "axis:int num_outputs:int split:ints">;
def Onnx_SplitToSequenceOp : Onnx_Operator<"SplitToSequence", 1, 2, 1, 1, "axis:int keepdims:int">;
def Onnx_SqrtOp : Onnx_Operator<"Sqrt", 1, 1>;
def Onnx_SqueezeOp : Onnx_Operator<"Squeeze", 1, 2, 1, 1, "axes:ints">;
def Onnx_SubOp : Onnx_Operator<"Sub", 2, 2>;
def Onnx_SumOp : Onnx_Operator<"Sum", 1, -1>;
def Onnx_SwishOp : Onnx_Operator<"Swish", 1, 1, 1, 1, "alpha:float">;
def Onnx_TanhOp : Onnx_Operator<"Tanh", 1, 1>;
def Onnx_TensorScatterOp : Onnx_Operator<"TensorScatter", 2, 3, 1, 1, "axis:int mode:string">;
def Onnx_TileOp : Onnx_Operator<"Tile", 2, 2>;
def Onnx_TopKOp : Onnx_Operator<"TopK", 1, 2, 2, 2, "axis:int k:int largest:int sorted:int">;
def Onnx_TransposeOp : Onnx_Operator<"Transpose", 1, 1, 1, 1, "perm:ints">;
def Onnx_TriluOp : Onnx_Operator<"Trilu", 1, 2, 1, 1, "upper:int">;
def Onnx_UnsqueezeOp : Onnx_Operator<"Unsqueeze", 1, 2, 1, 1, "axes:ints">;
def Onnx_WhereOp : Onnx_Operator<"Where", 3, 3>;
def Onnx_XorOp : Onnx_Operator<"Xor", 2, 2>;

#endif // ONNX_OPS_TD
