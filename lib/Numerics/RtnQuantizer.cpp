//===- RtnQuantizer.cpp - round to nearest with a clip search --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Rounding.h"
#include "quantopt/Numerics/Quantizer.h"
#include <algorithm>
#include <cmath>

using namespace quantopt::numerics;

namespace {
class RtnQuantizer final : public WeightQuantizer {
public:
  explicit RtnQuantizer(const WeightQuantizerOptions &options)
      : options(options), greatest((1 << (options.bits - 1)) - 1) {}

  int64_t groupsPerRow(int64_t cols) const override {
    return options.groupSize ? (cols + options.groupSize - 1) / options.groupSize : 1;
  }

  llvm::Error quantizeRows(llvm::ArrayRef<float> weights, int64_t rows, int64_t cols, int8_t *codes,
                           float *scales) const override {
    assert(int64_t(weights.size()) == rows * cols);
    int64_t width = options.groupSize ? options.groupSize : cols;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t start = 0; start < cols; start += width) {
        int64_t offset = row * cols + start;
        if (!quantizeGroup(weights.slice(offset, std::min(width, cols - start)), codes + offset, *scales++))
          return llvm::createStringError(
              "weight row %lld holds a NaN or an infinity; quantization needs finite weights", (long long)row);
      }
    return llvm::Error::success();
  }

private:
  /// False if a weight is not finite.
  bool quantizeGroup(llvm::ArrayRef<float> weights, int8_t *codes, float &scale) const {
    float absmax = 1e-5f;
    bool finite = true;
    for (float weight : weights) {
      absmax = std::max(absmax, std::abs(weight));
      finite &= std::isfinite(weight);
    }
    if (!finite)
      return false;
    scale = options.clipSteps ? searchScale(weights, absmax) : absmax / greatest;
    for (size_t i = 0; i < weights.size(); ++i)
      codes[i] = int8_t(roundToEven(clampTo(weights[i] / scale, -greatest - 1, greatest)));
    return true;
  }

  float searchScale(llvm::ArrayRef<float> weights, float absmax) const {
    float bestScale = absmax / greatest;
    double bestError = HUGE_VAL;
    for (int64_t step = 0; step < options.clipSteps; ++step) {
      float scale = (1.0f - step / 100.0f) * absmax / greatest;
      double error = 0;
      for (float weight : weights) {
        float code = roundToEven(clampTo(weight / scale, -greatest - 1, greatest));
        error += std::pow(std::abs(code * scale - weight) / absmax, options.clipNorm);
      }
      if (error < bestError) {
        bestError = error;
        bestScale = scale;
      }
    }
    return bestScale;
  }

  WeightQuantizerOptions options;
  float greatest;
};
} // namespace

llvm::Expected<std::unique_ptr<WeightQuantizer>>
quantopt::numerics::makeRtnQuantizer(const WeightQuantizerOptions &options) {
  if (!options.symmetric)
    return llvm::createStringError("quantizer 'rtn' makes symmetric codes only; set symmetric = true");
  return std::make_unique<RtnQuantizer>(options);
}
