//===- Streams.cpp - the stand-in's queue, events and graphs -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "StandIn.h"
#include <chrono>

using namespace standin;

Status standin::flush() {
  State &s = state();
  if (!current)
    return InvalidContext;
  // Nothing may wait while a stream is captured.
  if (s.capture)
    return CaptureUnsupported;
  std::vector<Work> queue = std::move(s.queue);
  s.queue.clear();
  for (const Work &work : queue)
    if (!s.failure)
      s.failure = work();
  return s.failure;
}

Status standin::enqueue(Work work) {
  State &s = state();
  if (!current)
    return InvalidContext;
  (s.capture ? s.capture->work : s.queue).push_back(std::move(work));
  return s.failure;
}

STAND_IN_API cuCtxSynchronize() { return flush(); }

static int stream;
STAND_IN_API cuStreamCreate(void **result, unsigned) { return *result = &stream, Success; }
STAND_IN_API cuStreamDestroy_v2(void *) { return Success; }

STAND_IN_API cuStreamBeginCapture_v2(void *captured, int) {
  // The default stream cannot be captured.
  if (!captured || state().capture)
    return CaptureUnsupported;
  state().capture = std::make_unique<Graph>();
  return Success;
}
STAND_IN_API cuStreamEndCapture(void *, void **graph) { return *graph = state().capture.release(), Success; }
STAND_IN_API cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph *>(graph)), Success;
}
STAND_IN_API cuGraphDestroy(void *graph) { return delete static_cast<Graph *>(graph), Success; }
STAND_IN_API cuGraphExecDestroy(void *graph) { return delete static_cast<Graph *>(graph), Success; }
STAND_IN_API cuGraphLaunch(void *executable, void *) {
  ++state().graphLaunches;
  for (const Work &work : static_cast<Graph *>(executable)->work)
    if (Status status = enqueue(work))
      return status;
  return Success;
}

using Clock = std::chrono::steady_clock;
STAND_IN_API cuEventCreate(void **event, unsigned) { return *event = new Clock::time_point(), Success; }
STAND_IN_API cuEventDestroy_v2(void *event) { return delete static_cast<Clock::time_point *>(event), Success; }
STAND_IN_API cuEventRecord(void *event, void *) {
  return enqueue([=] { return *static_cast<Clock::time_point *>(event) = Clock::now(), Success; });
}
STAND_IN_API cuEventSynchronize(void *) { return flush(); }
STAND_IN_API cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  auto elapsed = *static_cast<Clock::time_point *>(end) - *static_cast<Clock::time_point *>(begin);
  *milliseconds = std::chrono::duration<float, std::milli>(elapsed).count();
  return Success;
}

/// For tests: kernels that ran, and graphs that were launched.
STAND_IN_API cudaStandInCounts(uint64_t *launches, uint64_t *graphLaunches) {
  *launches = state().launches;
  *graphLaunches = state().graphLaunches;
  return Success;
}
