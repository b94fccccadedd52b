//===- SymbolicDim.cpp - sizes as expressions in canonical form ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Onnx/Analysis/SymbolicDim.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace quantopt::onnx;

/// Larger expressions are not sizes that an exporter wrote.
static constexpr size_t maxTerms = 32;
static constexpr size_t maxFactors = 8;

//===----------------------------------------------------------------------------===//
// Polynomials
//===----------------------------------------------------------------------------===//

using Coefficients = std::map<SmallVector<unsigned, 3>, int64_t, DimTerm::Order>;

/// Adds `scale` times `terms` to `sum`; false on overflow.
static bool addScaled(Coefficients &sum, const DimPolynomial &terms, int64_t scale) {
  for (const DimTerm &term : terms) {
    int64_t &coefficient = sum[term.factors];
    int64_t scaled = 0;
    if (MulOverflow(term.coefficient, scale, scaled) || AddOverflow(coefficient, scaled, coefficient))
      return false;
  }
  return true;
}

static DimPolynomial sorted(const Coefficients &sum) {
  DimPolynomial polynomial;
  for (auto &[factors, coefficient] : sum)
    if (coefficient != 0)
      polynomial.push_back({factors, coefficient});
  return polynomial;
}

static std::optional<DimTerm> multiplyTerms(const DimTerm &a, const DimTerm &b) {
  DimTerm result;
  if (MulOverflow(a.coefficient, b.coefficient, result.coefficient) || a.factors.size() + b.factors.size() > maxFactors)
    return std::nullopt;
  std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
             std::back_inserter(result.factors));
  return result;
}

static std::optional<DimTerm> divideTerms(const DimTerm &a, const DimTerm &b) {
  if (a.coefficient == std::numeric_limits<int64_t>::min() || a.coefficient % b.coefficient != 0 ||
      !std::includes(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end()))
    return std::nullopt;
  DimTerm result;
  result.coefficient = a.coefficient / b.coefficient;
  std::set_difference(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
                      std::back_inserter(result.factors));
  return result;
}

DimPolynomial DimContext::polynomialOf(SymbolicDim dim) const {
  if (dim.sum)
    return dim.sum->terms;
  return dim.value == 0 ? DimPolynomial() : DimPolynomial{{{}, dim.value}};
}

SymbolicDim DimContext::fromPolynomial(DimPolynomial polynomial) {
  if (polynomial.empty())
    return {};
  if (polynomial.size() == 1 && polynomial[0].factors.empty())
    return SymbolicDim::constant(polynomial[0].coefficient);
  if (polynomial.size() > maxTerms)
    return unknown(/*isNonNegative=*/false);
  DimSum sum;
  sum.isNonNegative = all_of(polynomial, [&](const DimTerm &term) {
    return term.coefficient > 0 && all_of(term.factors, [&](unsigned atom) { return atoms[atom].isNonNegative; });
  });
  sum.id = sums.size();
  sum.terms = std::move(polynomial);
  SymbolicDim dim;
  dim.sum = &*sums.insert(std::move(sum)).first;
  return dim;
}

//===----------------------------------------------------------------------------===//
// Atoms
//===----------------------------------------------------------------------------===//

SymbolicDim DimContext::atom(std::string text, bool isNonNegative) {
  unsigned number = atoms.size();
  atoms.push_back({std::move(text), isNonNegative});
  return fromPolynomial({{{number}, 1}});
}

SymbolicDim DimContext::named(StringRef name) {
  auto [entry, isNew] = names.try_emplace(name.str());
  if (isNew)
    entry->second = atom(name.str(), /*isNonNegative=*/true);
  return entry->second;
}

SymbolicDim DimContext::unknown(bool isNonNegative) { return atom("?" + std::to_string(unknowns++), isNonNegative); }

SymbolicDim DimContext::call(StringRef function, ArrayRef<SymbolicDim> arguments, bool isNonNegative) {
  auto [entry, isNew] = calls.try_emplace({function.str(), SymbolicDims(arguments)});
  if (!isNew)
    return entry->second;
  std::string text = function.str() + "(";
  interleave(arguments, [&](SymbolicDim argument) { text += print(argument); }, [&] { text += ", "; });
  // Nested calls would make texts long without end; what a name stands for is known by its number as well.
  constexpr size_t maxText = 256;
  if (text.size() > maxText)
    text = function.str() + "(?" + std::to_string(unknowns++);
  return entry->second = atom(text + ")", isNonNegative);
}

//===----------------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------------===//

SymbolicDim DimContext::combine(SymbolicDim a, SymbolicDim b, int64_t sign) {
  Coefficients sum;
  if (!addScaled(sum, polynomialOf(a), 1) || !addScaled(sum, polynomialOf(b), sign))
    return unknown(/*isNonNegative=*/false);
  return fromPolynomial(sorted(sum));
}

SymbolicDim DimContext::add(SymbolicDim a, SymbolicDim b) {
  if (a.is(0))
    return b;
  return b.is(0) ? a : combine(a, b, 1);
}

SymbolicDim DimContext::subtract(SymbolicDim a, SymbolicDim b) { return b.is(0) ? a : combine(a, b, -1); }

SymbolicDim DimContext::multiply(SymbolicDim a, SymbolicDim b) {
  if (a.is(1))
    return b;
  if (b.is(1))
    return a;
  Coefficients sum;
  for (const DimTerm &x : polynomialOf(a))
    for (const DimTerm &y : polynomialOf(b)) {
      std::optional<DimTerm> term = multiplyTerms(x, y);
      if (!term || !addScaled(sum, {*term}, 1))
        return unknown(a.isNonNegative() && b.isNonNegative());
    }
  return fromPolynomial(sorted(sum));
}

SymbolicDim DimContext::product(ArrayRef<SymbolicDim> factors) {
  SymbolicDim result = SymbolicDim::constant(1);
  for (SymbolicDim factor : factors)
    result = multiply(result, factor);
  return result;
}

std::optional<SymbolicDim> DimContext::divideExactly(SymbolicDim a, SymbolicDim b) {
  if (b.is(0))
    return std::nullopt;
  if (b.is(1) || a.is(0))
    return a;
  // Long division by the last term, which is the largest in an order that products keep.
  DimPolynomial divisor = polynomialOf(b), quotient;
  SymbolicDim rest = a;
  while (!rest.is(0)) {
    DimPolynomial terms = polynomialOf(rest);
    std::optional<DimTerm> term = divideTerms(terms.back(), divisor.back());
    if (!term || quotient.size() >= maxTerms)
      return std::nullopt;
    quotient.push_back(*term);
    Coefficients sum;
    bool fits = addScaled(sum, terms, 1);
    for (const DimTerm &part : divisor) {
      std::optional<DimTerm> product = multiplyTerms(*term, part);
      fits = fits && product && addScaled(sum, {*product}, -1);
    }
    DimPolynomial next = sorted(sum);
    if (!fits || next.size() > maxTerms)
      return std::nullopt;
    rest = fromPolynomial(std::move(next));
  }
  llvm::sort(quotient);
  return fromPolynomial(std::move(quotient));
}

DimPolynomial DimContext::multiplesOf(SymbolicDim dim, int64_t divisor) const {
  DimPolynomial result;
  for (const DimTerm &term : polynomialOf(dim))
    if (term.coefficient % divisor == 0)
      result.push_back(term);
  return result;
}

SymbolicDim DimContext::divide(SymbolicDim a, SymbolicDim b) {
  if (a.isConstant() && b.isConstant() && b.get() > 0)
    return SymbolicDim::constant(a.get() / b.get());
  if (std::optional<SymbolicDim> quotient = divideExactly(a, b))
    return *quotient;
  if (!a.isNonNegative() || !b.isConstant() || b.get() <= 0)
    return call("div", {a, b}, a.isNonNegative() && b.isNonNegative());
  // (b·q + r) / b = q + r / b, since nothing is negative.
  SymbolicDim multiple = fromPolynomial(multiplesOf(a, b.get()));
  SymbolicDim rest = subtract(a, multiple), quotient = divideExactly(multiple, b).value_or(SymbolicDim());
  if (rest.isConstant())
    return add(quotient, SymbolicDim::constant(rest.get() / b.get()));
  return add(quotient, call("div", {rest, b}, /*isNonNegative=*/true));
}

SymbolicDim DimContext::modulo(SymbolicDim a, SymbolicDim b) {
  if (divideExactly(a, b))
    return {};
  if (!b.isConstant() || b.get() <= 0)
    return call("mod", {a, b}, b.isNonNegative());
  SymbolicDim rest = subtract(a, fromPolynomial(multiplesOf(a, b.get())));
  if (rest.isConstant()) {
    int64_t remainder = rest.get() % b.get();
    return SymbolicDim::constant(remainder < 0 ? remainder + b.get() : remainder);
  }
  return call("mod", {rest, b}, /*isNonNegative=*/true);
}

std::optional<bool> DimContext::isLessOrEqual(SymbolicDim a, SymbolicDim b) {
  if (a.isConstant() && b.isConstant())
    return a.get() <= b.get();
  if (subtract(b, a).isNonNegative())
    return true;
  if (subtract(subtract(a, b), SymbolicDim::constant(1)).isNonNegative())
    return false;
  return std::nullopt;
}

std::optional<bool> DimContext::isLess(SymbolicDim a, SymbolicDim b) {
  std::optional<bool> reversed = isLessOrEqual(b, a);
  return reversed ? std::optional(!*reversed) : std::nullopt;
}

std::optional<bool> DimContext::isEqual(SymbolicDim a, SymbolicDim b) {
  if (a == b)
    return true;
  return isLess(a, b).value_or(false) || isLess(b, a).value_or(false) ? std::optional(false) : std::nullopt;
}

SymbolicDim DimContext::minimum(SymbolicDim a, SymbolicDim b) {
  if (std::optional<bool> isFirst = isLessOrEqual(a, b))
    return *isFirst ? a : b;
  if (isLessOrEqual(b, a).value_or(false))
    return b;
  return call("min", {std::min(a, b), std::max(a, b)}, a.isNonNegative() && b.isNonNegative());
}

SymbolicDim DimContext::maximum(SymbolicDim a, SymbolicDim b) {
  if (std::optional<bool> isSecond = isLessOrEqual(a, b))
    return *isSecond ? b : a;
  if (isLessOrEqual(b, a).value_or(false))
    return a;
  return call("max", {std::min(a, b), std::max(a, b)}, a.isNonNegative() || b.isNonNegative());
}

std::string DimContext::print(SymbolicDim dim) const {
  if (dim.isConstant())
    return std::to_string(dim.get());
  std::string text;
  raw_string_ostream out(text);
  auto printTerm = [&](const DimTerm &term) {
    if (term.coefficient != 1)
      out << term.coefficient << "*";
    interleave(term.factors, out, [&](unsigned atom) { out << atoms[atom].text; }, "*");
  };
  ArrayRef<DimTerm> terms = dim.sum->terms;
  bool hasConstant = terms.front().factors.empty();
  interleave(terms.drop_front(hasConstant), printTerm, [&] { out << " + "; });
  if (hasConstant)
    out << " + " << terms.front().coefficient;
  return text;
}
