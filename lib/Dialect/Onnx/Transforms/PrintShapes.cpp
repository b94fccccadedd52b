//===- PrintShapes.cpp - says what the analysis of shapes knows ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Pass/Pass.h"
#include "quantopt/Dialect/Onnx/Analysis/SymbolicShapes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

namespace quantopt {
#define GEN_PASS_DEF_PRINTSHAPESPASS
#include "onnx/OnnxPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct PrintShapesPass : quantopt::impl::PrintShapesPassBase<PrintShapesPass> {
  void runOnOperation() override {
    onnx::SymbolicShapes shapes(getOperation());
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults()) {
        if (!isa<TensorType>(result.getType()))
          continue;
        InFlightDiagnostic remark = op->emitRemark() << shapes.print(result);
        std::optional<ArrayRef<onnx::SymbolicDim>> values = shapes.valuesOf(result);
        if (!values)
          continue;
        remark << " = {";
        llvm::interleaveComma(*values, remark, [&](onnx::SymbolicDim value) { remark << shapes.dims().print(value); });
        remark << "}";
      }
    });
  }
};
} // namespace
