//===- EdgeNames.cpp - names of the values of a graph that is written ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "EdgeNames.h"
#include "mlir/IR/SymbolTable.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"

using namespace mlir;
using namespace quantopt;
using quantopt::onnx::NodeOpInterface;
using quantopt::onnx::OnnxDialect;

std::string EdgeNames::argumentName(func::FuncOp function, unsigned i) {
  auto name = function.getArgAttrOfType<StringAttr>(i, OnnxDialect::nameAttrName);
  return name ? name.str() : "input_" + std::to_string(i);
}

std::string EdgeNames::resultName(func::FuncOp function, unsigned i) {
  auto name = function.getResultAttrOfType<StringAttr>(i, OnnxDialect::nameAttrName);
  return name ? name.str() : "output_" + std::to_string(i);
}

StringRef EdgeNames::parameterName(Operation *global) {
  auto name = global->getAttrOfType<StringAttr>(OnnxDialect::nameAttrName);
  return name ? name.getValue() : SymbolTable::getSymbolName(global).getValue();
}

/// The name that a node states for one of its results; empty if it states none.
static StringRef statedName(OpResult result) {
  auto node = dyn_cast<NodeOpInterface>(result.getOwner());
  if (!node || node.getOutputNames().empty())
    return "";
  return cast<StringAttr>(node.getOutputNames()[result.getResultNumber()]).getValue();
}

llvm::StringSet<> quantopt::attributeTensorsOf(func::FuncOp function) {
  llvm::StringSet<> symbols;
  for (auto node : function.getOps<NodeOpInterface>())
    for (NamedAttribute attribute : node.getNodeAttrs())
      if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue()))
        symbols.insert(symbol.getValue());
  return symbols;
}

EdgeNames::EdgeNames(func::FuncOp function) {
  nameArgumentsAndParameters(function);
  nameResults(function);
  nameEdges(function);
}

StringRef EdgeNames::of(Value value) const {
  auto name = names.find(value);
  return name == names.end() ? StringRef() : StringRef(name->second);
}

std::string EdgeNames::unique(StringRef wanted) {
  std::string name = wanted.str();
  for (unsigned suffix = 1; !used.insert(name).second; ++suffix)
    name = (wanted + "_" + Twine(suffix)).str();
  return name;
}

void EdgeNames::nameArgumentsAndParameters(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments())
    names[argument] = unique(argumentName(function, argument.getArgNumber()));
  auto module = function->getParentOfType<ModuleOp>();
  llvm::StringSet<> attributeTensors = attributeTensorsOf(function);
  for (auto global : module.getOps<param::GlobalOp>()) // also those that nothing loads
    if (!attributeTensors.contains(global.getSymName()))
      used.insert(parameterName(global));
  SymbolTable symbols(module);
  for (auto load : function.getOps<param::LoadOp>())
    for (Value value : load->getResults()) {
      Operation *global = symbols.lookup(load.getParam());
      names[value] = global ? parameterName(global).str() : load.getParam().str();
    }
}

/// Whether a subgraph, whose bytes are fixed, reads the value by its name.
static bool isCaptured(Value value) {
  return llvm::any_of(value.getUses(), [](OpOperand &use) {
    auto node = dyn_cast<NodeOpInterface>(use.getOwner());
    return node && use.getOperandNumber() >= node.getNodeInputs().size();
  });
}

void EdgeNames::nameResults(func::FuncOp function) {
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    std::string name = resultName(function, i);
    auto result = dyn_cast<OpResult>(value);
    bool isNode = result && isa<NodeOpInterface>(result.getOwner());
    bool canRename = isNode && !names.contains(value) && (statedName(result) == name || !isCaptured(value));
    if (of(value) == name)
      continue;
    if (canRename)
      names[value] = name;
    else
      aliasList.push_back({value, name});
    used.insert(name);
  }
}

void EdgeNames::nameEdges(func::FuncOp function) {
  // Stated names first, so that no new name takes one of them.
  SmallVector<OpResult> unnamed;
  for (Operation &op : function.getBody().front()) {
    if (!isa<NodeOpInterface>(op))
      continue;
    for (OpResult result : op.getResults()) {
      StringRef stated = statedName(result);
      if (isa<NoneType>(result.getType()) || names.contains(result))
        continue;
      if (!stated.empty() && used.insert(stated).second)
        names[result] = stated.str();
      else
        unnamed.push_back(result);
    }
  }
  for (OpResult result : unnamed) {
    auto node = cast<NodeOpInterface>(result.getOwner());
    StringRef stated = statedName(result);
    StringRef base = node.getNodeName().empty() ? node.getOpType() : node.getNodeName();
    std::string wanted = stated.empty() ? (base + "_output_" + Twine(result.getResultNumber())).str() : stated.str();
    names[result] = unique(wanted);
  }
}
