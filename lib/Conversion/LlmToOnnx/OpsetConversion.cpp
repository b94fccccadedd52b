//===- OpsetConversion.cpp - nodes of older opsets as nodes of opset 21 --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"
#include "ModelAttributes.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// The opset of the forms that this conversion emits, and the IR version that came with it.
static constexpr int64_t targetOpset = 21, targetIrVersion = 10;
/// Before it, too much was different.
static constexpr int64_t oldestOpset = 11;

/// The last opset up to 21 in which a standard operator changed its meaning or its signature (docs/Changelog.md of
/// ONNX; new types and new optional attributes change neither).
static int64_t changedIn(StringRef type) {
  return llvm::StringSwitch<int64_t>(type)
      .Cases({"ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
              "ReduceLogSumExp", "ReduceSumSquare", "Split"},
             18)
      .Cases({"ReduceSum", "Squeeze", "Unsqueeze", "Softmax", "LogSoftmax", "Hardmax"}, 13)
      .Case("BatchNormalization", 15)
      .Case("RoiAlign", 16)
      .Case("Resize", 19)
      .Cases({"GridSample", "DFT"}, 20)
      .Case("GroupNormalization", 21)
      .Default(0);
}

/// Moves a list attribute to an input behind the first one.
static void moveToInput(NodeOpInterface node, StringRef attribute, NodeBuilder &builder) {
  std::optional<ArrayRef<int64_t>> values = node.getInts(attribute);
  if (!values)
    return;
  node->insertOperands(1, builder.ints(*values));
  NamedAttrList rest(node.getNodeAttrs());
  rest.erase(attribute);
  node.setNodeAttrs(rest.getDictionary(node->getContext()));
}

static LogicalResult convertNode(NodeOpInterface node, int64_t opset, NodeBuilder &builder) {
  StringRef type = node.getOpType();
  int64_t changed = changedIn(type);
  if (changed <= opset)
    return success();
  if ((type.starts_with("Reduce") || type == "Squeeze" || type == "Unsqueeze")) {
    moveToInput(node, "axes", builder);
    return success();
  }
  if (type == "Split") {
    moveToInput(node, "split", builder);
    if (node.getNodeInput(1))
      return success();
    NamedAttrList attributes(node.getNodeAttrs());
    attributes.set("num_outputs", builder.getI64IntegerAttr(node->getNumResults()));
    node.setNodeAttrs(attributes.getDictionary(node->getContext()));
    return success();
  }
  return node->emitError() << onnx::describeNode(node) << " is of opset " << opset << " and changed in opset "
                           << changed << ": export the model with opset " << changed << " or later";
}

/// Subgraphs are bytes here, so nodes inside them stay what they are.
static bool hasSubgraph(NodeOpInterface node) {
  return node.getDomain().empty() &&
         (node.getOpType() == "If" || node.getOpType() == "Loop" || node.getOpType() == "Scan");
}

LogicalResult quantopt::convertOpset(ModuleOp module) {
  int64_t opset = getModelOpset(module).value_or(targetOpset);
  if (opset < oldestOpset)
    return module.emitError() << "the model is of opset " << opset << ", expected " << oldestOpset
                              << " or later: export it anew";
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || function->hasAttr(onnx::OnnxDialect::functionAttrName))
      continue;
    NodeBuilder builder(function);
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      auto node = dyn_cast<NodeOpInterface>(&op);
      // A node without a source index was built here, in its target form.
      if (!node || !node.getDomain().empty() || opset >= targetOpset || !node.getSourceIndex())
        continue;
      if (hasSubgraph(node))
        return node->emitError() << onnx::describeNode(node) << " has subgraphs of opset " << opset
                                 << ": export the model with opset " << targetOpset << " or later";
      if (failed(convertNode(node, opset, builder)))
        return failure();
    }
  }
  setModelVersions(module, std::max(opset, targetOpset), targetIrVersion);
  return success();
}
