//===- Node.cpp - what all ONNX nodes share -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/SymbolTable.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

namespace {
constexpr StringLiteral attributesName = "node_attributes";
constexpr StringLiteral nodeName = "node";
constexpr StringLiteral outputsName = "outputs";
constexpr StringLiteral capturesName = "captures";
constexpr StringLiteral indexName = "index";
} // namespace

Value onnx::getInputOrNull(Operation *node, unsigned i) {
  OperandRange inputs = cast<NodeOpInterface>(node).getNodeInputs();
  if (i >= inputs.size() || isa<NoneType>(inputs[i].getType()))
    return {};
  return inputs[i];
}

//===----------------------------------------------------------------------------===//
// Syntax: (%a, %b) {onnx attributes} node "name" outputs ["x"] captures ["y"] index 3 attributes {others} : type
//===----------------------------------------------------------------------------===//

ParseResult onnx::parseNode(OpAsmParser &parser, OperationState &state) {
  Builder &builder = parser.getBuilder();
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SMLoc operandsLocation = parser.getCurrentLocation();
  NamedAttrList attributes;
  if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren) || parser.parseOptionalAttrDict(attributes))
    return failure();
  state.addAttribute(attributesName, attributes.getDictionary(parser.getContext()));

  // Not parseAttribute: it would take the colon of the type for that of a typed string.
  std::string node;
  if (succeeded(parser.parseOptionalKeyword(nodeName)) && parser.parseString(&node))
    return failure();
  state.addAttribute(nodeName, builder.getStringAttr(node));

  ArrayAttr outputs = builder.getArrayAttr({});
  if (succeeded(parser.parseOptionalKeyword(outputsName)) && parser.parseAttribute(outputs))
    return failure();
  state.addAttribute(outputsName, outputs);

  ArrayAttr captures;
  if (succeeded(parser.parseOptionalKeyword(capturesName)) &&
      parser.parseAttribute(captures, capturesName, state.attributes))
    return failure();

  int64_t index = 0;
  if (succeeded(parser.parseOptionalKeyword(indexName))) {
    if (parser.parseInteger(index))
      return failure();
    state.addAttribute(indexName, builder.getI64IntegerAttr(index));
  }

  FunctionType type;
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes) || parser.parseColonType(type) ||
      parser.resolveOperands(operands, type.getInputs(), operandsLocation, state.operands))
    return failure();
  state.addTypes(type.getResults());
  return success();
}

void onnx::printNode(OpAsmPrinter &printer, NodeOpInterface node) {
  printer << '(' << node->getOperands() << ')';
  printer.printOptionalAttrDict(node.getNodeAttrs().getValue());
  if (!node.getNodeName().empty())
    printer << ' ' << nodeName << ' ' << StringAttr::get(node->getContext(), node.getNodeName());
  if (!node.getOutputNames().empty())
    printer << ' ' << outputsName << ' ' << node.getOutputNames();
  if (ArrayAttr captures = node.getCaptureNames())
    printer << ' ' << capturesName << ' ' << captures;
  if (std::optional<int64_t> index = node.getSourceIndex())
    printer << ' ' << indexName << ' ' << *index;
  printer.printOptionalAttrDictWithKeyword(llvm::to_vector(node->getDiscardableAttrs()));
  printer << " : ";
  printer.printFunctionalType(node);
}

//===----------------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------------===//

/// Constraint C2 for inputs or outputs.
static LogicalResult verifyCount(NodeOpInterface node, StringRef what, unsigned count, int minimum, int maximum) {
  if (count >= unsigned(minimum) && (maximum < 0 || count <= unsigned(maximum)))
    return success();
  InFlightDiagnostic error = node->emitError()
                             << describeNode(node) << " has " << count << " " << what << ", expected ";
  if (minimum == maximum)
    error << minimum;
  else if (maximum < 0)
    error << "at least " << minimum;
  else
    error << minimum << " to " << maximum;
  return error << " (constraint C2 of the onnx dialect)";
}

/// Constraint C1: names fit the results and operands they name.
static LogicalResult verifyNames(NodeOpInterface node) {
  size_t names = node.getOutputNames().size();
  if (names != 0 && names != node->getNumResults())
    return node->emitError() << describeNode(node) << " names " << names << " outputs but has " << node->getNumResults()
                             << " results (constraint C1 of the onnx dialect)";
  ArrayAttr captures = node.getCaptureNames();
  if (captures && captures.size() > node->getNumOperands())
    return node->emitError() << describeNode(node) << " names " << captures.size() << " captured values but has "
                             << node->getNumOperands() << " operands (constraint C1 of the onnx dialect)";
  return success();
}

/// Whether an attribute is of the kind that OnnxOps.td calls `kind`.
static bool isOfKind(Attribute attribute, StringRef kind) {
  if (kind == "int")
    return isa<IntegerAttr>(attribute);
  if (kind == "float")
    return isa<FloatAttr>(attribute);
  if (kind == "string")
    return isa<StringAttr>(attribute);
  if (kind == "ints")
    return isa<DenseI64ArrayAttr>(attribute);
  if (kind == "floats")
    return isa<DenseF32ArrayAttr>(attribute);
  if (kind == "strings")
    return isa<ArrayAttr>(attribute);
  if (kind == "tensor") // that of a tensor of strings is opaque
    return isa<ElementsAttr, FlatSymbolRefAttr, ProtoAttr>(attribute);
  return isa<ProtoAttr>(attribute);
}

/// Constraint C5: attributes that the operator knows are of their kind, whose names `kinds` lists as name:kind.
static LogicalResult verifyAttributes(NodeOpInterface node, StringRef kinds) {
  for (StringRef entry : llvm::split(kinds, ' ')) {
    auto [name, kind] = entry.split(':');
    Attribute attribute = kind.empty() ? Attribute() : node.getNodeAttr(name);
    if (attribute && !isOfKind(attribute, kind))
      return node->emitError() << describeNode(node) << " has an attribute '" << name << "' that is not of kind "
                               << kind << " (constraint C5 of the onnx dialect)";
  }
  return success();
}

LogicalResult onnx::verifyNode(NodeOpInterface node, int minInputs, int maxInputs, int minOutputs, int maxOutputs,
                               StringRef attributeKinds) {
  if (failed(verifyNames(node)))
    return failure();
  if (failed(verifyCount(node, "inputs", node.getNodeInputs().size(), minInputs, maxInputs)))
    return failure();
  if (failed(verifyCount(node, "outputs", node->getNumResults(), minOutputs, maxOutputs)))
    return failure();
  return verifyAttributes(node, attributeKinds);
}

/// The op of a standard operator, if the dialect has one.
static std::optional<RegisteredOperationName> lookupOperator(StringRef type, MLIRContext *context) {
  if (type == "node" || type == "no_value")
    return std::nullopt;
  return RegisteredOperationName::lookup(("onnx." + type).str(), context);
}

LogicalResult NodeOp::verify() {
  StringRef type = getQualifiedType();
  if (!type.contains("::") || getOpType().empty())
    return emitOpError() << "operator \"" << type << "\" is not of the form \"domain::Type\"";
  if (getDomain().empty() && lookupOperator(getOpType(), getContext()))
    return emitOpError() << "operator " << getOpType() << " has an op of its own, onnx." << getOpType()
                         << " (constraint C3 of the onnx dialect)";
  return verifyNames(*this);
}

//===----------------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------------===//

void onnx::populateNode(OpBuilder &builder, OperationState &state, TypeRange results, ValueRange inputs,
                        ArrayRef<NamedAttribute> attributes, StringRef node, ArrayRef<StringRef> outputs) {
  state.addOperands(inputs);
  state.addTypes(results);
  state.addAttribute(attributesName, builder.getDictionaryAttr(attributes));
  state.addAttribute(nodeName, builder.getStringAttr(node));
  state.addAttribute(outputsName, builder.getStrArrayAttr(outputs));
}

NodeOpInterface onnx::createNode(OpBuilder &builder, Location location, StringRef qualifiedType, TypeRange results,
                                 ValueRange inputs, ArrayRef<NamedAttribute> attributes, StringRef node,
                                 ArrayRef<StringRef> outputs) {
  auto [domain, type] = qualifiedType.rsplit("::");
  std::optional<RegisteredOperationName> typed;
  if (domain.empty())
    typed = lookupOperator(type, builder.getContext());
  if (!typed)
    return NodeOp::create(builder, location, qualifiedType, results, inputs, attributes, node, outputs);
  OperationState state(location, *typed);
  populateNode(builder, state, results, inputs, attributes, node, outputs);
  return cast<NodeOpInterface>(builder.create(state));
}

//===----------------------------------------------------------------------------===//
// Names and constants
//===----------------------------------------------------------------------------===//

std::string onnx::describeNode(Operation *op) {
  auto node = dyn_cast<NodeOpInterface>(op);
  std::string type = node ? node.getOpType().str() : op->getName().getStringRef().str();
  std::string name = node ? node.getNodeName().str() : quantopt::getNodeName(op).str();
  if (name.empty() && node && !node.getOutputNames().empty())
    name = cast<StringAttr>(node.getOutputNames()[0]).str();
  return name.empty() ? "node (" + type + ")" : "node \"" + name + "\" (" + type + ")";
}

int64_t onnx::opsetOf(Operation *node) {
  constexpr int64_t newest = 1 << 10;
  if (auto own = node->getAttrOfType<IntegerAttr>(OnnxDialect::opsetAttrName))
    return own.getInt();
  for (Operation *parent = node->getParentOp(); parent; parent = parent->getParentOp())
    for (StringRef name : {OnnxDialect::functionAttrName, OnnxDialect::modelAttrName})
      if (auto owner = parent->getAttrOfType<DictionaryAttr>(name)) {
        auto imports = owner.getAs<DictionaryAttr>("opset_imports");
        auto version = imports ? imports.getAs<IntegerAttr>("ai.onnx") : IntegerAttr();
        return version ? version.getInt() : newest;
      }
  return newest;
}

/// The value of an onnx.Constant, whichever of its attributes states it.
static DenseElementsAttr constantOf(ConstantOp constant) {
  NodeOpInterface node = constant;
  if (DenseElementsAttr value = node.getTensor("value"))
    return value;
  auto scalar = [&](Attribute element, Type type) {
    return DenseElementsAttr::get(RankedTensorType::get({}, type), element);
  };
  Builder builder(constant.getContext());
  if (auto value = dyn_cast_or_null<FloatAttr>(node.getNodeAttr("value_float")))
    return scalar(value, builder.getF32Type());
  if (auto value = dyn_cast_or_null<IntegerAttr>(node.getNodeAttr("value_int")))
    return scalar(value, builder.getI64Type());
  if (auto value = dyn_cast_or_null<DenseI64ArrayAttr>(node.getNodeAttr("value_ints")))
    return DenseElementsAttr::get(RankedTensorType::get({value.size()}, builder.getI64Type()), value.asArrayRef());
  if (auto value = dyn_cast_or_null<DenseF32ArrayAttr>(node.getNodeAttr("value_floats")))
    return DenseElementsAttr::get(RankedTensorType::get({value.size()}, builder.getF32Type()), value.asArrayRef());
  return {};
}

DenseElementsAttr onnx::getConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  if (auto constant = dyn_cast<ConstantOp>(op))
    return constantOf(constant);
  auto load = dyn_cast<param::LoadOp>(op);
  if (!load)
    return {};
  Operation *global = SymbolTable::lookupNearestSymbolFrom(op, load.getParamAttr());
  return global ? global->getAttrOfType<DenseElementsAttr>(OnnxDialect::valueAttrName) : DenseElementsAttr();
}
