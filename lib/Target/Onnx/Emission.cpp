//===- Emission.cpp - compiled models as ONNX files ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Target/Onnx/Emission.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/LlmToOnnx/LlmToOnnx.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "quantopt/Onnx/Export.h"
#include "quantopt/Onnx/Import.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantopt;
namespace path = llvm::sys::path;

/// Weights of fewer bytes go into the model itself.
static constexpr int64_t inlineLimit = 1024;
/// What a copied parameter is called until the original is gone.
static constexpr StringLiteral copySuffix = ".stored";

/// Whether the module is what an importer made, with nodes changed at most.
static bool isPlainOnnx(ModuleOp module) {
  if (!module.getOps<param::DerivedOp>().empty())
    return false;
  WalkResult result = module.walk([](Operation *op) {
    bool isPlain = isa<ModuleOp, func::FuncOp, func::ReturnOp, param::FileOp, param::GlobalOp, param::LoadOp,
                       onnx::NoValueOp, onnx::NodeOpInterface>(op);
    return isPlain ? WalkResult::advance() : WalkResult::interrupt();
  });
  return !result.wasInterrupted();
}

//===----------------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------------===//

/// Makes a param.derived of every stored weight that the model reads, so that all of them end in one file.
static void copyStoredWeights(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::DenseMap<Operation *, StringAttr> copies;
  module.walk([&](param::LoadOp load) {
    if (!isa<func::FuncOp>(load->getParentOp()))
      return;
    auto global = symbols.lookup<param::GlobalOp>(load.getParam());
    if (!global || global.getLength() < inlineLimit)
      return;
    StringAttr &copy = copies[global];
    if (!copy) {
      OpBuilder builder(load->getParentOp());
      auto derived = param::DerivedOp::create(builder, global.getLoc(), (global.getSymName() + copySuffix).str());
      builder.createBlock(&derived.getBody());
      auto stored = param::LoadOp::create(builder, global.getLoc(), load.getResultTypes(), load.getParamAttr());
      param::YieldOp::create(builder, global.getLoc(), stored.getResults());
      copy = symbols.insert(derived);
    }
    load.setParamAttr(FlatSymbolRefAttr::get(copy));
  });
}

/// Gives copied weights the names of the originals, which are gone.
static void restoreNames(ModuleOp module) {
  SymbolTable symbols(module);
  for (auto global : llvm::make_early_inc_range(module.getOps<param::GlobalOp>())) {
    StringRef name = global.getSymName();
    if (!name.consume_back(copySuffix) || symbols.lookup(name))
      continue;
    (void)symbols.rename(global, name);
  }
}

/// Removes bases from the types of weights, which ONNX does not have.
static void stripBases(ModuleOp module) {
  auto plain = [](Type type) -> Type {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor ? RankedTensorType::get(tensor.getShape(), tensor.getElementType()) : type;
  };
  for (auto global : module.getOps<param::GlobalOp>())
    global.setType(cast<RankedTensorType>(plain(global.getType())));
  module.walk([&](param::LoadOp load) {
    for (Value value : load.getResults())
      value.setType(plain(value.getType()));
  });
}

static LogicalResult runPass(ModuleOp module, std::unique_ptr<Pass> pass) {
  PassManager manager(module.getContext());
  manager.addPass(std::move(pass));
  return manager.run(module);
}

/// Computes all weights into `dataPath`.
static LogicalResult computeWeights(ModuleOp module, const EmissionOptions &options, StringRef dataPath) {
  if (failed(runPass(module, createParamHoistPass())))
    return failure();
  copyStoredWeights(module);
  param::MaterializeOptions materialize;
  materialize.output = dataPath.str();
  materialize.threads = options.threads;
  materialize.maxMemory = options.maxMemory;
  if (options.printPlan)
    llvm::errs() << param::planModule(module, materialize);
  if (failed(param::materialize(module, materialize)) || failed(runPass(module, createParamDcePass())))
    return failure();
  restoreNames(module);
  stripBases(module);
  SmallString<256> absolute(dataPath);
  if (std::error_code error = llvm::sys::fs::make_absolute(absolute))
    return module.emitError() << "cannot find '" << dataPath << "': " << error.message();
  for (auto file : module.getOps<param::FileOp>())
    if (llvm::sys::fs::equivalent(resolvePath(module, file.getPath()), absolute))
      file.setPath(absolute);
  return success();
}

//===----------------------------------------------------------------------------===//
// What stands around the graph
//===----------------------------------------------------------------------------===//

/// The copy is a model of its own: nothing is taken over from the file it came from but what the IR says.
static void setProducer(ModuleOp module) {
  Builder builder(module.getContext());
  NamedAttrList model(module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::modelAttrName));
  for (StringRef name : {"domain", "doc_string", "model_version"})
    model.erase(name);
  model.set("producer_name", builder.getStringAttr("quantopt"));
  model.set("producer_version", builder.getStringAttr(QUANTOPT_VERSION));
  module->setAttr(onnx::OnnxDialect::modelAttrName, model.getDictionary(module.getContext()));
  module->removeAttr(onnx::OnnxDialect::sourceAttrName);
}

/// Copies what generation needs beside the weights, where the source model has it.
static LogicalResult copyCompanions(ModuleOp module, StringRef output) {
  auto model = module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::sourceAttrName);
  auto source = model ? model.getAs<StringAttr>("path") : StringAttr();
  if (!source)
    return success();
  std::string sourcePath = resolvePath(module, source.getValue());
  SmallString<256> from(path::parent_path(sourcePath)), to(path::parent_path(output));
  for (StringRef name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"}) {
    SmallString<256> original(from), target(to);
    path::append(original, name);
    path::append(target, name);
    if (!llvm::sys::fs::exists(original) || llvm::sys::fs::equivalent(original, target))
      continue;
    if (std::error_code error = llvm::sys::fs::copy_file(original, target))
      return module.emitError() << "cannot copy '" << original << "' to '" << target << "': " << error.message();
  }
  return success();
}

LogicalResult quantopt::emitOnnx(ModuleOp module, const EmissionOptions &options) {
  if (options.output.empty())
    return module.emitError() << "emit-onnx needs the file to write: --emit-onnx=output=model.onnx";
  if (isPlainOnnx(module))
    return exportOnnx(module, options.output);
  OwningOpRef<ModuleOp> copy(module.clone());
  LlmToOnnxOptions conversion;
  conversion.accuracyLevel = options.accuracyLevel;
  if (failed(convertLlmToOnnx(*copy, conversion)) || failed(verify(*copy)))
    return failure();
  std::string dataPath = options.output + ".data";
  if (failed(computeWeights(*copy, options, dataPath)))
    return failure();
  setProducer(*copy);
  if (succeeded(exportOnnx(*copy, options.output)) && succeeded(copyCompanions(module, options.output)))
    return success();
  llvm::sys::fs::remove(dataPath);
  return failure();
}
