//===- FragmentMath.h - products of fragments by type and architecture ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_FRAGMENTMATH_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_FRAGMENTMATH_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt {

/// How a gemm's codes or floats become fragments of 16 x 8 products: a *step* is the columns of one block of the
/// weight's layout (of 32 columns where it has none), done by one `mma` or several.
class FragmentMath {
public:
  FragmentMath(KernelBuilder &k, mlir::Operation *op);

  /// Columns of a step and of one of its products.
  int64_t getStepColumns() const { return stepColumns; }
  int64_t getProductColumns() const { return productColumns; }
  int64_t getProducts() const { return stepColumns / productColumns; }
  /// The type of sums: i32 or f32.
  mlir::Type getSumType() { return isFloat() ? k.f32() : k.i32(); }
  bool isFloat() const { return shape.mma == tile::Mma::F16; }
  /// Sums come out times 2 to this power: codes of 4 bits that became 8 are 16 times too large.
  unsigned getSumShift() const { return isUnpacked() && !isFloat() ? 4 : 0; }

  /// The weights of each product of a step, out of what a lane has of a block: four packed registers, or those of the
  /// products one after the other.
  llvm::SmallVector<Fragment> unpack(const Fragment &packed);
  /// 16 x 8 sums plus one product: weights (16 rows) of 4 registers, inputs (8 columns) of 2, sums of 4.
  Fragment multiply(const Fragment &weights, const Fragment &inputs, const Fragment &sums);

private:
  bool isUnpacked() const { return shape.weightBits == 4 && shape.mma != tile::Mma::S4; }

  KernelBuilder &k;
  tile::GemmShape shape;
  bool isTuring;
  mlir::Type floatType;
  int64_t stepColumns, productColumns;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_FRAGMENTMATH_H
