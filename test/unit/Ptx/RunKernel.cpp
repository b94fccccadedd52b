//===- RunKernel.cpp - runs a few lines of PTX ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RunKernel.h"

using namespace quantopt::ptx;

std::string quantopt::ptx::textOf(const TestKernel &kernel) {
  std::string text = ".version 8.0\n.target sm_" + std::to_string(kernel.target) + "\n.address_size 64\n";
  text += ".extern .shared .align 128 .b8 dynamic[];\n" + kernel.globals;
  text += "\n.visible .entry k(.param .u64 in, .param .u64 out)" + kernel.directives + "\n{\n";
  text += ".reg .pred %p<8>; .reg .b16 %h<16>; .reg .b32 %r<64>; .reg .f32 %f<16>; .reg .b64 %d<32>;\n"
          "mov.u32 %r0, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mad.lo.u32 %r1, %r2, %r3, %r0;\n"
          "ld.param.u64 %d0, [in]; ld.param.u64 %d1, [out];\n"
          "mad.wide.u32 %d2, %r1, 4, %d0; mad.wide.u32 %d3, %r1, 4, %d1;\n";
  return text + kernel.body + "\nret;\n}\n";
}

TestResult quantopt::ptx::run(const TestKernel &kernel) {
  TestResult result;
  unsigned words = kernel.outWords ? kernel.outWords : kernel.threads * kernel.ctas;
  result.out.assign(words, 0xdeadbeef);
  auto fail = [&](llvm::Error error) {
    result.error = llvm::toString(std::move(error));
    return result;
  };
  auto module = parseModule(textOf(kernel), "test.ptx");
  if (!module)
    return fail(module.takeError());
  DeviceMemory memory;
  uint64_t in = memory.allocate(kernel.in.size() * 4, "in");
  uint64_t out = memory.allocate(words * 4, "out");
  llvm::cantFail(memory.write<uint32_t>(in, kernel.in));
  Launch launchOptions;
  launchOptions.kernel = "k";
  launchOptions.grid.x = kernel.ctas;
  launchOptions.block.x = kernel.threads;
  launchOptions.dynamicSharedBytes = kernel.sharedBytes;
  launchOptions.arguments = {Argument::u64(in), Argument::u64(out)};
  RunOptions options;
  options.threads = kernel.hostThreads;
  options.counters = kernel.counters;
  options.instructionLimit = kernel.instructionLimit;
  llvm::Expected<Counters> counters = launch(**module, memory, launchOptions, options);
  if (!counters)
    return fail(counters.takeError());
  result.counters = std::move(*counters);
  for (unsigned i = 0; i < words; ++i)
    llvm::consumeError(memory.read<uint32_t>(out + 4 * i, llvm::MutableArrayRef(result.out[i])));
  return result;
}

void quantopt::ptx::expectError(const TestKernel &kernel, std::initializer_list<llvm::StringRef> texts) {
  std::string error = run(kernel).error;
  for (llvm::StringRef text : texts)
    EXPECT_TRUE(llvm::StringRef(error).contains(text)) << "expected '" << text.str() << "' in: " << error << "\nof\n"
                                                       << kernel.body;
}

std::vector<uint32_t> quantopt::ptx::expectRuns(const TestKernel &kernel) {
  TestResult result = run(kernel);
  EXPECT_EQ(result.error, "") << kernel.body;
  return result.out;
}
