//===- Selection.h - one function's ops replaced by kernels ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H
#define QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"

namespace quantopt::tile {

struct SelectionOptions {
  Arch arch;
  int64_t maxRows; ///< Of a launch; 0: any number.
  bool report;
};

class Selection {
public:
  explicit Selection(const SelectionOptions &options) : options(options) {}
  mlir::LogicalResult run(mlir::func::FuncOp function);

private:
  mlir::LogicalResult select(q::LinearOp linear);
  /// The configuration that the op asks for, or the table's.
  mlir::FailureOr<GemmAttr> chooseConfig(mlir::Operation *op, llvm::StringRef kernel, int64_t n, int64_t k);
  /// Codes in 8 bits whatever their range; null where they are not this function's to make.
  mlir::Value widenCodes(mlir::Value codes);
  /// Says why an op has no kernel.
  void keep(mlir::Operation *op, const llvm::Twine &reason);
  void report(mlir::Operation *before, mlir::Operation *kernel);

  bool isDecode() const;

  SelectionOptions options;
  std::string reason; ///< Of the last choice.
  llvm::DenseMap<mlir::Value, mlir::Value> widened;
};

} // namespace quantopt::tile

#endif // QUANTOPT_LIB_CONVERSION_QTOTILE_SELECTION_H
