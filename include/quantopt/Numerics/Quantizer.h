//===- Quantizer.h - weights to low-bit codes and scales -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_QUANTIZER_H
#define QUANTOPT_NUMERICS_QUANTIZER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <memory>
#include <string>

namespace quantopt::numerics {

/// What every weight quantizer has to know; in a dictionary `bits`, `symmetric`, `group_size`, `clip_steps`,
/// `clip_norm`.
struct WeightQuantizerOptions {
  /// 2 to 8; symmetric codes lie in [-2^(bits-1), 2^(bits-1) - 1].
  int64_t bits = 4;
  bool symmetric = true;
  /// Columns that share a scale; 0: the whole row. The last group of a row may be shorter.
  int64_t groupSize = 0;
  /// Clipping ratios 1, 0.99, ... tried per group; 0: none, the scale covers the greatest magnitude.
  int64_t clipSteps = 80;
  /// The error minimised is Σ|error|^clipNorm.
  double clipNorm = 2.4;
};

/// Options by name; values are written as in the IR ("4", "true", "2.4").
using QuantizerOptions = llvm::StringMap<std::string>;

/// Reads the options above; an error names an unknown option or a value out of range.
llvm::Expected<WeightQuantizerOptions> parseWeightQuantizerOptions(const QuantizerOptions &options);

class WeightQuantizer {
public:
  virtual ~WeightQuantizer() = default;
  /// Scales per row of `cols` columns.
  virtual int64_t groupsPerRow(int64_t cols) const = 0;
  /// Quantizes weights [rows, cols], row-major, to codes [rows, cols] and scales [rows, groupsPerRow(cols)], so that
  /// code·scale approximates the weight. Rows are independent of each other: slices may be quantized in any order and
  /// on many threads. An error names the row (counted from `weights`) that holds a NaN or an infinity.
  virtual llvm::Error quantizeRows(llvm::ArrayRef<float> weights, int64_t rows, int64_t cols, int8_t *codes,
                                   float *scales) const = 0;
};

using WeightQuantizerFactory =
    std::function<llvm::Expected<std::unique_ptr<WeightQuantizer>>(const QuantizerOptions &)>;

/// Quantizers by name. The project's own are there from the start; plugins add theirs.
class QuantizerRegistry {
public:
  static QuantizerRegistry &global();
  void add(llvm::StringRef name, WeightQuantizerFactory factory);
  /// An error lists the known names, or is the factory's own.
  llvm::Expected<std::unique_ptr<WeightQuantizer>> create(llvm::StringRef name, const QuantizerOptions &options) const;

private:
  llvm::StringMap<WeightQuantizerFactory> factories;
};

/// Round to nearest with a clip search (QuaRot, fake_quant/quant_utils.py). Per group, with absmax at least 1e-5 and
/// m = 2^(bits-1) - 1: s = p·absmax/m with the p = 1 - i/100, i < clipSteps, of least Σ|q·s - w|^clipNorm (the greatest
/// p of equals); code = clamp(rne(w/s), -m-1, m), all in f32.
llvm::Expected<std::unique_ptr<WeightQuantizer>> makeRtnQuantizer(const WeightQuantizerOptions &options);

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_QUANTIZER_H
