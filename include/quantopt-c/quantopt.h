/*===- quantopt.h - running bundles, for C ----------------------------------------------------===*\
|*
|* Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===------------------------------------------------------------------------------------------===*/
#ifndef QUANTOPT_C_QUANTOPT_H
#define QUANTOPT_C_QUANTOPT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUANTOPT_EXPORT __attribute__((visibility("default")))

/* A bundle on a device, and a batch of sequences on it. One thread at a time uses a model and its sessions, except for
 * quantopt_cancel. A model lives until it and all of its sessions are closed, in any order. */
typedef struct quantopt_model quantopt_model;
typedef struct quantopt_session quantopt_session;

typedef enum quantopt_status {
  QUANTOPT_OK = 0,
  /* quantopt_error says what. */
  QUANTOPT_FAILED = 1,
  /* By quantopt_cancel. */
  QUANTOPT_CANCELLED = 2
} quantopt_status;

/* "0.1.0". */
QUANTOPT_EXPORT const char *quantopt_version(void);
/* What the last function of this thread that failed said; valid until the next one fails. */
QUANTOPT_EXPORT const char *quantopt_error(void);

/* Checks a bundle and loads it onto a device: "cuda:0", or "interpreter", which has `threads` threads, 0 for one per
 * processor. Null where that fails. */
QUANTOPT_EXPORT quantopt_model *quantopt_open(const char *bundle, const char *device, unsigned threads);
QUANTOPT_EXPORT void quantopt_close(quantopt_model *model);

typedef struct quantopt_info {
  uint32_t max_context, vocabulary;
  /* Of keys and values of one token in all layers. */
  uint64_t cache_token_bytes;
} quantopt_info;
QUANTOPT_EXPORT quantopt_info quantopt_describe(const quantopt_model *model);

/* Writes at most `capacity` of the bundle's stop tokens; returns how many it has. */
QUANTOPT_EXPORT size_t quantopt_stop_tokens(const quantopt_model *model, int64_t *tokens, size_t capacity);

/* `batch` sequences of at most `context` tokens (0: the bundle's most), prompts in pieces of `chunk` tokens (0: 512).
 * Null where that fails. */
QUANTOPT_EXPORT quantopt_session *quantopt_session_create(quantopt_model *model, uint32_t batch, uint32_t context,
                                                          uint32_t chunk);
QUANTOPT_EXPORT void quantopt_session_destroy(quantopt_session *session);
/* Forgets all tokens. */
QUANTOPT_EXPORT void quantopt_session_reset(quantopt_session *session);
/* Tokens that each sequence holds, padding counted in. */
QUANTOPT_EXPORT uint32_t quantopt_session_length(const quantopt_session *session);

/* Bytes on the device, by what they hold. */
typedef struct quantopt_memory {
  uint64_t weights, caches, activations, logits, tables;
} quantopt_memory;
QUANTOPT_EXPORT quantopt_memory quantopt_session_memory(const quantopt_session *session);

/* Appends `tokens` ids to each sequence: ids [batch][tokens], of which the first padding[b] of sequence b are padding
 * (null: none; only where the session is empty). Writes logits, if not null: those of the last token,
 * [batch][vocabulary], or with `all` of every token, [batch][tokens][vocabulary]. */
QUANTOPT_EXPORT quantopt_status quantopt_prefill(quantopt_session *session, const int64_t *ids, uint32_t tokens,
                                                 const uint32_t *padding, int all, float *logits);
/* Appends one token to each sequence: ids [batch]. Writes logits [batch][vocabulary], if not null. */
QUANTOPT_EXPORT quantopt_status quantopt_decode(quantopt_session *session, const int64_t *ids, float *logits);

typedef struct quantopt_sampling {
  /* 0: the most probable token. */
  double temperature;
  /* 0: all. */
  uint32_t top_k;
  /* 1: all. */
  double top_p;
  uint64_t seed;
} quantopt_sampling;

/* Gets each new token; a sequence ends where it returns 0. */
typedef int (*quantopt_token_callback)(void *user, uint32_t sequence, int64_t token, int is_stop);

/* Continues prompts as quantopt_prefill takes them by at most `max_new_tokens` tokens each, which `callback` gets.
 * A sequence ends with one of `stop_tokens`. */
QUANTOPT_EXPORT quantopt_status quantopt_generate(quantopt_session *session, const int64_t *ids, uint32_t tokens,
                                                  const uint32_t *padding, uint32_t max_new_tokens,
                                                  const quantopt_sampling *sampling, const int64_t *stop_tokens,
                                                  size_t stop_count, quantopt_token_callback callback, void *user);

/* Ends what the session runs, before its next launch, from any thread; without a run, the next one. */
QUANTOPT_EXPORT void quantopt_cancel(quantopt_session *session);

#ifdef __cplusplus
}
#endif

#endif /* QUANTOPT_C_QUANTOPT_H */
