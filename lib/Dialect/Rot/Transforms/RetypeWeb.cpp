//===- RetypeWeb.cpp - a web put into its new basis ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Rot/Transforms/RetypeWeb.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::rot;

namespace {
/// Uses of a member that want another basis along `dim` than the value comes in: those outside of the web where it is
/// born inside, those inside where it is not.
struct Conversion {
  SmallVector<OpOperand *> uses;
  int64_t dim;
  Transform basis;
};
} // namespace

static Conversion planConversion(const Web &web, const Web::Member &member) {
  bool isBorn = web.isBornInside(member);
  Conversion conversion{{}, member.dim, isBorn ? Transform() : member.basis};
  for (OpOperand &use : member.value.getUses())
    if (web.isInside(use.getOwner(), member) != isBorn)
      conversion.uses.push_back(&use);
  return conversion;
}

/// One conversion behind each value that the uses read by now: those of other dimensions may have come in between.
static void convertUses(const Conversion &conversion, OpBuilder &builder) {
  llvm::SmallDenseMap<Value, Value> converted;
  for (OpOperand *use : conversion.uses) {
    Value value = use->get();
    Value &result = converted[value];
    if (!result) {
      builder.setInsertionPointAfterValue(value);
      result =
          ConvertOp::create(builder, value.getLoc(), withBasis(typeOf(value), conversion.dim, conversion.basis), value);
    }
    use->set(result);
  }
}

static void convertWeight(const Web::WeightUse &use, OpBuilder &builder) {
  Operation *op = use.operand->getOwner();
  Value weight = use.operand->get();
  builder.setInsertionPoint(op);
  use.operand->set(ConvertOp::create(builder, op->getLoc(), withBasis(typeOf(weight), use.dim, use.basis), weight));
}

void quantopt::rot::retypeWeb(const Web &web) {
  func::FuncOp func = web.getFunction();
  OpBuilder builder(func.getContext());
  auto conversions = llvm::map_to_vector(web.getMembers(), [&](const auto &m) { return planConversion(web, m); });
  for (const Web::Member &member : web.getMembers())
    if (web.isBornInside(member))
      Value(member.value).setType(withBasis(typeOf(member.value), member.dim, member.basis));
  for (const Web::WeightUse &use : web.getWeightUses())
    convertWeight(use, builder);
  for (const Conversion &conversion : conversions)
    convertUses(conversion, builder);
  func.setFunctionType(
      builder.getFunctionType(func.front().getArgumentTypes(), func.front().getTerminator()->getOperandTypes()));
}
