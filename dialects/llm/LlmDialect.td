//===- LlmDialect.td - the llm dialect ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef LLM_DIALECT
#define LLM_DIALECT
include "mlir/IR/DialectBase.td"

def Llm_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::quantopt::llm";
  let summary = "The layers of a decoder";
  let description = [{
    What `llm-recognize` makes of an exporter's graph. Every op says which dimensions share a basis, so that rotations
    are checked by types. Activations are [B, S, hidden] between layers and [B, heads, S, head_dim] inside attention;
    weights of linears are [out, in]. An argument or result of the function marked `llm.state = "l0.k"` belongs to the
    model: past and present of one state share a basis.
  }];
  let dependentDialects = ["::quantopt::rot::RotDialect", "::quantopt::param::ParamDialect"];
}
#endif
