//===- GemmEpilogue.cpp - from sums to the result of a matrix product -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmEpilogue.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantopt;

KernelSignature quantopt::getGemmSignature(Operation *op) {
  auto kernel = cast<tile::KernelOpInterface>(op);
  return {kernel.getKernelName(), op->getNumOperands() + op->getNumResults(), unsigned(kernel.getLaunch().threads)};
}

GemmPointers::GemmPointers(KernelBuilder &k, const tile::GemmOperands &operands) {
  unsigned next = 0;
  auto take = [&](Value operand) { return operand ? k.pointer(next++) : Value(); };
  input = take(operands.input);
  inputScale = take(operands.inputScale);
  weight = take(operands.weight);
  weightScale = take(operands.weightScale);
  groupScales = take(operands.groupScales);
  bias = take(operands.bias);
  residual = take(operands.residual);
  result = k.pointer(next);
}

GemmEpilogue::GemmEpilogue(KernelBuilder &k, Operation *op)
    : k(k), shape(tile::getGemmShape(op)), pointers(k, tile::getGemmOperands(op)),
      resultType(getElementTypeOrSelf(op->getResult(0))) {
  isRagged = shape.n % tile::getGemmOperands(op).config.getBn();
  if (Value scale = tile::getGemmOperands(op).weightScale)
    scaleType = getElementTypeOrSelf(scale);
}

Type GemmEpilogue::groupOf(Type element, size_t count) { return count == 1 ? element : k.vectorOf(count, element); }

Fragment GemmEpilogue::loadFloats(Value pointer, Type element, size_t count) {
  unsigned bytes = count * element.getIntOrFloatBitWidth() / 8;
  Value loaded = k.load(groupOf(element, count), pointer, bytes);
  Fragment values = count == 1 ? Fragment{loaded} : k.elements(loaded);
  for (Value &value : values)
    value = k.convertFloat(value, k.f32());
  return values;
}

void GemmEpilogue::store(ArrayRef<Value> sums, Value row, Value column) {
  if (sums.size() == 2 && shape.n % 2) {
    store(sums[0], row, column);
    return store(sums[1], row, k.add(column, 1));
  }
  k.ifThen(k.bitAnd(k.lessS(row, k.rows()), k.lessS(column, shape.n)), [&] { storeExisting(sums, row, column); });
}

void GemmEpilogue::storeExisting(ArrayRef<Value> sums, Value row, Value column) {
  size_t count = sums.size();
  Fragment values(sums);
  bool isOfCodes = sums[0].getType().isInteger(32);
  auto apply = [&](auto operation, const Fragment &other) {
    for (size_t i = 0; i < count; ++i)
      values[i] = (k.*operation)(values[i], other[i]);
  };
  auto perColumn = [&](Value vector, Type element) {
    return loadFloats(k.address(vector, k.mul(column, element.getIntOrFloatBitWidth() / 8)), element, count);
  };
  if (isOfCodes) {
    for (Value &value : values)
      value = k.toFloat(value);
    Value rowScale = k.load(k.f32(), k.address(pointers.inputScale, k.mul(row, 4)), 4);
    apply(&KernelBuilder::mul, Fragment(count, rowScale));
  }
  if (isOfCodes || (pointers.weightScale && shape.groups == 1))
    apply(&KernelBuilder::mul, perColumn(pointers.weightScale, scaleType));
  if (pointers.bias)
    apply(&KernelBuilder::add, perColumn(pointers.bias, k.f32()));

  int64_t resultBytes = resultType.getIntOrFloatBitWidth() / 8;
  Value offset = k.mul(column, resultBytes);
  auto elementOf = [&](Value tensor) { return k.address(k.rowPointer(tensor, row, shape.n * resultBytes), offset); };
  if (pointers.residual)
    apply(&KernelBuilder::add, loadFloats(elementOf(pointers.residual), resultType, count));
  for (Value &value : values)
    value = k.convertFloat(value, resultType);
  k.store(count == 1 ? values[0] : k.vector(values), elementOf(pointers.result), count * resultBytes);
}

GemmEpilogue::Column GemmEpilogue::findColumn(Value column) {
  Value index = isRagged ? k.min(column, shape.n - 1) : column;
  auto load = [&](Value vector) { return k.load(k.f32(), k.address(vector, k.mul(index, 4)), 4); };
  return {column, isRagged ? k.lessS(column, shape.n) : Value(), load(pointers.weightScale),
          pointers.bias ? load(pointers.bias) : Value()};
}

void GemmEpilogue::storeRow(ArrayRef<Value> sums, ArrayRef<Column> columns, Value row) {
  int64_t bytes = resultType.getIntOrFloatBitWidth() / 8;
  auto storeElement = [&](Value sum, const Column &column, Value rowScale, Value results, Value residuals) {
    Value value = k.mul(k.mul(k.toFloat(sum), rowScale), column.scale), offset = k.mul(column.index, bytes);
    if (column.bias)
      value = k.add(value, column.bias);
    if (residuals)
      value = k.add(value, loadFloats(k.address(residuals, offset), resultType, 1)[0]);
    k.store(k.convertFloat(value, resultType), k.address(results, offset), bytes);
  };
  k.ifThen(k.lessS(row, k.rows()), [&] {
    Value rowScale = k.load(k.f32(), k.address(pointers.inputScale, k.mul(row, 4)), 4);
    Value results = k.rowPointer(pointers.result, row, shape.n * bytes);
    Value residuals = pointers.residual ? k.rowPointer(pointers.residual, row, shape.n * bytes) : Value();
    for (auto [sum, column] : llvm::zip(sums, columns)) {
      auto body = [&, sum = sum, &column = column] { storeElement(sum, column, rowScale, results, residuals); };
      column.exists ? k.ifThen(column.exists, body) : body();
    }
  });
}
