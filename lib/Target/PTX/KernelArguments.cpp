//===- KernelArguments.cpp - what arguments are to their kernels ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;
using Names = SmallVector<StringRef>;

static Names gemmOperandNames(Operation *op) {
  tile::GemmOperands operands = tile::getGemmOperands(op);
  Names names;
  for (auto [value, name] : {std::pair(operands.input, "input"),
                             {operands.inputScale, "input_scale"},
                             {operands.weight, "weight"},
                             {operands.weightScale, "weight_scale"},
                             {operands.groupScales, "group_scales"},
                             {operands.bias, "bias"},
                             {operands.residual, "residual"}})
    if (value)
      names.push_back(name);
  return names;
}

/// `names` and those of the caches behind them, with their table of pages where there is one.
static Names withCaches(Names names, Value pages) {
  if (pages)
    names.push_back("pages");
  names.append({"key_cache", "value_cache"});
  return names;
}

/// Of operands, and of results that are parameters.
static std::pair<Names, Names> namesOf(Operation *op) {
  auto attention = [](auto op) {
    return std::pair(withCaches({"query", "sequences"}, op.getPages()), Names{"result"});
  };
  return llvm::TypeSwitch<Operation *, std::pair<Names, Names>>(op)
      .Case([](tile::NormQuantOp) { return std::pair(Names{"input", "residual"}, Names{"codes", "scale", "sum"}); })
      .Case([](tile::SwigluQuantOp) { return std::pair(Names{"gate", "up"}, Names{"codes", "scale"}); })
      .Case([](tile::SwigluOp) { return std::pair(Names{"gate", "up"}, Names{"result"}); })
      .Case([](tile::QuantOp) { return std::pair(Names{"input"}, Names{"codes", "scale"}); })
      .Case([](tile::NormOp) { return std::pair(Names{"input", "residual"}, Names{"result", "sum"}); })
      .Case([](tile::EmbeddingOp) { return std::pair(Names{"ids", "table"}, Names{"result"}); })
      .Case([](tile::ArgMaxOp) { return std::pair(Names{"input"}, Names{"result"}); })
      .Case([](tile::TopKOp) { return std::pair(Names{"input"}, Names{"values", "indices"}); })
      .Case([](tile::RopeAppendOp op) {
        return std::pair(withCaches({"query", "key", "value", "cos", "sin", "sequences"}, op.getPages()),
                         Names{"result"});
      })
      .Case<tile::AttentionOp, tile::AttentionDecodeOp>(attention)
      .Case([](tile::AttentionCombineOp) { return std::pair(Names{"input"}, Names{"result"}); })
      .Default([](Operation *gemm) { return std::pair(gemmOperandNames(gemm), Names{"result"}); });
}

SmallVector<Value> quantopt::getParameters(tile::KernelOpInterface op) {
  SmallVector<Value> parameters(op->getOperands());
  for (OpResult result : op->getResults())
    if (!op.getAliasedOperand(result.getResultNumber()))
      parameters.push_back(result);
  return parameters;
}

SmallVector<StringRef> quantopt::getParameterNames(tile::KernelOpInterface op) {
  auto [operands, results] = namesOf(op);
  operands.truncate(op->getNumOperands());
  results.truncate(getParameters(op).size() - op->getNumOperands());
  operands.append(results);
  return operands;
}

Value quantopt::getResidual(Operation *op) {
  bool isGemm =
      isa<tile::GemmW4A4Op, tile::GemmW4A8Op, tile::GemmW8A8Op, tile::GemmW4A16Op, tile::GemmF16Op, tile::GemmDecodeOp>(
          op);
  return isGemm ? tile::getGemmOperands(op).residual : Value();
}

tile::CacheAttr quantopt::getCache(Operation *op) {
  return llvm::TypeSwitch<Operation *, tile::CacheAttr>(op)
      .Case<tile::RopeAppendOp, tile::AttentionOp, tile::AttentionDecodeOp>([](auto op) { return op.getCache(); })
      .Default([](Operation *) { return tile::CacheAttr(); });
}

bool quantopt::isCacheOperand(Operation *op, unsigned number) {
  return getCache(op) && number + 2 >= op->getNumOperands();
}

Value quantopt::getMemory(Value value) {
  while (auto kernel = value.getDefiningOp<tile::KernelOpInterface>()) {
    std::optional<unsigned> operand = kernel.getAliasedOperand(cast<OpResult>(value).getResultNumber());
    if (!operand)
      return value;
    value = kernel->getOperand(*operand);
  }
  return value;
}
