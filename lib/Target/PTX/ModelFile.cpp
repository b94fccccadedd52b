//===- ModelFile.cpp - the model of a bundle, for lib/Interp ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ModelFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Param/IR/Param.h"

using namespace mlir;
using namespace quantopt;

/// The name of a node stays; a place in a file does not.
static Location nameOnly(Location location) {
  if (auto name = location->findInstanceOf<NameLoc>())
    return NameLoc::get(name.getName());
  return UnknownLoc::get(location.getContext());
}

OwningOpRef<ModuleOp> quantopt::copyFunctions(ModuleOp lowered) {
  OwningOpRef<ModuleOp> model(ModuleOp::create(UnknownLoc::get(lowered.getContext())));
  for (auto function : lowered.getOps<func::FuncOp>())
    model->push_back(function.clone());
  model->walk([](Operation *op) {
    op->setLoc(nameOnly(op->getLoc()));
    for (Region &region : op->getRegions())
      for (BlockArgument argument : region.getArguments())
        argument.setLoc(nameOnly(argument.getLoc()));
    if (isa<tile::KernelOpInterface>(op))
      op->removeAttr("kernel");
  });
  return model;
}

/// Lets every load read the tensor that holds its value in the file of weights.
static void renameLoads(ModuleOp model, const Plan &plan) {
  llvm::DenseMap<WeightKey, StringRef> names;
  for (const auto &[key, name] : llvm::zip_equal(llvm::make_first_range(plan.weights), plan.weightNames))
    names[key] = name;
  SmallVector<param::LoadOp> loads;
  model.walk([&](param::LoadOp load) { loads.push_back(load); });
  for (param::LoadOp load : loads) {
    OpBuilder builder(load);
    for (OpResult result : load->getResults()) {
      auto name = names.find({load.getParamAttr().getAttr(), result.getResultNumber()});
      if (!result.use_empty() && name != names.end())
        result.replaceAllUsesWith(
            param::LoadOp::create(builder, load.getLoc(), result.getType(), name->second).getResult(0));
    }
    if (load.use_empty())
      load.erase();
  }
}

std::string quantopt::printModel(ModuleOp model, const Plan &plan, ModuleOp stored, StringRef weightsFile) {
  renameLoads(model, plan);
  OpBuilder builder = OpBuilder::atBlockBegin(model.getBody());
  for (Operation &op : *stored.getBody()) {
    if (!isa<param::FileOp, param::GlobalOp>(op))
      continue;
    Operation *copy = builder.clone(op);
    copy->setLoc(nameOnly(op.getLoc()));
    if (auto file = dyn_cast<param::FileOp>(copy)) {
      file.setSymName(weightsFile);
      file.setPath(weightsFile);
    } else {
      cast<param::GlobalOp>(copy).setFile(weightsFile);
    }
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  // One by one, without a module around them: paths are relative to the file, whose place only a module that the parser
  // makes knows.
  for (Operation &op : *model.getBody()) {
    op.print(stream, OpPrintingFlags().enableDebugInfo().useLocalScope());
    stream << '\n';
  }
  return text;
}
