//===- Web.cpp - dimensions that change basis together -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Rot/Analysis/Web.h"
#include "quantopt/Dialect/Support/NodeName.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::rot;

static std::string print(Transform t) {
  if (!t)
    return "the standard basis";
  std::string text;
  llvm::raw_string_ostream(text) << "basis " << t;
  return text;
}

LogicalResult Web::grow(Value value, int64_t dim, Transform basis) {
  size_t next = members.size();
  if (failed(add({value, dim, basis}, nullptr)))
    return failure();
  for (; next < members.size(); ++next) {
    Member member = members[next]; // a copy: the list grows
    if (failed(followState(member)) || failed(follow(member.value.getDefiningOp(), member)))
      return failure();
    for (Operation *user : member.value.getUsers())
      if (failed(follow(user, member)))
        return failure();
  }
  return success();
}

LogicalResult Web::add(const Member &member, Operation *op) {
  auto [it, isNew] = basisOf.insert({{member.value, member.dim}, member.basis});
  Transform other = isNew ? getBasis(member.value, member.dim) : it->second;
  if (isNew && !other) {
    members.push_back(member);
    return success();
  }
  if (!isNew && other == member.basis)
    return success();
  Operation *where = op ? op : member.value.getDefiningOp();
  InFlightDiagnostic diag = where ? where->emitError() << nodePrefix(where) : func.emitError();
  return diag << "dimension " << member.dim << " of a value here would have to be in " << print(member.basis)
              << ", but it is in " << print(other);
}

LogicalResult Web::follow(Operation *op, const Member &member) {
  auto basisOp = dyn_cast_or_null<BasisOpInterface>(op);
  if (!basisOp)
    return success();
  for (const BasisTie &tie : basisOp.getBasisTies()) {
    const BasisSlot *slot =
        llvm::find_if(tie.slots, [&](const BasisSlot &s) { return s.value == member.value && s.dim == member.dim; });
    if (slot == tie.slots.end())
      continue;
    FailureOr<Transform> basis = fromSlot(*slot, member.basis);
    if (succeeded(basis) && tie.admits(*basis) && failed(join(op, tie, *basis)))
      return failure();
  }
  return success();
}

LogicalResult Web::join(Operation *op, const BasisTie &tie, Transform basis) {
  for (const BasisSlot &slot : tie.slots) {
    if (!inside.insert({op, slot.value, slot.dim}).second)
      continue;
    Transform slotBasis = toSlot(slot, basis, func.getContext());
    if (!rules.isWeight(slot.value)) {
      if (failed(add({slot.value, slot.dim, slotBasis}, op)))
        return failure();
      continue;
    }
    for (OpOperand &operand : op->getOpOperands())
      if (operand.get() == slot.value)
        weights.push_back({&operand, slot.dim, slotBasis});
  }
  return success();
}

/// The state that an argument of the function is; null for other values.
static Attribute getArgumentState(func::FuncOp func, Value value, StringRef stateAttr) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || argument.getOwner() != &func.front())
    return {};
  return func.getArgAttr(argument.getArgNumber(), stateAttr);
}

LogicalResult Web::followState(const Member &member) {
  if (Attribute state = getArgumentState(func, member.value, rules.stateAttr); state && failed(addState(state, member)))
    return failure();
  Operation *ret = func.front().getTerminator();
  for (OpOperand &use : member.value.getUses())
    if (use.getOwner() == ret)
      if (Attribute state = func.getResultAttr(use.getOperandNumber(), rules.stateAttr))
        if (failed(addState(state, member)))
          return failure();
  return success();
}

LogicalResult Web::addState(Attribute state, const Member &member) {
  Operation *ret = func.front().getTerminator();
  for (BlockArgument argument : func.getArguments())
    if (func.getArgAttr(argument.getArgNumber(), rules.stateAttr) == state &&
        failed(add({argument, member.dim, member.basis}, nullptr)))
      return failure();
  for (OpOperand &operand : ret->getOpOperands()) {
    if (func.getResultAttr(operand.getOperandNumber(), rules.stateAttr) != state)
      continue;
    inside.insert({ret, operand.get(), member.dim});
    if (failed(add({operand.get(), member.dim, member.basis}, ret)))
      return failure();
  }
  return success();
}

bool Web::isBornInside(const Member &member) const {
  if (Operation *def = member.value.getDefiningOp())
    return isInside(def, member);
  return bool(getArgumentState(func, member.value, rules.stateAttr));
}

SmallVector<Web::Crossing> Web::getCrossings() const {
  SmallVector<Crossing> crossings;
  for (const Member &member : members) {
    if (!isBornInside(member)) {
      crossings.push_back({member.value.getDefiningOp(), member, /*isWriter=*/true});
      continue;
    }
    for (Operation *user : member.value.getUsers())
      if (!isInside(user, member))
        crossings.push_back({user, member, /*isWriter=*/false});
  }
  return crossings;
}
