//===- OnnxDialect.td - the onnx dialect ------------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------------===//
#ifndef ONNX_DIALECT_TD
#define ONNX_DIALECT_TD

include "mlir/IR/OpBase.td"

def Onnx_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::quantopt::onnx";
  let summary = "ONNX graphs, one op per node";
  let description = [{
    A model as ONNX states it: one op per node, in the order of the file, names kept. Operators that some pass or kernel
    matches have an op of their own (`onnx.MatMul`); every other one is `onnx.node "domain::Type"`. Weights are
    `param.global`s, so nothing of them is in the IR. See Rationale.md.

    The module carries `onnx.model` (versions, opset imports, producer, metadata) and `onnx.source` (the file it was
    read from, from which re-emission copies the bytes of everything that has not changed). Arguments and results of the
    graph function carry `onnx.name` and, where dimensions are symbolic, `onnx.dims`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    /// Module attribute: what the model says of itself, a dictionary.
    static constexpr ::llvm::StringLiteral modelAttrName = "onnx.model";
    /// Module attribute: the file the module was read from, a dictionary {path, size, hash}.
    static constexpr ::llvm::StringLiteral sourceAttrName = "onnx.source";
    /// Function attribute of a model-local function: a dictionary {domain, opset_imports, ...}.
    static constexpr ::llvm::StringLiteral functionAttrName = "onnx.function";
    /// Argument, result and param.global attribute: the name in the ONNX graph.
    static constexpr ::llvm::StringLiteral nameAttrName = "onnx.name";
    /// Argument and result attribute: dimensions as the graph states them, integers and names.
    static constexpr ::llvm::StringLiteral dimsAttrName = "onnx.dims";
    /// Argument attribute: an input that is not written when nothing reads it.
    static constexpr ::llvm::StringLiteral leftOutAttrName = "onnx.left_out";
    /// param.global attribute: the elements of a small constant.
    static constexpr ::llvm::StringLiteral valueAttrName = "onnx.value";
    /// Attribute of a node that has another opset than its model: it stood in a model-local function of that opset.
    static constexpr ::llvm::StringLiteral opsetAttrName = "onnx.opset";

    /// Attribute of an onnx.Constant that is an initializer of the graph (constraint C4).
    static constexpr ::llvm::StringLiteral initializerAttrName = "onnx.initializer";

    void registerTypes();
    void registerAttributes();
  }];
}

#endif // ONNX_DIALECT_TD
