//===- BundlePlanTest.cpp - plan.json, read and validated ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/BundlePlan.h"
#include "ToyBundle.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <random>

using namespace quantopt;
using namespace quantopt::runtime;
namespace json = llvm::json;
using testing::HasSubstr;

static json::Value parseJson(llvm::StringRef text) { return llvm::cantFail(json::parse(text)); }

/// The error of a plan, of reading it or of what a run asks of it; empty if there is none.
static std::string errorOf(llvm::StringRef text) {
  llvm::Expected<BundlePlan> plan = BundlePlan::parse(text);
  if (!plan)
    return llvm::toString(plan.takeError());
  return llvm::toString(plan->checkRunnable());
}

static std::string errorWith(llvm::StringRef path, llvm::StringRef value) {
  json::Value root = parseJson(toyPlan("paged"));
  jsonAt(root, path) = parseJson(value);
  return errorOf(llvm::formatv("{0}", root).str());
}

TEST(BundlePlan, ReadsEverything) {
  BundlePlan plan = llvm::cantFail(BundlePlan::parse(toyPlan("paged")));
  llvm::cantFail(plan.checkRunnable());
  EXPECT_EQ(plan.arch, "sm_80");
  EXPECT_EQ(plan.files.at("weights.safetensors").bytes, 124u);
  EXPECT_TRUE(plan.model->isPaged);
  EXPECT_EQ(plan.model->maxContext, 64u);
  ASSERT_EQ(plan.caches.size(), 1u);
  EXPECT_EQ(plan.caches[0].layout.pageTokens, 16);
  EXPECT_EQ(plan.pagesPerSequence(), 4u);
  EXPECT_EQ(plan.cacheTokenBytes(), 32u);
  EXPECT_EQ(plan.arenaRowBytes(), 32u);
  EXPECT_EQ(plan.weights, std::vector<std::string>{"table"});
  const PlannedPhase &decode = *plan.findPhase("decode");
  EXPECT_EQ(decode.maxRows, 4u);
  EXPECT_EQ(decode.tail, 3u);
  const PlannedLaunch &attend = decode.launches[2];
  const PlannedKernel &kernel = plan.kernels[attend.kernel];
  EXPECT_EQ(kernel.name, "attend_one");
  EXPECT_EQ(kernel.gridRows, PlannedKernel::GridRows::Sequences);
  EXPECT_EQ(kernel.arguments[3].kind, PlannedKernelArgument::Kind::State);
  EXPECT_EQ(attend.operands[3].kind, PlannedLaunch::Operand::Kind::Cache);
  EXPECT_EQ(decode.buffers[attend.operands[4].index].name, "attended");
  EXPECT_EQ(decode.buffers[attend.operands[4].index].offset, 16u);
}

TEST(BundlePlan, NamesWhatIsWrong) {
  struct Case {
    const char *path, *value, *message;
  };
  const char *hash = "\"DCE6a21c8929c3a3c16847de4d5c9c1fe3afe7775a0a97712ee8dda09a5f3bf3\"";
  for (auto [path, value, message] : {
           Case{"format", "\"zip\"", "format: expected 'quantopt-bundle'"},
           {"version", "1", "version: this program reads version 2, not 1: emit the bundle again"},
           {"version", "\"2\"", "version: expected an integer"},
           {"arch", "\"gfx90a\"", "arch: expected an architecture like 'sm_80'"},
           {"arch", "\"sm_80x\"", "arch: expected"},
           {"ptx_version", "8", "ptx_version: expected a string"},
           {"files.+../plan", "{\"bytes\": 1, \"sha256\": \"\"}", "expected the name of a file of the bundle's folder"},
           {"files.kernels,ptx.bytes", "-1", "files.kernels.ptx.bytes: expected an integer from 0"},
           {"files.kernels,ptx.sha256", hash, "sha256: expected 64 lower-case"},
           {"files", "{}", "files: expected the size and hash of kernels.ptx"},
           {"model.max_context", "0", "model.max_context: expected an integer from 1"},
           {"model.layout", "\"ring\"", "model.layout: expected 'contiguous' or 'paged'"},
           {"model", "null", "its plan says nothing of a model with a cache"},
           {"model.vocabulary", "12", "expected 'logits' to be rows of 12 elements"},
           {"caches", "[]", "there is no cache 'l0.kv'"},
           {"caches[0].bits", "5", "caches[0]: expected a cache of 2, 3, 4, 8 or 16 bits"},
           {"caches[0].page", "15", "caches[0]: expected pages of a multiple of 16"},
           {"caches[0].page_bytes", "511", "caches[0].page_bytes: expected 512"},
           {"caches[0].token_bytes", "4611686018427387904", "caches[0].token_bytes: expected an integer from 1"},
           {"caches[0].kv_heads", "2", "caches[0].token_bytes: expected 64"},
           {"caches[0].name", "\"\"", "expected a name"},
           {"kernels[1].name", "\"embed\"", "kernels[1]: 'embed' is there twice"},
           {"kernels[0].block", "2000", "kernels[0].block: expected an integer from 1 to 1024"},
           {"kernels[0].dynamic_shared_bytes", "1000000", "dynamic_shared_bytes: expected an integer from 0"},
           {"kernels[0].grid.x", "0", "kernels[0].grid.x: expected"},
           {"kernels[0].grid.y", "{}", "kernels[0].grid.y: expected one of 'rows'"},
           {"kernels[0].grid.y.+sequences", "1", "kernels[0].grid.y: expected one of 'rows'"},
           {"kernels[0].grid.y.rows", "0", "kernels[0].grid.y.rows: expected"},
           {"kernels[0].arguments[3].is", "\"input\"", "kernels[0]: expected the number of rows as the last argument"},
           {"kernels[0].arguments[0].is", "\"output\"", "kernels[0].arguments[0].is: expected 'input'"},
           {"kernels[0].arguments[0].dtype", "\"i65\"", "kernels[0].arguments[0].dtype: expected an element type"},
           {"kernels[0].arguments[0].row_bytes", "4", "the buffer has rows of 8 bytes of i64, the kernel's argument"},
           {"kernels[0].arguments[0].+tensor_map", "{\"row_bytes\": 8, \"box\": [8, 257], \"swizzle\": 0}", "box[1]"},
           {"kernels[0].arguments[0].+tensor_map", "{\"row_bytes\": 9, \"box\": [8, 2], \"swizzle\": 0}", "rows of"},
           {"kernels[0].arguments[0].+tensor_map", "{\"row_bytes\": 8, \"box\": [8, 2], \"swizzle\": 48}", "swizzle"},
           {"kernels[0].arguments[1].shape", "[2147483647, 2147483647, 2147483647]", "the array is too large"},
           {"kernels[0].arguments", "[{\"is\": \"rows\"}]", "kernel 'embed' takes 0 arrays, not 3"},
           {"phases[0].name", "\"warm-up\"", "there is no phase 'prefill'"},
           {"phases[1].name", "\"prefill\"", "phases[1]: 'prefill' is there twice"},
           {"phases[0].max_rows", "0", "phases[0].max_rows: expected"},
           {"phases[0].arena_row_bytes", "31", "offset: the buffer ends after the arena's 31 bytes per row"},
           {"phases[0].tail", "7", "phases[0].tail: expected an integer from 0 to 6"},
           {"phases[0].tail", "2", "launch 2 (attend): is in the tail, but"},
           {"phases[0].buffers.x.dtype", "\"f32\"", "the buffer has rows of 4 bytes of f32"},
           {"phases[0].buffers.x.shape", "[null, 2]", "row_bytes: expected at least the 8 bytes of 2 elements"},
           {"phases[0].buffers.x.offset", "8", "phases[0].buffers.x.offset: expected a multiple of 16"},
           {"phases[0].buffers.x.offset", "16", "'attended' would overwrite 'x', which is needed"},
           {"phases[0].buffers.x.offset", "70368744177664", "the buffer ends after the arena's 32 bytes"},
           {"phases[0].buffers.x.offset", "null", "'x' has no place in the arena, and is not the logits"},
           {"phases[0].buffers.scaled.offset", "16", "'scaled' would overwrite 'attended', which is needed"},
           {"phases[0].buffers.wide.offset", "0", "'wide' would overwrite 'scaled', which is needed"},
           {"phases[0].buffers.ids.+offset", "16", "the input 'ids' has a place in the arena"},
           {"phases[0].inputs.ids", "\"idz\"", "phases[0].inputs.ids: there is no buffer 'idz'"},
           {"phases[0].inputs", "{\"ids\": \"ids\"}", "phase 'prefill': there is no input 'sequences'"},
           {"phases[0].outputs", "{}", "phase 'prefill': there is no output 'logits'"},
           {"phases[0].outputs.logits", "\"scaled\"", "expected 'logits' to be rows of 11 elements"},
           {"phases[0].launches[0].kernel", "\"bed\"", "phases[0].launches[0].kernel: there is no kernel 'bed'"},
           {"phases[0].launches[0].arguments[0]", "{}", "expected one of 'activation', 'weight' and 'cache'"},
           {"phases[0].launches[0].arguments[0]", "{\"weight\": \"w\"}", "does not fit the kernel's argument 'ids'"},
           {"phases[0].launches[1].arguments[3]", "{\"activation\": \"x\"}", "does not fit"},
           {"phases[0].launches[1].arguments[3].cache", "\"l1\"", "there is no cache 'l1'"},
           {"phases[0].launches[0].arguments[2].activation", "\"y\"", "there is no buffer 'y'"},
           {"phases[0].launches[0].arguments[2].activation", "\"scaled\"", "nothing has written 'x', which it reads"},
           {"phases[0].launches[2].arguments[0].activation", "\"scaled\"", "nothing has written 'scaled'"},
           {"phases[0].launches[2].arguments[4].activation", "\"x\"", "'x' is written twice"},
           {"unlowered", "[{\"op\": \"llm.attention\", \"count\": 30}, {\"op\": \"llm.rope\", \"count\": 2}]",
            "this bundle cannot generate: no kernels for 30 llm.attention, 2 llm.rope"},
       }) {
    EXPECT_THAT(errorWith(path, value), HasSubstr(message)) << path << " = " << value;
  }
}

TEST(BundlePlan, FindsTheSmallestDecodePhaseThatSuffices) {
  json::Value root = parseJson(toyPlan("paged"));
  json::Array &phases = *root.getAsObject()->getArray("phases");
  json::Value more = phases[1];
  jsonAt(more, "name") = "decode_64";
  jsonAt(more, "max_rows") = 64;
  phases.insert(phases.begin(), more);
  BundlePlan plan = llvm::cantFail(BundlePlan::parse(llvm::formatv("{0}", root).str()));
  llvm::cantFail(plan.checkRunnable());
  EXPECT_EQ(plan.findDecodePhase(1)->name, "decode");
  EXPECT_EQ(plan.findDecodePhase(4)->name, "decode");
  EXPECT_EQ(plan.findDecodePhase(5)->name, "decode_64");
  EXPECT_EQ(plan.findDecodePhase(65)->name, "prefill");
}

TEST(BundlePlan, LetsAResultTakeTheResidualsPlace) {
  json::Value root = parseJson(toyPlan("paged"));
  jsonAt(root, "phases[0].buffers.wide.offset") = 0;
  jsonAt(root, "phases[0].buffers.scaled.offset") = 16;
  EXPECT_THAT(errorOf(llvm::formatv("{0}", root).str()), HasSubstr("'scaled' would overwrite 'attended'"));
  jsonAt(root, "kernels[4].arguments[0].name") = "residual";
  EXPECT_EQ(errorOf(llvm::formatv("{0}", root).str()), "");
}

TEST(BundlePlan, NeedsPagesThatHoldAContiguousContext) {
  json::Value root = parseJson(toyPlan("contiguous"));
  jsonAt(root, "model.max_context") = 65;
  EXPECT_THAT(errorOf(llvm::formatv("{0}", root).str()), HasSubstr("holds the whole context of 65 tokens"));
}

/// Calls `visit` for every value below `value`, with the value free to change.
static void forEachValue(json::Value &value, llvm::function_ref<void(json::Value &)> visit) {
  if (json::Object *object = value.getAsObject())
    for (auto &entry : *object)
      forEachValue(entry.second, visit);
  if (json::Array *array = value.getAsArray())
    for (json::Value &element : *array)
      forEachValue(element, visit);
  visit(value);
}

/// No value of another type, no missing value and no huge number passes for a plan or harms.
TEST(BundlePlan, SurvivesEveryReplacedValue) {
  json::Value root = parseJson(toyPlan("paged"));
  unsigned accepted = 0, tried = 0;
  forEachValue(root, [&](json::Value &value) {
    json::Value kept = value;
    for (json::Value replacement : {json::Value(nullptr), json::Value(-1), json::Value(1e300), json::Value("x"),
                                    json::Value(json::Array{}), json::Value(json::Object{}), json::Value(true)}) {
      value = std::move(replacement);
      ++tried;
      accepted += errorOf(llvm::formatv("{0}", root).str()).empty();
    }
    value = kept;
  });
  EXPECT_GT(tried, 2000u);
  // Nodes and roles may say anything, and so on.
  EXPECT_LT(accepted, tried / 4);
}

TEST(BundlePlan, SurvivesDamagedText) {
  std::string text = toyPlan("paged");
  for (size_t length = 0; length < text.size() - 2; length += 7)
    EXPECT_NE(errorOf(llvm::StringRef(text).take_front(length)), "") << length;
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = text;
    for (unsigned flips = 1 + random() % 3; flips; --flips)
      damaged[random() % damaged.size()] ^= char(1 << random() % 8);
    errorOf(damaged);
  }
  EXPECT_THAT(errorOf(std::string(1000000, '[')), HasSubstr("nested too deep"));
  EXPECT_THAT(errorOf(""), HasSubstr("not JSON"));
  EXPECT_THAT(errorOf("[]"), HasSubstr("plan.json: expected an object with 'format'"));
}
