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
static constexpr int64_t oldestOpset = 7;

/// The last opset up to 21 in which a standard operator changed its meaning or its signature (docs/Changelog.md of
/// ONNX; new types and new optional attributes change neither).
static int64_t changedIn(StringRef type) {
  return llvm::StringSwitch<int64_t>(type)
      .Cases({"ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
              "ReduceLogSumExp", "ReduceSumSquare", "Split"},
             18)
      .Cases({"ReduceSum", "Squeeze", "Unsqueeze", "Softmax", "LogSoftmax", "Hardmax"}, 13)
      .Cases({"Clip", "Pad", "Scatter"}, 11)
      .Cases({"Slice", "TopK", "Upsample"}, 10)
      .Case("Dropout", 12)
      .Case("BatchNormalization", 15)
      .Case("RoiAlign", 16)
      .Case("Resize", 19)
      .Cases({"GridSample", "DFT"}, 20)
      .Case("GroupNormalization", 21)
      .Default(0);
}

static void eraseAttribute(NodeOpInterface node, StringRef attribute) {
  NamedAttrList rest(node.getNodeAttrs());
  rest.erase(attribute);
  node.setNodeAttrs(rest.getDictionary(node->getContext()));
}

/// Moves a list attribute to an input behind the others.
static bool moveToInput(NodeOpInterface node, StringRef attribute, NodeBuilder &builder) {
  std::optional<ArrayRef<int64_t>> values = node.getInts(attribute);
  if (!values)
    return false;
  node->insertOperands(node.getNodeInputs().size(), builder.ints(*values));
  eraseAttribute(node, attribute);
  return true;
}

/// Softmax along the last axis; before opset 13 it is over everything from its axis on.
static bool isAlongLastAxis(NodeOpInterface node) {
  auto type = dyn_cast<RankedTensorType>(node->getResult(0).getType());
  std::optional<int64_t> axis = node.getInt("axis");
  return type && (axis.value_or(1) == type.getRank() - 1 || axis == -1);
}

/// Bounds of a Slice, which were attributes. Whoever recognised the model has given it inputs already.
static bool moveBounds(NodeOpInterface slice, NodeBuilder &builder) {
  if (slice.getNodeInputs().size() > 1)
    return true;
  return moveToInput(slice, "starts", builder) && moveToInput(slice, "ends", builder) &&
         (moveToInput(slice, "axes", builder) || !slice.getNodeAttr("axes"));
}

static LogicalResult convertNode(NodeOpInterface node, int64_t opset, NodeBuilder &builder) {
  node->removeAttr(onnx::OnnxDialect::opsetAttrName);
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
  if (type == "Dropout") { // of which only its identity is left
    eraseAttribute(node, "ratio");
    return success();
  }
  if (type == "Slice" && moveBounds(node, builder))
    return success();
  if ((type == "Softmax" || type == "LogSoftmax") && isAlongLastAxis(node)) {
    NamedAttrList attributes(node.getNodeAttrs());
    attributes.set("axis", builder.getI64IntegerAttr(-1));
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
  int64_t newest = std::max(opset, targetOpset); // functions may have been of later ones than the model
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || function->hasAttr(onnx::OnnxDialect::functionAttrName))
      continue;
    NodeBuilder builder(function);
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      auto node = dyn_cast<NodeOpInterface>(&op);
      // A node without a source index was built here, in its target form.
      if (!node || !node.getDomain().empty() || !node.getSourceIndex())
        continue;
      int64_t own = onnx::opsetOf(node);
      if (own >= targetOpset && own == opset)
        continue;
      if (hasSubgraph(node))
        return node->emitError() << onnx::describeNode(node) << " has subgraphs of opset " << own
                                 << ": export the model with opset " << targetOpset << " or later";
      if (failed(convertNode(node, own, builder)))
        return failure();
      newest = std::max(newest, own);
    }
  }
  setModelVersions(module, newest, targetIrVersion);
  return success();
}
