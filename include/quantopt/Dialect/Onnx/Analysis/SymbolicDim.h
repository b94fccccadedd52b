//===- SymbolicDim.h - sizes as expressions in canonical form -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICDIM_H
#define QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICDIM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace quantopt::onnx {

/// A product of atoms, times an integer. The constant term of a sum has no factors.
struct DimTerm {
  /// Sorted; an atom stands as often as its power.
  llvm::SmallVector<unsigned, 3> factors;
  int64_t coefficient = 0;
  /// By degree, then by atoms: the order of two products stays when both are multiplied by a third.
  struct Order {
    bool operator()(llvm::ArrayRef<unsigned> a, llvm::ArrayRef<unsigned> b) const {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    }
  };
  bool operator<(const DimTerm &other) const {
    return factors == other.factors ? coefficient < other.coefficient : Order()(factors, other.factors);
  }
  bool operator==(const DimTerm &other) const { return coefficient == other.coefficient && factors == other.factors; }
};
/// A sum of terms with different factors, sorted by them; no coefficient is 0.
using DimPolynomial = llvm::SmallVector<DimTerm, 2>;

/// An expression that is no constant, as DimContext keeps it.
struct DimSum {
  DimPolynomial terms;
  /// Number in order of creation: results do not depend on addresses.
  unsigned id = 0;
  bool isNonNegative = false;
  bool operator<(const DimSum &other) const { return terms < other.terms; }
};

/// An integer of which the graph says how it follows from the sizes of its inputs: a constant, or a sum of products of
/// atoms. Atoms are the dimensions that inputs name (`batch_size`), unknown integers, and functions that have no closed
/// form (floor division, minimum). Belongs to a DimContext, in which equal expressions are equal values: past + 1 + 4
/// is 5 + past, wherever it is computed. Dimensions are non-negative, elements of shape tensors need not be.
class SymbolicDim {
public:
  /// The constant 0.
  SymbolicDim() = default;
  static SymbolicDim constant(int64_t value) {
    SymbolicDim dim;
    dim.value = value;
    return dim;
  }
  bool isConstant() const { return !sum; }
  bool is(int64_t constant) const { return !sum && value == constant; }
  /// The value of a constant.
  int64_t get() const {
    assert(isConstant() && "only constants have a value");
    return value;
  }
  /// Whether it is known not to be negative.
  bool isNonNegative() const { return sum ? sum->isNonNegative : value >= 0; }
  bool operator==(const SymbolicDim &other) const { return sum == other.sum && value == other.value; }
  bool operator!=(const SymbolicDim &other) const { return !(*this == other); }
  /// Any order, the same on every run: constants first.
  bool operator<(const SymbolicDim &other) const {
    return std::pair(sum ? int64_t(sum->id) : -1, value) <
           std::pair(other.sum ? int64_t(other.sum->id) : -1, other.value);
  }

private:
  friend class DimContext;
  int64_t value = 0;
  const DimSum *sum = nullptr;
};
using SymbolicDims = llvm::SmallVector<SymbolicDim, 4>;

/// Makes and owns symbolic integers. Arithmetic that overflows 64 bits, or that grows beyond a few dozen terms, gives a
/// new unknown.
class DimContext {
public:
  DimContext() = default;
  DimContext(const DimContext &) = delete;
  DimContext &operator=(const DimContext &) = delete;

  /// The dimension of this name; the same for the same name.
  SymbolicDim named(llvm::StringRef name);
  /// An integer about which nothing is known.
  SymbolicDim unknown(bool isNonNegative);
  /// function(arguments) as an atom; the same for the same arguments.
  SymbolicDim call(llvm::StringRef function, llvm::ArrayRef<SymbolicDim> arguments, bool isNonNegative);

  SymbolicDim add(SymbolicDim a, SymbolicDim b);
  SymbolicDim subtract(SymbolicDim a, SymbolicDim b);
  SymbolicDim multiply(SymbolicDim a, SymbolicDim b);
  SymbolicDim product(llvm::ArrayRef<SymbolicDim> factors);
  /// q with q·b = a as polynomials, if there is one.
  std::optional<SymbolicDim> divideExactly(SymbolicDim a, SymbolicDim b);
  /// a / b rounded towards zero, as ONNX divides integers.
  SymbolicDim divide(SymbolicDim a, SymbolicDim b);
  /// a − b·⌊a / b⌋, as ONNX's Mod does without fmod.
  SymbolicDim modulo(SymbolicDim a, SymbolicDim b);
  SymbolicDim minimum(SymbolicDim a, SymbolicDim b);
  SymbolicDim maximum(SymbolicDim a, SymbolicDim b);
  /// Whether a < b (a ≤ b, a = b), where that holds or fails for all sizes.
  std::optional<bool> isLess(SymbolicDim a, SymbolicDim b);
  std::optional<bool> isLessOrEqual(SymbolicDim a, SymbolicDim b);
  std::optional<bool> isEqual(SymbolicDim a, SymbolicDim b);

  /// For messages and tests: "64*batch_size + 1", unknowns as ?0, ?1, ...
  std::string print(SymbolicDim dim) const;

private:
  struct Atom {
    std::string text;
    bool isNonNegative;
  };
  DimPolynomial polynomialOf(SymbolicDim dim) const;
  SymbolicDim fromPolynomial(DimPolynomial polynomial);
  SymbolicDim atom(std::string text, bool isNonNegative);
  SymbolicDim combine(SymbolicDim a, SymbolicDim b, int64_t sign);
  /// The part of `dim` whose coefficients `divisor` divides.
  DimPolynomial multiplesOf(SymbolicDim dim, int64_t divisor) const;

  std::vector<Atom> atoms;
  std::set<DimSum> sums;
  std::map<std::pair<std::string, SymbolicDims>, SymbolicDim> calls;
  std::map<std::string, SymbolicDim, std::less<>> names;
  unsigned unknowns = 0;
};

} // namespace quantopt::onnx

#endif // QUANTOPT_DIALECT_ONNX_ANALYSIS_SYMBOLICDIM_H
