//===- NodeBuilder.cpp - nodes with names, types and shared constants ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "NodeBuilder.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// TensorProto.DataType, of the types that lowered nodes have.
enum class OnnxDataType {
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  Int32 = 6,
  Int64 = 7,
  Float16 = 10,
  Double = 11,
  BFloat16 = 16,
  UInt4 = 21,
  Int4 = 22
};
} // namespace

static OnnxDataType toOnnxDataType(Type elementType) {
  if (elementType.isF64())
    return OnnxDataType::Double;
  if (elementType.isF16())
    return OnnxDataType::Float16;
  if (elementType.isBF16())
    return OnnxDataType::BFloat16;
  if (elementType.isF32())
    return OnnxDataType::Float;
  auto integer = ::mlir::cast<IntegerType>(elementType);
  if (integer.getWidth() == 64)
    return OnnxDataType::Int64;
  if (integer.getWidth() == 32)
    return OnnxDataType::Int32;
  if (integer.getWidth() == 4)
    return integer.isUnsigned() ? OnnxDataType::UInt4 : OnnxDataType::Int4;
  return integer.isUnsigned() ? OnnxDataType::UInt8 : OnnxDataType::Int8;
}

int64_t quantopt::getOnnxDataType(Type elementType) { return int64_t(toOnnxDataType(elementType)); }

NodeBuilder::NodeBuilder(func::FuncOp function)
    : OpBuilder(function.getContext()), function(function), location(function.getLoc()) {
  auto add = [&](Attribute name) {
    if (auto string = dyn_cast_or_null<StringAttr>(name))
      names.insert(string.getValue());
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    add(function.getArgAttr(i, onnx::OnnxDialect::nameAttrName));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    add(function.getResultAttr(i, onnx::OnnxDialect::nameAttrName));
  for (Operation &op : *function->getParentOfType<ModuleOp>().getBody())
    if (isa<param::GlobalOp, param::DerivedOp>(op)) {
      add(op.getAttr(SymbolTable::getSymbolAttrName()));
      add(op.getAttr(onnx::OnnxDialect::nameAttrName));
    }
  function.walk([&](onnx::NodeOpInterface node) { llvm::for_each(node.getOutputNames(), add); });
}

static StringRef roleOf(Operation *op) {
  auto role = op->getAttrOfType<StringAttr>(llm::roleAttrName);
  return role ? role.getValue() : StringRef();
}

void NodeBuilder::enter(Operation *op) {
  setInsertionPoint(op);
  location = op->getLoc();
  StringRef role = roleOf(op), name = op->getName().stripDialect();
  if (!role.empty()) {
    scopeName = role.str();
    layerName = role.contains('.') ? role.rsplit('.').first.str() : "";
    return;
  }
  // What makes the input of one known layer belongs to it.
  bool hasOneReader = op->hasOneUse() || (isa<q::QuantizeDynamicOp>(op) && !op->use_empty());
  StringRef userRole = hasOneReader ? roleOf(*op->user_begin()) : "";
  StringRef node = getNodeName(op);
  if (!userRole.empty())
    scopeName = (userRole + "." + name).str();
  else if (!layerName.empty())
    scopeName = layerName + "." + name.str();
  else
    scopeName = (node.empty() ? name : node).str();
}

std::string NodeBuilder::uniqueName(StringRef wanted) {
  std::string name = wanted.str();
  for (unsigned i = 1; !names.insert(name).second; ++i)
    name = (wanted + "_" + Twine(i)).str();
  return name;
}

Value NodeBuilder::node(StringRef qualifiedType, StringRef step, Type elementType, ArrayRef<int64_t> shape,
                        ValueRange inputs, ArrayRef<NamedAttribute> attributes) {
  std::string name = uniqueName(scopeName + "." + step.str());
  return onnx::createNode(*this, location, qualifiedType, RankedTensorType::get(shape, elementType), inputs, attributes,
                          name, {name})
      ->getResult(0);
}

Value NodeBuilder::sharedNode(StringRef qualifiedType, StringRef step, Type elementType, ArrayRef<int64_t> shape,
                              ValueRange inputs, ArrayRef<NamedAttribute> attributes) {
  std::string key = qualifiedType.str();
  llvm::raw_string_ostream stream(key);
  for (Value input : inputs)
    stream << ' ' << input.getAsOpaquePointer();
  stream << ' ' << getDictionaryAttr(attributes);
  Value &value = shared[key];
  if (!value)
    value = node(qualifiedType, step, elementType, shape, inputs, attributes);
  return value;
}

Value NodeBuilder::like(StringRef qualifiedType, StringRef step, ValueRange inputs,
                        ArrayRef<NamedAttribute> attributes) {
  auto type = ::mlir::cast<RankedTensorType>(inputs[0].getType());
  return node(qualifiedType, step, type.getElementType(), type.getShape(), inputs, attributes);
}

Value NodeBuilder::cast(StringRef step, Value value, Type elementType) {
  auto type = ::mlir::cast<RankedTensorType>(value.getType());
  if (type.getElementType() == elementType)
    return value;
  return sharedNode("::Cast", step, elementType, type.getShape(), value, attr("to", getOnnxDataType(elementType)));
}

Value NodeBuilder::reshape(StringRef step, Value value, ArrayRef<int64_t> target, ArrayRef<int64_t> shape) {
  Type elementType = ::mlir::cast<RankedTensorType>(value.getType()).getElementType();
  return node("::Reshape", step, elementType, shape, {value, ints(target)});
}

Value NodeBuilder::transpose(StringRef step, Value value, ArrayRef<int64_t> permutation) {
  auto type = ::mlir::cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape = llvm::map_to_vector(permutation, [&](int64_t dim) { return type.getDimSize(dim); });
  return node("::Transpose", step, type.getElementType(), shape, value, {{"perm", getDenseI64ArrayAttr(permutation)}});
}

//===----------------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------------===//

Value NodeBuilder::initializer(StringRef name, DenseElementsAttr value) {
  Value &known = initializers[name];
  if (known)
    return known;
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&function.getBody().front());
  onnx::NodeOpInterface constant = onnx::createNode(*this, function.getLoc(), "::Constant", value.getType(), {},
                                                    NamedAttribute("value", value), "", {uniqueName(name)});
  constant->setAttr("onnx.initializer", getUnitAttr());
  return known = constant->getResult(0);
}

Value NodeBuilder::ints(ArrayRef<int64_t> values) {
  std::string name = "constants.i64";
  for (int64_t value : values)
    name += "." + std::to_string(value);
  return initializer(name,
                     DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, getI64Type()), values));
}

Value NodeBuilder::scalar(Type elementType, double value) {
  std::string name;
  llvm::raw_string_ostream(name) << "constants." << elementType << "." << llvm::format("%.9g", value);
  Attribute number = isa<IntegerType>(elementType) ? Attribute(getIntegerAttr(elementType, int64_t(value)))
                                                   : getFloatAttr(elementType, value);
  return initializer(name, DenseElementsAttr::get(RankedTensorType::get({}, elementType), number));
}

Value NodeBuilder::matrix(StringRef name, ArrayRef<int64_t> shape, ArrayRef<double> values) {
  SmallVector<float> elements(values.begin(), values.end());
  return initializer(name, DenseElementsAttr::get(RankedTensorType::get(shape, getF32Type()), ArrayRef(elements)));
}
