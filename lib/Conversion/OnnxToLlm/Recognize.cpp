//===- Recognize.cpp - from nodes to layers -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Match.h"
#include "Roles.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include <map>

using namespace mlir;
using namespace quantopt;

/// In the order in which they are tried; those for one kind of node exclude each other, except that a sum with a weight
/// vector is a bias before it can be anything else.
static constexpr Recognizer recognizers[] = {dropNoOp,
                                             recognizeSplitAgain,
                                             readShapeOfHeads,
                                             recognizeCastNorm,
                                             recognizeEmbedding,
                                             recognizeLinear,
                                             recognizeAttention,
                                             recognizeZeroedRows,
                                             recognizeBias,
                                             recognizeNormBias,
                                             recognizeRope,
                                             recognizeResidualAdd,
                                             recognizeNorm,
                                             recognizeNormScale,
                                             recognizeSwiglu,
                                             recognizeActivation,
                                             recognizeWrittenGelu,
                                             recognizeGeglu,
                                             recognizeScale,
                                             recognizeSplitHeads,
                                             recognizeMergeHeads,
                                             recognizeKvAppend,
                                             recognizeMatMulNBits,
                                             recognizeGatherBlockQuantized,
                                             recognizePackedProjection,
                                             recognizeGatherNd,
                                             recognizeFlattened,
                                             recognizeFlattenedSoftmax,
                                             recognizeFusedNorm,
                                             recognizeRotaryEmbedding,
                                             recognizeFusedAttention,
                                             recognizeGroupQueryAttention,
                                             recognizeTensorScatter};

/// Gives the result of a node the sizes that are known by now: recognised layers know more than the file says.
static void refineResult(Operation *op) {
  RankedTensorType type =
      op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (!type || type.hasStaticShape() || isReturned(op->getResult(0)))
    return;
  SmallVector<int64_t> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    sizes.push_back(dimOf(op->getResult(0), i).size);
  op->getResult(0).setType(type.clone(sizes));
}

/// Whether no dimension that is stated of what a node reads and gives is beyond all layers.
static bool hasSizesOfLayers(Operation *op) {
  auto isLayers = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || llvm::all_of(tensor.getShape(), [](int64_t size) { return size <= greatestSize; });
  };
  return llvm::all_of(op->getOperandTypes(), isLayers) && llvm::all_of(op->getResultTypes(), isLayers);
}

/// One walk in program order, so that the operands of a node have been recognised before it is looked at. What a
/// pattern makes superfluous lies before its root and is erased at once.
static void recognize(func::FuncOp function) {
  IRRewriter rewriter(function.getContext());
  for (Operation &op : llvm::make_early_inc_range(function.front()))
    if (isa<onnx::NodeOpInterface>(op)) {
      refineResult(&op);
      if (!hasSizesOfLayers(&op))
        continue;
      (void)llvm::any_of(recognizers, [&](Recognizer recognizer) { return succeeded(recognizer(&op, rewriter)); });
    }
}

/// Sizes of a norm are those of what it normalizes: a Shape is a reader that the norm's scale could not move to. After
/// the walk, since cutting packed projections moves Shapes to the norm.
static void readShapesBeforeNorms(func::FuncOp function) {
  for (auto shape : function.front().getOps<onnx::ShapeOp>()) {
    Operation *norm = shape->getOperand(0).getDefiningOp();
    if (isa_and_nonnull<llm::RmsNormOp, llm::LayerNormOp>(norm))
      shape->setOperand(0, norm->getOperand(0));
  }
}

static void eraseDeadOps(func::FuncOp function) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

void quantopt::summarizeRecognition(func::FuncOp function) {
  std::map<StringRef, int64_t> layers, nodes;
  function.walk([&](Operation *op) {
    if (op->getName().getDialectNamespace() == "llm")
      ++layers[op->getName().stripDialect()];
    else if (auto node = dyn_cast<onnx::NodeOpInterface>(op))
      ++nodes[node.getOpType()];
  });
  InFlightDiagnostic remark = emitRemark(function.getLoc()) << "recognised";
  auto list = [&](const std::map<StringRef, int64_t> &counts) {
    if (counts.empty())
      remark << " nothing";
    llvm::interleave(
        counts, [&](auto &entry) { remark << " " << entry.second << " " << entry.first; }, [&] { remark << ","; });
  };
  list(layers);
  remark << "; left as nodes";
  list(nodes);
}

/// What is wrong with a function; empty if it is valid.
static std::string findFault(func::FuncOp function) {
  std::string fault;
  ScopedDiagnosticHandler handler(function.getContext(), [&](Diagnostic &diagnostic) {
    if (fault.empty())
      fault = diagnostic.str();
    return success();
  });
  return succeeded(mlir::verify(function)) ? "" : fault;
}

void quantopt::recognizeDecoder(func::FuncOp function) {
  OwningOpRef<func::FuncOp> original(function.clone());
  stateVersionedForms(function.front());
  recognize(function);
  readShapesBeforeNorms(function);
  eraseDeadOps(function);
  // Recognisers look at a node and what is before it. Types that contradict those further off make layers that cannot
  // be.
  if (std::string fault = findFault(function); !fault.empty()) {
    function.getBody().takeBody(original->getBody());
    emitWarning(function.getLoc()) << "function '" << function.getName()
                                   << "' is left as nodes, since it contradicts itself: " << fault;
  }
  assignRoles(function);
  function->setAttr("rot.strict", UnitAttr::get(function.getContext()));
}
