//===- VerifyRows.cpp - kernels that work row by row ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Detail.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, Arch arch, int64_t threads, int64_t rows) {
  if (threads < 32 || threads > 1024 || threads % 32 || rows < 1 || threads % rows) // C2
    return emitError() << "expected equal shares of whole warps for " << rows << " rows and at most 1024 threads, got "
                       << threads;
  return success();
}

static bool holdsFloats(Value value) {
  Type element = typeOf(value).getElementType();
  return element.isF32() || element.isF16() || element.isBF16();
}

/// Rows of `columns` elements, or of as many as `like` has.
static bool hasRowsOf(Value value, Value like, std::optional<int64_t> columns = std::nullopt) {
  SmallVector<int64_t> shape(typeOf(like).getShape());
  if (columns)
    shape.back() = *columns;
  return succeeded(verifyCompatibleShape(typeOf(value).getShape(), shape));
}

/// C15: floats of f32, f16 or bf16, with a known number of columns, and others that have the same shape.
static LogicalResult verifyRows(Operation *op, Value input, ValueRange others) {
  if (!holdsFloats(input) || typeOf(input).getRank() < 1 || ShapedType::isDynamic(lastSize(input)))
    return op->emitOpError() << "expected rows of f32, f16 or bf16 and of known size, got " << input.getType();
  for (Value other : others)
    if (other && (!holdsFloats(other) || !hasRowsOf(other, input)))
      return op->emitOpError() << "expected rows of the shape of " << input.getType() << ", got " << other.getType();
  return success();
}

/// C17: what q.quantize_dynamic makes of rows, one scale each.
static LogicalResult verifyCodes(Operation *op, Value input, Value codes, Value scale, int64_t bits, double clip) {
  auto element = dyn_cast<IntegerType>(typeOf(codes).getElementType());
  if (!element || !element.isSignless() || (element.getWidth() != 4 && element.getWidth() != 8) ||
      !hasRowsOf(codes, input))
    return op->emitOpError() << "expected codes of i4 or i8 in the shape of " << input.getType() << ", got "
                             << codes.getType();
  if (bits < 2 || bits > element.getWidth())
    return op->emitOpError() << "expected 2 to " << element.getWidth() << " bits, got " << bits;
  if (!(clip > 0 && clip <= 1))
    return op->emitOpError() << "expected a clip in (0, 1], got " << clip;
  if (!typeOf(scale).getElementType().isF32() || !hasRowsOf(scale, input, 1))
    return op->emitOpError() << "expected one f32 scale per row, got " << scale.getType();
  return success();
}

/// C18: threads, registers and shared memory suffice for whole rows, and there is a kernel for the transform.
static LogicalResult verifyRowPlan(Operation *op) {
  llvm::Expected<RowPlan> plan = getRowPlan(op);
  if (!plan)
    return op->emitOpError() << llvm::toString(plan.takeError());
  return verifyBfloats(op, cast<KernelOpInterface>(op).getArch());
}

/// C18: threads of a row exchange values in butterflies.
static LogicalResult verifyRowShares(Operation *op, RowsAttr config) {
  if (!llvm::isPowerOf2_64(config.getThreads() / config.getRows()))
    return op->emitOpError() << "expected a power of two of threads per row, got "
                             << config.getThreads() / config.getRows();
  return verifyBfloats(op, config.getArch());
}

static LogicalResult verifyEpsilon(Operation *op, double epsilon) {
  return epsilon >= 0 ? success() : op->emitOpError() << "expected an epsilon that is not negative, got " << epsilon;
}

LogicalResult NormQuantOp::verify() {
  if (!getSum() != !getResidual()) // C16
    return emitOpError("expected a sum with a residual, and none without");
  return success(
      succeeded(verifyRows(*this, getInput(), {getResidual(), getSum()})) &&
      succeeded(verifyEpsilon(*this, getEpsilon().convertToDouble())) &&
      succeeded(verifyCodes(*this, getInput(), getCodes(), getScale(), getBits(), getClip().convertToDouble())) &&
      succeeded(verifyRowPlan(*this)));
}
LogicalResult SwigluQuantOp::verify() {
  return success(
      succeeded(verifyRows(*this, getGate(), {getUp()})) &&
      succeeded(verifyCodes(*this, getGate(), getCodes(), getScale(), getBits(), getClip().convertToDouble())) &&
      succeeded(verifyRowPlan(*this)));
}
LogicalResult QuantOp::verify() {
  return success(
      succeeded(verifyRows(*this, getInput(), {})) &&
      succeeded(verifyCodes(*this, getInput(), getCodes(), getScale(), getBits(), getClip().convertToDouble())) &&
      succeeded(verifyRowPlan(*this)));
}
LogicalResult SwigluOp::verify() {
  return success(succeeded(verifyRows(*this, getGate(), {getUp(), getResult()})) && succeeded(verifyRowPlan(*this)));
}
LogicalResult NormOp::verify() {
  if (getSum() && !getResidual()) // C16
    return emitOpError("expected a residual, for there is a sum");
  return success(succeeded(verifyRows(*this, getInput(), {getResidual(), getResult(), getSum()})) &&
                 succeeded(verifyEpsilon(*this, getEpsilon().convertToDouble())) && succeeded(verifyRowPlan(*this)));
}
LogicalResult EmbeddingOp::verify() {
  RankedTensorType ids = typeOf(getIds()), table = typeOf(getTable()), result = typeOf(getResult());
  bool isIndex = ids.getElementType().isSignlessInteger(32) || ids.getElementType().isSignlessInteger(64);
  if (!isIndex || table.getRank() != 2 || !table.hasStaticShape() || !holdsFloats(getTable()) ||
      !holdsFloats(getResult()) || result.getRank() != ids.getRank() + 1 ||
      lastSize(getResult()) != lastSize(getTable()) ||
      failed(verifyCompatibleShape(result.getShape().drop_back(), ids.getShape()))) // C19
    return emitOpError() << "expected i32 or i64 ids, a table of floats of known size, and one of its rows per id, got "
                         << ids << ", " << table << " and " << result;
  return verifyBfloats(*this, getArch());
}
LogicalResult ArgMaxOp::verify() {
  RankedTensorType input = typeOf(getInput()), result = typeOf(getResult());
  if (failed(verifyRows(*this, getInput(), {})))
    return failure();
  if (!result.getElementType().isSignlessInteger(32) ||
      failed(verifyCompatibleShape(result.getShape(), input.getShape().drop_back()))) // C20
    return emitOpError() << "expected one i32 index per row, got " << result;
  return verifyRowShares(*this, getConfig());
}
LogicalResult TopKOp::verify() {
  if (failed(verifyRows(*this, getInput(), {})))
    return failure();
  int64_t count = lastSize(getValues());
  if (typeOf(getValues()).getElementType() != typeOf(getInput()).getElementType() ||
      !typeOf(getIndices()).getElementType().isSignlessInteger(32) || count < 1 || count > lastSize(getInput()) ||
      !hasRowsOf(getValues(), getInput(), count) || !hasRowsOf(getIndices(), getInput(), count)) // C20
    return emitOpError() << "expected as many values of the input's type as i32 indices, at most those of a row, got "
                         << getValues().getType() << " and " << getIndices().getType();
  return verifyRowShares(*this, getConfig());
}
