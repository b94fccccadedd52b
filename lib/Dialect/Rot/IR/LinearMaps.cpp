//===- LinearMaps.cpp - transforms as programs -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Numerics/Hadamard.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::rot;
using numerics::LinearMap, numerics::MapForm;
using MapOrError = llvm::Expected<std::unique_ptr<LinearMap>>;

llvm::Expected<Tensor> quantopt::rot::readNoParameter(FlatSymbolRefAttr name) {
  return llvm::createStringError("the values of parameter @" + name.getValue() + " are not at hand here");
}

/// The values of a parameter that a transform of that size names, in f64.
static llvm::Expected<std::vector<double>> readParameter(FlatSymbolRefAttr name, ArrayRef<int64_t> shape,
                                                         ParameterReader read) {
  llvm::Expected<Tensor> tensor = read(name);
  if (!tensor)
    return tensor.takeError();
  if (tensor->dtype() != DType::F64 || tensor->shape() != shape)
    return llvm::createStringError("parameter @" + name.getValue() +
                                   " does not have the shape that its transform needs");
  return tensor->data<double>().vec();
}

MapOrError HadamardAttr::makeLinearMap(ParameterReader) const { return numerics::makeHadamard(getSize(), getSeed()); }

MapOrError OrthogonalAttr::makeLinearMap(ParameterReader read) const {
  auto values = readParameter(getParam(), {getSize(), getSize()}, read);
  if (!values)
    return values.takeError();
  return numerics::makeOrthogonal(getSize(), std::move(*values));
}

MapOrError DiagonalAttr::makeLinearMap(ParameterReader read) const {
  auto values = readParameter(getParam(), {getSize()}, read);
  if (!values)
    return values.takeError();
  return numerics::makeDiagonal(std::move(*values));
}

namespace {
/// Another form of a map: its inverse, transpose or dual.
class FormOfMap : public LinearMap {
public:
  FormOfMap(std::unique_ptr<LinearMap> map, MapForm form) : LinearMap(map->size()), map(std::move(map)), form(form) {}
  bool isOrthogonal() const override { return map->isOrthogonal(); }
  void transform(float *rows, int64_t count, MapForm outer) const override {
    map->transform(rows, count, composeForms(outer));
  }
  void transform(double *rows, int64_t count, MapForm outer) const override {
    map->transform(rows, count, composeForms(outer));
  }

private:
  /// Inverting and transposing commute and are their own opposites.
  MapForm composeForms(MapForm outer) const {
    auto inverts = [](MapForm f) { return f == MapForm::Inverse || f == MapForm::InverseTransposed; };
    auto transposes = [](MapForm f) { return f == MapForm::Transposed || f == MapForm::InverseTransposed; };
    bool inverted = inverts(form) != inverts(outer), transposed = transposes(form) != transposes(outer);
    if (inverted)
      return transposed ? MapForm::InverseTransposed : MapForm::Inverse;
    return transposed ? MapForm::Transposed : MapForm::Plain;
  }

  std::unique_ptr<LinearMap> map;
  MapForm form;
};
} // namespace

MapOrError VariantAttr::makeLinearMap(ParameterReader read) const {
  MapOrError leaf = cast<TransformInterface>(getLeaf()).makeLinearMap(read);
  if (!leaf)
    return leaf.takeError();
  MapForm form = MapForm::InverseTransposed;
  if (getKind() == VariantKind::Inverse)
    form = MapForm::Inverse;
  else if (getKind() == VariantKind::Transpose)
    form = MapForm::Transposed;
  return std::make_unique<FormOfMap>(std::move(*leaf), form);
}

/// A ⊗ B ⊗ C = (A ⊗ 1 ⊗ 1)(1 ⊗ B ⊗ 1)(1 ⊗ 1 ⊗ C).
MapOrError KronAttr::makeLinearMap(ParameterReader read) const {
  std::vector<std::shared_ptr<const LinearMap>> maps;
  int64_t before = 1, after = getSize();
  for (Attribute factor : getFactors()) {
    after /= sizeOf(factor);
    if (auto transform = dyn_cast<TransformInterface>(factor)) {
      MapOrError map = transform.makeLinearMap(read);
      if (!map)
        return map.takeError();
      maps.push_back(numerics::makeKronecker(before, std::move(*map), after));
    }
    before *= sizeOf(factor);
  }
  return numerics::makeChain(std::move(maps));
}

MapOrError ChainAttr::makeLinearMap(ParameterReader read) const {
  std::vector<std::shared_ptr<const LinearMap>> maps;
  for (Attribute factor : getFactors()) {
    MapOrError map = cast<TransformInterface>(factor).makeLinearMap(read);
    if (!map)
      return map.takeError();
    maps.push_back(std::move(*map));
  }
  return numerics::makeChain(std::move(maps));
}

llvm::Error quantopt::rot::applyConversion(Tensor &data, RankedTensorType source, RankedTensorType target,
                                           ParameterReader read) {
  int64_t outer = 1, inner = data.numElements();
  for (int64_t dim = 0; dim < data.rank(); ++dim) {
    int64_t size = data.dim(dim);
    inner = size ? inner / size : 0;
    Transform matrix = compose(inverse(getBasis(source, dim)), getBasis(target, dim));
    if (matrix) {
      MapOrError map = cast<TransformInterface>(matrix).makeLinearMap(read);
      if (!map)
        return map.takeError();
      if (data.dtype() == DType::F64)
        (*map)->transformAxis(data.mutableData<double>().data(), outer, inner, MapForm::Plain);
      else
        (*map)->transformAxis(data.mutableData<float>().data(), outer, inner, MapForm::Plain);
    }
    outer *= size;
  }
  return llvm::Error::success();
}
