//===- Rot.cpp - the rot dialect and its op --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quantopt/Dialect/Support/Inliner.h"

using namespace mlir;
using namespace quantopt::rot;

#include "rot/RotOpsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "rot/RotOps.cpp.inc"

LogicalResult ConvertOp::verify() {
  auto source = getInput().getType(), target = getResult().getType();
  if (source.cloneWithEncoding({}) != target.cloneWithEncoding({})) // C8
    return emitOpError("may change the basis only, not the shape or the element type");
  return success();
}

/// A -> B -> C is A -> C, whatever the bases: cancellation is equality of types.
OpFoldResult ConvertOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<ConvertOp>()) {
    if (inner.getInput().getType() == getType())
      return inner.getInput();
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

namespace {
/// Leaves print as `#had576_7`, so that types stay short.
struct RotAliases : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    if (auto had = dyn_cast<HadamardAttr>(attr)) {
      os << "had" << had.getSize() << '_' << had.getSeed();
      return AliasResult::FinalAlias;
    }
    return AliasResult::NoAlias;
  }
};
} // namespace

void RotDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "rot/RotOps.cpp.inc"
      >();
  addInterfaces<RotAliases, quantopt::AlwaysInline>();
}
