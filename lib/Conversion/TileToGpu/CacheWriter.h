//===- CacheWriter.h - rows of heads into a cache of keys or values -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEWRITER_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEWRITER_H

#include "RowKernel.h"
#include "quantopt/Numerics/KvLayout.h"

namespace quantopt {

/// Quantizes one head of one token, whose elements the lanes of a RowKernel's row have, and writes it where a KvLayout
/// says. Lanes exchange values: whole warps have to do each step together, and rows are of one warp at most.
class CacheWriter {
public:
  CacheWriter(RowKernel &row, const numerics::KvLayout &layout) : row(row), k(row.k), plan(row.plan), layout(layout) {}

  /// Writes token `token` of the block at `block`, where `condition` holds.
  void write(const RowElements &elements, mlir::Value block, mlir::Value token, mlir::Value condition);

private:
  /// The scale of a group as an f32, as it is stored, and its zero as an i32.
  struct Scale {
    mlir::Value scale, stored, zero;
  };
  int64_t getVectorsOfGroup() const { return layout.groupSize / plan.width; }
  int64_t getGreatestCode() const { return (int64_t(1) << layout.bits) - 1; }
  /// Combines one value per vector, of which 0 is the neutral one, over the vectors of each group.
  RowElements reduceGroups(RowElements values, KernelBuilder::Combine combine);
  /// One value per vector: the greatest of 0 and the elements' keys, or the least. Keys are integers in the order of
  /// the elements.
  RowElements findExtremes(const RowElements &elements, llvm::function_ref<mlir::Value(mlir::Value)> makeKey,
                           KernelBuilder::Combine combine);
  Scale storeScale(mlir::Value scale);
  /// One per vector: that of its group.
  llvm::SmallVector<Scale> computeScales(const RowElements &elements);
  mlir::Value packCodes(llvm::ArrayRef<mlir::Value> elements, const Scale &scale);
  /// Where a vector of the row is, and the last one of a lane may be beyond it.
  void forEachVector(llvm::function_ref<void(int64_t)> body);

  RowKernel &row;
  KernelBuilder &k;
  const tile::RowPlan &plan;
  const numerics::KvLayout &layout;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_CACHEWRITER_H
