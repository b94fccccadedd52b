//===- QuantizeDynamic.cpp - codes of a value that the model computes -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "QuantizeDynamic.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::llm;

DynamicCodes llm::quantizeDynamic(Value value, const DynamicCodeOptions &options) {
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  auto type = cast<RankedTensorType>(value.getType());
  auto codes = cast<RankedTensorType>(type.clone(q::getCodeType(builder.getContext(), options.bits, options.hasZero)));
  SmallVector<int64_t> shape = q::scaleShape(type.getShape(), options.groupSize, options.axis);
  Type scale = RankedTensorType::get(shape, options.hasHalfScales ? Type(builder.getF16Type()) : builder.getF32Type());
  Type zero = options.hasZero ? RankedTensorType::get(shape, codes.getElementType()) : Type();
  auto op = q::QuantizeDynamicOp::create(
      builder, value.getLoc(), codes, scale, zero, value, builder.getI64IntegerAttr(options.bits),
      builder.getI64IntegerAttr(options.groupSize), builder.getF64FloatAttr(options.clip),
      builder.getI64IntegerAttr(options.axis));
  return {op, {}};
}

Value llm::dequantize(DynamicCodes &codes) {
  if (!codes.dequantized) {
    OpBuilder builder(codes.op);
    builder.setInsertionPointAfter(codes.op);
    codes.dequantized =
        q::DequantizeOp::create(builder, codes.op.getLoc(), codes.op.getInput().getType(), codes.op.getCodes(),
                                codes.op.getScale(), codes.op.getZero(), codes.op.getGroupSize(), codes.op.getAxis());
  }
  return codes.dequantized;
}
