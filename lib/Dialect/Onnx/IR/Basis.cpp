//===- Basis.cpp - nodes that do not look at elements -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// Sizes are the same in every basis, so each dimension may be in any. Exporters take sizes from caches and from the
/// residual stream, which rotations retype.
struct SizesInAnyBasis : rot::BasisOpInterface::FallbackModel<SizesInAnyBasis> {
  SmallVector<rot::BasisTie> getBasisTies(Operation *op) const {
    SmallVector<rot::BasisTie> ties;
    Value input = op->getOperand(0);
    if (auto type = dyn_cast<RankedTensorType>(input.getType()))
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        ties.push_back({rot::Accepts::Any, {{input, dim}}});
    return ties;
  }
};
} // namespace

void onnx::attachBasisInterfaces(MLIRContext &context) {
  ShapeOp::attachInterface<SizesInAnyBasis>(context);
  SizeOp::attachInterface<SizesInAnyBasis>(context);
}
