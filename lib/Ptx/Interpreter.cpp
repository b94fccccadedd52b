//===- Interpreter.cpp - runs PTX kernels on the CPU, strictly -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/Interpreter.h"
#include "Block.h"
#include "quantopt/Support/Parallel.h"

using namespace quantopt;
using namespace quantopt::ptx;

Module::Module(std::unique_ptr<Program> program) : decoded(std::move(program)) {}
Module::~Module() = default;
llvm::StringRef Module::name() const { return decoded->name; }
unsigned Module::target() const { return decoded->target; }

std::vector<KernelInfo> Module::kernels() const {
  std::vector<KernelInfo> result;
  for (const Kernel &kernel : decoded->kernels)
    result.push_back(kernel.info);
  return result;
}

llvm::Expected<std::unique_ptr<Module>> quantopt::ptx::parseModule(llvm::StringRef text, llvm::StringRef name) {
  llvm::Expected<std::unique_ptr<ParsedModule>> parsed = parseSyntax(text, name);
  if (!parsed)
    return parsed.takeError();
  llvm::Expected<std::unique_ptr<Program>> program = decode(**parsed);
  if (!program)
    return program.takeError();
  return std::make_unique<Module>(std::move(*program));
}

//===----------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------===//

/// Shared memory that a CTA may have, in bytes (CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability").
static uint64_t maximumSharedBytes(unsigned target) {
  switch (target) {
  case 75:
    return 64 << 10;
  case 80:
  case 87:
    return 163 << 10;
  case 86:
  case 89:
  case 120:
  case 121:
    return 99 << 10;
  default:
    return target < 75 ? 48 << 10 : 227 << 10;
  }
}

static std::string describe(Dim3 dims) {
  return "(" + std::to_string(dims.x) + "," + std::to_string(dims.y) + "," + std::to_string(dims.z) + ")";
}

static llvm::Error checkLaunch(const Module &module, const Kernel &kernel, const Launch &launch) {
  const KernelInfo &info = kernel.info;
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(module.name() + ": kernel '" + info.name + "': " + what);
  };
  uint64_t threads = launch.block.count();
  if (threads == 0 || launch.grid.count() == 0)
    return fail("grid " + describe(launch.grid) + " of blocks " + describe(launch.block) + " is empty");
  if (launch.block.x > 1024 || launch.block.y > 1024 || launch.block.z > 64 || threads > 1024)
    return fail("a block of " + describe(launch.block) + " has more than 1024 threads");
  Dim3 required = info.requiredBlock;
  if (required.x && (required.x != launch.block.x || required.y != launch.block.y || required.z != launch.block.z))
    return fail("requires blocks of " + describe(required) + " threads (.reqntid), not " + describe(launch.block));
  if (info.maximumThreads && threads > info.maximumThreads)
    return fail("allows blocks of " + llvm::Twine(info.maximumThreads) + " threads (.maxntid), not " +
                llvm::Twine(threads));
  if (launch.grid.x > 0x7fffffff || launch.grid.y > 65535 || launch.grid.z > 65535)
    return fail("a grid of " + describe(launch.grid) + " is too large");
  uint64_t sharedBytes = uint64_t(info.staticSharedBytes) + launch.dynamicSharedBytes;
  if (sharedBytes > maximumSharedBytes(module.target()))
    return fail(llvm::Twine(sharedBytes) + " bytes of shared memory are more than the " +
                llvm::Twine(maximumSharedBytes(module.target())) + " of sm_" + llvm::Twine(module.target()));
  if (launch.dynamicSharedBytes && !info.usesDynamicShared)
    return fail("has no array for dynamic shared memory");
  if (launch.arguments.size() != info.parameters.size())
    return fail("has " + llvm::Twine(info.parameters.size()) + " parameters, not " +
                llvm::Twine(launch.arguments.size()));
  for (auto [i, pair] : llvm::enumerate(llvm::zip(info.parameters, launch.arguments))) {
    const auto &[parameter, argument] = pair;
    if (parameter.size != argument.bytes.size())
      return fail("parameter " + llvm::Twine(i) + ", '" + parameter.name + "', has " + llvm::Twine(parameter.size) +
                  " bytes, the argument " + llvm::Twine(argument.bytes.size()));
  }
  return llvm::Error::success();
}

static Counters summarise(const Kernel &kernel, llvm::ArrayRef<InstructionCounts> counts) {
  Counters result;
  for (auto [instruction, count] : llvm::zip(kernel.instructions, counts)) {
    if (!count.executions)
      continue;
    llvm::StringRef opcode = kernel.opcodes[instruction.opcode];
    result.instructions[opcode.str()] += count.executions;
    result.warpInstructions += count.executions;
    if (opcode.starts_with("mma.") || opcode.starts_with("wgmma.mma_async"))
      result.matrixInstructions += count.executions;
    result.sharedRequests += count.sharedRequests;
    result.sharedCycles += count.sharedCycles;
    result.sharedConflicts += count.sharedConflicts;
    result.globalLoads.add(count.loads);
    result.globalStores.add(count.stores);
    if (!count.sharedRequests && !count.loads.requests && !count.stores.requests)
      continue;
    Counters::Line &line = result.lines[instruction.line];
    line.instruction = instruction.text;
    line.executions += count.executions;
    line.sharedCycles += count.sharedCycles;
    line.sharedConflicts += count.sharedConflicts;
    line.globalRequests += count.loads.requests + count.stores.requests;
    line.globalSectors += count.loads.sectors + count.stores.sectors;
  }
  return result;
}

llvm::Expected<Counters> quantopt::ptx::launch(const Module &module, DeviceMemory &memory, const Launch &launch,
                                               const RunOptions &options) {
  const Program &program = module.program();
  auto kernel = llvm::find_if(program.kernels, [&](const Kernel &kernel) { return kernel.info.name == launch.kernel; });
  if (kernel == program.kernels.end())
    return llvm::createStringError(module.name() + ": there is no kernel '" + launch.kernel + "'");
  if (llvm::Error error = checkLaunch(module, *kernel, launch))
    return std::move(error);

  GlobalMemory global(memory, &memory.variables(program), program, *kernel);
  LaunchContext context = {program, *kernel, launch, options, global, {}};
  for (const auto &[parameter, argument] : llvm::zip(kernel->info.parameters, launch.arguments)) {
    context.parameters.resize(parameter.offset + parameter.size);
    llvm::copy(argument.bytes, context.parameters.begin() + parameter.offset);
  }

  // Sums do not depend on the order in which CTAs end.
  std::vector<InstructionCounts> counts(kernel->instructions.size());
  std::mutex mutex;
  llvm::Error error = parallelTryFor(launch.grid.count(), options.threads, [&](int64_t i) -> llvm::Error {
    Block block(context, i);
    if (llvm::Error error = block.run())
      return error;
    std::lock_guard<std::mutex> lock(mutex);
    for (auto [sum, count] : llvm::zip(counts, block.counts))
      sum.add(count);
    if (options.progress)
      options.progress();
    return llvm::Error::success();
  });
  if (error)
    return std::move(error);
  return summarise(*kernel, counts);
}
