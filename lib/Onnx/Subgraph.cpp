//===- Subgraph.cpp - the graphs inside of nodes ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Onnx/Subgraph.h"
#include "Functions.h"
#include "GraphView.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

using AttributeProto = ::onnx::AttributeProto;
using GraphProto = ::onnx::GraphProto;
using NodeProto = ::onnx::NodeProto;
using TensorProto = ::onnx::TensorProto;

namespace {

class SubgraphImporter {
public:
  SubgraphImporter(NodeOpInterface node, ModuleOp module)
      : node(node), context(*node->getContext()), builder(&context), module(module) {}

  Error run(const GraphProto &graph);

private:
  Error importInitializer(const TensorProto &tensor);
  Error importNode(const NodeProto &proto);
  Error define(StringRef name, Value value);
  Type typeOf(StringRef name) const;

  NodeOpInterface node;
  MLIRContext &context;
  OpBuilder builder;
  ModuleOp module;
  Value omitted;
  StringMap<Value> values;
  StringMap<DeclaredType> declared;
};

} // namespace

/// The attribute of a node if it holds a graph.
static std::optional<GraphProto> graphOf(Attribute attribute) {
  auto bytes = dyn_cast_or_null<quantopt::onnx::ProtoAttr>(attribute);
  AttributeProto proto;
  if (!bytes || !proto.ParseFromArray(bytes.getBytes().data(), bytes.getBytes().size()) || !proto.has_g())
    return std::nullopt;
  return std::move(*proto.mutable_g());
}

bool quantopt::isSubgraph(Attribute attribute) { return graphOf(attribute).has_value(); }

/// The declared element type; dimensions that subgraphs declare are often those of one iteration only.
Type SubgraphImporter::typeOf(StringRef name) const {
  auto known = declared.find(name);
  auto tensor = known == declared.end() ? TensorType() : dyn_cast_or_null<TensorType>(known->second.type);
  return UnrankedTensorType::get(tensor ? tensor.getElementType() : Type(quantopt::onnx::UnknownType::get(&context)));
}

Error SubgraphImporter::define(StringRef name, Value value) {
  if (!values.try_emplace(name, value).second)
    return createStringError("value '" + name + "' is defined twice in a subgraph");
  return Error::success();
}

Error SubgraphImporter::importInitializer(const TensorProto &tensor) {
  NodeProto constant;
  constant.set_op_type("Constant");
  constant.add_output(tensor.name());
  AttributeProto &value = *constant.add_attribute();
  value.set_name("value");
  value.set_type(AttributeProto::TENSOR);
  *value.mutable_t() = tensor;
  return importNode(constant);
}

Error SubgraphImporter::importNode(const NodeProto &proto) {
  std::string name = !proto.name().empty() || proto.output().empty() ? proto.name() : proto.output(0);
  auto fail = [&](const Twine &why) -> Error {
    return createStringError("node '" + name + "' (" + proto.op_type() + ") of a subgraph " + why);
  };
  std::vector<std::string> inputs(proto.input().begin(), proto.input().end()), captures = capturesOf(proto);
  append_range(inputs, captures);
  SmallVector<Value> operands;
  for (const std::string &input : inputs) {
    Value value = input.empty() ? omitted : values.lookup(input);
    if (!value)
      return fail("reads '" + input + "', which nothing before it defines");
    operands.push_back(value);
  }
  auto attributes =
      importAttributes({proto, std::nullopt}, &context, [](const TensorProto &, Span) { return Attribute(); });
  if (!attributes)
    return fail("has " + toString(attributes.takeError()));
  SmallVector<Type> types;
  SmallVector<StringRef> outputs;
  for (const std::string &output : proto.output()) {
    types.push_back(output.empty() ? Type(builder.getNoneType()) : typeOf(output));
    outputs.push_back(output);
  }
  Location where = NameLoc::get(builder.getStringAttr(name), node->getLoc());
  NodeOpInterface op = quantopt::onnx::createNode(builder, where, qualifiedTypeOf(proto), types, operands,
                                                  attributes->getValue(), proto.name(), outputs);
  if (int64_t opset = statedOpset(proto))
    op->setAttr(OnnxDialect::opsetAttrName, builder.getI64IntegerAttr(opset));
  if (!captures.empty())
    op->setAttr("captures", builder.getStrArrayAttr(SmallVector<StringRef>(captures.begin(), captures.end())));
  for (auto [output, result] : llvm::zip(proto.output(), op->getResults()))
    if (!output.empty())
      if (Error error = define(output, result))
        return error;
  return Error::success();
}

Error SubgraphImporter::run(const GraphProto &graph) {
  for (const auto *list : {&graph.input(), &graph.value_info(), &graph.output()})
    for (const auto &info : *list)
      declared[info.name()] = importType(info.type(), &context);
  builder.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(builder, node->getLoc(), "main", builder.getFunctionType({}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  omitted = quantopt::onnx::NoValueOp::create(builder, node->getLoc(), builder.getNoneType());
  for (const auto &input : graph.input())
    if (Error error = define(input.name(), body->addArgument(typeOf(input.name()), node->getLoc())))
      return error;
  if (ArrayAttr captures = node.getCaptureNames())
    for (auto [name, value] :
         llvm::zip(captures.getAsValueRange<StringAttr>(), node->getOperands().take_back(captures.size())))
      // An input of the graph hides a value of that name around it.
      values.try_emplace(name, body->addArgument(value.getType(), node->getLoc()));
  for (const TensorProto &initializer : graph.initializer())
    if (!values.contains(initializer.name()))
      if (Error error = importInitializer(initializer))
        return error;
  for (const NodeProto &inner : graph.node())
    if (Error error = importNode(inner))
      return error;
  SmallVector<Value> results;
  for (const auto &output : graph.output()) {
    results.push_back(values.lookup(output.name()));
    if (!results.back())
      return createStringError("output '" + output.name() + "' of a subgraph is not defined");
  }
  func::ReturnOp::create(builder, node->getLoc(), results);
  function.setFunctionType(
      builder.getFunctionType(body->getArgumentTypes(), llvm::to_vector(ValueRange(results).getTypes())));
  for (auto [i, output] : enumerate(graph.output()))
    if (ArrayAttr dims = declared[output.name()].dims)
      function.setResultAttr(i, OnnxDialect::dimsAttrName, dims);
  return Error::success();
}

Expected<OwningOpRef<ModuleOp>> quantopt::importSubgraph(NodeOpInterface node, StringRef name) {
  std::optional<GraphProto> graph = graphOf(node.getNodeAttr(name));
  if (!graph)
    return createStringError("attribute '" + name + "' is not a graph");
  OwningOpRef<ModuleOp> module = ModuleOp::create(node->getLoc());
  if (auto outer = node->getParentOfType<ModuleOp>())
    if (Attribute model = outer->getAttr(OnnxDialect::modelAttrName))
      (*module)->setAttr(OnnxDialect::modelAttrName, model);
  if (Error error = SubgraphImporter(node, *module).run(*graph))
    return error;
  std::string diagnostics;
  ScopedDiagnosticHandler handler(node->getContext(), [&](Diagnostic &diagnostic) { diagnostics = diagnostic.str(); });
  if (failed(verify(*module)))
    return createStringError(diagnostics);
  return module;
}
