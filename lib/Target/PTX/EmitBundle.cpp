//===- EmitBundle.cpp - the pass emit-bundle ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ModelFile.h"
#include "Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Interp/KvLower/KvLower.h"
#include "quantopt/Target/Common/Companions.h"
#include "quantopt/Target/Common/WeightFile.h"
#include "quantopt/Target/PTX/Bundle.h"
#include "quantopt/Target/PTX/Translate.h"
#include "quantopt/Weights/Safetensors.h"
#include "llvm/ADT/StringExtras.h"

namespace quantopt {
#define GEN_PASS_DEF_EMITBUNDLEPASS
#include "tile/TilePasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

static constexpr StringLiteral weightsFileName = "weights.safetensors";
static constexpr StringLiteral kernelsFileName = "kernels.ptx";

static LogicalResult report(ModuleOp module, llvm::Error error) {
  if (!error)
    return success();
  return module.emitError() << "emit-bundle: " << llvm::toString(std::move(error));
}

/// Whether a function has the form of a step, but not yet its phases.
static bool lacksPhases(func::FuncOp function) {
  return !function->hasAttr(llm::phaseAttrName) && llm::isStep(function);
}

static LogicalResult makePhases(ModuleOp copy, const BundleOptions &options) {
  if (llvm::none_of(copy.getOps<func::FuncOp>(), lacksPhases))
    return success();
  LlmSpecializePassOptions phases;
  phases.phases = {"prefill", "decode"};
  phases.decodeRows = options.decodeRows;
  PassManager manager(copy.getContext());
  manager.addPass(createLlmSpecializePass(phases));
  return manager.run(copy);
}

/// A copy of the model with its attention over packed caches; just a copy, after a warning, where that is refused.
static OwningOpRef<ModuleOp> copyAsStep(ModuleOp module, const BundleOptions &options) {
  OwningOpRef<ModuleOp> copy(module.clone());
  if (!module.walk([](llm::AttentionOp) { return WalkResult::interrupt(); }).wasInterrupted())
    return copy;
  PassManager manager(module.getContext());
  manager.addPass(createKvLowerPass({options.layout, options.page, options.maxContext}));
  std::string reason;
  {
    ScopedDiagnosticHandler refusals(module.getContext(), [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error && reason.empty())
        reason = diagnostic.str();
    });
    if (succeeded(manager.run(*copy)))
      return copy;
  }
  module.emitWarning() << "emit-bundle: attention stays without kernels: " << reason;
  return OwningOpRef<ModuleOp>(module.clone());
}

/// Turns a copy of the model into launches of kernels, weights into loads.
static LogicalResult lower(ModuleOp copy, const BundleOptions &options) {
  TileSelectPassOptions selection;
  selection.arch = options.arch;
  selection.maxRows = options.maxRows;
  PassManager manager(copy.getContext());
  manager.addPass(createTileSelectPass(selection));
  manager.addPass(createTileLowerPass());
  manager.addPass(createParamHoistPass());
  return manager.run(copy);
}

/// All kernels are for one architecture, and there are some.
static LogicalResult checkKernels(ModuleOp module, ModuleOp copy, StringRef arch) {
  bool hasKernels = false;
  WalkResult result = copy.walk([&](tile::KernelOpInterface op) {
    hasKernels = true;
    StringRef built = tile::stringifyArch(op.getArch());
    if (built == arch)
      return WalkResult::advance();
    op->emitError() << "emit-bundle: this kernel is built for " << built << ", but the bundle for " << arch;
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  if (!hasKernels)
    return module.emitError() << "emit-bundle: nothing in the module has a kernel; quantize weights and activations "
                                 "first, as --quarot does";
  return success();
}

/// Leaves nothing of the model but a function that returns the weights.
static void keepWeightsOnly(ModuleOp copy, ValueRange weights) {
  OpBuilder builder = OpBuilder::atBlockEnd(copy.getBody());
  auto type = builder.getFunctionType({}, weights.getTypes());
  auto function = func::FuncOp::create(builder, copy.getLoc(), "quantopt.weights", type);
  builder.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  SmallVector<Value> kept;
  for (Value weight : weights) {
    if (!mapping.contains(weight))
      builder.clone(*weight.getDefiningOp(), mapping);
    kept.push_back(mapping.lookup(weight));
  }
  func::ReturnOp::create(builder, copy.getLoc(), kept);
  for (Operation &op : llvm::make_early_inc_range(*copy.getBody()))
    if (isa<func::FuncOp, gpu::GPUModuleOp>(op) && &op != function.getOperation())
      op.erase();
}

/// The names that the values returned by the function of weights have in the file.
static std::vector<std::string> namesOfWeights(ModuleOp copy) {
  std::vector<std::string> names;
  auto function = *copy.getOps<func::FuncOp>().begin();
  for (Value weight : function.front().getTerminator()->getOperands())
    names.push_back(weight.getDefiningOp<param::LoadOp>().getParam().str());
  return names;
}

/// A file without tensors, for kernels whose weights are arguments.
static llvm::Error writeNoWeights(StringRef path) {
  llvm::Expected<SafetensorsLayout> layout = layoutSafetensors({});
  if (!layout)
    return layout.takeError();
  auto writer = createSafetensors(path, *layout);
  return writer ? (*writer)->commit() : writer.takeError();
}

static LogicalResult writeWeights(ModuleOp copy, Plan &plan, const BundleOptions &options, const BundleFolder &folder) {
  if (plan.weights.empty())
    return report(copy, writeNoWeights(folder.file(weightsFileName)));
  keepWeightsOnly(copy, llvm::to_vector(llvm::make_second_range(plan.weights)));
  PassManager manager(copy.getContext());
  manager.addPass(createParamDcePass());
  if (failed(manager.run(copy)))
    return failure();
  WeightFileOptions file;
  file.output = folder.file(weightsFileName);
  file.threads = options.threads;
  file.maxMemory = options.maxMemory;
  file.printPlan = options.printPlan;
  if (failed(writeWeightFile(copy, file)))
    return failure();
  plan.weightNames = namesOfWeights(copy);
  return success();
}

static void warnOfUnlowered(ModuleOp module, const Plan &plan) {
  if (plan.unlowered.empty())
    return;
  // What stands around the decoder's layers, as one.
  std::vector<std::string> kinds;
  size_t nodes = 0;
  for (const auto &[name, places] : plan.unlowered)
    if (name.getValue().starts_with("onnx."))
      nodes += places.size();
    else
      kinds.push_back((name.getValue() + " (" + Twine(places.size()) + ")").str());
  if (nodes)
    kinds.push_back(("nodes of the onnx dialect (" + Twine(nodes) + ")").str());
  InFlightDiagnostic warning = module.emitWarning() << "emit-bundle: no kernel yet for " << llvm::join(kinds, ", ");
  warning << "; " << planFileName << " lists them as unlowered";
}

/// The number in the line ".version 8.0".
static std::string ptxVersionOf(StringRef ptx) {
  StringRef rest = ptx.split(".version ").second;
  return rest.take_until([](char c) { return c == '\n' || c == ' '; }).str();
}

/// Nothing could run a model of which ops have no kernel.
static llvm::Error writeModel(ModuleOp model, const Plan &plan, ModuleOp stored, const BundleFolder &folder) {
  if (!plan.unlowered.empty())
    return llvm::Error::success();
  return folder.write(modelFileName, printModel(model, plan, stored, weightsFileName));
}

/// Hashes every file of the folder into the plan, and writes that.
static llvm::Error writePlan(Plan &plan, const BundleFolder &folder) {
  llvm::Expected<std::vector<std::string>> names = folder.list();
  if (!names)
    return names.takeError();
  for (const std::string &name : *names) {
    llvm::Expected<FileDigest> digest = digestFile(folder.file(name));
    if (!digest)
      return digest.takeError();
    plan.files[name] = *digest;
  }
  return folder.write(planFileName, printPlan(plan));
}

LogicalResult quantopt::emitBundle(ModuleOp module, const BundleOptions &options) {
  if (options.output.empty())
    return module.emitError() << "emit-bundle needs the folder to write: --emit-bundle=output=DIR";
  // Before anything is computed.
  auto folder = BundleFolder::create(options.output, planFileName);
  if (!folder)
    return report(module, folder.takeError());
  OwningOpRef<ModuleOp> copy = copyAsStep(module, options);
  if (failed(makePhases(*copy, options)) || failed(lower(*copy, options)) ||
      failed(checkKernels(module, *copy, options.arch)))
    return failure();
  Plan plan = collectPlan(*copy, options.maxRows);
  if (options.printPlan)
    llvm::errs() << summarizePlan(plan);
  OwningOpRef<ModuleOp> model = copyFunctions(*copy);
  FailureOr<std::string> ptx = translateToPtx(*copy->getOps<gpu::GPUModuleOp>().begin(), options.arch);
  if (failed(ptx))
    return failure();
  plan.arch = options.arch;
  plan.ptxVersion = ptxVersionOf(*ptx);
  // Weights first: while they are computed, an interrupt leaves an empty folder at most.
  if (failed(writeWeights(*copy, plan, options, **folder)) ||
      failed(report(module, (*folder)->write(kernelsFileName, *ptx))) ||
      failed(report(module, writeModel(*model, plan, *copy, **folder))) ||
      failed(copyCompanions(module, (*folder)->path())) || failed(report(module, writePlan(plan, **folder))) ||
      failed(report(module, (*folder)->commit())))
    return failure();
  warnOfUnlowered(module, plan);
  return success();
}

namespace {
struct EmitBundlePass : quantopt::impl::EmitBundlePassBase<EmitBundlePass> {
  using EmitBundlePassBase::EmitBundlePassBase;
  void getDependentDialects(DialectRegistry &registry) const override {
    EmitBundlePassBase::getDependentDialects(registry);
    registerPtxTranslation(registry);
  }
  void runOnOperation() override {
    BundleOptions options;
    options.output = output;
    options.arch = arch;
    options.maxRows = maxRows;
    options.layout = layout;
    options.page = page;
    options.maxContext = maxContext;
    options.decodeRows.assign(decodeRows.begin(), decodeRows.end());
    options.threads = threads;
    options.maxMemory = maxMemory << 20;
    options.printPlan = plan;
    if (failed(emitBundle(getOperation(), options)))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
