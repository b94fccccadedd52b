//===- Pipelines.cpp - methods as named pipelines of passes ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Pipelines/Pipelines.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"

using namespace mlir;
using namespace quantopt;

/// Weight expressions in their shortest form, each once.
static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Where every method begins: with layers.
static OpPassManager &addRecognition(OpPassManager &pm) {
  pm.addPass(createRecognizePass());
  return pm.nest<func::FuncOp>();
}

/// Activations of 4 bits that are not rotated are worth nothing, so a preset that makes them is strict.
static void addRotations(OpPassManager &pm, ArrayRef<std::string> sites, int64_t seed, bool isStrict) {
  pm.addPass(createFuseNormScalePass());
  RotInsertPassOptions options;
  options.sites.assign(sites.begin(), sites.end());
  options.seed = seed;
  options.strict = isStrict;
  pm.addPass(createRotInsertPass(options));
  addCleanup(pm);
}

template <typename Options> static void addQuantizers(OpPassManager &pm, const Options &options) {
  QWeightsPassOptions weights;
  weights.bits = options.weightBits;
  weights.groupSize = options.groupSize;
  pm.addPass(createQWeightsPass(weights));
  QActivationsPassOptions activations;
  activations.bits = options.actBits;
  activations.groupSize = options.actGroupSize;
  pm.addPass(createQActivationsPass(activations));
  QKvCachePassOptions cache;
  cache.bits = options.kvBits;
  cache.groupSize = options.kvGroupSize;
  cache.scaleType = options.kvScaleType;
  pm.addPass(createQKvCachePass(cache));
  addCleanup(pm);
}

void quantopt::buildRotationPipeline(OpPassManager &pm) {
  addRotations(addRecognition(pm), {}, QuarotOptions().seed, /*isStrict=*/false);
}

void quantopt::buildRtnPipeline(OpPassManager &pm, const RtnOptions &options) {
  addQuantizers(addRecognition(pm), options);
}

/// R1 and R2 cost nothing when the model runs. R3 and R4 do, and serve the cache and the activations only.
static SmallVector<std::string> chooseSites(const QuarotOptions &options) {
  if (!options.sites.empty())
    return SmallVector<std::string>(options.sites.begin(), options.sites.end());
  SmallVector<std::string> sites{"R1", "R2"};
  if (options.kvBits < 16)
    sites.push_back("R3");
  if (options.actBits < 16)
    sites.push_back("R4");
  return sites;
}

void quantopt::buildQuarotPipeline(OpPassManager &pm, const QuarotOptions &options) {
  OpPassManager &func = addRecognition(pm);
  addRotations(func, chooseSites(options), options.seed, /*isStrict=*/true);
  addQuantizers(func, options);
}

void quantopt::buildW4A16Pipeline(OpPassManager &pm, const W4A16Options &options) {
  OpPassManager &func = addRecognition(pm);
  addRotations(func, {"R1", "R2"}, options.seed, /*isStrict=*/false);
  QWeightsPassOptions weights;
  weights.bits = options.weightBits;
  weights.groupSize = options.groupSize;
  weights.includeHead = options.includeHead;
  func.addPass(createQWeightsPass(weights));
  addCleanup(func);
}

void quantopt::registerPipelines() {
  PassPipelineRegistration<QuarotOptions>("quarot", "Rotated 4-bit weights, activations and cache (QuaRot)",
                                          buildQuarotPipeline);
  PassPipelineRegistration<RtnOptions>("rtn", "4-bit weights, activations and cache without rotation",
                                       buildRtnPipeline);
  PassPipelineRegistration<W4A16Options>("w4a16", "Rotated 4-bit weights in groups; nothing else changes at run time",
                                         buildW4A16Pipeline);
}
