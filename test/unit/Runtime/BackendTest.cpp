//===- BackendTest.cpp - what runs kernels --------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Backend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace quantopt::runtime;
using testing::HasSubstr;

TEST(Backend, ChecksTheArchitecture) {
  auto errorOf = [](const char *arch, unsigned capability) {
    return llvm::toString(checkCapability(arch, capability, "GPU"));
  };
  EXPECT_EQ(errorOf("sm_80", 80), "");
  EXPECT_EQ(errorOf("sm_80", 90), "");
  EXPECT_EQ(errorOf("sm_90a", 90), "");
  EXPECT_EQ(errorOf("sm_86", 80), "the bundle's kernels are for sm_86 and run on compute capability 8.6 or later; GPU "
                                  "has 8.0: emit a bundle for another arch");
  EXPECT_EQ(errorOf("sm_90a", 100), "the bundle's kernels are for sm_90a and run on compute capability 9.0 alone; GPU "
                                    "has 10.0: emit a bundle for another arch");
  EXPECT_NE(errorOf("sm_90a", 89), "");
}

TEST(Backend, IsChosenByName) {
  EXPECT_EQ(llvm::cantFail(createBackend("interpreter"))->describe(), "PTX interpreter");
  for (const char *name : {"tpu", "cuda:", "cuda:x", "cuda:-1", "cudas", ""})
    EXPECT_THAT(llvm::toString(createBackend(name).takeError()),
                HasSubstr("expected 'cuda', 'cuda:N' or 'interpreter'"))
        << name;
}
