//===- RowKernel.h - what kernels that work on whole rows share -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNEL_H
#define QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNEL_H

#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"

namespace quantopt {

/// A thread's share of a row: element v of its vector c at [c·width + v]. Elements beyond the row are 0.
using RowElements = llvm::SmallVector<mlir::Value>;

/// How rows become codes: s = max((clip·absmax)/(2^(bits-1) - 1), 1e-8), code = clamp(rne(x/s)).
struct RowQuantizer {
  int64_t bits;
  float clip;
  /// Width of a code in memory: 4 or 8.
  int64_t codeBits;
};

/// The body of a kernel that works on whole rows, as a RowPlan places them. Block y works on rows y·rowsPerBlock
/// onwards. Threads of rows that do not exist compute the last row and write nothing, so that no branch surrounds what
/// threads do together.
class RowKernel {
public:
  RowKernel(KernelBuilder &builder, const tile::RowPlan &plan);
  /// The same for a row that the caller chooses; it is written where `rowExists`.
  RowKernel(KernelBuilder &builder, const tile::RowPlan &plan, mlir::Value row, mlir::Value rowExists);

  /// Thread within the row; the row within the block, and within the tensor (one that exists).
  mlir::Value getThread() const { return thread; }
  mlir::Value getRowInBlock() const { return rowInBlock; }
  mlir::Value getRow() const { return row; }
  /// Index of vector `c` of this thread within its row.
  mlir::Value getVectorIndex(int64_t c);
  /// The row's share of the shared memory, at its word `word`.
  mlir::Value getSharedWord(mlir::Value word);
  /// The threads of a row wait for each other, in one warp or in the block.
  void synchronize();
  /// Copies a table from where constantTable() has it to shared memory, at the plan's place for factors. A barrier is
  /// due before it is read.
  void stageFactors(mlir::Value table, int64_t words);

  /// This thread's elements of its row of `tensor`, [rows, columns] of `type` (f32, f16 or bf16).
  RowElements load(mlir::Value tensor, mlir::Type type);
  void store(const RowElements &elements, mlir::Value tensor, mlir::Type type);
  /// The row of `input` plus that of `residual`, rounded to `sumType`, as f32; also written to `sum` unless that is
  /// null. Long rows are taken in pieces, so that both rows and their sum need not be in registers at once.
  RowElements loadSum(mlir::Value input, mlir::Type inputType, mlir::Value residual, mlir::Type residualType,
                      mlir::Value sum, mlir::Type sumType);
  /// elements[i] = body(i).
  RowElements map(llvm::function_ref<mlir::Value(size_t)> body) const;
  /// Replaces what lies beyond the row's columns by 0.
  void clearPadding(RowElements &elements);

  /// What threads of a row combine; a null member is not wanted.
  struct Reduction {
    mlir::Value sumOfSquares, greatest;
  };
  /// Of this thread's elements.
  mlir::Value sumOfSquares(const RowElements &elements);
  mlir::Value greatestMagnitude(const RowElements &elements);
  /// Of the whole row, in every thread. The threads of several warps meet in shared memory: between two of these a
  /// barrier is due.
  Reduction reduce(Reduction parts);
  /// 1 / sqrt(mean of squares + epsilon).
  mlir::Value getNormFactor(mlir::Value sumOfSquares, double epsilon);

  /// Writes codes and scale of factor·elements. `greatest` is the row's greatest magnitude, without the factor.
  void quantize(const RowElements &elements, mlir::Value greatest, mlir::Value factor, const RowQuantizer &quantizer,
                mlir::Value codes, mlir::Value scales);
  /// The same where the row's greatest magnitude is yet to be found.
  void quantize(const RowElements &elements, mlir::Value factor, const RowQuantizer &quantizer, mlir::Value codes,
                mlir::Value scales) {
    quantize(elements, reduce({mlir::Value(), greatestMagnitude(elements)}).greatest, factor, quantizer, codes, scales);
  }

  KernelBuilder &k;
  const tile::RowPlan &plan;

private:
  /// Vectors first, first + 1, ..., last - 1 of this thread.
  RowElements loadVectors(mlir::Value tensor, mlir::Type type, int64_t first, int64_t last);
  void storeVectors(llvm::ArrayRef<mlir::Value> elements, mlir::Value tensor, mlir::Type type, int64_t first,
                    int64_t last);
  void clearPadding(llvm::MutableArrayRef<mlir::Value> elements, int64_t first, int64_t last);
  /// Runs body(c) for those of the vectors first, ..., last - 1 that begin before column `columns`, where the row
  /// exists.
  void forEachStored(int64_t columns, int64_t first, int64_t last, llvm::function_ref<void(int64_t)> body);
  void storeCodes(llvm::ArrayRef<mlir::Value> codes, mlir::Value pointer, int64_t codeBits);

  mlir::Value thread, rowInBlock, row, rowExists;
};

/// x / divisor, correctly rounded unless it is subnormal, without the subroutine of a division: the remainder of the
/// first approximation is exact (Markstein 1990).
mlir::Value divideByConstant(KernelBuilder &k, mlir::Value x, float divisor);

/// A table of words in constant memory, or in global memory where it has more than `mostConstantWords`: all tables of a
/// module share 64 KB of constant memory, and lanes that read different words of it wait for each other. Tables of one
/// name in a module are one.
mlir::Value constantTable(KernelBuilder &k, llvm::StringRef name, llvm::ArrayRef<uint32_t> words,
                          size_t mostConstantWords = 4096);

} // namespace quantopt

#endif // QUANTOPT_LIB_CONVERSION_TILETOGPU_ROWKERNEL_H
