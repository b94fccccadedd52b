//===- tile-tune.cpp - searches the tiles of matrix products ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Builds the kernel of every configuration that verifies, reads its registers off ptxas and what a block executes off
// the interpreter, estimates (or, on a GPU, takes) its times for typical problems, and writes the best configuration
// per number of channels into the table that tile-select reads first.
//
//===----------------------------------------------------------------------------===//
#include "Candidate.h"
#include "Model.h"
#include "Table.h"
#include "Timing.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Target/PTX/Translate.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Program.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::tiletune;
namespace cl = llvm::cl;

namespace {
/// Problems of up to that many channels, out of models of 135 million to 70 billion parameters.
struct ProblemClass {
  int64_t maxN;
  std::vector<Problem> problems;
};

/// A configuration with what was measured of it.
struct Measured {
  Tiles tiles;
  Registers registers;
  BlockWork work;
};

/// A configuration's times over the problems of a class: geometric means of seconds, and of the shares of the roofline.
struct Score {
  const Measured *measured;
  double seconds, roofline;
};

struct Options {
  int64_t top;
  std::vector<int64_t> rows;
  runtime::Device *device; ///< Null: estimate.
};
} // namespace

static const ProblemClass problemClasses[] = {
    {256, {{192, 576}, {256, 2048}}},
    {1024, {{576, 576}, {576, 1536}, {1024, 4096}}},
    {2048, {{1536, 576}, {2048, 2048}, {2048, 8192}}},
    {0, {{4096, 4096}, {14336, 4096}, {4096, 14336}, {8192, 8192}, {28672, 8192}}},
};

static std::string describe(Tiles t) {
  std::string text;
  llvm::raw_string_ostream(text) << t.bm << 'x' << t.bn << 'x' << t.bk << ' ' << t.wm << 'x' << t.wn << " s"
                                 << t.stages;
  return text;
}

static bool differInStagesOnly(Tiles a, Tiles b) {
  return std::tie(a.bm, a.bn, a.bk, a.wm, a.wn) == std::tie(b.bm, b.bn, b.bk, b.wm, b.wn);
}

/// Every configuration that has a kernel without spills. Registers are those for a problem with ragged tiles; the
/// number of stages changes neither them nor the instructions of a tile by much, so one stands for all.
static llvm::Expected<std::vector<Measured>> measureAll(mlir::MLIRContext &context, const Target &target) {
  std::vector<Measured> all;
  for (Tiles tiles : listTiles(target.arch)) {
    auto candidate = makeCandidate(context, target, tiles, {4096 - 64, 4096 - 64});
    if (!candidate)
      continue;
    if (!all.empty() && differInStagesOnly(tiles, all.back().tiles)) {
      all.push_back({tiles, all.back().registers, all.back().work});
      continue;
    }
    std::optional<std::string> ptx = buildPtx(*candidate);
    if (!ptx)
      continue;
    llvm::Expected<Registers> registers = readRegisters(*ptx, target);
    if (!registers)
      return registers.takeError();
    if (registers->spilledBytes)
      continue;
    llvm::Expected<BlockWork> work = measureBlock(context, target, tiles);
    if (!work)
      return work.takeError();
    all.push_back({tiles, *registers, *work});
    llvm::errs() << describe(tiles) << ": " << registers->count << " registers, "
                 << llvm::format("%.0f", work->perTile.instructions) << " instructions a tile\n";
  }
  return all;
}

static llvm::Expected<std::optional<Score>> scoreOne(mlir::MLIRContext &context, const Target &target,
                                                     const ProblemClass &problems, const Measured &measured,
                                                     const Options &options) {
  double seconds = 0, roofline = 0;
  int64_t count = 0;
  for (Problem problem : problems.problems) {
    auto candidate = makeCandidate(context, target, measured.tiles, problem);
    std::optional<std::string> ptx = candidate && options.device ? buildPtx(*candidate) : std::string();
    if (!candidate || !ptx)
      return std::nullopt;
    for (int64_t rows : options.rows) {
      double time = estimateSeconds(candidate->op, measured.work, measured.registers.count, measured.tiles, rows);
      if (options.device) {
        llvm::Expected<double> taken = timeKernel(*options.device, candidate->op, *ptx, rows);
        if (!taken)
          return taken.takeError();
        time = *taken;
      }
      seconds += std::log(time);
      roofline += std::log(candidate->op.getCost(rows).getRooflineSeconds(target.arch) / time);
      ++count;
    }
  }
  return Score{&measured, std::exp(seconds / count), std::exp(roofline / count)};
}

static std::string explain(const Score &score, const Target &target, const Problem &problem, mlir::MLIRContext &context,
                           const Options &options) {
  auto candidate = makeCandidate(context, target, score.measured->tiles, problem);
  int64_t registers = score.measured->registers.count;
  int64_t resident = countResidentBlocks(target.arch, candidate->op.getLaunch(), registers);
  std::string text;
  llvm::raw_string_ostream(text) << (options.device ? "timed" : "cost model") << ": "
                                 << llvm::format("%.0f", 100 * score.roofline) << " % of the roofline; " << registers
                                 << " registers, " << resident << (resident == 1 ? " block" : " blocks")
                                 << " per multiprocessor";
  return text;
}

/// Less time; where that differs by less than a percent, larger tiles, which read less.
static bool isBetter(const Score &a, const Score &b) {
  auto key = [](const Score &score) {
    const Tiles &t = score.measured->tiles;
    return std::tuple(std::round(100 * std::log(score.seconds)), -t.bm * t.bn, -t.wm * t.wn, -t.bk, t.stages, t.bm,
                      t.wm);
  };
  return key(a) < key(b);
}

static llvm::Error tune(mlir::MLIRContext &context, const Target &target, const Options &options,
                        llvm::StringRef table) {
  llvm::Expected<std::vector<Measured>> all = measureAll(context, target);
  if (!all)
    return all.takeError();
  if (all->empty())
    return llvm::createStringError(target.kernel + " has no kernel for " + tile::stringifyArch(target.arch));
  std::vector<TableRow> rows;
  for (const ProblemClass &problems : problemClasses) {
    std::vector<Score> scores;
    for (const Measured &measured : *all) {
      auto score = scoreOne(context, target, problems, measured, options);
      if (!score)
        return score.takeError();
      if (*score)
        scores.push_back(**score);
    }
    llvm::sort(scores, isBetter);
    llvm::outs() << target.kernel << " on " << tile::stringifyArch(target.arch);
    llvm::outs() << (problems.maxN ? ", up to " + std::to_string(problems.maxN) + " channels\n" : ", any channels\n");
    for (const Score &score : llvm::ArrayRef(scores).take_front(options.top))
      llvm::outs() << llvm::format("%9.2f us  ", score.seconds * 1e6) << describe(score.measured->tiles) << "  "
                   << explain(score, target, problems.problems[0], context, options) << '\n';
    rows.push_back({problems.maxN, scores.front().measured->tiles,
                    explain(scores.front(), target, problems.problems[0], context, options)});
  }
  return table.empty() ? llvm::Error::success() : replaceRows(table, target, rows);
}

/// The program, or where CUDA's toolkit usually has it.
static llvm::Expected<std::string> findPtxas(const std::string &given) {
  auto found = llvm::sys::findProgramByName(given);
  if (!found)
    found = llvm::sys::findProgramByName(given, {"/usr/local/cuda/bin"});
  if (!found)
    return llvm::createStringError("cannot find '" + given +
                                   "', which counts registers; tools/setup.sh installs ptxas, --ptxas names it");
  return *found;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::OptionCategory category("tile-tune");
  cl::opt<std::string> arch("arch", cl::desc("Architecture (default: sm_80)"), cl::init("sm_80"), cl::cat(category));
  cl::opt<std::string> kernel("kernel", cl::desc("Op of the tile dialect (default: gemm_w4a4)"), cl::init("gemm_w4a4"),
                              cl::cat(category));
  cl::list<int64_t> rows("rows", cl::desc("Rows of a launch (default: 128,512,2048)"), cl::CommaSeparated,
                         cl::cat(category));
  cl::opt<int64_t> top("top", cl::desc("Configurations to print of each class (default: 5)"), cl::init(5),
                       cl::cat(category));
  cl::opt<std::string> ptxas("ptxas", cl::desc("The program ptxas (default: ptxas)"), cl::init("ptxas"),
                             cl::cat(category));
  cl::opt<std::string> write("write",
                             cl::desc("Table whose rows for the architecture and kernel are replaced: "
                                      "lib/Conversion/QToTile/Tuned.inc"),
                             cl::cat(category));
  cl::opt<bool> time("time", cl::desc("Time kernels on this machine's GPU instead of estimating"), cl::cat(category));
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "Searches the tiles of matrix products\n");

  auto fail = [](llvm::Error error) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
    return 1;
  };
  std::optional<tile::Arch> known = tile::symbolizeArch(arch);
  if (!known)
    return fail(llvm::createStringError("no architecture is called '" + arch + "'; sm_80 is one"));
  if (!llvm::is_contained({"gemm_w4a4", "gemm_w4a8", "gemm_w8a8", "gemm_w4a16", "gemm_f16"}, kernel))
    return fail(llvm::createStringError("there are no tiles to search for '" + kernel +
                                        "'; expected gemm_w4a4, gemm_w4a8, gemm_w8a8, gemm_w4a16 or gemm_f16"));
  llvm::Expected<std::string> program = findPtxas(ptxas);
  if (!program)
    return fail(program.takeError());
  std::unique_ptr<runtime::Device> device;
  if (time) {
    auto opened = openDevice(*known);
    if (!opened)
      return fail(opened.takeError());
    device = std::move(*opened);
  }
  Options options{top, rows.empty() ? std::vector<int64_t>{128, 512, 2048} : std::vector<int64_t>(rows), device.get()};

  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, rot::RotDialect, tile::TileDialect>();
  registerPtxTranslation(registry);
  mlir::MLIRContext context(registry);
  if (llvm::Error error = tune(context, {*known, kernel, *program}, options, write))
    return fail(std::move(error));
  return 0;
}
