//===- Bounds.cpp - what a GPU reaches at best, measured -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Bounds.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <vector>

using namespace quantopt;
using namespace quantopt::benchmark;

llvm::Expected<double> quantopt::benchmark::medianSeconds(runtime::Device &device, runtime::Buffer *scratch,
                                                          unsigned repetitions,
                                                          llvm::function_ref<llvm::Error()> work) {
  if (auto error = work())
    return error;
  std::vector<double> seconds;
  for (unsigned i = 0; i < repetitions; ++i) {
    if (scratch)
      if (auto error = scratch->fill(uint8_t(i)))
        return error;
    auto time = device.time(work);
    if (!time)
      return time.takeError();
    seconds.push_back(*time);
  }
  llvm::sort(seconds);
  return seconds[seconds.size() / 2];
}

llvm::Expected<double> quantopt::benchmark::measureCopyBandwidth(runtime::Device &device) {
  constexpr uint64_t bytes = 1 << 30;
  auto source = device.allocate(bytes), destination = device.allocate(bytes);
  if (!source || !destination)
    return llvm::joinErrors(source.takeError(), destination.takeError());
  if (auto error = source->fill(1))
    return error;
  auto seconds =
      medianSeconds(device, nullptr, 11, [&] { return device.copy(destination->address(), source->address(), bytes); });
  if (!seconds)
    return seconds.takeError();
  return 2.0 * bytes / *seconds;
}

/// "%r0, %r1, ..." for `count` registers from `first`.
static std::string registers(unsigned first, unsigned count) {
  std::string list;
  for (unsigned i = 0; i < count; ++i)
    list += (i ? ", %r" : "%r") + std::to_string(first + i);
  return list;
}

// Both kernels keep their sums alive by storing them when their total is a number that it never is to be.
static constexpr const char *peakHead = R"(.version 8.0
.target {0}
.address_size 64
.visible .entry peak(.param .u64 out, .param .u32 steps) .maxntid {1}, 1, 1
{{
  .reg .pred %p;
  .reg .b32 %r<{2}>;
  .reg .b64 %d<4>;
  ld.param.u64 %d0, [out];
  ld.param.u32 %r0, [steps];
  mov.u32 %r1, %tid.x;
)";

static constexpr unsigned firstSum = 16;

static std::string storeSums(unsigned sums) {
  std::string text;
  for (unsigned i = 1; i < sums; ++i)
    text += llvm::formatv("  add.u32 %r{0}, %r{0}, %r{1};\n", firstSum, firstSum + i);
  return text + llvm::formatv("  setp.ne.u32 %p, %r{0}, 123456789;\n  @%p ret;\n  st.global.u32 [%d0], %r{0};\n"
                              "  ret;\n}\n",
                              firstSum)
                    .str();
}

static constexpr unsigned mmaThreads = 256, mmasPerStep = 16, mmaOperations = 2 * 16 * 8 * 32;

std::string quantopt::benchmark::mmaPeakPtx() {
  constexpr unsigned sums = 4 * mmasPerStep;
  std::string text = llvm::formatv(peakHead, "sm_80", mmaThreads, firstSum + sums).str();
  for (unsigned i = 0; i < 6; ++i)
    text += llvm::formatv("  mad.lo.u32 %r{0}, %r1, {1}, {2};\n", 4 + i, 2654435761u + 2 * i, 40503u * i);
  for (unsigned i = 0; i < sums; ++i)
    text += llvm::formatv("  mov.b32 %r{0}, 0;\n", firstSum + i);
  text += "LOOP:\n";
  for (unsigned i = 0; i < mmasPerStep; ++i) {
    std::string sum = registers(firstSum + 4 * i, 4);
    text += llvm::formatv("  mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {{{0}}, {{{1}}, {{{2}}, {{{0}};\n", sum,
                          registers(4, 4), registers(8, 2));
  }
  text += "  sub.u32 %r0, %r0, 1;\n  setp.ne.u32 %p, %r0, 0;\n  @%p bra LOOP;\n";
  return text + storeSums(sums);
}

static constexpr unsigned wgmmaThreads = 256, wgmmasPerStep = 8, wgmmaOperations = 2 * 64 * 256 * 32;
/// Per warpgroup an A tile of 64 × 128 bytes; a B tile of 256 × 128 bytes for both: rows of 128 bytes, swizzled.
static constexpr unsigned wgmmaBytesA = 64 * 128, wgmmaBytesB = 256 * 128;
static constexpr unsigned wgmmaSharedBytes = wgmmaThreads / 128 * wgmmaBytesA + wgmmaBytesB;

std::string quantopt::benchmark::wgmmaPeakPtx() {
  constexpr unsigned sums = 128;
  std::string text = llvm::formatv(peakHead, "sm_90a", wgmmaThreads, firstSum + sums).str();
  text.insert(text.find(".visible"), ".extern .shared .align 1024 .b8 tiles[];\n");
  // Fills shared memory with numbers that differ: products of zeros draw less power.
  text += llvm::formatv(R"(  mov.u32 %r2, tiles;
  shl.b32 %r3, %r1, 2;
FILL:
  mul.lo.u32 %r4, %r3, 2654435761;
  add.u32 %r5, %r2, %r3;
  st.shared.u32 [%r5], %r4;
  add.u32 %r3, %r3, {0};
  setp.lt.u32 %p, %r3, {1};
  @%p bra FILL;
  fence.proxy.async;
  bar.sync 0;
  shr.u32 %r4, %r1, 7;
  mad.lo.u32 %r5, %r4, {2}, %r2;
  add.u32 %r6, %r2, {3};
)",
                        4 * wgmmaThreads, wgmmaSharedBytes, wgmmaBytesA, wgmmaThreads / 128 * wgmmaBytesA);
  // Descriptors (PTX ISA, "Matrix descriptor"): address/16, leading offset 16, stride 1024 bytes, 128-byte swizzle.
  for (unsigned i = 0; i < 2; ++i)
    text += llvm::formatv("  cvt.u64.u32 %d{0}, %r{1};\n  shr.u64 %d{0}, %d{0}, 4;\n  and.b64 %d{0}, %d{0}, 16383;\n"
                          "  or.b64 %d{0}, %d{0}, 0x4000004000010000;\n",
                          1 + i, 5 + i);
  for (unsigned i = 0; i < sums; ++i)
    text += llvm::formatv("  mov.b32 %r{0}, 0;\n", firstSum + i);
  text += "LOOP:\n  wgmma.fence.sync.aligned;\n";
  for (unsigned i = 0; i < wgmmasPerStep; ++i)
    text += llvm::formatv("  wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8 {{{0}}, %d1, %d2, 1;\n",
                          registers(firstSum, sums));
  text += "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n"
          "  sub.u32 %r0, %r0, 1;\n  setp.ne.u32 %p, %r0, 0;\n  @%p bra LOOP;\n";
  return text + storeSums(sums);
}

/// Operations per second of a peak kernel that every multiprocessor runs `blocksEach` times at once.
static llvm::Expected<double> measurePeak(runtime::Device &device, llvm::StringRef ptx, runtime::KernelLaunch launch,
                                          unsigned blocksEach, double operationsPerBlockStep) {
  constexpr unsigned steps = 4096;
  auto module = device.load(ptx);
  if (!module)
    return module.takeError();
  auto out = device.allocate(4);
  if (!out)
    return out.takeError();
  unsigned blocks = blocksEach * device.properties().multiprocessors;
  launch.kernel = "peak";
  launch.grid = {blocks, 1, 1};
  launch.arguments = {{out->address()}, {steps}};
  auto seconds = medianSeconds(device, nullptr, 11, [&] { return device.launch(*module, launch); });
  if (!seconds)
    return seconds.takeError();
  return operationsPerBlockStep * steps * blocks / *seconds;
}

llvm::Expected<double> quantopt::benchmark::measureMmaPeak(runtime::Device &device) {
  runtime::KernelLaunch launch;
  launch.block = {mmaThreads, 1, 1};
  return measurePeak(device, mmaPeakPtx(), launch, 2, double(mmaThreads / 32) * mmasPerStep * mmaOperations);
}

llvm::Expected<double> quantopt::benchmark::measureWgmmaPeak(runtime::Device &device) {
  if (device.properties().computeCapability != 90)
    return llvm::createStringError("wgmma needs a device of compute capability 9.0");
  runtime::KernelLaunch launch;
  launch.block = {wgmmaThreads, 1, 1};
  launch.dynamicSharedBytes = wgmmaSharedBytes;
  return measurePeak(device, wgmmaPeakPtx(), launch, 1, double(wgmmaThreads / 128) * wgmmasPerStep * wgmmaOperations);
}
