//===- OnnxInterfaces.td - what every ONNX node has in common --------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------------===//
#ifndef ONNX_INTERFACES_TD
#define ONNX_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Onnx_NodeOpInterface : OpInterface<"NodeOpInterface"> {
  let cppNamespace = "::quantopt::onnx";
  let description = [{
    A node of an ONNX graph. Every op of the dialect but `onnx.no_value` is one: the same operands, results and
    attributes whether the operator has an op of its own or is an `onnx.node`.
  }];
  let methods = [
    InterfaceMethod<"Operator domain, empty for the standard operators.", "::llvm::StringRef", "getDomain">,
    InterfaceMethod<"Operator type, for example \"MatMul\".", "::llvm::StringRef", "getOpType">,
    InterfaceMethod<"Name of the node, empty when it has none.", "::llvm::StringRef", "getNodeName", (ins), [{
      return $_op.getNode();
    }]>,
    InterfaceMethod<"The node's ONNX attributes.", "::mlir::DictionaryAttr", "getNodeAttrs", (ins), [{
      return $_op.getProperties().node_attributes;
    }]>,
    InterfaceMethod<"Replaces the node's ONNX attributes.", "void", "setNodeAttrs",
                    (ins "::mlir::DictionaryAttr":$attributes), [{
      $_op.getProperties().node_attributes = attributes;
    }]>,
    InterfaceMethod<"Edge names of the results, as many as results or none.", "::mlir::ArrayAttr", "getOutputNames",
                    (ins), [{ return $_op.getProperties().outputs; }]>,
    InterfaceMethod<"Sets the edge names of the results.", "void", "setOutputNames",
                    (ins "::mlir::ArrayAttr":$names), [{
      $_op.getProperties().outputs = names;
    }]>,
    InterfaceMethod<"Names of the outer values that the node's subgraphs read: its last operands; null if none.",
                    "::mlir::ArrayAttr", "getCaptureNames", (ins), [{ return $_op.getProperties().captures; }]>,
    InterfaceMethod<"Position of the node in the graph it was read from.", "::std::optional<int64_t>", "getSourceIndex",
                    (ins), [{
      ::mlir::IntegerAttr index = $_op.getProperties().index;
      return index ? ::std::optional<int64_t>(index.getInt()) : ::std::nullopt;
    }]>,
  ];
  let extraSharedClassDeclaration = [{
    /// "domain::Type", as `onnx.node` writes it.
    ::std::string getQualifiedType() { return ($_op.getDomain() + "::" + $_op.getOpType()).str(); }
    /// Whether this is operator `type` of `domain`.
    bool isNode(::llvm::StringRef type, ::llvm::StringRef domain = "") {
      return $_op.getOpType() == type && $_op.getDomain() == domain;
    }
    /// The operands that are the node's inputs, captured values excluded.
    ::mlir::OperandRange getNodeInputs() {
      ::mlir::ArrayAttr captures = $_op.getCaptureNames();
      return $_op->getOperands().drop_back(captures ? captures.size() : 0);
    }
    /// Input `i`, or null when it is omitted.
    ::mlir::Value getNodeInput(unsigned i) { return ::quantopt::onnx::getInputOrNull($_op.getOperation(), i); }

    ::mlir::Attribute getNodeAttr(::llvm::StringRef name) { return $_op.getNodeAttrs().get(name); }
    bool hasNodeAttr(::llvm::StringRef name) { return !!getNodeAttr(name); }
    ::std::optional<int64_t> getInt(::llvm::StringRef name) {
      auto attr = ::llvm::dyn_cast_or_null<::mlir::IntegerAttr>(getNodeAttr(name));
      return attr ? ::std::optional<int64_t>(attr.getInt()) : ::std::nullopt;
    }
    int64_t getInt(::llvm::StringRef name, int64_t absent) { return getInt(name).value_or(absent); }
    float getFloat(::llvm::StringRef name, float absent) {
      auto attr = ::llvm::dyn_cast_or_null<::mlir::FloatAttr>(getNodeAttr(name));
      return attr ? float(attr.getValueAsDouble()) : absent;
    }
    ::llvm::StringRef getString(::llvm::StringRef name, ::llvm::StringRef absent = "") {
      auto attr = ::llvm::dyn_cast_or_null<::mlir::StringAttr>(getNodeAttr(name));
      return attr ? attr.getValue() : absent;
    }
    /// The integers of a list attribute; nothing when it is absent.
    ::std::optional<::llvm::ArrayRef<int64_t>> getInts(::llvm::StringRef name) {
      auto attr = ::llvm::dyn_cast_or_null<::mlir::DenseI64ArrayAttr>(getNodeAttr(name));
      return attr ? ::std::optional<::llvm::ArrayRef<int64_t>>(attr.asArrayRef()) : ::std::nullopt;
    }
    ::mlir::DenseElementsAttr getTensor(::llvm::StringRef name) {
      return ::llvm::dyn_cast_or_null<::mlir::DenseElementsAttr>(getNodeAttr(name));
    }
  }];
}

#endif // ONNX_INTERFACES_TD
