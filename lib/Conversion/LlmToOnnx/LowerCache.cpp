//===- LowerCache.cpp - extensions of KV caches as standard nodes --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"

using namespace mlir;
using namespace quantopt;

/// The first opset with TensorScatter.
static constexpr int64_t tensorScatterOpset = 24;

Value Lowering::lower(llm::KvAppendOp op) {
  return builder.node("::Concat", "append", elementOf(op.getResult()), shapeOf(op.getResult()),
                      {get(op.getCache()), get(op.getRows())}, builder.attr("axis", 2));
}

Value Lowering::sizeOfRows(StringRef step, Value value) {
  Type i64 = builder.getI64Type();
  Value size = builder.sharedNode("::Shape", (step + "_shape").str(), i64, {1}, value,
                                  {builder.attr("start", 2), builder.attr("end", 3)});
  return builder.sharedNode("::Squeeze", step, i64, {}, size);
}

Value Lowering::rowNumbers(StringRef step, Value end) {
  Type i64 = builder.getI64Type();
  int64_t dynamic = ShapedType::kDynamic;
  Value numbers =
      builder.sharedNode("::Range", step, i64, {dynamic}, {builder.scalar(i64, 0), end, builder.scalar(i64, 1)});
  return builder.sharedNode("::Unsqueeze", (step + "_column").str(), i64, {dynamic, 1}, {numbers, builder.ints({1})});
}

Value Lowering::clearFrom(Value cache, Value first, Value length, ArrayRef<int64_t> shape) {
  Type i64 = builder.getI64Type(), element = elementOf(cache);
  int64_t dynamic = ShapedType::kDynamic;
  length = builder.cast("length", length, i64);
  Value kept = sizeOfRows("kept_rows", cache);
  Value all = builder.sharedNode("::Max", "all_rows", i64, {}, {kept, length});
  Value added = builder.sharedNode("::Sub", "added_rows", i64, {}, {all, kept});
  Value zeros = builder.sharedNode("::Unsqueeze", "added_list", i64, {1}, {added, builder.ints({0})});
  // Pad, for one dimension.
  Value pads = builder.sharedNode("::Concat", "pads", i64, {2}, {builder.ints({0}), zeros}, builder.attr("axis", 0));
  Value longer =
      builder.node("::Pad", "lengthen", element, shape, {cache, pads, builder.scalar(element, 0), builder.ints({2})});
  Value isKept = builder.sharedNode("::Less", "is_past", builder.getI1Type(), {shape[0], 1, dynamic, 1},
                                    {rowNumbers("numbers", all), first});
  return builder.node("::Where", "clear", element, shape, {isKept, longer, builder.scalar(element, 0)});
}

/// Opset 24 has TensorScatter; before it, ScatterElements along the rows, whose indices all caches share.
Value Lowering::lower(llm::KvWriteOp op) {
  Type i64 = builder.getI64Type();
  Value cache = get(op.getCache()), rows = get(op.getRows());
  Value index = builder.cast("index", get(op.getIndex()), i64);
  ArrayRef<int64_t> shape = shapeOf(op.getResult()), rowShape = shapeOf(rows);
  if (!op.getLength() && opset >= tensorScatterOpset)
    return builder.node("::TensorScatter", "write", elementOf(cache), shape, {cache, rows, index},
                        builder.attr("axis", 2));
  int64_t batch = shapeOf(index)[0];
  Value first = builder.sharedNode("::Unsqueeze", "first_row", i64, {batch, 1, 1, 1}, {index, builder.ints({1, 2, 3})});
  if (op.getLength())
    cache = clearFrom(cache, first, get(op.getLength()), shape);
  Value numbers = rowNumbers("new_numbers", sizeOfRows("new_rows", rows));
  Value places = builder.sharedNode("::Add", "places", i64, {batch, 1, rowShape[2], 1}, {numbers, first});
  bool isKnown = !ShapedType::isDynamic(rowShape[1]) && !ShapedType::isDynamic(rowShape[3]);
  Value target =
      isKnown ? builder.ints({1, rowShape[1], 1, rowShape[3]}) : builder.node("::Shape", "rows_shape", i64, {4}, rows);
  Value indices = builder.sharedNode("::Expand", "indices", i64, rowShape, {places, target});
  return builder.node("::ScatterElements", "write", elementOf(cache), shape, {cache, indices, rows},
                      builder.attr("axis", 2));
}
