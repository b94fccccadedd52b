//===- Model.h - a bundle on a device, and sequences on it ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_MODEL_H
#define QUANTOPT_RUNTIME_MODEL_H

#include "quantopt/Runtime/Backend.h"
#include "quantopt/Runtime/Bundle.h"
#include "quantopt/Runtime/PagePool.h"
#include "quantopt/Runtime/TokenModel.h"
#include <atomic>
#include <functional>

namespace quantopt::runtime {

/// Bytes on the device, without what a device rounds up.
struct MemoryUse {
  uint64_t weights = 0;
  uint64_t caches = 0;
  /// What kernels write for each other.
  uint64_t arena = 0;
  uint64_t logits = 0;
  /// Token ids, lengths of sequences, page tables.
  uint64_t tables = 0;
};

/// A bundle's kernels and weights on a device; sessions share them.
class Model {
public:
  /// Checks that the bundle generates tokens and that the device runs its kernels, then loads both.
  static llvm::Expected<std::unique_ptr<Model>> load(std::unique_ptr<Bundle> bundle, std::unique_ptr<Backend> backend);
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;
  ~Model();

  const Bundle &bundle() const { return *modelBundle; }
  const BundlePlan &plan() const { return modelBundle->plan(); }
  Backend &backend() const { return *modelBackend; }
  uint64_t weightAddress(unsigned index) const { return weightAddresses[index]; }
  /// What is worth knowing about this bundle on this device, for people; empty if nothing is.
  llvm::StringRef note() const { return text; }

private:
  Model() = default;

  std::unique_ptr<Bundle> modelBundle;
  std::unique_ptr<Backend> modelBackend;
  std::vector<uint64_t> weightAddresses;
  std::string text;
};

struct SessionOptions {
  uint32_t batch = 1;
  /// Most tokens of a sequence; 0 for the bundle's max_context.
  uint32_t context = 0;
  /// New tokens of each sequence that prefill works on at a time.
  uint32_t chunk = 512;
  /// Checked between launches; a step then ends with a CancelledError. The session can go on: its sequences are as they
  /// were after the last whole chunk.
  const std::atomic<bool> *cancel = nullptr;
};

/// What a session's memory will be: known before anything is allocated.
struct SessionSizes {
  uint32_t context = 0;
  uint32_t pages = 0;
  /// Bytes for the arena of one row; an arena has as many as a step has rows.
  uint64_t arenaRowBytes = 0;
  uint64_t logitsRowBytes = 0;
  uint64_t cacheTokenBytes = 0, cacheBytes = 0, tableBytes = 0;

  /// Fails for a context that the bundle does not have, and for a batch of 0.
  static llvm::Expected<SessionSizes> compute(const BundlePlan &plan, const SessionOptions &options);
};

/// A launch of a step, as an observer sees it.
struct ObservedLaunch {
  const PlannedPhase &phase;
  const PlannedLaunch &launch;
  const PlannedKernel &kernel;
  /// What the device gets.
  const KernelLaunch &call;
  /// Where each operand of the launch lies, and how long it is: rows that the launch works on, whole weights and
  /// caches.
  struct Array {
    uint64_t address, bytes;
  };
  llvm::ArrayRef<Array> arrays;
  uint32_t rows, sequences, newTokens;
  /// Number of the launch in this step, and how many there will be.
  unsigned index, count;
};

/// A batch of sequences with their caches on the device of a model.
class Session : public TokenModel {
public:
  static llvm::Expected<std::unique_ptr<Session>> create(Model &model, const SessionOptions &options = {});
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session() override;

  uint32_t batch() const override { return options.batch; }
  uint32_t context() const override { return sizes.context; }
  uint32_t vocabulary() const override { return plan.model->vocabulary; }
  uint32_t past() const override { return pastTokens; }
  llvm::Expected<std::vector<float>> prefill(const PromptBatch &prompts, LogitRows rows = LogitRows::Last) override;
  /// Batches above the decode phase's max_rows run in the prefill phase. On a GPU the launches are recorded once, and
  /// replayed for each token.
  llvm::Expected<std::vector<float>> decode(llvm::ArrayRef<int64_t> ids) override;
  void reset() override;

  /// What is allocated, the model's weights included.
  MemoryUse memory() const;
  /// Where the cache with that number in the plan lies.
  uint64_t cacheAddress(unsigned index) const { return cacheAddresses[index]; }

  /// Called before and after every launch; after it, the backend's memory holds its results. An error ends the step.
  using Observer = std::function<llvm::Error(const ObservedLaunch &, bool isAfter)>;
  void setObserver(Observer newObserver) { observer = std::move(newObserver); }

private:
  struct Step;
  Session(Model &model, const SessionOptions &options, const SessionSizes &sizes);
  llvm::Error allocate();
  llvm::Error growArena(uint64_t rows);
  llvm::Error growLogits(uint64_t rows);
  llvm::Error growCaches(uint32_t tokens);
  llvm::Error writeInputs(llvm::ArrayRef<int64_t> ids, uint32_t newTokens);
  llvm::Error runStep(const PlannedPhase &phase, llvm::ArrayRef<int64_t> ids, uint32_t newTokens,
                      std::optional<LogitRows> wanted, float *logits);
  llvm::Error launchAll(const Step &step);
  llvm::Error launchRecorded(const Step &step);
  llvm::Error gatherLastRows(const Step &step);
  llvm::Error launchRows(const Step &step, unsigned number, uint64_t rows);
  ObservedLaunch::Array locate(const Step &step, const PlannedLaunch::Operand &operand, uint64_t rows) const;
  void discardResults(const PlannedKernel &kernel, llvm::ArrayRef<ObservedLaunch::Array> arrays);
  llvm::Error readLogits(const Step &step, LogitRows rows, float *logits);

  Model &model;
  const BundlePlan &plan;
  Backend &backend;
  SessionOptions options;
  SessionSizes sizes;
  uint32_t pastTokens = 0;
  std::vector<uint32_t> padding;
  std::optional<PagePool> pool;
  bool isTableStale = true;

  std::vector<uint64_t> cacheAddresses;
  uint64_t arenaAddress = 0, arenaRows = 0, logitsAddress = 0, logitsRows = 0;
  uint64_t idsAddress = 0, sequencesAddress = 0, pagesAddress = 0;
  std::vector<int32_t> sequenceWords;
  Observer observer;
  /// Of a decode step, valid while arena and logits stay where they are.
  std::unique_ptr<Backend::Recording> recording;
  bool hasDecoded = false;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_MODEL_H
