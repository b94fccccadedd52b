//===- Onnx.cpp - the onnx dialect --------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "mlir/IR/DialectImplementation.h"
#include "quantopt/Dialect/Support/Inliner.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::onnx;

#include "onnx/OnnxOpsDialect.cpp.inc"

#include "onnx/OnnxInterfacesOp.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "onnx/OnnxTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "onnx/OnnxAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "onnx/OnnxOps.cpp.inc"

void OnnxDialect::initialize() {
  registerTypes();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "onnx/OnnxOps.cpp.inc"
      >();
  attachBasisInterfaces(*getContext());
  addInterfaces<AlwaysInline>();
}

void OnnxDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "onnx/OnnxTypes.cpp.inc"
      >();
}

void OnnxDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "onnx/OnnxAttrs.cpp.inc"
      >();
}
