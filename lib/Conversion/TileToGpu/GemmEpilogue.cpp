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
