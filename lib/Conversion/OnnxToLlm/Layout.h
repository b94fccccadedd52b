//===- Layout.h - what moves elements and computes nothing --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_ONNXTOLLM_LAYOUT_H
#define QUANTOPT_LIB_CONVERSION_ONNXTOLLM_LAYOUT_H

#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/MapVector.h"

namespace quantopt {

/// Element `index` of the traced dimensions of `source`, flattened, or its negative.
struct Element {
  mlir::Value source;
  int64_t index = 0;
  bool isNegative = false;
  bool operator==(const Element &other) const {
    return source == other.source && index == other.index && isNegative == other.isNegative;
  }
};
using ElementMap = llvm::SmallVector<Element>;

/// Follows elements of some dimensions back through nodes that only move, repeat, drop or negate them: Slice, Split,
/// Concat, Gather, Unsqueeze, Squeeze, Reshape, Expand, Tile, Transpose, Neg. Exporters repeat cache heads and turn
/// halves of heads in many ways; the maps are the same. The first `lead` and the last `trail` dimensions of all tensors
/// on the way are theirs alike and must not be touched; those between have known sizes and are traced.
class Layout {
public:
  Layout(int64_t lead, int64_t trail) : lead(lead), trail(trail) {}

  /// Where the traced elements of `value` come from; empty when there are none or too many to count.
  ElementMap of(mlir::Value value);
  /// Everything that has been looked at, in the order of discovery, each with its own map.
  const llvm::MapVector<mlir::Value, ElementMap> &visited() const { return maps; }
  /// The number of elements that are traced in tensors of this type, or nothing.
  std::optional<int64_t> count(mlir::RankedTensorType type) const;

private:
  ElementMap compute(mlir::Value value);
  ElementMap ofSlice(onnx::NodeOpInterface node);
  ElementMap ofSplit(onnx::NodeOpInterface node, unsigned result);
  ElementMap ofConcat(onnx::NodeOpInterface node);
  ElementMap ofGather(onnx::NodeOpInterface node);
  ElementMap ofExpand(onnx::NodeOpInterface node);
  ElementMap ofTranspose(onnx::NodeOpInterface node);
  ElementMap ofReshape(onnx::NodeOpInterface node);
  bool keepsOuterDims(mlir::Value from, mlir::Value to) const;
  bool isTraced(int64_t axis, mlir::RankedTensorType type) const;
  /// A traced dimension that may be counted from the end; nothing for others.
  std::optional<int64_t> tracedAxis(int64_t axis, mlir::RankedTensorType type) const;
  ElementMap pick(mlir::Value input, int64_t axis, llvm::ArrayRef<int64_t> indices);

  int64_t lead, trail;
  int depth = 0;
  llvm::MapVector<mlir::Value, ElementMap> maps;
};

/// What `value`, of `heads` heads in dimension 1 of 4, repeats: [B, kv_heads, T, d] of which every head serves heads /
/// kv_heads heads in a row (repeat_kv); `value` itself when it repeats nothing.
mlir::Value behindRepeatedHeads(mlir::Value value, int64_t heads);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_ONNXTOLLM_LAYOUT_H
