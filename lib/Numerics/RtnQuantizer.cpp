//===- RtnQuantizer.cpp - round to nearest with a clip search --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ClipSearch.h"
#include "Lanes.h"
#include "quantopt/Numerics/Groups.h"
#include "quantopt/Numerics/Quantizer.h"
#include "llvm/ADT/bit.h"
#include <algorithm>

using namespace quantopt::numerics;

namespace {
class RtnQuantizer final : public WeightQuantizer {
public:
  explicit RtnQuantizer(const WeightQuantizerOptions &options)
      : options(options), greatest((1 << (options.bits - 1)) - 1),
        search(greatest, options.clipSteps, float(options.clipNorm)) {}

  int64_t groupsPerRow(int64_t cols) const override { return groupCount(cols, options.groupSize); }

  llvm::Error quantizeRows(llvm::ArrayRef<float> weights, int64_t rows, int64_t cols, int8_t *codes,
                           float *scales) const override {
    assert(int64_t(weights.size()) == rows * cols);
    int64_t width = groupWidth(cols, options.groupSize);
    std::vector<float> scratch;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t start = 0; start < cols; start += width) {
        int64_t offset = row * cols + start;
        if (!quantizeGroup(weights.slice(offset, std::min(width, cols - start)), codes + offset, *scales++, scratch))
          return llvm::createStringError(
              "weight row %lld holds a NaN or an infinity; quantization needs finite weights", (long long)row);
      }
    return llvm::Error::success();
  }

private:
  /// False if a weight is not finite.
  bool quantizeGroup(llvm::ArrayRef<float> weights, int8_t *codes, float &scale, std::vector<float> &scratch) const {
    // Bits of magnitudes are ordered as the magnitudes, infinities and NaN above all.
    uint32_t greatestBits = 0;
    for (float weight : weights)
      greatestBits = std::max(greatestBits, llvm::bit_cast<uint32_t>(weight) & 0x7fffffff);
    if (greatestBits >= 0x7f800000)
      return false;
    float absmax = std::max(llvm::bit_cast<float>(greatestBits), 1e-5f);
    float ratio = options.clipSteps ? search.findRatio(weights, absmax, scratch) : 1.0f;
    scale = ratio * absmax / greatest;
    for (size_t i = 0; i < weights.size(); ++i)
      codes[i] = int8_t(roundToEven(clampTo(weights[i] / scale, -greatest - 1, greatest)));
    return true;
  }

  WeightQuantizerOptions options;
  float greatest;
  ClipSearch search;
};
} // namespace

llvm::Expected<std::unique_ptr<WeightQuantizer>>
quantopt::numerics::makeRtnQuantizer(const WeightQuantizerOptions &options) {
  if (!options.symmetric)
    return llvm::createStringError("quantizer 'rtn' makes symmetric codes only; set symmetric = true");
  return std::make_unique<RtnQuantizer>(options);
}
