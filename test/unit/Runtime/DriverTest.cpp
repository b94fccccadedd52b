//===- DriverTest.cpp - running PTX on a GPU -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Driver.h"
#include "llvm/Support/DynamicLibrary.h"
#include "gtest/gtest.h"

using namespace quantopt::runtime;

static constexpr const char *addOnePtx = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry add_one(.param .u64 data, .param .u32 count) {
  .reg .pred %p;
  .reg .b32 %r<4>;
  .reg .b64 %d<3>;
  ld.param.u64 %d0, [data];
  ld.param.u32 %r0, [count];
  mov.u32 %r1, %tid.x;
  setp.ge.u32 %p, %r1, %r0;
  @%p bra DONE;
  mul.wide.u32 %d1, %r1, 4;
  add.u64 %d2, %d0, %d1;
  ld.global.u32 %r2, [%d2];
  add.u32 %r3, %r2, 1;
  st.global.u32 [%d2], %r3;
DONE:
  ret;
}
)";

static bool hasDriver() { return llvm::sys::DynamicLibrary::getPermanentLibrary("libcuda.so.1").isValid(); }

TEST(Driver, SaysThatThereIsNone) {
  if (hasDriver())
    GTEST_SKIP() << "a CUDA driver is installed";
  auto device = Device::open();
  ASSERT_FALSE(bool(device));
  EXPECT_EQ(llvm::toString(device.takeError()).rfind("no CUDA driver: libcuda.so.1", 0), 0u);
}

class DriverOnDevice : public testing::Test {
protected:
  void SetUp() override {
    auto opened = Device::open();
    if (!opened)
      GTEST_SKIP() << llvm::toString(opened.takeError());
    device = std::move(*opened);
  }
  std::unique_ptr<Device> device;
};

TEST_F(DriverOnDevice, RunsAKernel) {
  LoadedModule module = llvm::cantFail(device->load(addOnePtx));
  std::array<int, 40> values = {}, results = {};
  Buffer buffer = llvm::cantFail(device->allocate(sizeof(values)));
  llvm::cantFail(buffer.write({reinterpret_cast<char *>(values.data()), sizeof(values)}));
  KernelLaunch launch;
  launch.kernel = "add_one";
  launch.block = {64, 1, 1};
  launch.arguments = {{buffer.address()}, {30}};
  double seconds = llvm::cantFail(device->time([&] { return device->launch(module, launch); }));
  EXPECT_GT(seconds, 0);
  llvm::cantFail(buffer.read({reinterpret_cast<char *>(results.data()), sizeof(results)}));
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(results[i], i < 30) << i;
}

TEST_F(DriverOnDevice, ShowsTheCompilersMessages) {
  auto module = device->load(".version 7.0\n.target sm_75\n.address_size 64\nnonsense\n");
  ASSERT_FALSE(bool(module));
  std::string message = llvm::toString(module.takeError());
  EXPECT_NE(message.find("nonsense"), std::string::npos) << message;
}

TEST_F(DriverOnDevice, NamesTheKernelThatIsMissing) {
  LoadedModule module = llvm::cantFail(device->load(addOnePtx));
  KernelLaunch launch;
  launch.kernel = "add_two";
  std::string message = llvm::toString(device->launch(module, launch));
  EXPECT_NE(message.find("add_two"), std::string::npos) << message;
}
