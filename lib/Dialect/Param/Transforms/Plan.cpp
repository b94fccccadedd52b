//===- Plan.cpp - param-plan -----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Units.h"
#include "llvm/Support/FormatVariadic.h"

namespace quantopt {
#define GEN_PASS_DEF_PARAMPLANPASS
#include "param/ParamPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

/// Bytes of weights per second and thread: scaling, two Hadamard transforms and a clip search, measured on SmolLM2 and
/// an x86 server core. Good for telling seconds from hours.
static constexpr double bytesPerSecond = 80e6;

static std::string inMegabytes(uint64_t bytes) { return llvm::formatv("{0:f2} MB", bytes / 1e6); }

static std::string formatRow(StringRef name, StringRef chunks, StringRef read, StringRef written, StringRef memory) {
  return llvm::formatv("{0,-56} {1,7} {2,12} {3,12} {4,12}\n", name, chunks, read, written, memory);
}

std::string quantopt::param::planModule(ModuleOp module, const MaterializeOptions &options) {
  WeightStore store;
  WeightEvaluator evaluator(module, store);
  FailureOr<std::vector<Unit>> units = makeUnits(module, evaluator, options);
  if (failed(units))
    return "";
  std::string table = formatRow("unit", "chunks", "read", "written", "memory");
  uint64_t chunks = 0, read = 0, written = 0, peak = 0;
  for (Unit &unit : *units) {
    table += formatRow(unit.derived.getSymName(), std::to_string(unit.chunks.size()), inMegabytes(unit.bytesRead()),
                       inMegabytes(unit.bytesWritten()), inMegabytes(unit.peakBytes()));
    chunks += unit.chunks.size();
    read += unit.bytesRead();
    written += unit.bytesWritten();
    peak = std::max(peak, unit.peakBytes());
  }
  // As many units at a time as there are threads and memory allows; at least one.
  uint64_t memory = std::max(peak, std::min(options.maxMemory, peak * resolveThreads(options)));
  table += formatRow(std::to_string(units->size()) + " units", std::to_string(chunks), inMegabytes(read),
                     inMegabytes(written), inMegabytes(memory));
  double seconds = read / bytesPerSecond / resolveThreads(options);
  return table + llvm::formatv("about {0:f0} s on {1} threads\n", seconds, resolveThreads(options)).str();
}

namespace {
struct PlanPass : quantopt::impl::ParamPlanPassBase<PlanPass> {
  using ParamPlanPassBase::ParamPlanPassBase;
  void runOnOperation() override {
    MaterializeOptions options;
    options.threads = threads;
    options.maxMemory = maxMemory << 20;
    llvm::errs() << planModule(getOperation(), options);
    markAllAnalysesPreserved();
  }
};
} // namespace
