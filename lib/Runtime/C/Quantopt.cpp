//===- Quantopt.cpp - running bundles, for C ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt-c/quantopt.h"
#include "quantopt/Runtime/Generate.h"
#include "quantopt/Runtime/Model.h"
#include "llvm/ADT/STLExtras.h"

using namespace quantopt::runtime;

struct quantopt_model {
  std::shared_ptr<Model> model;
};

struct quantopt_session {
  // The session goes before its model.
  std::shared_ptr<Model> model;
  std::atomic<bool> cancel{false};
  std::unique_ptr<Session> session;
};

static thread_local std::string lastError;

static quantopt_status fail(llvm::Error error) {
  bool isCancelled = error.isA<CancelledError>();
  lastError = llvm::toString(std::move(error));
  return isCancelled ? QUANTOPT_CANCELLED : QUANTOPT_FAILED;
}

const char *quantopt_version(void) { return QUANTOPT_VERSION; }

const char *quantopt_error(void) { return lastError.c_str(); }

static llvm::Expected<std::unique_ptr<Model>> openModel(const char *path, const char *device, unsigned threads) {
  auto bundle = Bundle::open(path);
  if (!bundle)
    return bundle.takeError();
  if (llvm::Error error = (*bundle)->plan().checkRunnable())
    return std::move(error);
  auto backend = createBackend(device, threads);
  if (!backend)
    return backend.takeError();
  return Model::load(std::move(*bundle), std::move(*backend));
}

quantopt_model *quantopt_open(const char *bundle, const char *device, unsigned threads) {
  llvm::Expected<std::unique_ptr<Model>> model = openModel(bundle, device, threads);
  if (model)
    return new quantopt_model{std::move(*model)};
  fail(model.takeError());
  return nullptr;
}

void quantopt_close(quantopt_model *model) { delete model; }

quantopt_info quantopt_describe(const quantopt_model *model) {
  const BundlePlan &plan = model->model->plan();
  return {plan.model->maxContext, plan.model->vocabulary, plan.cacheTokenBytes()};
}

size_t quantopt_stop_tokens(const quantopt_model *model, int64_t *tokens, size_t capacity) {
  llvm::ArrayRef<int64_t> stops = model->model->bundle().stopTokens();
  llvm::copy(stops.take_front(capacity), tokens);
  return stops.size();
}

quantopt_session *quantopt_session_create(quantopt_model *model, uint32_t batch, uint32_t context, uint32_t chunk) {
  auto handle = std::make_unique<quantopt_session>();
  handle->model = model->model;
  SessionOptions options;
  options.batch = batch;
  options.context = context;
  if (chunk)
    options.chunk = chunk;
  options.cancel = &handle->cancel;
  llvm::Expected<std::unique_ptr<Session>> session = Session::create(*model->model, options);
  if (!session) {
    fail(session.takeError());
    return nullptr;
  }
  handle->session = std::move(*session);
  return handle.release();
}

void quantopt_session_destroy(quantopt_session *session) { delete session; }

void quantopt_session_reset(quantopt_session *session) { session->session->reset(); }

uint32_t quantopt_session_length(const quantopt_session *session) { return session->session->past(); }

quantopt_memory quantopt_session_memory(const quantopt_session *session) {
  MemoryUse use = session->session->memory();
  return {use.weights, use.caches, use.arena, use.logits, use.tables};
}

static PromptBatch makeBatch(const quantopt_session *session, const int64_t *ids, uint32_t tokens,
                             const uint32_t *padding) {
  uint32_t sequences = session->session->batch();
  PromptBatch batch{sequences, tokens, std::vector<int64_t>(ids, ids + size_t(sequences) * tokens), {}};
  if (padding)
    batch.padding.assign(padding, padding + sequences);
  return batch;
}

/// Hands logits on, or the error of a step.
static quantopt_status finish(quantopt_session *session, llvm::Expected<std::vector<float>> logits, float *result) {
  session->cancel = false;
  if (!logits)
    return fail(logits.takeError());
  if (result)
    llvm::copy(*logits, result);
  return QUANTOPT_OK;
}

quantopt_status quantopt_prefill(quantopt_session *session, const int64_t *ids, uint32_t tokens,
                                 const uint32_t *padding, int all, float *logits) {
  return finish(
      session,
      session->session->prefill(makeBatch(session, ids, tokens, padding), all ? LogitRows::All : LogitRows::Last),
      logits);
}

quantopt_status quantopt_decode(quantopt_session *session, const int64_t *ids, float *logits) {
  return finish(session, session->session->decode({ids, session->session->batch()}), logits);
}

quantopt_status quantopt_generate(quantopt_session *session, const int64_t *ids, uint32_t tokens,
                                  const uint32_t *padding, uint32_t max_new_tokens, const quantopt_sampling *sampling,
                                  const int64_t *stop_tokens, size_t stop_count, quantopt_token_callback callback,
                                  void *user) {
  GenerateOptions options;
  options.maxNewTokens = max_new_tokens;
  if (sampling)
    options.sampling = {sampling->temperature, sampling->top_k, sampling->top_p, sampling->seed};
  options.stopTokens = {stop_tokens, stop_count};
  llvm::Expected<GenerateStatistics> statistics =
      generate(*session->session, makeBatch(session, ids, tokens, padding), options, [&](const GeneratedToken &token) {
        return !callback || callback(user, token.sequence, token.id, token.isStop);
      });
  session->cancel = false;
  return statistics ? QUANTOPT_OK : fail(statistics.takeError());
}

void quantopt_cancel(quantopt_session *session) { session->cancel = true; }
