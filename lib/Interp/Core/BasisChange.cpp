//===- BasisChange.cpp - values in another basis ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/BasisChange.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Support/Parallel.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;

/// Whether only the last dimension changes its basis: then rows do not depend on each other.
static bool isRowLocal(mlir::RankedTensorType source, mlir::RankedTensorType target) {
  for (int64_t d = 0; d + 1 < source.getRank(); ++d)
    if (rot::getBasis(source, d) != rot::getBasis(target, d))
      return false;
  return source.getRank() > 0;
}

/// Rows in pieces of a fixed size, on several threads.
static llvm::Error convertRows(Tensor &data, mlir::RankedTensorType source, mlir::RankedTensorType target,
                               rot::ParameterReader read) {
  constexpr int64_t rowsPerPiece = 64;
  int64_t columns = data.dim(-1), rows = columns ? data.numElements() / columns : 0;
  int64_t rowBytes = columns * bytesInMemory(data.dtype());
  return parallelTryFor((rows + rowsPerPiece - 1) / rowsPerPiece, 0, [&](int64_t piece) -> llvm::Error {
    int64_t begin = piece * rowsPerPiece, count = std::min(rowsPerPiece, rows - begin);
    compute::Shape shape(data.rank(), 1);
    shape.back() = columns;
    if (data.rank() > 1)
      shape.front() = count;
    Tensor part(data.dtype(), shape);
    std::memcpy(part.mutableRaw(), data.raw() + begin * rowBytes, count * rowBytes);
    if (llvm::Error error = rot::applyConversion(part, source, target, read))
      return error;
    std::memcpy(data.mutableRaw() + begin * rowBytes, part.raw(), count * rowBytes);
    return llvm::Error::success();
  });
}

llvm::Expected<Tensor> interp::changeBasis(KernelContext &context, const Tensor &x, mlir::RankedTensorType source,
                                           mlir::RankedTensorType target) {
  Tensor data = convert(x, compute::arithmeticType(x.dtype())).clone();
  auto read = [&](mlir::FlatSymbolRefAttr name) { return context.parameter(name); };
  llvm::Error error = isRowLocal(source, target) ? convertRows(data, source, target, read)
                                                 : rot::applyConversion(data, source, target, read);
  if (error)
    return error;
  return convert(data, x.dtype());
}
