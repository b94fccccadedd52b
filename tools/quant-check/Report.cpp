//===- Report.cpp - outcomes as text and as JSON ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::check;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

llvm::StringRef check::toString(Outcome outcome) {
  return outcome == Outcome::Passed ? "passed" : outcome == Outcome::Failed ? "failed" : "unsupported";
}

void check::print(const CaseResult &result, bool showForm, llvm::raw_ostream &stream) {
  stream << (result.outcome == Outcome::Passed ? "passed" : toString(result.outcome).upper()) << ' '
         << llvm::sys::path::filename(result.folder);
  if (showForm)
    stream << " [" << toString(result.form) << ']';
  if (result.outcome != Outcome::Passed)
    stream << ": " << result.reason << '\n';
  else
    stream << llvm::format(" (worst %.1e, %.2f s)\n", result.worst ? result.worst->deviation.relative() : 0,
                           result.runSeconds);
}

/// JSON has no infinities and NaNs: they are strings.
static Value number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

static Value toJson(const std::map<std::string, unsigned> &counts) {
  Object object;
  for (const auto &[name, count] : counts)
    object[name] = count;
  return object;
}

/// Bytes of any kind as a string of UTF-8, which is what JSON takes.
static std::string text(llvm::StringRef bytes) {
  return llvm::json::isUTF8(bytes) ? bytes.str() : llvm::json::fixUTF8(bytes);
}

static Value toJson(const WorstElement &worst) {
  return Object{{"data_set", worst.dataSet},
                {"output", text(worst.output)},
                {"index", Array(worst.deviation.index)},
                {"computed", number(worst.deviation.computed)},
                {"expected", number(worst.deviation.expected)},
                {"difference", number(worst.deviation.difference)},
                {"relative", number(worst.deviation.relative())}};
}

static Value toJson(const CaseResult &result) {
  Object object{{"name", text(llvm::sys::path::filename(result.folder))},
                {"folder", text(result.folder)},
                {"form", toString(result.form)},
                {"outcome", toString(result.outcome)},
                {"data_sets", result.dataSets},
                {"load_seconds", result.loadSeconds},
                {"run_seconds", result.runSeconds},
                {"layers", toJson(result.layers)},
                {"nodes", toJson(result.nodes)}};
  if (!result.reason.empty())
    object["reason"] = text(result.reason);
  if (!result.operators.empty())
    object["operators"] = text(result.operators);
  if (result.worst)
    object["worst"] = toJson(*result.worst);
  Array remarks;
  for (const std::string &remark : result.remarks)
    remarks.push_back(text(remark));
  object["remarks"] = std::move(remarks);
  return object;
}

llvm::Error check::writeJson(llvm::ArrayRef<CaseResult> results, interp::Precision precision, llvm::StringRef path) {
  Array cases;
  Object totals;
  for (const CaseResult &result : results) {
    cases.push_back(toJson(result));
    Object *counts = totals.getObject(toString(result.form));
    if (!counts)
      counts = totals.insert({toString(result.form), Object{{"passed", 0}, {"failed", 0}, {"unsupported", 0}}})
                   .first->second.getAsObject();
    int64_t count = counts->getInteger(toString(result.outcome)).value_or(0) + 1;
    (*counts)[toString(result.outcome)] = count;
  }
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (code)
    return llvm::createStringError(code, path + ": " + code.message());
  Value document = Object{{"precision", precision == interp::Precision::F64 ? "f64" : "f32"},
                          {"totals", std::move(totals)},
                          {"cases", std::move(cases)}};
  stream << llvm::formatv("{0:2}\n", document);
  return llvm::Error::success();
}
