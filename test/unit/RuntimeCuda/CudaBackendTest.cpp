//===- CudaBackendTest.cpp - bundles on a GPU's stand-in ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "quantopt/Runtime/Sampling.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <dlfcn.h>
#include <thread>

using namespace quantopt;
using namespace quantopt::runtime;
using testing::HasSubstr;
using Ids = std::vector<int64_t>;

/// Loaded first, it is the libcuda.so.1 of this program.
static void *const standIn = dlopen(CUDA_STAND_IN, RTLD_NOW | RTLD_GLOBAL);

namespace {
class CudaBackend : public testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(standIn) << dlerror(); }
  void TearDown() override {
    unsetenv("CUDA_STAND_IN_CAPABILITY");
    unsetenv("CUDA_STAND_IN_MEMORY");
  }

  static std::pair<uint64_t, uint64_t> counts() {
    uint64_t launches = 0, graphLaunches = 0;
    reinterpret_cast<int (*)(uint64_t *, uint64_t *)>(dlsym(standIn, "cudaStandInCounts"))(&launches, &graphLaunches);
    return {launches, graphLaunches};
  }

  static llvm::Expected<std::unique_ptr<Model>> load(const ToyBundle &toy) {
    auto bundle = Bundle::open(toy.path());
    if (!bundle)
      return bundle.takeError();
    auto backend = createBackend("cuda:0");
    if (!backend)
      return backend.takeError();
    return Model::load(std::move(*bundle), std::move(*backend));
  }
};
} // namespace

/// Prefill in chunks, then decoding: the first step as it is, the others as one recorded graph, whose inputs change.
TEST_F(CudaBackend, DecodesByARecordedGraph) {
  for (const char *layout : {"contiguous", "paged"}) {
    ToyBundle toy(layout);
    std::unique_ptr<Model> model = llvm::cantFail(load(toy));
    EXPECT_EQ(model->backend().describe(), "Stand-in (sm_80)");
    EXPECT_TRUE(model->note().empty());
    SessionOptions options;
    options.batch = 2;
    options.chunk = 4;
    auto session = llvm::cantFail(Session::create(*model, options));
    std::vector<Ids> all = {{1, 2, 3, 4, 5, 6, 7}, {8, 9}};
    std::vector<float> logits = llvm::cantFail(session->prefill(llvm::cantFail(PromptBatch::pad(all))));
    auto [launchesBefore, graphsBefore] = counts();
    constexpr unsigned steps = 20;
    for (unsigned step = 0; step < steps; ++step) {
      Ids next;
      for (size_t i = 0; i < all.size(); ++i) {
        auto row = llvm::ArrayRef(logits).slice(i * toyVocabulary, toyVocabulary);
        EXPECT_EQ(row, llvm::ArrayRef(toyLogits(all[i])).take_back(toyVocabulary)) << layout << ", step " << step;
        all[i].push_back(argMax(row));
        next.push_back(all[i].back());
      }
      logits = llvm::cantFail(session->decode(next));
    }
    auto [launchesAfter, graphsAfter] = counts();
    EXPECT_EQ(launchesAfter - launchesBefore, steps * 6);
    EXPECT_EQ(graphsAfter - graphsBefore, steps - 1);
  }
}

/// A longer prompt moves the arena, and with it what was recorded.
TEST_F(CudaBackend, RecordsAgainWhenTheArenaMoves) {
  ToyBundle toy("paged");
  std::unique_ptr<Model> model = llvm::cantFail(load(toy));
  auto session = llvm::cantFail(Session::create(*model));
  for (size_t length : {3, 9, 27}) {
    session->reset();
    Ids ids(length, 5);
    std::vector<float> logits = llvm::cantFail(session->prefill({1, uint32_t(length), ids, {}}));
    for (int step = 0; step < 4; ++step) {
      EXPECT_EQ(llvm::ArrayRef(logits), llvm::ArrayRef(toyLogits(ids)).take_back(toyVocabulary));
      ids.push_back(argMax(logits));
      logits = llvm::cantFail(session->decode(ids.back()));
    }
  }
}

/// One thread after the other may use a model.
TEST_F(CudaBackend, MovesBetweenThreads) {
  ToyBundle toy("paged");
  std::unique_ptr<Model> model;
  std::unique_ptr<Session> session;
  std::vector<float> logits;
  auto onItsOwn = [](llvm::function_ref<void()> work) { std::thread(work).join(); };
  onItsOwn([&] { model = llvm::cantFail(load(toy)); });
  onItsOwn([&] { session = llvm::cantFail(Session::create(*model)); });
  onItsOwn([&] { logits = llvm::cantFail(session->prefill({1, 3, {1, 2, 3}, {}})); });
  EXPECT_EQ(llvm::ArrayRef(logits), llvm::ArrayRef(toyLogits({1, 2, 3})).take_back(toyVocabulary));
  onItsOwn([&] { session.reset(); });
  onItsOwn([&] { model.reset(); });
}

/// Whatever is allocated when memory ends, the error says what it was and how much is free, and nothing is left behind.
TEST_F(CudaBackend, SaysWhatDoesNotFit) {
  ToyBundle toy("paged");
  std::vector<std::string> seen;
  bool fits = false;
  for (uint64_t bytes = 0; !fits && bytes < 100000; bytes += 128) {
    setenv("CUDA_STAND_IN_MEMORY", std::to_string(bytes).c_str(), 1);
    auto run = [&]() -> llvm::Error {
      auto model = load(toy);
      if (!model)
        return model.takeError();
      SessionOptions options;
      options.batch = 2;
      auto session = Session::create(**model, options);
      if (!session)
        return session.takeError();
      return (*session)->prefill({2, 3, Ids(6, 1), {}}).takeError();
    };
    llvm::Error error = run();
    fits = !error;
    if (fits)
      break;
    std::string message = llvm::toString(std::move(error));
    EXPECT_THAT(message, HasSubstr("bytes are free: cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY"));
    std::string what = message.substr(0, message.find(" on Stand-in (sm_80), where "));
    if (seen.empty() || seen.back() != what)
      seen.push_back(what);
  }
  EXPECT_TRUE(fits);
  EXPECT_THAT(seen, testing::ElementsAre("cannot allocate 256 bytes for weights",
                                         "cannot allocate 4096 bytes for caches of 2 sequences of 64 tokens",
                                         "cannot allocate 512 bytes for tables of sequences",
                                         "cannot allocate 512 bytes for activations of 6 rows",
                                         "cannot allocate 256 bytes for logits of 2 rows"));
}

TEST_F(CudaBackend, RefusesAnotherArchitecture) {
  ToyBundle toy("paged");
  setenv("CUDA_STAND_IN_CAPABILITY", "75", 1);
  EXPECT_THAT(
      llvm::toString(load(toy).takeError()),
      HasSubstr("the bundle's kernels are for sm_80 and run on compute capability 8.0 or later; Stand-in has 7.5"));
  setenv("CUDA_STAND_IN_CAPABILITY", "90", 1);
  EXPECT_THAT(llvm::cantFail(load(toy))->note().str(), HasSubstr("emulates the 4-bit matrix products of sm_80"));
}

TEST_F(CudaBackend, ShowsAKernelThatFails) {
  ToyBundle toy("contiguous");
  toy.edit("kernels.ptx", "mul.wide.u32 %d9, %r15, 2048;", "mul.wide.u32 %d9, %r15, 1048576;");
  std::unique_ptr<Model> model = llvm::cantFail(load(toy));
  SessionOptions options;
  options.batch = 2;
  auto session = llvm::cantFail(Session::create(*model, options));
  EXPECT_THAT(llvm::toString(session->prefill({2, 3, Ids(6, 1), {}}).takeError()),
              HasSubstr("CUDA_ERROR_LAUNCH_FAILED"));
}

TEST_F(CudaBackend, FindsOneDevice) {
  EXPECT_EQ(llvm::toString(createBackend("cuda:3").takeError()), "no GPU number 3: the driver finds 1");
}
