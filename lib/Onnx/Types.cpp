//===- Types.cpp - ONNX types to MLIR and back --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

using TensorProto = ::onnx::TensorProto;

Type quantopt::importElementType(int32_t dataType, MLIRContext *context) {
  Builder builder(context);
  auto integer = [&](unsigned width) { return builder.getIntegerType(width); };
  auto unsignedInteger = [&](unsigned width) { return builder.getIntegerType(width, /*isSigned=*/false); };
  switch (dataType) {
  case TensorProto::FLOAT:
    return builder.getF32Type();
  case TensorProto::UINT8:
    return unsignedInteger(8);
  case TensorProto::INT8:
    return integer(8);
  case TensorProto::UINT16:
    return unsignedInteger(16);
  case TensorProto::INT16:
    return integer(16);
  case TensorProto::INT32:
    return integer(32);
  case TensorProto::INT64:
    return integer(64);
  case TensorProto::STRING:
    return quantopt::onnx::StringType::get(context);
  case TensorProto::BOOL:
    return builder.getI1Type();
  case TensorProto::FLOAT16:
    return builder.getF16Type();
  case TensorProto::DOUBLE:
    return builder.getF64Type();
  case TensorProto::UINT32:
    return unsignedInteger(32);
  case TensorProto::UINT64:
    return unsignedInteger(64);
  case TensorProto::COMPLEX64:
    return ComplexType::get(builder.getF32Type());
  case TensorProto::COMPLEX128:
    return ComplexType::get(builder.getF64Type());
  case TensorProto::BFLOAT16:
    return builder.getBF16Type();
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::UINT4:
    return unsignedInteger(4);
  case TensorProto::INT4:
    return integer(4);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::UINT2:
    return unsignedInteger(2);
  case TensorProto::INT2:
    return integer(2);
  default:
    return {};
  }
}

int32_t quantopt::exportElementType(Type type) {
  // The table above is the only one: look the type up in it.
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
