//===- Onnx.h - the onnx dialect ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_IR_ONNX_H
#define QUANTOPT_DIALECT_ONNX_IR_ONNX_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quantopt/Dialect/Rot/IR/Opaque.h"
#include <optional>
#include <string>

namespace quantopt::onnx {

/// Input `i` of a node, or null when it is omitted (absent or `onnx.no_value`).
mlir::Value getInputOrNull(mlir::Operation *node, unsigned i);

} // namespace quantopt::onnx

#include "onnx/OnnxOpsDialect.h.inc"

#include "onnx/OnnxInterfacesOp.h.inc"

#define GET_TYPEDEF_CLASSES
#include "onnx/OnnxTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "onnx/OnnxAttrs.h.inc"

namespace quantopt::onnx {

/// The one syntax of nodes, as Onnx.md shows it.
mlir::ParseResult parseNode(mlir::OpAsmParser &parser, mlir::OperationState &state);
void printNode(mlir::OpAsmPrinter &printer, NodeOpInterface node);

/// Checks the numbers of inputs and outputs of an operator (constraint C2; -1 is any number), the kinds of its
/// attributes (C5), given as "name:kind name:kind", and what all nodes share (C1).
llvm::LogicalResult verifyNode(NodeOpInterface node, int minInputs, int maxInputs, int minOutputs, int maxOutputs,
                               llvm::StringRef attributeKinds);

/// Fills a node's operands, result types and uniform attributes.
void populateNode(mlir::OpBuilder &builder, mlir::OperationState &state, mlir::TypeRange results,
                  mlir::ValueRange inputs, llvm::ArrayRef<mlir::NamedAttribute> attributes, llvm::StringRef node,
                  llvm::ArrayRef<llvm::StringRef> outputs);

/// Creates the op of operator "domain::Type": its own op where the dialect has one, `onnx.node` elsewhere.
NodeOpInterface createNode(mlir::OpBuilder &builder, mlir::Location location, llvm::StringRef qualifiedType,
                           mlir::TypeRange results, mlir::ValueRange inputs,
                           llvm::ArrayRef<mlir::NamedAttribute> attributes = {}, llvm::StringRef node = "",
                           llvm::ArrayRef<llvm::StringRef> outputs = {});

/// What a message calls an op: `node "/model/layers.0/Add_1" (Add)`. Ops without a name are called by their first
/// output, ops of other dialects by the name in their location.
std::string describeNode(mlir::Operation *op);

/// The opset of the standard operators that a node is of: its own (`onnx.opset`), or that of its model-local function,
/// or of its model. One later than any where none is stated.
int64_t opsetOf(mlir::Operation *node);

/// The elements of a value that the graph fixes and that are in the IR: an `onnx.Constant` of any kind or a small
/// initializer (`param.load` of a global that carries `onnx.value`). Null for everything else.
mlir::DenseElementsAttr getConstant(mlir::Value value);

/// Lets ops that read sizes only (Shape, Size) read values in rotated bases; the dialect calls it.
void attachBasisInterfaces(mlir::MLIRContext &context);

} // namespace quantopt::onnx

#define GET_OP_CLASSES
#include "onnx/OnnxOps.h.inc"

#endif // QUANTOPT_DIALECT_ONNX_IR_ONNX_H
