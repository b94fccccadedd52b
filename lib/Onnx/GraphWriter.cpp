//===- GraphWriter.cpp - functions of onnx ops as protobuf messages -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GraphWriter.h"
#include "Convert.h"
#include "GraphView.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

using NodeProto = ::onnx::NodeProto;

GraphWriter::GraphWriter(func::FuncOp function, WeightExporter &weights)
    : function(function), names(function), weights(weights) {
  llvm::StringSet<> used;
  SmallVector<NodeOpInterface> repeated;
  for (auto op : function.getOps<NodeOpInterface>())
    if (!op.getNodeName().empty() && !used.insert(op.getNodeName()).second)
      repeated.push_back(op);
  for (NodeOpInterface op : repeated) {
    std::string name;
    unsigned suffix = 1;
    do
      name = (op.getNodeName() + "_" + Twine(suffix++)).str();
    while (!used.insert(name).second);
    newNodeNames[op] = name;
  }
}

LogicalResult GraphWriter::checkOps(bool allowParameters) {
  if (!function.getBody().hasOneBlock())
    return function.emitError() << "is not one block of ONNX nodes";
  for (Operation &op : function.getBody().front()) {
    bool isGraph = isa<NodeOpInterface, quantopt::onnx::NoValueOp, func::ReturnOp>(op);
    if (isGraph || (allowParameters && isa<param::LoadOp>(op)))
      continue;
    return op.emitError() << "'" << op.getName() << "' has no ONNX form; expected ops of the onnx dialect"
                          << (allowParameters ? " and param.load" : "") << ": lower it first";
  }
  return success();
}

FailureOr<NodeProto> GraphWriter::node(NodeOpInterface op, const NodeProto *original,
                                       DictionaryAttr originalAttributes) {
  if (op->hasAttr(OnnxDialect::opsetAttrName))
    return op.emitError() << quantopt::onnx::describeNode(op) << " is of opset " << quantopt::onnx::opsetOf(op)
                          << ", as the model-local function was that it comes from; the model has another opset and "
                             "can be written only where the call is unchanged";
  NodeProto node = original ? *original : NodeProto();
  if (!original || quantopt::qualifiedTypeOf(*original) != op.getQualifiedType()) {
    node.set_op_type(op.getOpType().str());
    node.clear_domain();
    if (!op.getDomain().empty())
      node.set_domain(op.getDomain().str());
  }
  node.clear_name();
  if (!op.getNodeName().empty())
    node.set_name(newNodeNames.contains(op) ? newNodeNames[op] : op.getNodeName().str());
  node.clear_input();
  for (Value input : op.getNodeInputs())
    node.add_input(names.of(input).str());
  node.clear_output();
  for (Value output : op->getResults())
    node.add_output(names.of(output).str());
  if (ArrayAttr captures = op.getCaptureNames())
    for (auto [capture, value] : zip(captures, op->getOperands().drop_front(op.getNodeInputs().size())))
      if (cast<StringAttr>(capture).getValue() != names.of(value))
        return op.emitError() << quantopt::onnx::describeNode(op) << " has a subgraph that reads " << capture
                              << ", which is now called '" << names.of(value) << "'";

  // Attributes that have not changed keep their place and form, then come new ones.
  node.clear_attribute();
  auto isKept = [&](StringRef name) {
    return originalAttributes && originalAttributes.get(name) == op.getNodeAttr(name) &&
           !isa<SymbolRefAttr>(op.getNodeAttr(name));
  };
  if (original)
    for (const auto &attribute : original->attribute())
      if (op.hasNodeAttr(attribute.name()) && isKept(attribute.name()))
        *node.add_attribute() = attribute;
  for (NamedAttribute attribute : op.getNodeAttrs()) {
    if (original && isKept(attribute.getName()))
      continue;
    auto tensorOf = [&](SymbolRefAttr symbol) { return weights.tensor(symbol); };
    if (Error error = exportAttribute(attribute, *node.add_attribute(), tensorOf))
      return op.emitError() << quantopt::onnx::describeNode(op) << ": " << toString(std::move(error));
  }
  return node;
}

FailureOr<::onnx::TensorProto> GraphWriter::initializer(quantopt::onnx::ConstantOp constant) {
  FailureOr<NodeProto> proto = node(constant);
  if (failed(proto))
    return failure();
  if (proto->attribute_size() != 1 || !proto->attribute(0).has_t())
    return constant.emitError() << "is an initializer but its value is no tensor";
  ::onnx::TensorProto tensor = proto->attribute(0).t();
  tensor.set_name(names.of(constant->getResult(0)).str());
  return tensor;
}

NodeProto GraphWriter::alias(const EdgeNames::Alias &alias) const {
  NodeProto node;
  node.set_op_type("Identity");
  node.add_input(names.of(alias.value).str());
  node.add_output(alias.name);
  return node;
}

FailureOr<::onnx::ValueInfoProto> quantopt::exportValueInfo(func::FuncOp function, StringRef name, Type type,
                                                            ArrayAttr dims) {
  ::onnx::ValueInfoProto info;
  info.set_name(name.str());
  if (Error error = exportType(type, dims, *info.mutable_type()))
    return function.emitError() << "graph value '" << name << "': " << toString(std::move(error));
  return info;
}

void quantopt::exportOpsets(DictionaryAttr opsets,
                            google::protobuf::RepeatedPtrField<::onnx::OperatorSetIdProto> &imports) {
  for (NamedAttribute opset : opsets) {
    auto *import = imports.Add();
    import->set_domain(opset.getName() == "ai.onnx" ? "" : opset.getName().str());
    import->set_version(cast<IntegerAttr>(opset.getValue()).getInt());
  }
}

FailureOr<::onnx::FunctionProto> quantopt::exportFunction(func::FuncOp function, WeightExporter &weights) {
  GraphWriter writer(function, weights);
  if (failed(writer.checkOps(/*allowParameters=*/false)))
    return failure();
  auto attribute = function->getAttrOfType<DictionaryAttr>(OnnxDialect::functionAttrName);
  auto domain = attribute.getAs<StringAttr>("domain");
  auto opsets = attribute.getAs<DictionaryAttr>("opset_imports");
  if (!domain || !opsets)
    return function.emitError() << "'" << OnnxDialect::functionAttrName << "' needs 'domain' and 'opset_imports'";

  ::onnx::FunctionProto proto;
  auto name = attribute.getAs<StringAttr>("name");
  proto.set_name(name ? name.str() : function.getSymName().str());
  proto.set_domain(domain.str());
  exportOpsets(opsets, *proto.mutable_opset_import());
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    proto.add_input(EdgeNames::argumentName(function, i));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    proto.add_output(EdgeNames::resultName(function, i));
  for (auto op : function.getOps<NodeOpInterface>()) {
    FailureOr<NodeProto> node = writer.node(op);
    if (failed(node))
      return failure();
    *proto.add_node() = std::move(*node);
  }
  for (const EdgeNames::Alias &alias : writer.edgeNames().aliases())
    *proto.add_node() = writer.alias(alias);
  return proto;
}
