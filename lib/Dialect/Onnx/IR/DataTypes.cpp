//===- DataTypes.cpp - element types by their ONNX numbers --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/IR/DataTypes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

using namespace mlir;
using namespace quantopt;

Type onnx::getElementType(int64_t dataType, MLIRContext *context) {
  Builder builder(context);
  auto integer = [&](unsigned width) { return builder.getIntegerType(width); };
  auto unsignedInteger = [&](unsigned width) { return builder.getIntegerType(width, /*isSigned=*/false); };
  // TensorProto::DataType of onnx.proto; the schema itself is known to lib/Onnx only.
  switch (dataType) {
  case 1: // FLOAT
    return builder.getF32Type();
  case 2: // UINT8
    return unsignedInteger(8);
  case 3: // INT8
    return integer(8);
  case 4: // UINT16
    return unsignedInteger(16);
  case 5: // INT16
    return integer(16);
  case 6: // INT32
    return integer(32);
  case 7: // INT64
    return integer(64);
  case 8: // STRING
    return StringType::get(context);
  case 9: // BOOL
    return builder.getI1Type();
  case 10: // FLOAT16
    return builder.getF16Type();
  case 11: // DOUBLE
    return builder.getF64Type();
  case 12: // UINT32
    return unsignedInteger(32);
  case 13: // UINT64
    return unsignedInteger(64);
  case 14: // COMPLEX64
    return ComplexType::get(builder.getF32Type());
  case 15: // COMPLEX128
    return ComplexType::get(builder.getF64Type());
  case 16: // BFLOAT16
    return builder.getBF16Type();
  case 17: // FLOAT8E4M3FN
    return Float8E4M3FNType::get(context);
  case 18: // FLOAT8E4M3FNUZ
    return Float8E4M3FNUZType::get(context);
  case 19: // FLOAT8E5M2
    return Float8E5M2Type::get(context);
  case 20: // FLOAT8E5M2FNUZ
    return Float8E5M2FNUZType::get(context);
  case 21: // UINT4
    return unsignedInteger(4);
  case 22: // INT4
    return integer(4);
  case 23: // FLOAT4E2M1
    return Float4E2M1FNType::get(context);
  case 24: // FLOAT8E8M0
    return Float8E8M0FNUType::get(context);
  case 25: // UINT2
    return unsignedInteger(2);
  case 26: // INT2
    return integer(2);
  default:
    return {};
  }
}
