//===- BundleTest.cpp - a bundle's files, checked -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Bundle.h"
#include "ToyBundle.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::runtime;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Bundle, HoldsWhatThePlanNames) {
  ToyBundle toy("paged");
  std::unique_ptr<Bundle> bundle = llvm::cantFail(Bundle::open(toy.path()));
  EXPECT_TRUE(bundle->kernels().contains(".visible .entry attend_one"));
  EXPECT_EQ(bundle->weightBytes(), 44u);
  int32_t value;
  std::memcpy(&value, bundle->weight(0).data() + 8, 4);
  EXPECT_EQ(value, 7 * 2 * 2 + 3);
  EXPECT_THAT(bundle->stopTokens(), ElementsAre(9, 10));
}

TEST(Bundle, SaysWhichFileIsWrong) {
  struct Case {
    const char *message;
    void (*damage)(const ToyBundle &);
  };
  for (auto [message, damage] : {
           Case{"plan.json' cannot be read: No such file", [](const ToyBundle &toy) { toy.remove("plan.json"); }},
           {"kernels.ptx' cannot be read: No such file", [](const ToyBundle &toy) { toy.remove("kernels.ptx"); }},
           {"weights.safetensors': has 100 bytes, and plan.json says 124: the file is truncated",
            [](const ToyBundle &toy) {
              toy.write("weights.safetensors", toy.read("weights.safetensors").substr(0, 100));
            }},
           {"weights.safetensors': has 0 bytes", [](const ToyBundle &toy) { toy.write("weights.safetensors", ""); }},
           {"kernels.ptx': has 7316 bytes, and plan.json says 7315: the file has changed",
            [](const ToyBundle &toy) { toy.write("kernels.ptx", toy.read("kernels.ptx") + "\n"); }},
           {"weights.safetensors': is damaged: its SHA-256 is not the one in plan.json",
            [](const ToyBundle &toy) {
              std::string text = toy.read("weights.safetensors");
              text.back() ^= 1;
              toy.write("weights.safetensors", text);
            }},
           {"the header of the safetensors file",
            [](const ToyBundle &toy) { toy.edit("weights.safetensors", "{\"table\"", "[\"table\""); }},
           {"there is no weight 'table', which plan.json names",
            [](const ToyBundle &toy) { toy.edit("weights.safetensors", "table", "chair"); }},
           {"the weight 'table' has 44 bytes, and its kernels read 48",
            [](const ToyBundle &toy) { toy.edit("plan.json", "\"shape\": [11]", "\"shape\": [12]"); }},
           {"expected eos_token_id to be an integer",
            [](const ToyBundle &toy) { toy.edit("generation_config.json", "[9, 10]", "\"end\""); }},
           {"kernels.ptx' is not for sm_90, the arch of plan.json",
            [](const ToyBundle &toy) { toy.edit("plan.json", "sm_80", "sm_90"); }},
           {"kernels.ptx' is not for sm_80, the arch",
            [](const ToyBundle &toy) { toy.edit("kernels.ptx", ".target sm_80", ".target sm_80a"); }},
           {"kernels.ptx has no kernel 'attend_one', which plan.json names",
            [](const ToyBundle &toy) { toy.edit("kernels.ptx", "attend_one", "attend_two"); }},
           {"kernel 'scale' has 4 parameters in kernels.ptx and 3 in plan.json",
            [](const ToyBundle &toy) { toy.edit("kernels.ptx", "scale(\n", "scale(\n  .param .u64 more,\n"); }},
           {"plan.json: phases[0].tail: expected an integer",
            [](const ToyBundle &toy) { toy.edit("plan.json", "\"tail\": 3", "\"tail\": 33"); }},
       }) {
    ToyBundle toy("paged");
    damage(toy);
    EXPECT_THAT(toy.error(), HasSubstr(message));
  }
}

TEST(Bundle, FindsStopTokensInEitherFile) {
  ToyBundle toy("paged");
  toy.edit("generation_config.json", "{\"eos_token_id\": [9, 10]}", "{}");
  EXPECT_TRUE(llvm::cantFail(Bundle::open(toy.path()))->stopTokens().empty());
  toy.write("config.json", "{\"eos_token_id\": 5}");
  EXPECT_THAT(llvm::cantFail(Bundle::open(toy.path()))->stopTokens(), ElementsAre(5));
}
