//===- quant-check.cpp - compares the interpreter with recorded results -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Runs ONNX models on the CPU and compares with results from elsewhere: whole models in the layout of ONNX's backend
// tests, or every node alone on tensors that another runtime recorded.
//
// What --json=FILE writes:
//
//   {"precision": "f32" or "f64",
//    "totals": {FORM: {"passed": N, "failed": N, "unsupported": N}},
//    "cases": [{"name", "folder", "form": "onnx", "llm" or "rotated",
//               "outcome": "passed", "failed" or "unsupported",
//               "reason": why it did not pass, "operators": those that are not supported, "Type, domain::Type",
//               "data_sets": how many were within the tolerance,
//               "worst": {"data_set", "output", "index": [...], "computed", "expected", "difference", "relative"},
//               "load_seconds", "run_seconds",
//               "layers": {op of dialect llm: count}, "nodes": {operator that is left as a node: count},
//               "remarks": [what passes said]}]}
//
// "worst" is the element that is farthest off, relative to the largest of its output; of a failure, the worst one of
// the first output that is off. Numbers that JSON cannot write are "inf", "-inf" and "nan". Keys that do not apply are
// left out.
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace quantopt;

namespace cl = llvm::cl;

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::OptionCategory category("quant-check options");
  cl::list<std::string> paths(
      cl::Positional, cl::OneOrMore, cl::cat(category),
      cl::desc("DIR... (folders with model.onnx and test_data_set_*, or folders of such), or the "
               "model of --replay or --decode"));
  cl::opt<std::string> replay(
      "replay", cl::value_desc("DIR"), cl::cat(category),
      cl::desc("execute each node of the model alone on the tensors recorded in DIR: index.json "
               "maps value names to .npy files"));
  cl::opt<double> tolerance("tolerance", cl::init(0), cl::cat(category),
                            cl::desc("largest deviation, relative to the largest element of an output (default: 1e-4, "
                                     "or \"tolerance\" of fixture.json; 1e-5 for --replay)"));
  cl::opt<unsigned> decode("decode", cl::value_desc("N"), cl::init(0), cl::cat(category),
                           cl::desc("decode N tokens of the model through its cache and expect the bits of a prefill"));
  cl::opt<unsigned> tokens("tokens", cl::value_desc("N"), cl::init(32), cl::cat(category),
                           cl::desc("tokens before the ones of --decode (default: 32)"));
  cl::opt<std::string> model("model", cl::value_desc("FILE"), cl::cat(category),
                             cl::desc("run this .onnx or .mlir file on the data sets, in place of model.onnx"));
  cl::opt<bool> doubles("f64", cl::cat(category), cl::desc("compute in f64, whatever types the models state"));
  cl::list<check::Form> forms(
      "form", cl::CommaSeparated, cl::cat(category), cl::desc("what models are run as, one or more (default: onnx)"),
      cl::values(clEnumValN(check::Form::Onnx, "onnx", "as they are read"),
                 clEnumValN(check::Form::Llm, "llm", "after llm-recognize"),
                 clEnumValN(check::Form::Rotated, "rotated",
                            "after llm-recognize, llm-fuse-norm-scale and rot-insert, caches converted")));
  cl::opt<std::string> json("json", cl::value_desc("FILE"), cl::cat(category),
                            cl::desc("also write outcomes, worst elements and times to this file"));
  cl::opt<bool> quiet("quiet", cl::cat(category), cl::desc("do not list what passes"));
  cl::HideUnrelatedOptions({&category, &inputCategory()});
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\n"; });
  cl::ParseCommandLineOptions(argc, argv, "compares the CPU interpreter with recorded results\n");

  std::optional<double> stated = tolerance.getNumOccurrences() ? std::optional<double>(tolerance) : std::nullopt;
  interp::Precision precision = doubles ? interp::Precision::F64 : interp::Precision::F32;
  llvm::SmallVector<check::Form> chosen(forms.begin(), forms.end());
  if (chosen.empty())
    chosen.push_back(check::Form::Onnx);
  if (replay.empty() && !decode)
    return check::runBackendTests(paths, {stated, precision, model, quiet, chosen, json}) ? 0 : 1;
  if (paths.size() != 1) {
    llvm::errs() << "error: --replay and --decode expect one model\n";
    return 1;
  }
  if (decode)
    return check::runDecode(paths.front(), tokens, decode, precision) ? 0 : 1;
  constexpr double replayTolerance = 1e-5;
  return check::runReplay(paths.front(), replay, stated.value_or(replayTolerance)) ? 0 : 1;
}
