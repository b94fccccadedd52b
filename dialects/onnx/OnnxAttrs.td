//===- OnnxAttrs.td - attributes of the onnx dialect ------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------------===//
#ifndef ONNX_ATTRS_TD
#define ONNX_ATTRS_TD

include "onnx/OnnxDialect.td"
include "mlir/IR/AttrTypeBase.td"

def Onnx_ProtoAttr : AttrDef<Onnx_Dialect, "Proto"> {
  let mnemonic = "proto";
  let summary = "a serialised AttributeProto";
  let description = [{
    An ONNX attribute that has no MLIR counterpart (subgraphs, sparse tensors, tensors of strings, types): the bytes of
    its AttributeProto, re-emitted as they are.
  }];
  let parameters = (ins StringRefParameter<"serialised AttributeProto">:$bytes);
  let assemblyFormat = "`<` $bytes `>`";
}

#endif // ONNX_ATTRS_TD
