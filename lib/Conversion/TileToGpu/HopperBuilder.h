//===- HopperBuilder.h - what sm_90a does asynchronously ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_HOPPERBUILDER_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_HOPPERBUILDER_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"

namespace quantopt {

/// The instructions of sm_90a that KernelBuilder does not have: barriers in shared memory (mbarrier), bulk copies, and
/// products of groups of four warps. Pointers are to shared memory unless they are said to be something else.
class HopperBuilder {
public:
  HopperBuilder(KernelBuilder &k) : k(k), b(k.builder()), loc(k.location()) {}

  /// The block's dynamic shared memory from its first multiple of `alignment` on.
  mlir::Value alignedShared(int64_t alignment);

  //===--- Barriers. Each has 8 bytes; parity p waits for the end of a phase of that parity, the first being 0 ---===//
  void initBarrier(mlir::Value barrier, int64_t arrivals);
  /// Makes initialized barriers visible to copies; a block's barrier is due before they are used.
  void fenceBarriers();
  void arrive(mlir::Value barrier);
  /// Arrives, and lets the phase wait for that many bytes of copies.
  void arriveExpecting(mlir::Value barrier, int64_t bytes);
  void wait(mlir::Value barrier, mlir::Value parity);

  //===--- Copies from global to shared memory, by one thread; they signal their bytes to a barrier ---===//
  /// A box of the tensor of rank 2 that `map`, a parameter, describes: from `column` and `row` on.
  void copyBox(mlir::Value shared, mlir::Value map, mlir::Value column, mlir::Value row, mlir::Value barrier);
  /// A multiple of 16 bytes, 16-byte aligned on both sides.
  void copyBytes(mlir::Value shared, mlir::Value global, int64_t bytes, mlir::Value barrier);

  //===--- Products ---===//
  /// All warps of a group, but for the first: `count` registers a thread from here on.
  void setRegisters(int64_t count, bool isIncrease);
  /// The descriptor of an operand in shared memory: rows of 128 bytes, swizzled by 128 bytes, of which a product
  /// takes 32. `rows` begins at a multiple of 1024 bytes.
  mlir::Value describeRows(mlir::Value rows);
  /// The same registers, for products to read: none may be written between this and them.
  Fragment fenceProducts(const Fragment &registers);
  /// m64nNk32: sums (n / 2 registers) plus s8 weights (4 registers) times s8 rows. Sums are not there before wait.
  Fragment multiplyS8(const Fragment &weights, mlir::Value rows, const Fragment &sums);
  void commitProducts();
  /// The sums once all products are done.
  Fragment waitProducts(const Fragment &sums);

private:
  /// Inline assembly that gives new values to `tied` registers, which it reads.
  Fragment tiedAsm(const llvm::Twine &text, const Fragment &tied, llvm::ArrayRef<mlir::Value> inputs,
                   llvm::StringRef inputConstraints);

  KernelBuilder &k;
  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_HOPPERBUILDER_H
