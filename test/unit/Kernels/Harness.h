//===- Harness.h - kernels built and run in a test -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_KERNELS_HARNESS_H
#define QUANTOPT_TEST_UNIT_KERNELS_HARNESS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Ptx/Interpreter.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt::kerneltest {

/// What a kernel computed, and what the interpreter counted meanwhile.
struct KernelRun {
  std::vector<Tensor> results;
  ptx::Counters counters;
};

/// How a kernel is run.
struct RunSettings {
  /// Stands in for the kernel's own text.
  llvm::StringRef ptx;
  /// 0: one per processor.
  unsigned threads = 0;
  /// Whether bank conflicts and sectors are counted.
  bool counters = true;
};

/// The kernel of one op of the tile dialect: built, translated to PTX, and ready to run on the interpreter. Tensors are
/// logical: codes [rows, K] have a byte each and weights are [N, K]; encode() and decode() know how memory holds them.
class Kernel {
public:
  /// Builds the kernel of the one tile op in `text` (a function around it). The same text is built once in a program.
  /// Fails with MLIR's diagnostics, and for PTX that uses local memory or calls functions.
  static llvm::Expected<std::shared_ptr<Kernel>> build(llvm::StringRef text);

  /// The same after tile-select chose the kernel of the one linear layer in `text`, for at most `maxRows` rows (0: any
  /// number). Tile ops stay as they are.
  static llvm::Expected<std::shared_ptr<Kernel>> select(llvm::StringRef text, llvm::StringRef arch, int64_t maxRows);

  tile::KernelOpInterface op() const { return kernelOp; }
  /// Name of the entry point.
  const std::string &name() const { return kernelName; }
  const std::string &ptx() const { return text; }
  /// "sm_80".
  llvm::StringRef architecture() const;
  unsigned numOperands() const { return kernelOp->getNumOperands(); }
  unsigned numResults() const { return kernelOp->getNumResults(); }

  /// Type and shape of operand `number` as a logical tensor: a packed weight is [N, K] of i4 or i8.
  DType operandType(unsigned number) const;
  llvm::SmallVector<int64_t> operandShape(unsigned number, int64_t rows) const;
  /// Operand `number` as the kernel reads it: rows of codes packed and padded, weights in their layout.
  std::vector<char> encode(unsigned number, const Tensor &tensor) const;
  /// The shape of result `number` over that many rows.
  llvm::SmallVector<int64_t> resultShape(unsigned number, int64_t rows) const;
  /// Bytes of result `number` as the kernel writes it.
  uint64_t resultBytes(unsigned number, int64_t rows) const;
  /// Undoes for a result what encode() does for an operand. An error names a row whose padding is not zero.
  llvm::Expected<Tensor> decode(unsigned number, llvm::ArrayRef<char> bytes, int64_t rows) const;

  /// Blocks of a launch over that many rows; `operands` where that depends on the sequences.
  std::array<unsigned, 2> grid(int64_t rows, llvm::ArrayRef<Tensor> operands = {}) const;
  /// Runs the kernel on the interpreter over operands in the op's order. Every byte of the results has to be written;
  /// a result that takes over an operand's memory is that operand after the run.
  /// Nothing is launched over 0 rows: a grid may not be empty.
  llvm::Expected<KernelRun> run(llvm::ArrayRef<Tensor> operands, int64_t rows, const RunSettings &settings = {}) const;

private:
  Kernel() = default;
  /// The parameter for operand `number` at an address: a pointer or a tensor map.
  llvm::Expected<ptx::Argument> makeArgument(unsigned number, uint64_t address, int64_t rows) const;
  static llvm::Expected<std::shared_ptr<Kernel>> build(llvm::StringRef text, mlir::PassManager &passes);

  mlir::OwningOpRef<mlir::ModuleOp> module;
  tile::KernelOpInterface kernelOp;
  std::string kernelName, text;
};

} // namespace quantopt::kerneltest

#endif // QUANTOPT_TEST_UNIT_KERNELS_HARNESS_H
