//===- Model.cpp - a bundle on a device -------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Model.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;
using namespace quantopt::runtime;

/// Whether the text is for the plan's architecture.
static llvm::Error checkTarget(const Bundle &bundle) {
  std::string target = "\n.target " + bundle.plan().arch;
  size_t found = bundle.kernels().find(target);
  if (found != llvm::StringRef::npos && !bundle.kernels().drop_front(found + target.size()).starts_with("a"))
    return llvm::Error::success();
  return llvm::createStringError("'" + bundle.path() + "/kernels.ptx' is not for " + bundle.plan().arch +
                                 ", the arch of plan.json");
}

llvm::Expected<std::unique_ptr<Model>> Model::load(std::unique_ptr<Bundle> bundle, std::unique_ptr<Backend> backend) {
  const BundlePlan &plan = bundle->plan();
  if (llvm::Error error = plan.checkRunnable())
    return std::move(error);
  if (llvm::Error error = checkTarget(*bundle))
    return std::move(error);
  if (llvm::Error error = backend->checkArchitecture(plan.arch))
    return std::move(error);
  std::unique_ptr<Model> model(new Model);
  model->modelBundle = std::move(bundle);
  model->modelBackend = std::move(backend);
  model->text = model->modelBackend->describeEmulation(plan.arch);

  std::vector<Backend::KernelUse> uses;
  for (const PlannedKernel &kernel : plan.kernels)
    uses.push_back({kernel.name, kernel.dynamicSharedBytes, unsigned(kernel.arguments.size()) + 1});
  if (llvm::Error error = model->modelBackend->load(model->modelBundle->kernels(), uses))
    return std::move(error);

  std::vector<Backend::Request> requests;
  for (auto [i, name] : llvm::enumerate(plan.weights))
    requests.push_back({name, model->modelBundle->weight(i).size()});
  llvm::Expected<std::vector<uint64_t>> addresses = model->modelBackend->allocate("weights", requests);
  if (!addresses)
    return addresses.takeError();
  model->weightAddresses = std::move(*addresses);
  for (auto [i, address] : llvm::enumerate(model->weightAddresses))
    if (llvm::Error error = model->modelBackend->write(address, model->modelBundle->weight(i)))
      return std::move(error);
  if (llvm::Error error = model->modelBackend->synchronize())
    return std::move(error);
  return model;
}

Model::~Model() {
  llvm::consumeError(modelBackend->enter());
  if (!weightAddresses.empty())
    modelBackend->release(weightAddresses.front());
}

llvm::Expected<SessionSizes> SessionSizes::compute(const BundlePlan &plan, const SessionOptions &options) {
  SessionSizes sizes;
  if (!plan.model || plan.caches.empty())
    return llvm::createStringError("this bundle cannot generate: its plan says nothing of a model with a cache");
  if (!options.batch || options.batch > 65535)
    return llvm::createStringError("expected a batch of 1 to 65535 sequences, not " + llvm::Twine(options.batch));
  if (!options.chunk)
    return llvm::createStringError("expected a chunk of at least one token");
  sizes.context = options.context ? options.context : plan.model->maxContext;
  if (sizes.context > plan.model->maxContext)
    return llvm::createStringError("a context of " + llvm::Twine(sizes.context) + " tokens is more than the bundle's " +
                                   llvm::Twine(plan.model->maxContext));
  uint64_t pages = options.batch;
  if (plan.model->isPaged)
    pages *= llvm::divideCeil(sizes.context, plan.pageTokens());
  if (pages > INT32_MAX)
    return llvm::createStringError(llvm::Twine(pages) + " pages are more than a page table can number");
  sizes.pages = pages;
  sizes.arenaRowBytes = plan.arenaRowBytes();
  for (const PlannedPhase &phase : plan.phases)
    if (auto found = phase.outputs.find("logits"); found != phase.outputs.end())
      sizes.logitsRowBytes = std::max(sizes.logitsRowBytes, phase.buffers[found->second].rowBytes);
  sizes.cacheTokenBytes = plan.cacheTokenBytes();
  for (const PlannedCache &cache : plan.caches) {
    bool isOverflow = false;
    sizes.cacheBytes = llvm::SaturatingMultiplyAdd(cache.pageBytes, pages, sizes.cacheBytes, &isOverflow);
    if (isOverflow)
      return llvm::createStringError("the caches would take more than 2^64 bytes");
  }
  sizes.tableBytes = uint64_t(options.batch) * 4 * sizeof(int32_t);
  if (plan.model->isPaged)
    sizes.tableBytes += uint64_t(options.batch) * plan.pagesPerSequence() * sizeof(int32_t);
  return sizes;
}
