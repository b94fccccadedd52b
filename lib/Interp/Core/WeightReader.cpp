//===- WeightReader.cpp - weights read in pieces, the last used ones kept ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/WeightReader.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "quantopt/Support/Conversion.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;

/// Bytes evaluated at a time on the way to a whole weight, so that what evaluation needs beside the result stays small.
static constexpr uint64_t pieceBytes = uint64_t(16) << 20;

static mlir::RankedTensorType typeOf(mlir::Value expression) {
  return llvm::cast<mlir::RankedTensorType>(expression.getType());
}

static uint64_t bytesOf(mlir::RankedTensorType type) {
  std::optional<DType> dtype = param::getDType(type.getElementType());
  return type.getNumElements() * (dtype ? bytesInMemory(*dtype) : 8);
}

/// Rows of an expression that evaluate to about pieceBytes of f64, at least one.
static int64_t rowsOfPiece(mlir::Value expression) {
  mlir::RankedTensorType type = typeOf(expression);
  if (type.getRank() == 0 || type.getNumElements() == 0)
    return 1;
  uint64_t bytesPerRow = type.getNumElements() / type.getDimSize(0) * sizeof(double);
  return std::max<int64_t>(1, pieceBytes / bytesPerRow);
}

bool WeightReader::keeps(llvm::ArrayRef<mlir::Value> expressions) const {
  uint64_t bytes = 0;
  for (mlir::Value expression : expressions)
    bytes += bytesOf(typeOf(expression));
  return bytes <= cacheBytes;
}

int64_t WeightReader::rowsPerPiece(llvm::ArrayRef<mlir::Value> expressions) const {
  mlir::RankedTensorType type = typeOf(expressions[0]);
  if (keeps(expressions) && type.getRank())
    return std::max<int64_t>(1, type.getDimSize(0));
  return rowsOfPiece(expressions[0]);
}

Tensor *WeightReader::find(mlir::Value expression) {
  auto found = index.find(expression);
  if (found == index.end())
    return nullptr;
  entries.splice(entries.begin(), entries, found->second);
  return &entries.front().tensor;
}

void WeightReader::keep(mlir::Value expression, Tensor tensor) {
  usedBytes += tensor.sizeInBytes();
  entries.push_front({expression, std::move(tensor)});
  index[expression] = entries.begin();
  while (usedBytes > cacheBytes && entries.size() > 1) {
    usedBytes -= entries.back().tensor.sizeInBytes();
    index.erase(entries.back().expression);
    entries.pop_back();
  }
}

llvm::Expected<llvm::SmallVector<Tensor>> WeightReader::evaluate(llvm::ArrayRef<mlir::Value> expressions, int64_t begin,
                                                                 int64_t end) {
  if (!evaluator)
    return llvm::createStringError("weights cannot be read here");
  if (typeOf(expressions[0]).getRank() == 0)
    return evaluator->evaluateAll(expressions, keepF64);
  return evaluator->evaluateRows(expressions, begin, end - begin, keepF64);
}

/// Rows [begin, ...) of `whole` become `part`.
static void copyRows(const Tensor &part, Tensor &whole, int64_t begin) {
  uint64_t bytesPerRow = part.rank() && part.dim(0) ? part.sizeInBytes() / part.dim(0) : part.sizeInBytes();
  std::memcpy(whole.mutableRaw() + begin * bytesPerRow, part.raw(), part.sizeInBytes());
}

/// Evaluates all of the expressions, in pieces, and keeps them.
llvm::Error WeightReader::fill(llvm::ArrayRef<mlir::Value> expressions) {
  int64_t rows = typeOf(expressions[0]).getRank() ? typeOf(expressions[0]).getDimSize(0) : 1;
  int64_t step = rowsOfPiece(expressions[0]);
  llvm::SmallVector<Tensor> wholes;
  for (int64_t begin = 0; begin < rows || begin == 0; begin += step) {
    auto parts = evaluate(expressions, begin, std::min(rows, begin + step));
    if (!parts)
      return parts.takeError();
    if (step >= rows) {
      wholes = std::move(*parts);
      break;
    }
    for (auto [i, part] : llvm::enumerate(*parts)) {
      if (begin == 0)
        wholes.emplace_back(part.dtype(), typeOf(expressions[i]).getShape());
      copyRows(part, wholes[i], begin);
    }
  }
  for (auto [expression, whole] : llvm::zip(expressions, wholes))
    if (!find(expression))
      keep(expression, std::move(whole));
  return llvm::Error::success();
}

static Tensor cutRows(const Tensor &whole, int64_t begin, int64_t end) {
  if (whole.rank() == 0 || (begin == 0 && end == whole.dim(0)))
    return whole;
  llvm::SmallVector<int64_t> shape(whole.shape());
  shape[0] = end - begin;
  Tensor part(whole.dtype(), shape);
  uint64_t bytesPerRow = whole.sizeInBytes() / whole.dim(0);
  std::memcpy(part.mutableRaw(), whole.raw() + begin * bytesPerRow, part.sizeInBytes());
  return part;
}

llvm::Expected<llvm::SmallVector<Tensor>> WeightReader::rows(llvm::ArrayRef<mlir::Value> expressions, int64_t begin,
                                                             int64_t end) {
  if (!llvm::all_of(expressions, [&](mlir::Value expression) { return find(expression); })) {
    mlir::RankedTensorType type = typeOf(expressions[0]);
    bool isWhole = type.getRank() == 0 || (begin == 0 && end == type.getDimSize(0));
    if (!isWhole || !keeps(expressions))
      return evaluate(expressions, begin, end);
    if (llvm::Error error = fill(expressions))
      return error;
  }
  llvm::SmallVector<Tensor> parts;
  for (mlir::Value expression : expressions)
    parts.push_back(cutRows(*find(expression), begin, end));
  return parts;
}

llvm::Expected<Tensor> WeightReader::whole(mlir::Value expression) {
  mlir::RankedTensorType type = typeOf(expression);
  auto result = rows({expression}, 0, type.getRank() ? type.getDimSize(0) : 1);
  if (!result)
    return result.takeError();
  return std::move(result->front());
}

llvm::Expected<Tensor> WeightReader::parameter(mlir::FlatSymbolRefAttr name) const {
  mlir::Operation *symbol = evaluator ? evaluator->lookup(name.getAttr()) : nullptr;
  if (auto derived = llvm::dyn_cast_or_null<param::DerivedOp>(symbol))
    return evaluator->evaluate(derived.getBody().front().getTerminator()->getOperand(0), /*keepF64=*/true);
  llvm::Expected<Tensor> tensor = stored(name);
  if (!tensor)
    return tensor;
  return convert(*tensor, DType::F64);
}

llvm::Expected<Tensor> WeightReader::stored(mlir::FlatSymbolRefAttr name) const {
  auto global = llvm::dyn_cast_or_null<param::GlobalOp>(evaluator ? evaluator->lookup(name.getAttr()) : nullptr);
  if (!global)
    return llvm::createStringError("no parameter is called '" + name.getValue() + "'");
  return evaluator->getStore().read(evaluator->locate(global));
}
