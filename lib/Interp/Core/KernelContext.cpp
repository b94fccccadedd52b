//===- KernelContext.cpp - what a kernel sees of the op it computes -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/KernelContext.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Interp/Compute/Types.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;

char UnsupportedError::ID = 0;

void KernelContext::lookThroughTranspose(unsigned i) {
  WeightView &view = *operands[i].weight;
  while (auto transpose = view.expression.getDefiningOp<param::TransposeOp>())
    view = {transpose.getWeight(), !view.transposed};
}

llvm::ArrayRef<int64_t> KernelContext::weightShape(unsigned i) const {
  return llvm::cast<mlir::RankedTensorType>(weight(i).expression.getType()).getShape();
}

llvm::Expected<Tensor> KernelContext::weightRows(unsigned i, int64_t begin, int64_t end) {
  llvm::Expected<llvm::SmallVector<Tensor>> rows = weightRows(llvm::ArrayRef<unsigned>(i), begin, end);
  if (!rows)
    return rows.takeError();
  return std::move(rows->front());
}

llvm::Expected<llvm::SmallVector<Tensor>> KernelContext::weightRows(llvm::ArrayRef<unsigned> which, int64_t begin,
                                                                    int64_t end) {
  llvm::SmallVector<mlir::Value> expressions;
  for (unsigned i : which)
    expressions.push_back(weight(i).expression);
  return weights.rows(expressions, begin, end);
}

llvm::Expected<Tensor> KernelContext::stored(mlir::FlatSymbolRefAttr name) {
  llvm::Expected<Tensor> tensor = weights.stored(name);
  if (!tensor)
    return tensor;
  return convert(*tensor, held(tensor->dtype()));
}

int64_t KernelContext::rowsPerPiece(llvm::ArrayRef<unsigned> which) const {
  llvm::SmallVector<mlir::Value> expressions;
  for (unsigned i : which)
    expressions.push_back(weight(i).expression);
  return weights.rowsPerPiece(expressions);
}

int64_t KernelContext::opset() const { return onnx::opsetOf(operation); }

std::optional<DType> KernelContext::resultType(unsigned i) const {
  auto type = llvm::dyn_cast<mlir::ShapedType>(operation->getResult(i).getType());
  std::optional<DType> stated = type ? param::getDType(type.getElementType()) : std::nullopt;
  return stated ? std::optional(held(*stated)) : std::nullopt;
}

bool KernelContext::wantsResult(unsigned i) const {
  return i < operation->getNumResults() && !llvm::isa<mlir::NoneType>(operation->getResult(i).getType());
}

/// Splats hold one element, i1 one bit; those are read one by one.
static Tensor copyElements(mlir::DenseElementsAttr elements, DType type) {
  llvm::SmallVector<int64_t> shape(elements.getType().getShape());
  std::optional<DType> stored = param::getDType(elements.getElementType());
  Tensor plain(*stored, shape);
  if (*stored != DType::Bool && bitsInFile(*stored) >= 8 && elements.getRawData().size() == plain.sizeInBytes()) {
    std::memcpy(plain.mutableRaw(), elements.getRawData().data(), plain.sizeInBytes());
    return convert(plain, type);
  }
  if (isNarrowFloat(type)) {
    auto values = elements.getValues<llvm::APFloat>();
    for (auto [target, value] : llvm::zip(plain.mutableData<uint8_t>(), values))
      target = uint8_t(value.bitcastToAPInt().getZExtValue());
    return plain;
  }
  if (isFloat(type)) {
    Tensor wide(DType::F64, shape);
    auto values = elements.getValues<llvm::APFloat>();
    for (auto [target, value] : llvm::zip(wide.mutableData<double>(), values))
      target = value.convertToDouble();
    return convert(wide, type);
  }
  Tensor wide(DType::I64, shape);
  auto values = elements.getValues<llvm::APInt>();
  bool isUnsigned = type == DType::Bool || elements.getElementType().isUnsignedInteger();
  for (auto [target, value] : llvm::zip(wide.mutableData<int64_t>(), values))
    target = isUnsigned ? int64_t(value.getZExtValue()) : value.getSExtValue();
  return convert(wide, type);
}

llvm::Expected<Tensor> interp::toTensor(mlir::DenseElementsAttr elements, Precision precision) {
  std::optional<DType> type = param::getDType(elements.getElementType());
  if (!type) {
    std::string name;
    llvm::raw_string_ostream(name) << elements.getElementType();
    return unsupported("elements of type " + name + " cannot be computed with");
  }
  bool widens = precision == Precision::F64 && isFloat(*type);
  return copyElements(elements, widens ? DType::F64 : *type);
}
