//===- ExplainRope.cpp - what a graph computes from positions -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Explanation.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Format.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::explain;

namespace {
/// Angles per position of the pairs of a head, and the factor of cos and sin.
struct Frequencies {
  SmallVector<double> angles;
  double amplitude = 1;
};

struct Scaling {
  std::string name;
  double theta = 0, factor = 1;
};

/// How many kinds of tables or masks are looked at: models have one, or one for each of two kinds of layers.
constexpr size_t maxKinds = 3;
} // namespace

/// Cosines and sines at position 1.
static std::optional<Frequencies> findFrequencies(func::FuncOp function, llm::RopeOp rope) {
  auto tables = interp::evaluateAtStep(function, {rope.getCos(), rope.getSin()}, {2, 0, {0}});
  if (!tables) {
    llvm::consumeError(tables.takeError());
    return std::nullopt;
  }
  const Tensor &cos = (*tables)[0], &sin = (*tables)[1];
  int64_t width = cos.rank() ? cos.dim(cos.rank() - 1) : 0;
  if (cos.dtype() != DType::F64 || cos.shape() != sin.shape() || width < 2 || cos.numElements() != 2 * width)
    return std::nullopt;
  Frequencies found;
  for (int64_t i = 0; i < width / 2; ++i) {
    int64_t element = width + (rope.getInterleaved() ? 2 * i : i);
    double c = cos.data<double>()[element], s = sin.data<double>()[element];
    found.angles.push_back(std::atan2(s, c));
    found.amplitude = std::hypot(c, s);
  }
  return found;
}

static bool isNear(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::abs(b); }

/// How much slower pair `i` turns than with θ^(-i/n).
static double slowdown(ArrayRef<double> angles, double theta, size_t i) {
  return angles[0] * std::pow(theta, -double(i) / double(angles.size())) / angles[i];
}

static bool isGeometric(ArrayRef<double> angles, double theta) {
  return llvm::all_of(llvm::seq<size_t>(0, angles.size()),
                      [&](size_t i) { return isNear(slowdown(angles, theta, i), 1, 5e-3); });
}

/// The θ that scaled frequencies began with: the one of those in use for which most pairs turn either as fast as
/// without scaling or by a whole number slower, as the slowest does.
static double guessTheta(ArrayRef<double> angles, double ratio) {
  double best = ratio;
  int64_t bestCount = 0;
  for (double theta : {ratio, 1e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 5e6, 1e7, 1e8}) {
    double last = slowdown(angles, theta, angles.size() - 1);
    bool isPlausible = last > 1.01 && isNear(last, std::round(last), 5e-3);
    int64_t count = llvm::count_if(llvm::seq<size_t>(0, angles.size()), [&](size_t i) {
      double slower = slowdown(angles, theta, i);
      return isNear(slower, 1, 5e-3) || isNear(slower, last, 5e-3);
    });
    if (isPlausible && count > bestCount) {
      best = theta;
      bestCount = count;
    }
  }
  return best;
}

/// θ^(-i/n) is plain; what differs is scaled.
static Scaling guessScaling(const Frequencies &frequencies) {
  constexpr double tolerance = 1e-3;
  ArrayRef<double> angles = frequencies.angles;
  Scaling scaling;
  scaling.theta = angles.size() > 1 ? std::pow(angles[0] / angles[1], double(angles.size())) : 0;
  if (!(scaling.theta > 1) || !std::isfinite(scaling.theta) || angles.back() <= 0)
    return {"unknown", 0, 1};
  bool isPlain = isGeometric(angles, scaling.theta);
  if (!isPlain)
    scaling.theta = guessTheta(angles, scaling.theta);
  scaling.factor = isPlain ? 1 / angles[0] : slowdown(angles, scaling.theta, angles.size() - 1);
  if (isPlain)
    scaling.name = isNear(scaling.factor, 1, tolerance) ? "" : "linear";
  else if (isNear(frequencies.amplitude, 1, tolerance))
    scaling.name = "llama3";
  else
    scaling.name = isNear(frequencies.amplitude, 0.1 * std::log(scaling.factor) + 1, 0.02) ? "yarn" : "longrope";
  return scaling;
}

static double roundedTo(double value, int digits) {
  if (value == 0)
    return 0;
  double unit = std::pow(10, std::floor(std::log10(std::abs(value))) - digits + 1);
  return std::round(value / unit) * unit;
}

static std::string describeScaling(const Scaling &scaling, const Frequencies &frequencies) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (scaling.name == "unknown")
    return "frequencies of an unknown form";
  stream << llvm::format("theta %.15g", roundedTo(scaling.theta, 3));
  if (scaling.name.empty())
    stream << ", not scaled";
  else
    stream << ", scaled as " << scaling.name << " does"
           << llvm::format(", the lowest frequencies by 1/%.15g", roundedTo(scaling.factor, 3));
  if (!isNear(frequencies.amplitude, 1, 1e-3))
    stream << llvm::format(", attention factor %.4g", frequencies.amplitude);
  return text;
}

static void explainRope(func::FuncOp function, std::vector<Fact> &facts, std::string &ropeScaling) {
  llvm::SetVector<Value> seen;
  std::string text;
  llvm::json::Array list;
  function.walk([&](llm::RopeOp rope) {
    if (seen.size() >= maxKinds || !seen.insert(rope.getCos()))
      return;
    std::optional<Frequencies> frequencies = findFrequencies(function, rope);
    Scaling scaling = frequencies ? guessScaling(*frequencies) : Scaling{"unknown", 0, 1};
    std::string kind = frequencies ? describeScaling(scaling, *frequencies) : "tables that could not be evaluated";
    if (text.find(kind) != std::string::npos)
      return;
    text += (text.empty() ? "" : "; elsewhere ") + kind;
    list.push_back(llvm::json::Object{
        {"theta", roundedTo(scaling.theta, 3)}, {"scaling", scaling.name}, {"factor", roundedTo(scaling.factor, 3)}});
    ropeScaling = scaling.name;
  });
  if (seen.empty())
    Explanation::add(facts, "rope", nullptr, "not recognised");
  else
    Explanation::add(facts, "rope", std::move(list), text);
}

/// Keys that a token sees after `past` others, with itself; nothing where the mask cannot be evaluated.
static std::optional<int64_t> countSeen(func::FuncOp function, Value mask, int64_t past) {
  auto values = interp::evaluateAtStep(function, mask, {1, past, {0}});
  if (!values) {
    llvm::consumeError(values.takeError());
    return std::nullopt;
  }
  const Tensor &scores = values->front();
  if (scores.dtype() != DType::F64 || scores.numElements() != past + 1)
    return std::nullopt;
  constexpr double hidden = -1e3;
  return llvm::count_if(scores.data<double>(), [](double score) { return score > hidden; });
}

static void explainMask(func::FuncOp function, std::vector<Fact> &facts, bool &hasWindow) {
  constexpr int64_t past = 4200; // longer than the usual windows
  llvm::SetVector<Value> seen;
  llvm::SetVector<int64_t> windows;
  bool isFull = false;
  function.walk([&](llm::AttentionOp attention) {
    if (seen.size() >= maxKinds || !attention.getMask() || !seen.insert(attention.getMask()))
      return;
    std::optional<int64_t> count = countSeen(function, attention.getMask(), past);
    if (count && *count <= past)
      windows.insert(*count);
    isFull |= count == past + 1;
  });
  hasWindow = !windows.empty();
  if (seen.empty() || (windows.empty() && !isFull)) {
    Explanation::add(facts, "window", nullptr, "unknown: no mask could be evaluated");
    return;
  }
  std::string text = windows.empty() ? "none up to " + std::to_string(past) + " tokens" : "";
  for (int64_t window : windows)
    text += (text.empty() ? "" : ", ") + std::to_string(window) + " tokens";
  if (hasWindow && isFull)
    text += ", in some layers only";
  Explanation::add(facts, "window", llvm::json::Array(windows.getArrayRef()), text);
}

void explain::explainPositions(func::FuncOp function, Explanation &explanation, std::string &ropeScaling,
                               bool &hasWindow) {
  explainRope(function, explanation.model, ropeScaling);
  explainMask(function, explanation.model, hasWindow);
}
