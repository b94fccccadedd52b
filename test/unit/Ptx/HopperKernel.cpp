//===- HopperKernel.cpp - small kernels with asynchronous instructions -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperKernel.h"

using namespace quantopt::ptx;

static std::string textOf(const HopperKernel &kernel) {
  return ".version 8.6\n.target sm_90a\n.address_size 64\n"
         ".extern .shared .align 1024 .b8 dynamic[];\n"
         ".visible .entry k(.param .u64 in, .param .u64 out, .param .align 64 .b8 map[128])\n{\n"
         ".shared .align 8 .b8 bars[32];\n"
         ".reg .pred %p<8>; .reg .b32 %r<64>; .reg .b64 %d<32>;\n"
         "mov.u32 %r0, %tid.x; setp.eq.u32 %p0, %r0, 0;\n"
         "ld.param.u64 %d0, [in]; ld.param.u64 %d1, [out]; mov.b64 %d2, map; cvta.param.u64 %d2, %d2;\n"
         "mov.u64 %d3, dynamic; mov.u32 %r3, dynamic;\n" +
         kernel.body + "\nret;\n}\n";
}

HopperResult quantopt::ptx::run(const HopperKernel &kernel) {
  HopperResult result;
  auto fail = [&](llvm::Error error) {
    result.error = llvm::toString(std::move(error));
    return result;
  };
  auto module = parseModule(textOf(kernel), "test.ptx");
  if (!module)
    return fail(module.takeError());
  DeviceMemory memory;
  uint64_t in = memory.allocate(kernel.in.size(), "in"), out = memory.allocate(kernel.outWords * 4, "out");
  llvm::cantFail(memory.write(in, kernel.in));
  EncodedTensorMap encoded = {};
  if (kernel.map) {
    TensorMap map = *kernel.map;
    map.address += kernel.mapsOut ? out : in;
    encoded = llvm::cantFail(encodeTensorMap(map));
  }
  Launch launchOptions;
  launchOptions.kernel = "k";
  launchOptions.block.x = kernel.threads;
  launchOptions.dynamicSharedBytes = kernel.sharedBytes;
  launchOptions.arguments = {Argument::u64(in), Argument::u64(out),
                             Argument{std::vector<uint8_t>(encoded.begin(), encoded.end())}};
  RunOptions options;
  options.threads = 1;
  options.counters = true;
  options.instructionLimit = 1'000'000;
  llvm::Expected<Counters> counters = launch(**module, memory, launchOptions, options);
  if (!counters)
    return fail(counters.takeError());
  result.counters = std::move(*counters);
  for (unsigned i = 0; i < kernel.outWords; ++i) {
    uint32_t word = 0xdeadbeef;
    llvm::consumeError(memory.read<uint32_t>(out + 4 * i, llvm::MutableArrayRef(word)));
    result.out.push_back(word);
  }
  return result;
}

std::vector<uint32_t> quantopt::ptx::expectRuns(const HopperKernel &kernel) {
  HopperResult result = run(kernel);
  EXPECT_EQ(result.error, "") << kernel.body;
  return result.out;
}

void quantopt::ptx::expectError(const HopperKernel &kernel, llvm::StringRef text) {
  std::string error = run(kernel).error;
  EXPECT_TRUE(llvm::StringRef(error).contains(text)) << "expected '" << text.str() << "' in: " << error << "\nof\n"
                                                     << kernel.body;
}

std::string quantopt::ptx::planted(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "'" << from << "' is not in\n" << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string quantopt::ptx::waitFor(const std::string &barrier, const std::string &parity) {
  return "{ .reg .pred P;\nWAIT: mbarrier.try_wait.parity.shared.b64 P, [" + barrier + "], " + parity +
         ";\n@P bra DONE;\nbra WAIT;\nDONE:\n}\n";
}
