//===- ptx-run.cpp - runs a PTX kernel on the CPU ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Runs one kernel of a PTX file on arrays from .npy files, strictly: races, missing waits, uninitialised reads and
// addresses out of bounds are errors that name the PTX line.
//
//===----------------------------------------------------------------------------===//
#include "Arguments.h"
#include "quantopt/Support/Progress.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace quantopt;
using namespace quantopt::ptxrun;

namespace cl = llvm::cl;

namespace {

struct Options {
  std::string file, kernel, grid, block, countersFile;
  uint32_t shared = 0;
  unsigned threads = 0;
  bool counters = false, quiet = false;
  std::vector<std::string> arguments;
};

} // namespace

static llvm::Error writeCounters(const ptx::Counters &counters, llvm::StringRef file) {
  if (file.empty()) {
    counters.print(llvm::outs());
    return llvm::Error::success();
  }
  std::error_code code;
  llvm::raw_fd_ostream os(file, code);
  if (code)
    return llvm::createStringError(code, "cannot write '" + file + "': " + code.message());
  os << llvm::formatv("{0:2}", counters.toJson()) << "\n";
  return llvm::Error::success();
}

/// The kernel's name: the only one of the module where none is given.
static llvm::Expected<std::string> chooseKernel(const ptx::Module &module, llvm::StringRef wanted) {
  std::vector<ptx::KernelInfo> kernels = module.kernels();
  std::string names;
  for (const ptx::KernelInfo &kernel : kernels) {
    if (kernel.name == wanted)
      return kernel.name;
    names += "\n  " + kernel.name;
  }
  if (wanted.empty() && kernels.size() == 1)
    return kernels.front().name;
  if (wanted.empty())
    return llvm::createStringError(module.name() + ": --kernel must name one of" + names);
  return llvm::createStringError(module.name() + ": there is no kernel '" + wanted + "'; there are" + names);
}

static llvm::Error run(const Options &options) {
  auto buffer = llvm::MemoryBuffer::getFile(options.file, true);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   "cannot read '" + options.file + "': " + buffer.getError().message());
  auto module = ptx::parseModule((*buffer)->getBuffer(), options.file);
  if (!module)
    return module.takeError();

  ptx::Launch launch;
  if (llvm::Error error = chooseKernel(**module, options.kernel).moveInto(launch.kernel))
    return error;
  if (llvm::Error error = parseDimensions(options.grid).moveInto(launch.grid))
    return error;
  if (llvm::Error error = parseDimensions(options.block).moveInto(launch.block))
    return error;
  launch.dynamicSharedBytes = options.shared;

  ptx::DeviceMemory memory;
  std::vector<Output> outputs;
  for (const std::string &text : options.arguments) {
    llvm::Expected<ptx::Argument> argument = makeArgument(text, launch.arguments.size(), memory, outputs);
    if (!argument)
      return argument.takeError();
    launch.arguments.push_back(std::move(*argument));
  }

  ptx::RunOptions runOptions;
  runOptions.threads = options.threads;
  runOptions.counters = options.counters;
  Progress progress(launch.kernel, launch.grid.count(), options.quiet);
  runOptions.progress = [&] { progress.advance(); };
  llvm::Expected<ptx::Counters> counters = ptx::launch(**module, memory, launch, runOptions);
  if (!counters)
    return counters.takeError();
  for (Output &output : outputs)
    if (llvm::Error error = writeOutput(output, memory))
      return error;
  return options.counters ? writeCounters(*counters, options.countersFile) : llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  // LLVM's shared library brings a --threads of its own, among others.
  cl::ResetCommandLineParser();
  cl::OptionCategory category("ptx-run options");
  cl::opt<std::string> file(cl::Positional, cl::Required, cl::cat(category), cl::desc("KERNEL.ptx"));
  cl::opt<std::string> kernel("kernel", cl::value_desc("NAME"), cl::cat(category),
                              cl::desc("the kernel to run (default: the only one of the file)"));
  cl::opt<std::string> grid("grid", cl::value_desc("X,Y,Z"), cl::init("1"), cl::cat(category),
                            cl::desc("CTAs of the grid (default: 1,1,1)"));
  cl::opt<std::string> block("block", cl::value_desc("X,Y,Z"), cl::init("32"), cl::cat(category),
                             cl::desc("threads of a CTA (default: 32,1,1)"));
  cl::opt<uint32_t> shared("shared", cl::value_desc("BYTES"), cl::init(0), cl::cat(category),
                           cl::desc("dynamic shared memory of a CTA (default: 0)"));
  cl::list<std::string> arguments(
      "arg", cl::value_desc("ARGUMENT"), cl::cat(category),
      cl::desc("an argument of the kernel, in order: in:FILE.npy, out:TYPE[SHAPE]:FILE.npy (begins uninitialised), "
               "inout:FILE.npy:FILE.npy, map:SWIZZLE[BOX]:FILE.npy (a tensor map), or a number as u32:, s32:, u64:, "
               "s64:, f32: or f64:VALUE"));
  cl::opt<std::string> counters("counters", cl::ValueOptional, cl::value_desc("FILE.json"), cl::cat(category),
                                cl::desc("count instructions, bank conflicts and memory traffic: a table on stdout, or "
                                         "JSON in FILE (default: not counted)"));
  cl::opt<unsigned> threads("threads", cl::value_desc("N"), cl::init(0), cl::cat(category),
                            cl::desc("CTAs that run at a time (default: 0, one per processor)"));
  cl::opt<bool> quiet("quiet", cl::cat(category), cl::desc("no progress on stderr (default: shown)"));
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv,
                              "runs a PTX kernel on the CPU; races, missing waits, uninitialised reads and addresses "
                              "out of bounds are errors\n");
  Options options;
  options.file = file;
  options.kernel = kernel;
  options.grid = grid;
  options.block = block;
  options.shared = shared;
  options.arguments.assign(arguments.begin(), arguments.end());
  options.counters = counters.getNumOccurrences() > 0;
  options.countersFile = counters;
  options.threads = threads;
  options.quiet = quiet;
  if (llvm::Error error = run(options)) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
