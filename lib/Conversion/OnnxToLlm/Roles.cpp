//===- Roles.cpp - what each layer is called ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Roles.h"
#include "Match.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;

static void setRole(Operation *op, const Twine &role) {
  if (op && !op->hasAttr(llm::roleAttrName))
    op->setAttr(llm::roleAttrName, StringAttr::get(op->getContext(), role));
}

/// The linear that computes a query, key or value, behind its cache, embedding and heads.
static llm::LinearOp projectionBehind(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto linear = dyn_cast<llm::LinearOp>(op))
      return linear;
    value = TypeSwitch<Operation *, Value>(op)
                .Case<llm::KvAppendOp, llm::KvWriteOp>([](auto cache) { return cache.getRows(); })
                .Case<llm::RopeOp, llm::SplitHeadsOp, llm::RmsNormOp>([](auto layer) { return layer.getInput(); })
                .Default(Value());
    if (!value)
      break;
  }
  return {};
}

/// The linear that reads a value, possibly after its heads are merged.
static llm::LinearOp projectionOf(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto linear = dyn_cast<llm::LinearOp>(user); linear && linear.getInput() == value)
      return linear;
    if (auto merge = dyn_cast<llm::MergeHeadsOp>(user))
      if (llm::LinearOp linear = projectionOf(merge))
        return linear;
  }
  return {};
}

static Operation *normBefore(llm::LinearOp linear) {
  Operation *writer = linear ? linear.getInput().getDefiningOp() : nullptr;
  return isa_and_nonnull<llm::RmsNormOp, llm::LayerNormOp>(writer) ? writer : nullptr;
}

/// Marks past and present of a cache that a recognised attention reads.
static void markState(func::FuncOp function, Value cache, const Twine &name) {
  Operation *op = cache.getDefiningOp();
  if (!op)
    return;
  Value past = TypeSwitch<Operation *, Value>(op)
                   .Case<llm::KvAppendOp, llm::KvWriteOp>([](auto extension) { return extension.getCache(); })
                   .Default(Value());
  auto argument = dyn_cast_or_null<BlockArgument>(past);
  if (!argument)
    return;
  auto state = StringAttr::get(function.getContext(), name);
  function.setArgAttr(argument.getArgNumber(), llm::stateAttrName, state);
  for (OpOperand &use : op->getUses())
    if (use.getOwner()->hasTrait<OpTrait::IsTerminator>())
      function.setResultAttr(use.getOperandNumber(), llm::stateAttrName, state);
}

static void nameAttention(func::FuncOp function, llm::AttentionOp attention, int64_t layer) {
  std::string prefix = ("layers." + Twine(layer) + ".").str();
  llm::LinearOp query = projectionBehind(attention.getQuery());
  setRole(query, prefix + "q_proj");
  setRole(projectionBehind(attention.getKey()), prefix + "k_proj");
  setRole(projectionBehind(attention.getValue()), prefix + "v_proj");
  setRole(projectionOf(attention), prefix + "o_proj");
  setRole(normBefore(query), prefix + "input_norm");
  markState(function, attention.getKey(), "l" + Twine(layer) + ".k");
  markState(function, attention.getValue(), "l" + Twine(layer) + ".v");
}

template <typename GatedOp> static void nameMlp(GatedOp gated, int64_t layer) {
  std::string prefix = ("layers." + Twine(layer) + ".").str();
  auto gate = gated.getGate().template getDefiningOp<llm::LinearOp>();
  setRole(gate, prefix + "gate_proj");
  setRole(gated.getUp().template getDefiningOp<llm::LinearOp>(), prefix + "up_proj");
  setRole(projectionOf(gated), prefix + "down_proj");
  setRole(normBefore(gate), prefix + "post_norm");
}

/// The same without a gate.
static void nameUngatedMlp(llm::ActivationOp activation, int64_t layer) {
  std::string prefix = ("layers." + Twine(layer) + ".").str();
  auto up = activation.getInput().getDefiningOp<llm::LinearOp>();
  setRole(up, prefix + "up_proj");
  setRole(projectionOf(activation), prefix + "down_proj");
  setRole(normBefore(up), prefix + "post_norm");
}

static void nameHead(llm::LinearOp linear) {
  if (!isReturned(linear.getResult()) || linear->hasAttr(llm::roleAttrName))
    return;
  setRole(linear, "head");
  setRole(normBefore(linear), "final_norm");
}

void quantopt::assignRoles(func::FuncOp function) {
  int64_t layers = 0;
  function.walk([&](Operation *op) {
    if (auto attention = dyn_cast<llm::AttentionOp>(op))
      nameAttention(function, attention, layers++);
    else if (auto swiglu = dyn_cast<llm::SwigluOp>(op))
      nameMlp(swiglu, std::max<int64_t>(layers - 1, 0));
    else if (auto geglu = dyn_cast<llm::GegluOp>(op))
      nameMlp(geglu, std::max<int64_t>(layers - 1, 0));
    else if (auto activation = dyn_cast<llm::ActivationOp>(op))
      nameUngatedMlp(activation, std::max<int64_t>(layers - 1, 0));
    else if (isa<llm::EmbeddingOp>(op))
      setRole(op, "embed");
  });
  function.walk([](llm::LinearOp linear) { nameHead(linear); });
}
