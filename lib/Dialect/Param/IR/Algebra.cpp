//===- Algebra.cpp - weights that are sums, products and parts of weights ---*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/IR/Param.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;
using rot::Accepts;

using Results = llvm::Expected<SmallVector<Tensor>>;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool hasFloats(Value value) { return isa<FloatType>(typeOf(value).getElementType()); }
static bool isDim(int64_t dim, Value value) { return dim >= 0 && dim < typeOf(value).getRank(); }

//===----------------------------------------------------------------------------===//
// param.slice
//===----------------------------------------------------------------------------===//

LogicalResult SliceOp::verify() {
  auto weight = typeOf(getWeight()), result = typeOf(getResult());
  int64_t dim = getDim(), offset = getOffset();
  bool fits = isDim(dim, getWeight()) && weight.getRank() == result.getRank() &&
              weight.getElementType() == result.getElementType() && offset >= 0 &&
              offset + result.getDimSize(dim) <= weight.getDimSize(dim);
  for (int64_t other = 0; fits && other < weight.getRank(); ++other)
    fits = other == dim || weight.getDimSize(other) == result.getDimSize(other);
  if (!fits) // C13
    return emitOpError() << "expected a part of " << weight << " along one dimension, got " << result << " at "
                         << offset << " of dimension " << dim;
  return success();
}

SmallVector<rot::BasisTie> SliceOp::getBasisTies() {
  return rot::tieAllDims(getWeight(), getResult(), {int64_t(getDim())});
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getWeight().getType() == getResult().getType() ? OpFoldResult(getWeight()) : OpFoldResult();
}

std::string SliceOp::getRole() { return "rows" + std::to_string(int64_t(getOffset())); }

SmallVector<TensorSlice> SliceOp::getOperandSlices(TensorSlice &result) {
  TensorSlice operand = result;
  operand.offsets[getDim()] += int64_t(getOffset());
  return {operand};
}

Results SliceOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &, rot::ParameterReader) {
  return SmallVector<Tensor>{operands[0]};
}

//===----------------------------------------------------------------------------===//
// param.offset
//===----------------------------------------------------------------------------===//

LogicalResult OffsetOp::verify() {
  if (!hasFloats(getWeight())) // C14
    return emitOpError() << "expected floating-point elements, got " << getWeight().getType();
  return success();
}

/// The number is added to stored elements, so no dimension may be in another basis.
SmallVector<rot::BasisTie> OffsetOp::getBasisTies() { return {}; }

std::string OffsetOp::getRole() { return "offset"; }

SmallVector<TensorSlice> OffsetOp::getOperandSlices(TensorSlice &result) { return {result}; }

Results OffsetOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice, rot::ParameterReader) {
  Tensor result(DType::F64, slice.sizes);
  double value = getValue().convertToDouble();
  for (auto [out, in] : llvm::zip_equal(result.mutableData<double>(), operands[0].data<double>()))
    out = in + value;
  return SmallVector<Tensor>{result};
}

//===----------------------------------------------------------------------------===//
// param.center
//===----------------------------------------------------------------------------===//

LogicalResult CenterOp::verify() {
  if (!isDim(getDim(), getWeight()) || !hasFloats(getWeight())) // C14
    return emitOpError() << "expected a dimension of a floating-point tensor, got dimension " << int64_t(getDim())
                         << " of " << getWeight().getType();
  return success();
}

SmallVector<rot::BasisTie> CenterOp::getBasisTies() {
  return rot::tieAllDims(getWeight(), getResult(), {int64_t(getDim())});
}

/// What is centred has mean 0 already.
OpFoldResult CenterOp::fold(FoldAdaptor) {
  auto inner = getWeight().getDefiningOp<CenterOp>();
  return inner && inner.getDim() == getDim() ? OpFoldResult(getWeight()) : OpFoldResult();
}

std::string CenterOp::getRole() { return "centered"; }

SmallVector<TensorSlice> CenterOp::getOperandSlices(TensorSlice &result) {
  result.offsets[getDim()] = 0;
  result.sizes[getDim()] = typeOf(getWeight()).getDimSize(getDim());
  return {result};
}

Results CenterOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice, rot::ParameterReader) {
  Tensor result = operands[0].clone();
  MutableArrayRef<double> data = result.mutableData<double>();
  int64_t size = slice.sizes[getDim()], inner = 1;
  for (int64_t length : ArrayRef<int64_t>(slice.sizes).drop_front(getDim() + 1))
    inner *= length;
  for (int64_t first = 0, n = data.size(); first < n; first += size * inner)
    for (int64_t column = first; column < first + inner; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < size; ++i)
        sum += data[column + i * inner];
      for (int64_t i = 0; i < size; ++i)
        data[column + i * inner] -= sum / size;
    }
  return SmallVector<Tensor>{result};
}

//===----------------------------------------------------------------------------===//
// param.matvec
//===----------------------------------------------------------------------------===//

LogicalResult MatvecOp::verify() {
  auto weight = typeOf(getWeight()), vector = typeOf(getVector()), result = typeOf(getResult());
  if (weight.getRank() != 2 || vector.getRank() != 1 || result.getRank() != 1 || !hasFloats(getWeight()) ||
      vector.getElementType() != result.getElementType() || weight.getDimSize(1) != vector.getDimSize(0) ||
      weight.getDimSize(0) != result.getDimSize(0)) // C15
    return emitOpError() << "expected a matrix [m, n] and a vector [n] that give a vector [m], got " << weight
                         << " and " << vector << " for " << result;
  return success();
}

SmallVector<rot::BasisTie> MatvecOp::getBasisTies() {
  return {{Accepts::Any, {{getWeight(), 0}, {getResult(), 0}}},
          {Accepts::Any, {{getWeight(), 1}, {getVector(), 0, 1, /*isDual=*/true}}}};
}

std::string MatvecOp::getRole() { return "matvec"; }

SmallVector<TensorSlice> MatvecOp::getOperandSlices(TensorSlice &result) {
  auto weight = typeOf(getWeight()).getShape();
  return {TensorSlice::rows(weight, result.offsets[0], result.sizes[0]),
          TensorSlice::whole(typeOf(getVector()).getShape())};
}

Results MatvecOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice, rot::ParameterReader) {
  Tensor result(DType::F64, slice.sizes);
  ArrayRef<double> weight = operands[0].data<double>(), vector = operands[1].data<double>();
  for (auto [row, out] : llvm::enumerate(result.mutableData<double>())) {
    out = 0;
    for (auto [w, v] : llvm::zip_equal(weight.slice(row * vector.size(), vector.size()), vector))
      out += w * v;
  }
  return SmallVector<Tensor>{result};
}

//===----------------------------------------------------------------------------===//
// param.add
//===----------------------------------------------------------------------------===//

LogicalResult AddOp::verify() {
  if (!hasFloats(getLhs())) // C14
    return emitOpError() << "expected floating-point elements, got " << getLhs().getType();
  return success();
}

SmallVector<rot::BasisTie> AddOp::getBasisTies() {
  SmallVector<rot::BasisTie> ties;
  for (int64_t dim = 0; dim < typeOf(getResult()).getRank(); ++dim)
    ties.push_back({Accepts::Any, {{getLhs(), dim}, {getRhs(), dim}, {getResult(), dim}}});
  return ties;
}

std::string AddOp::getRole() { return "sum"; }

SmallVector<TensorSlice> AddOp::getOperandSlices(TensorSlice &result) { return {result, result}; }

Results AddOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice, rot::ParameterReader) {
  Tensor result(DType::F64, slice.sizes);
  for (auto [out, a, b] :
       llvm::zip_equal(result.mutableData<double>(), operands[0].data<double>(), operands[1].data<double>()))
    out = a + b;
  return SmallVector<Tensor>{result};
}
