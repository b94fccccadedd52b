//===- BasisOpInterface.cpp - ties and their verification -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Interfaces/CallInterfaces.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "quantopt/Dialect/Support/NodeName.h"

using namespace mlir;
using namespace quantopt::rot;

#include "rot/RotInterfacesOp.cpp.inc"

bool BasisTie::admits(Transform t) const {
  return !t || accepts == Accepts::Any ||
         (accepts == Accepts::Orthogonal && cast<TransformInterface>(t).isOrthogonal()) ||
         (accepts == Accepts::Diagonal && cast<TransformInterface>(t).isDiagonal());
}
FailureOr<Transform> quantopt::rot::fromSlot(const BasisSlot &slot, Transform t) {
  return peelBlocks(slot.isDual ? dual(t) : t, slot.blocks);
}
Transform quantopt::rot::toSlot(const BasisSlot &slot, Transform t, MLIRContext *context) {
  Transform wide = blockDiagonal(slot.blocks, t, context);
  return slot.isDual ? dual(wide) : wide;
}

llvm::SmallVector<BasisTie> quantopt::rot::tieAllDims(Value input, Value result, ArrayRef<int64_t> standardDims) {
  SmallVector<BasisTie> ties;
  for (int64_t dim = 0, rank = cast<RankedTensorType>(input.getType()).getRank(); dim < rank; ++dim) {
    bool isStandard = llvm::is_contained(standardDims, dim);
    ties.push_back({isStandard ? Accepts::Standard : Accepts::Any, {{input, dim}, {result, dim}}});
  }
  return ties;
}

/// "operand #1 (dimension 2)"
static std::string describe(Operation *op, Value value, int64_t dim) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto result = dyn_cast<OpResult>(value); result && result.getOwner() == op)
    os << "result #" << result.getResultNumber();
  else
    os << "operand #" << llvm::find(op->getOperands(), value).getIndex();
  os << " (dimension " << dim << ")";
  return text;
}
static std::string print(Transform t) {
  std::string text("`standard`");
  if (t) {
    text.clear();
    llvm::raw_string_ostream(text) << t;
  }
  return text;
}
static llvm::StringRef allowedBases(Accepts accepts) {
  switch (accepts) {
  case Accepts::Any:
    return "any basis is";
  case Accepts::Orthogonal:
    return "only orthogonal bases are";
  case Accepts::Diagonal:
    return "only diagonal bases are";
  case Accepts::Standard:
    return "only the standard basis is";
  }
  llvm_unreachable("covered switch");
}
/// Operation error that names the ONNX node, when there is one.
static InFlightDiagnostic emitBasisError(Operation *op) { return op->emitOpError() << quantopt::nodePrefix(op); }

LogicalResult quantopt::rot::verifyBasisTies(Operation *op) {
  llvm::DenseSet<std::pair<Value, int64_t>> tied;
  for (const BasisTie &tie : cast<BasisOpInterface>(op).getBasisTies()) {
    const BasisSlot *first = nullptr;
    Transform common;
    for (const BasisSlot &slot : tie.slots) {
      tied.insert({slot.value, slot.dim});
      Transform basis = getBasis(slot.value, slot.dim);
      std::string where = describe(op, slot.value, slot.dim);
      FailureOr<Transform> t = fromSlot(slot, basis);
      if (failed(t)) // C5
        return emitBasisError(op) << where << " is in basis " << print(basis) << ", which does not act on each of its "
                                  << slot.blocks << " heads alike";
      if (!tie.admits(*t)) // C6
        return emitBasisError(op) << where << " is in basis " << print(basis) << ", but " << allowedBases(tie.accepts)
                                  << " allowed there";
      if (!first) {
        first = &slot;
        common = *t;
      } else if (*t != common) { // C5
        return emitBasisError(op) << where << " is in basis " << print(basis) << ", but "
                                  << describe(op, first->value, first->dim) << " requires "
                                  << print(toSlot(slot, common, op->getContext()));
      }
    }
  }
  for (ValueRange values : {ValueRange(op->getOperands()), ValueRange(op->getResults())})
    for (Value value : values)
      if (auto type = dyn_cast<RankedTensorType>(value.getType()))
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          if (!tied.contains({value, dim}) && getBasis(value, dim)) // C7
            return emitBasisError(op) << describe(op, value, dim) << " is in basis " << print(getBasis(value, dim))
                                      << ", but only the standard basis is allowed there";
  return success();
}

/// C9: `rot.strict` on a function: an op that does not say how it treats bases may not touch a rotated value.
LogicalResult RotDialect::verifyOperationAttribute(Operation *root, NamedAttribute attribute) {
  if (attribute.getName() != "rot.strict")
    return root->emitError() << "unknown attribute " << attribute.getName();
  WalkResult result = root->walk([&](Operation *op) {
    if (op == root || isa<BasisOpInterface, ConvertOp, CallOpInterface>(op) || op->hasTrait<OpTrait::IsTerminator>() ||
        op->getName().getDialectNamespace() == "param")
      return WalkResult::advance();
    for (ValueRange values : {ValueRange(op->getOperands()), ValueRange(op->getResults())})
      for (Value value : values)
        if (auto type = dyn_cast<RankedTensorType>(value.getType()))
          if (isa_and_nonnull<BasisAttr>(type.getEncoding())) {
            emitBasisError(op) << "does not say how it treats bases, but touches a value of type " << type;
            return WalkResult::interrupt();
          }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
