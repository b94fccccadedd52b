//===- WeightFile.cpp - all weights of a module in one file -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Target/Common/WeightFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"

using namespace mlir;
using namespace quantopt;

/// Makes a param.derived of every stored weight that functions read, so that all of them end in one file. The copy
/// takes the weight's name.
static LogicalResult copyStoredWeights(ModuleOp module, uint64_t smallest) {
  SymbolTable symbols(module);
  llvm::DenseMap<StringAttr, SmallVector<param::LoadOp>> loads;
  for (auto function : module.getOps<func::FuncOp>())
    function.walk([&](param::LoadOp load) { loads[load.getParamAttr().getAttr()].push_back(load); });
  for (auto global : llvm::make_early_inc_range(module.getOps<param::GlobalOp>())) {
    auto found = loads.find(global.getSymNameAttr());
    if (found == loads.end() || global.getLength() < smallest)
      continue;
    std::string name = global.getSymName().str();
    if (failed(symbols.rename(global, name + ".source")))
      return module.emitError() << "cannot copy parameter " << name << ": " << name << ".source is taken";
    OpBuilder builder(global->getNextNode());
    auto copy = param::DerivedOp::create(builder, global.getLoc(), name);
    builder.createBlock(&copy.getBody());
    auto stored = param::LoadOp::create(builder, global.getLoc(), global.getType(), global.getSymName());
    param::YieldOp::create(builder, global.getLoc(), stored.getResults());
    symbols.insert(copy);
    for (param::LoadOp load : found->second)
      load.setParam(name);
  }
  return success();
}

static LogicalResult runPass(ModuleOp module, std::unique_ptr<Pass> pass) {
  PassManager manager(module.getContext());
  manager.addPass(std::move(pass));
  return manager.run(module);
}

LogicalResult quantopt::writeWeightFile(ModuleOp module, const WeightFileOptions &options) {
  if (failed(runPass(module, createParamHoistPass())))
    return failure();
  if (failed(copyStoredWeights(module, options.smallestCopied)))
    return failure();
  param::MaterializeOptions materialize;
  materialize.output = options.output;
  materialize.threads = options.threads;
  materialize.maxMemory = options.maxMemory;
  if (options.printPlan)
    llvm::errs() << param::planModule(module, materialize);
  if (failed(param::materialize(module, materialize)))
    return failure();
  return runPass(module, createParamDcePass());
}
