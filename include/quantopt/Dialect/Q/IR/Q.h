//===- Q.h - quantized tensors as several values --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_Q_IR_Q_H
#define QUANTOPT_DIALECT_Q_IR_Q_H

#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Numerics/Groups.h"
#include "quantopt/Numerics/Quantizer.h"

#include "q/QOpsDialect.h.inc"
#define GET_OP_CLASSES
#include "q/QOps.h.inc"

namespace quantopt::q {

using numerics::groupCount;
/// The type of codes of that many bits: i4/i8, or ui4/ui8 where there is a zero point.
mlir::IntegerType getCodeType(mlir::MLIRContext *context, int64_t bits, bool hasZero);
/// The shape of the scales of codes of `shape`, grouped along dimension `axis` (-1 or -2).
llvm::SmallVector<int64_t> scaleShape(llvm::ArrayRef<int64_t> shape, int64_t groupSize, int64_t axis);
/// The options of a quantizer as its factory reads them.
numerics::QuantizerOptions getQuantizerOptions(mlir::DictionaryAttr options);

} // namespace quantopt::q

#endif // QUANTOPT_DIALECT_Q_IR_Q_H
