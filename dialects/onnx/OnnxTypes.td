//===- OnnxTypes.td - types that ONNX has and MLIR has not ------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------------===//
#ifndef ONNX_TYPES_TD
#define ONNX_TYPES_TD

include "onnx/OnnxDialect.td"
include "mlir/IR/AttrTypeBase.td"

def Onnx_StringType : TypeDef<Onnx_Dialect, "String"> {
  let mnemonic = "string";
  let summary = "element type of a tensor of strings";
}

def Onnx_UnknownType : TypeDef<Onnx_Dialect, "Unknown"> {
  let mnemonic = "unknown";
  let summary = "element type, or whole type, that the graph does not state and inference does not know";
  let description = [{
    `tensor<*x!onnx.unknown>` is a tensor of unknown element type; `!onnx.unknown` is a value that need not be a tensor.
  }];
}

#endif // ONNX_TYPES_TD
