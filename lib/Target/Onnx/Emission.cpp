//===- Emission.cpp - compiled models as ONNX files ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Target/Onnx/Emission.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Conversion/LlmToOnnx/LlmToOnnx.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Onnx/Export.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Target/Common/Companions.h"
#include "quantopt/Target/Common/WeightFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantopt;
namespace path = llvm::sys::path;

/// Weights of fewer bytes go into the model itself.
static constexpr uint64_t inlineLimit = 1024;

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

/// Computes all weights into `dataPath`.
static LogicalResult computeWeights(ModuleOp module, const EmissionOptions &options, StringRef dataPath) {
  WeightFileOptions file;
  file.output = dataPath.str();
  file.threads = options.threads;
  file.maxMemory = options.maxMemory;
  file.printPlan = options.printPlan;
  file.smallestCopied = inlineLimit;
  if (failed(writeWeightFile(module, file)))
    return failure();
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
  if (succeeded(exportOnnx(*copy, options.output)) &&
      succeeded(copyCompanions(module, path::parent_path(options.output))))
    return success();
  llvm::sys::fs::remove(dataPath);
  return failure();
}
