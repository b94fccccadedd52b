//===- SessionTest.cpp - sequences and their caches ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "quantopt/Runtime/Generate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::runtime;
using testing::HasSubstr;
using Ids = std::vector<int64_t>;

static Ids someIds(size_t count, int64_t seed) {
  Ids ids;
  for (size_t i = 0; i < count; ++i)
    ids.push_back(int64_t(i * i + seed * 5 + i / 3) % toyVocabulary);
  return ids;
}

static std::vector<float> lastRow(llvm::ArrayRef<float> logits) { return logits.take_back(toyVocabulary).vec(); }

static std::vector<float> rowOf(llvm::ArrayRef<float> logits, size_t row) {
  return logits.slice(row * toyVocabulary, toyVocabulary).vec();
}

/// Prefill of padded prompts and decoding after it give what each sequence gives alone.
static void checkSteps(Session &session, llvm::ArrayRef<Ids> prompts, unsigned newTokens) {
  PromptBatch batch = llvm::cantFail(PromptBatch::pad(prompts));
  std::vector<float> logits = llvm::cantFail(session.prefill(batch));
  std::vector<Ids> all = prompts.vec();
  for (unsigned step = 0; step < newTokens; ++step) {
    Ids next;
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(rowOf(logits, i), lastRow(toyLogits(all[i]))) << "sequence " << i << ", step " << step;
      next.push_back(argMax(rowOf(logits, i)));
      all[i].push_back(next.back());
    }
    logits = llvm::cantFail(session.decode(next));
  }
  EXPECT_EQ(session.past(), batch.tokens + newTokens);
}

class SessionOnToy : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Layouts, SessionOnToy, testing::Values("contiguous", "paged"),
                         [](const auto &info) { return info.param; });

TEST_P(SessionOnToy, ContinuesABatchPastAPage) {
  ToyBundle toy(GetParam());
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 3;
  auto session = llvm::cantFail(Session::create(*model, options));
  checkSteps(*session, {someIds(13, 0), someIds(5, 1), someIds(9, 2)}, 12);
  session->reset();
  checkSteps(*session, {someIds(40, 3), someIds(1, 1), someIds(39, 4)}, 3);
}

/// The decode phase takes 4 sequences: more run in the other phase.
TEST_P(SessionOnToy, DecodesMoreThanTheDecodePhaseTakes) {
  ToyBundle toy(GetParam());
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 6;
  auto session = llvm::cantFail(Session::create(*model, options));
  std::vector<Ids> prompts;
  for (int i = 0; i < 6; ++i)
    prompts.push_back(someIds(3 + i, i));
  checkSteps(*session, prompts, 4);
}

TEST_P(SessionOnToy, GivesTheSameForEveryChunk) {
  ToyBundle toy(GetParam());
  std::unique_ptr<Model> model = toy.load();
  std::vector<Ids> prompts = {someIds(37, 0), someIds(21, 1)};
  PromptBatch batch = llvm::cantFail(PromptBatch::pad(prompts));
  for (uint32_t chunk : {1, 7, 16, 36, 37, 512}) {
    SessionOptions options;
    options.batch = 2;
    options.chunk = chunk;
    auto session = llvm::cantFail(Session::create(*model, options));
    std::vector<float> all = llvm::cantFail(session->prefill(batch, LogitRows::All));
    ASSERT_EQ(all.size(), size_t(2 * 37 * toyVocabulary));
    EXPECT_EQ(llvm::ArrayRef(all).take_front(37 * toyVocabulary), llvm::ArrayRef(toyLogits(prompts[0]))) << chunk;
    EXPECT_EQ(llvm::ArrayRef(all).take_back(21 * toyVocabulary), llvm::ArrayRef(toyLogits(prompts[1]))) << chunk;
    session->reset();
    std::vector<float> last = llvm::cantFail(session->prefill(batch));
    EXPECT_EQ(rowOf(last, 0), rowOf(all, 36));
    EXPECT_EQ(rowOf(last, 1), rowOf(all, 73));
  }
}

TEST_P(SessionOnToy, AppendsToWhatIsThere) {
  ToyBundle toy(GetParam());
  std::unique_ptr<Model> model = toy.load();
  auto session = llvm::cantFail(Session::create(*model));
  Ids ids = someIds(30, 0);
  llvm::cantFail(session->prefill({1, 20, Ids(ids.begin(), ids.begin() + 20), {}}));
  std::vector<float> logits = llvm::cantFail(session->prefill({1, 10, Ids(ids.begin() + 20, ids.end()), {}}));
  EXPECT_EQ(logits, lastRow(toyLogits(ids)));
}

TEST_P(SessionOnToy, CountsItsMemory) {
  ToyBundle toy(GetParam());
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 2;
  options.context = 40;
  bool isPaged = model->plan().model->isPaged;
  SessionSizes sizes = llvm::cantFail(SessionSizes::compute(model->plan(), options));
  // Three pages of 16 tokens, or one of 64, a sequence.
  EXPECT_EQ(sizes.cacheBytes, 2u * 32 * (isPaged ? 48 : 64));
  auto session = llvm::cantFail(Session::create(*model, options));
  EXPECT_EQ(session->memory().caches, sizes.cacheBytes);
  EXPECT_EQ(session->memory().weights, 44u);
  EXPECT_EQ(session->memory().arena, 0u);
  llvm::cantFail(session->prefill(llvm::cantFail(PromptBatch::pad({someIds(5, 0), someIds(4, 0)}))));
  EXPECT_EQ(session->memory().arena, 10u * 32);
  EXPECT_EQ(session->memory().logits, 2u * 44);
  EXPECT_EQ(session->memory().tables, sizes.tableBytes + 10 * 8);
}

TEST(Session, RefusesBeforeItLaunches) {
  ToyBundle toy("paged");
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.context = 20;
  auto session = llvm::cantFail(Session::create(*model, options));
  unsigned launches = 0;
  session->setObserver([&](const ObservedLaunch &, bool) {
    ++launches;
    return llvm::Error::success();
  });
  auto messageOf = [](auto result) { return result ? "" : llvm::toString(result.takeError()); };
  auto prefill = [&](PromptBatch batch) { return messageOf(session->prefill(batch)); };
  EXPECT_THAT(prefill({1, 21, someIds(21, 0), {}}), HasSubstr("the context is full: 0 tokens and 21 new ones"));
  EXPECT_THAT(prefill({1, 2, {1, 11}, {}}), HasSubstr("token 11 is not in the vocabulary of 11 tokens"));
  EXPECT_THAT(prefill({1, 2, {1, -1}, {}}), HasSubstr("token -1"));
  EXPECT_THAT(prefill({2, 1, {1, 1}, {}}), HasSubstr("a batch of 1 sequences, not of 2"));
  EXPECT_THAT(prefill({1, 0, {}, {}}), HasSubstr("at least one token"));
  EXPECT_THAT(prefill({1, 2, {1, 1}, {2}}), HasSubstr("padding of 2 tokens"));
  GenerateOptions generation;
  generation.maxNewTokens = 17;
  auto ignore = [](const GeneratedToken &) { return true; };
  EXPECT_THAT(messageOf(generate(*session, {1, 5, someIds(5, 0), {}}, generation, ignore)),
              HasSubstr("need a context of 21 tokens, and there are 20"));
  EXPECT_EQ(launches, 0u);
  llvm::cantFail(session->prefill({1, 20, someIds(20, 0), {}}));
  EXPECT_THAT(messageOf(session->decode({1})), HasSubstr("the context is full: 20 tokens and 1 new ones"));

  auto create = [&](uint32_t batch, uint32_t context, uint32_t chunk) {
    return messageOf(Session::create(*model, {batch, context, chunk, nullptr}));
  };
  EXPECT_THAT(create(1, 65, 1), HasSubstr("a context of 65 tokens is more than the bundle's 64"));
  EXPECT_THAT(create(0, 0, 1), HasSubstr("expected a batch of 1 to 65535"));
  EXPECT_THAT(create(1, 0, 0), HasSubstr("expected a chunk"));
}

TEST(Session, ShowsEveryLaunch) {
  ToyBundle toy("contiguous");
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 2;
  auto session = llvm::cantFail(Session::create(*model, options));
  std::vector<std::string> seen;
  session->setObserver([&](const ObservedLaunch &launch, bool isAfter) -> llvm::Error {
    if (!isAfter)
      return llvm::Error::success();
    seen.push_back(launch.kernel.name + " " + std::to_string(launch.rows) + " " + std::to_string(launch.index + 1) +
                   "/" + std::to_string(launch.count));
    // Inputs and results can be read.
    std::vector<char> bytes(launch.arrays[0].bytes);
    return model->backend().read(launch.arrays[0].address, bytes);
  });
  llvm::cantFail(session->prefill({2, 3, someIds(6, 0), {}}));
  EXPECT_THAT(seen, testing::ElementsAre("embed 6 1/6", "append 6 2/6", "attend 6 3/6", "scale 2 4/6", "widen 2 5/6",
                                         "head 2 6/6"));
  seen.clear();
  llvm::cantFail(session->decode({1, 2}));
  EXPECT_THAT(seen, testing::ElementsAre("embed 2 1/6", "append 2 2/6", "attend_one 2 3/6", "scale 2 4/6",
                                         "widen 2 5/6", "head 2 6/6"));
}

TEST(Session, StopsWhenCancelled) {
  ToyBundle toy("paged");
  std::unique_ptr<Model> model = toy.load();
  std::atomic<bool> cancel{false};
  SessionOptions options;
  options.cancel = &cancel;
  auto session = llvm::cantFail(Session::create(*model, options));
  Ids ids = someIds(20, 0);
  unsigned launches = 0;
  session->setObserver([&](const ObservedLaunch &launch, bool isAfter) {
    launches += isAfter;
    cancel = launches == 2;
    return llvm::Error::success();
  });
  llvm::Error error = session->prefill({1, 20, ids, {}}).takeError();
  EXPECT_TRUE(error.isA<CancelledError>());
  llvm::consumeError(std::move(error));
  EXPECT_EQ(launches, 2u);
  EXPECT_EQ(session->past(), 0u);
  // The session goes on.
  cancel = false;
  session->setObserver(nullptr);
  EXPECT_EQ(llvm::cantFail(session->prefill({1, 20, ids, {}})), lastRow(toyLogits(ids)));
}

TEST(Session, NamesTheLaunchThatFails) {
  ToyBundle toy("contiguous");
  toy.edit("kernels.ptx", "mul.wide.u32 %d9, %r15, 2048;", "mul.wide.u32 %d9, %r15, 4096;");
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 2;
  auto session = llvm::cantFail(Session::create(*model, options));
  auto logits = session->prefill({2, 3, someIds(6, 0), {}});
  ASSERT_FALSE(bool(logits));
  std::string message = llvm::toString(logits.takeError());
  EXPECT_THAT(message, HasSubstr("phase 'prefill', launch 1 of node '/append': kernels.ptx:"));
  EXPECT_THAT(message, HasSubstr("l0.kv"));
}

/// A kernel that reads what nothing of this step has written is found, although an earlier step left values there.
TEST(Session, WatchesTheArena) {
  ToyBundle toy("contiguous");
  std::string plan = toy.read("plan.json");
  toy.edit("kernels.ptx", "  // Thread: a row.", "  ret;\n  // Thread: a row.");
  std::unique_ptr<Model> model = toy.load();
  auto session = llvm::cantFail(Session::create(*model));
  auto logits = session->prefill({1, 3, someIds(3, 0), {}});
  ASSERT_FALSE(bool(logits));
  EXPECT_THAT(llvm::toString(logits.takeError()), HasSubstr("'arena'"));
}

TEST(Generate, StopsEachSequenceByItself) {
  ToyBundle toy("paged");
  std::unique_ptr<Model> model = toy.load();
  SessionOptions options;
  options.batch = 2;
  auto session = llvm::cantFail(Session::create(*model, options));
  std::vector<Ids> prompts = {someIds(6, 0), someIds(4, 1)}, expected = prompts, got = prompts;
  PromptBatch batch = llvm::cantFail(PromptBatch::pad(prompts));
  GenerateOptions generation;
  generation.maxNewTokens = 30;
  std::vector<int64_t> stops = {9, 10};
  generation.stopTokens = stops;
  for (Ids &ids : expected)
    for (unsigned i = 0; i < 30; ++i) {
      ids.push_back(argMax(lastRow(toyLogits(ids))));
      if (llvm::is_contained(stops, ids.back()))
        break;
    }
  ASSERT_NE(expected[0].size() - prompts[0].size(), expected[1].size() - prompts[1].size());
  auto statistics = llvm::cantFail(generate(*session, batch, generation, [&](const GeneratedToken &token) {
    got[token.sequence].push_back(token.id);
    EXPECT_EQ(token.isStop, llvm::is_contained(stops, token.id));
    return true;
  }));
  EXPECT_EQ(got, expected);
  EXPECT_EQ(statistics.newTokens, got[0].size() + got[1].size() - 10);
  EXPECT_EQ(statistics.promptRows, 12u);
}
