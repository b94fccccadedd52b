//===- Types.cpp - ONNX types to MLIR and back --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/DataTypes.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

using TensorProto = ::onnx::TensorProto;

Type quantopt::importElementType(int32_t dataType, MLIRContext *context) {
  return quantopt::onnx::getElementType(dataType, context);
}

int32_t quantopt::exportElementType(Type type) {
  // There is one table of types: look the type up in it.
  for (int32_t dataType = TensorProto::UNDEFINED + 1; dataType <= TensorProto::INT2; ++dataType)
    if (importElementType(dataType, type.getContext()) == type)
      return dataType;
  return TensorProto::UNDEFINED;
}

//===----------------------------------------------------------------------------===//
// Value types
//===----------------------------------------------------------------------------===//

ArrayAttr quantopt::importDims(const ::onnx::TensorShapeProto &shape, MLIRContext *context) {
  Builder builder(context);
  SmallVector<Attribute> dims;
  for (const auto &dim : shape.dim()) {
    if (dim.has_dim_value() && dim.dim_value() >= 0)
      dims.push_back(builder.getI64IntegerAttr(dim.dim_value()));
    else
      dims.push_back(builder.getStringAttr(dim.dim_param()));
  }
  return builder.getArrayAttr(dims);
}

Type quantopt::makeTensorType(Type elementType, ArrayAttr dims) {
  if (!dims)
    return UnrankedTensorType::get(elementType);
  SmallVector<int64_t> shape;
  for (Attribute dim : dims) {
    auto size = dyn_cast<IntegerAttr>(dim);
    shape.push_back(size ? size.getInt() : ShapedType::kDynamic);
  }
  return RankedTensorType::get(shape, elementType);
}

DeclaredType quantopt::importType(const ::onnx::TypeProto &type, MLIRContext *context) {
  if (!type.has_tensor_type())
    return {};
  Type elementType = importElementType(type.tensor_type().elem_type(), context);
  if (!elementType)
    return {};
  DeclaredType declared;
  if (type.tensor_type().has_shape())
    declared.dims = importDims(type.tensor_type().shape(), context);
  declared.type = makeTensorType(elementType, declared.dims);
  return declared;
}

Error quantopt::exportType(Type type, ArrayAttr dims, ::onnx::TypeProto &result) {
  auto tensor = dyn_cast<TensorType>(type);
  int32_t dataType = tensor ? exportElementType(tensor.getElementType()) : TensorProto::UNDEFINED;
  if (dataType == TensorProto::UNDEFINED) {
    std::string name;
    raw_string_ostream(name) << type;
    return createStringError("ONNX has no type " + name);
  }
  result.mutable_tensor_type()->set_elem_type(dataType);
  if (!tensor.hasRank())
    return Error::success();
  auto *shape = result.mutable_tensor_type()->mutable_shape();
  for (auto [i, size] : llvm::enumerate(tensor.getShape())) {
    auto *dim = shape->add_dim();
    auto name = dims && i < dims.size() ? dyn_cast<StringAttr>(dims[i]) : StringAttr();
    if (!ShapedType::isDynamic(size))
      dim->set_dim_value(size);
    else if (name && !name.empty())
      dim->set_dim_param(name.str());
  }
  return Error::success();
}
