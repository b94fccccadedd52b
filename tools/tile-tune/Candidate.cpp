//===- Candidate.cpp - one configuration of one kernel, measured ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Candidate.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Ptx/Interpreter.h"
#include "quantopt/Target/PTX/Translate.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tiletune;

std::vector<Tiles> tiletune::listTiles(tile::Arch arch) {
  std::vector<int64_t> stageCounts{2};
  if (tile::getArchitecture(arch).hasCpAsync)
    stageCounts = {3, 4, 5};
  std::vector<Tiles> all;
  for (int64_t bm : {64, 128, 256})
    for (int64_t bn : {64, 128, 256})
      for (int64_t bk : {64, 128, 256})
        for (int64_t wm : {32, 64})
          for (int64_t wn : {32, 64})
            for (int64_t stages : stageCounts)
              if (int64_t warps = bm / wm * (bn / wn); warps >= 4 && warps <= 16)
                all.push_back({bm, bn, bk, wm, wn, stages});
  return all;
}

/// A function around the op.
static std::string writeModule(const Target &target, Tiles tiles, Problem problem) {
  using numerics::Layout;
  bool isW8 = target.kernel == "gemm_w8a8", isFloat = target.kernel == "gemm_f16" || target.kernel == "gemm_w4a16";
  std::string input = isFloat ? "f16" : target.kernel == "gemm_w4a4" ? "i4" : "i8";
  int64_t bytes = Layout(isW8 ? Layout::Order::S8 : Layout::Order::S4).getByteSize(problem.n, problem.k);
  std::string weight = target.kernel == "gemm_f16" ? llvm::formatv("tensor<{0}x{1}xf16>", problem.n, problem.k).str()
                                                   : llvm::formatv("tensor<{0}xui8>", bytes).str();
  std::vector<std::string> types{llvm::formatv("tensor<?x{0}x{1}>", problem.k, input)};
  if (!isFloat)
    types.push_back("tensor<?x1xf32>");
  types.push_back(weight);
  if (target.kernel != "gemm_f16")
    types.push_back(llvm::formatv("tensor<{0}xf32>", problem.n));
  std::string names, arguments;
  for (auto [index, type] : llvm::enumerate(types)) {
    names += llvm::formatv("{0}%{1}", index ? ", " : "", index).str();
    arguments += llvm::formatv("{0}%{1}: {2}", index ? ", " : "", index, type).str();
  }
  return llvm::formatv(
             "func.func @f({0}) {{\n  %y = tile.{1} {2} {{config = #tile.gemm<arch = {3}, bm = {4}, bn = {5}, "
             "bk = {6}, wm = {7}, wn = {8}, stages = {9}>} : ({10}) -> tensor<?x{11}xf32>\n  return\n}\n",
             arguments, target.kernel, names, tile::stringifyArch(target.arch), tiles.bm, tiles.bn, tiles.bk, tiles.wm,
             tiles.wn, tiles.stages, llvm::join(types, ", "), problem.n)
      .str();
}

// What does not verify, or has no kernel, is no candidate: nobody wants to read why.
static LogicalResult ignore(Diagnostic &) { return success(); }

std::optional<Candidate> tiletune::makeCandidate(MLIRContext &context, const Target &target, Tiles tiles,
                                                 Problem problem) {
  ScopedDiagnosticHandler silence(&context, ignore);
  Candidate candidate;
  candidate.module = parseSourceString<ModuleOp>(writeModule(target, tiles, problem), &context);
  if (!candidate.module)
    return std::nullopt;
  candidate.module->walk([&](tile::KernelOpInterface op) { candidate.op = op; });
  return candidate;
}

std::optional<std::string> tiletune::buildPtx(Candidate &candidate) {
  MLIRContext &context = *candidate.module->getContext();
  ScopedDiagnosticHandler silence(&context, ignore);
  PassManager passes(&context);
  passes.addPass(createTileLowerPass());
  if (failed(passes.run(*candidate.module)))
    return std::nullopt;
  auto kernels = candidate.module->lookupSymbol<gpu::GPUModuleOp>(kernelModuleName);
  FailureOr<std::string> ptx = translateToPtx(kernels, tile::stringifyArch(candidate.op.getArch()));
  return succeeded(ptx) ? std::optional(std::move(*ptx)) : std::nullopt;
}

llvm::Expected<Registers> tiletune::readRegisters(StringRef ptx, const Target &target) {
  llvm::SmallString<64> input, output;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("tile-tune", "ptx", input))
    return llvm::createStringError(code, "cannot write a temporary file: " + code.message());
  llvm::FileRemover removeInput(input);
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("tile-tune", "txt", output))
    return llvm::createStringError(code, "cannot write a temporary file: " + code.message());
  llvm::FileRemover removeOutput(output);
  std::error_code code;
  llvm::raw_fd_ostream(input, code) << ptx;
  if (code)
    return llvm::createStringError(code, "cannot write a temporary file: " + code.message());
  std::string arch = tile::stringifyArch(target.arch).str(), message;
  StringRef arguments[] = {target.ptxas, "-v", "-arch", arch, input, "-o", "/dev/null"};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(output), StringRef(output)};
  int status = llvm::sys::ExecuteAndWait(target.ptxas, arguments, std::nullopt, redirects, 0, 0, &message);
  auto text = llvm::MemoryBuffer::getFile(output);
  if (status || !text)
    return llvm::createStringError("'" + target.ptxas + "' fails: " + (text ? (*text)->getBuffer().str() : message));
  Registers registers;
  SmallVector<StringRef> match;
  if (!llvm::Regex("Used ([0-9]+) registers").match((*text)->getBuffer(), &match))
    return llvm::createStringError("'" + target.ptxas + "' does not say how many registers a kernel uses");
  match[1].getAsInteger(10, registers.count);
  if (llvm::Regex("([0-9]+) bytes spill stores").match((*text)->getBuffer(), &match))
    match[1].getAsInteger(10, registers.spilledBytes);
  return registers;
}

std::vector<uint64_t> tiletune::argumentBytes(tile::KernelOpInterface op, int64_t rows) {
  std::vector<uint64_t> bytes;
  auto add = [&](Value value) {
    RankedTensorType type = typeOf(value);
    unsigned bits = type.getElementTypeBitWidth();
    int64_t count = rows * numerics::Layout::getPaddedColumns(type.getShape().back());
    bytes.push_back((type.hasStaticShape() ? type.getNumElements() : count) * bits / 8);
  };
  llvm::for_each(op->getOperands(), add);
  llvm::for_each(op->getResults(), add);
  return bytes;
}

static llvm::Expected<ptx::Counters> runOneBlock(tile::KernelOpInterface op, StringRef ptx) {
  auto module = ptx::parseModule(ptx, "candidate");
  if (!module)
    return module.takeError();
  tile::Launch launch = op.getLaunch();
  ptx::DeviceMemory memory;
  ptx::Launch run;
  run.kernel = op.getKernelName();
  run.grid = {unsigned(launch.gridX), 1, 1};
  run.block = {unsigned(launch.threads), 1, 1};
  run.dynamicSharedBytes = uint32_t(launch.dynamicSharedBytes);
  for (uint64_t bytes : argumentBytes(op, launch.rowsPerBlock)) {
    uint64_t address = memory.allocate(bytes, "argument " + std::to_string(run.arguments.size()));
    if (llvm::Error error = memory.write(address, std::vector<uint8_t>(bytes)))
      return error;
    run.arguments.push_back(ptx::Argument::u64(address));
  }
  run.arguments.push_back(ptx::Argument::u32(uint32_t(launch.rowsPerBlock)));
  ptx::RunOptions options;
  options.counters = true;
  return ptx::launch(**module, memory, run, options);
}

llvm::Expected<BlockWork> tiletune::measureBlock(MLIRContext &context, const Target &target, Tiles tiles) {
  // Both run through all stages; their difference is that of as many tiles again.
  int64_t count = 2 * tiles.stages;
  BlockWork::Counts counts[2];
  for (int64_t times : {1, 2}) {
    auto candidate = makeCandidate(context, target, tiles, {tiles.bn, times * count * tiles.bk});
    std::optional<std::string> ptx = candidate ? buildPtx(*candidate) : std::nullopt;
    if (!ptx)
      return llvm::createStringError("there is no kernel for one block");
    llvm::Expected<ptx::Counters> counters = runOneBlock(candidate->op, *ptx);
    if (!counters)
      return counters.takeError();
    counts[times - 1] = {double(counters->warpInstructions), double(counters->sharedCycles)};
  }
  BlockWork work;
  work.perTile = {(counts[1].instructions - counts[0].instructions) / count,
                  (counts[1].sharedCycles - counts[0].sharedCycles) / count};
  work.fixed = {counts[0].instructions - count * work.perTile.instructions,
                counts[0].sharedCycles - count * work.perTile.sharedCycles};
  return work;
}
