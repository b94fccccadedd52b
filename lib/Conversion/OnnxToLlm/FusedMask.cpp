//===- FusedMask.cpp - masks that attention operators leave implicit ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Fused.h"

using namespace mlir;
using namespace quantopt;

static constexpr double minusInfinity = -std::numeric_limits<double>::infinity();

static Type elementTypeOf(Value value) { return getElementTypeOrSelf(value.getType()); }

void MaskBuilder::addCondition(Value added) { condition = condition ? nodes.binary("And", condition, added) : added; }

Value MaskBuilder::padded(Value mask, double fill) {
  int64_t width = rankedType(mask).getShape().back(), rank = rankedType(mask).getRank();
  Value present = nodes.sizeOf(mask, rank - 1);
  if (width == 1 || present == positions)
    return mask;
  Value zero = nodes.scalar(0), missing = nodes.binary("Sub", positions, present);
  Value isShorter = nodes.binary("Greater", missing, zero);
  if (ShapedType::isDynamic(width)) // One column alone is for all positions.
    isShorter = nodes.binary("And", isShorter, nodes.binary("Greater", present, nodes.scalar(1)));
  return nodes.padLast(mask, nodes.where(isShorter, missing, zero), nodes.scalar(elementTypeOf(mask), fill));
}

void MaskBuilder::addStated(Value mask, double fill) {
  if (elementTypeOf(mask).isInteger(1))
    return addCondition(padded(mask, 0));
  mask = nodes.castTo(padded(mask, fill), elementTypeOf(query));
  bias = bias ? nodes.binary("Add", bias, mask) : mask;
}

Value MaskBuilder::lastSeen(Value past) {
  Value queries = nodes.reshape(nodes.range(nodes.sizeOf(query, 2)), {-1, 1});
  return nodes.binary("Add", queries, past);
}

void MaskBuilder::addCausal(Value past) {
  addCondition(nodes.negate(nodes.binary("Greater", nodes.range(positions), lastSeen(past))));
}

void MaskBuilder::addWindow(Value past, int64_t window) {
  Value lastHidden = nodes.binary("Sub", lastSeen(past), nodes.scalar(window));
  addCausal(past);
  addCondition(nodes.binary("Greater", nodes.range(positions), lastHidden));
}

void MaskBuilder::addLengths(Value lengths) {
  addCondition(nodes.binary("Less", nodes.range(positions), nodes.reshape(lengths, {-1, 1, 1, 1})));
}

Value MaskBuilder::build() {
  if (!condition)
    return bias;
  Type type = elementTypeOf(query);
  return nodes.where(condition, bias ? bias : nodes.scalar(type, 0), nodes.scalar(type, minusInfinity));
}
