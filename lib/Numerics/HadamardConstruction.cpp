//===- HadamardConstruction.cpp - Hadamard matrices by Sylvester, Paley, Williamson -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
// Paley 1933, "On orthogonal matrices"; Williamson 1944, "Hadamard's determinant theorem and the sum of four squares".
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MathExtras.h"
#include <optional>

using namespace quantopt::numerics;

namespace {
/// q = prime^degree.
struct PrimePower {
  int64_t prime, degree;
};

/// First rows of the symmetric circulants A, B, C, D; they are constant on the orbits of a subgroup of the units modulo
/// n, which makes the search for them exhaustive.
struct WilliamsonRows {
  int64_t n;
  llvm::StringRef rows[4];
};
} // namespace

static const WilliamsonRows williamsonTable[] = {
    {23, {"++-+-++-+--++--+-++-+-+", "+--++---+-+--+-+---++--", "+---+++++++--+++++++---", "+-+++++---+--+---+++++-"}},
    {29,
     {"++-+++---+--+-++-+--+---+++-+", "+-+-++---+--+-++-+--+---++-+-", "++++---+++-+--++--+-+++---+++",
      "+++++++---+-++--++-+---++++++"}},
    {43,
     {"++-++-++-+-+---+--++++++++--+---+-+-++-++-+", "+-+-+----+-++-++---++--++---++-++-+----+-+-",
      "+++---++-++++-+-++--+--+--++-+-++++-++---++", "+++-+++++---++++---+----+---++++---+++++-++"}}};

static std::optional<PrimePower> asPrimePower(int64_t q) {
  if (q < 2)
    return std::nullopt;
  int64_t prime = 2;
  while (prime * prime <= q && q % prime)
    ++prime;
  if (prime * prime > q)
    return PrimePower{q, 1};
  int64_t degree = 0;
  for (; q % prime == 0; q /= prime)
    ++degree;
  if (q != 1)
    return std::nullopt;
  return PrimePower{prime, degree};
}

/// The successive powers 1, x, x², ... in GF(p)[x] modulo x^degree + Σ f_i x^i, elements written as numbers of base p
/// with the coefficient of x^i as digit i; empty unless x generates all q - 1 units.
static std::vector<int64_t> powersOfX(PrimePower field, int64_t q, int64_t f) {
  std::vector<int64_t> powers;
  int64_t p = field.prime, top = q / p, element = 1;
  do {
    powers.push_back(element);
    int64_t lead = element / top, next = 0, digit = 1;
    int64_t shifted = element % top * p, rest = f;
    for (int64_t i = 0; i < field.degree; ++i, digit *= p, shifted /= p, rest /= p)
      next += (shifted % p + lead * (p - rest % p)) % p * digit;
    element = next;
  } while (element != 1 && element != 0 && int64_t(powers.size()) < q);
  if (element != 1 || int64_t(powers.size()) != q - 1)
    return {};
  return powers;
}

/// The quadratic character of GF(q) by element number: 1 for squares, -1 for others, 0 for 0.
static std::vector<int8_t> quadraticCharacter(PrimePower field, int64_t q) {
  std::vector<int8_t> character(q, -1);
  character[0] = 0;
  if (field.degree == 1) {
    for (int64_t i = 1; i < q; ++i)
      character[i * i % q] = 1;
    return character;
  }
  std::vector<int64_t> powers;
  for (int64_t f = 1; powers.empty(); ++f)
    powers = powersOfX(field, q, f);
  for (int64_t i = 0; i < q - 1; i += 2)
    character[powers[i]] = 1;
  return character;
}

/// Number of the field element i - j.
static int64_t subtract(PrimePower field, int64_t i, int64_t j) {
  int64_t result = 0, digit = 1;
  for (int64_t k = 0; k < field.degree; ++k, i /= field.prime, j /= field.prime, digit *= field.prime)
    result += (i % field.prime - j % field.prime + field.prime) % field.prime * digit;
  return result;
}

/// [[0, 1ᵀ], [below, χ(i - j)]] of order q + 1.
static std::vector<int8_t> borderedCharacter(int64_t q, int8_t below) {
  PrimePower field = *asPrimePower(q);
  std::vector<int8_t> character = quadraticCharacter(field, q), matrix((q + 1) * (q + 1));
  for (int64_t i = 0; i < q; ++i) {
    matrix[i + 1] = 1;
    matrix[(i + 1) * (q + 1)] = below;
    for (int64_t j = 0; j < q; ++j)
      matrix[(i + 1) * (q + 1) + j + 1] = character[subtract(field, i, j)];
  }
  return matrix;
}

/// I + S, q ≡ 3 (mod 4).
static std::vector<int8_t> paleyOne(int64_t q) {
  std::vector<int8_t> matrix = borderedCharacter(q, -1);
  for (int64_t i = 0; i <= q; ++i)
    matrix[i * (q + 2)] += 1;
  return matrix;
}

/// C ⊗ [[1, 1], [1, -1]] + I ⊗ [[1, -1], [-1, -1]], q ≡ 1 (mod 4).
static std::vector<int8_t> paleyTwo(int64_t q) {
  static const int8_t offDiagonal[2][2] = {{1, 1}, {1, -1}}, onDiagonal[2][2] = {{1, -1}, {-1, -1}};
  std::vector<int8_t> conference = borderedCharacter(q, 1);
  int64_t order = 2 * (q + 1);
  std::vector<int8_t> matrix(order * order);
  for (int64_t i = 0; i < order; ++i)
    for (int64_t j = 0; j < order; ++j) {
      int8_t entry = conference[i / 2 * (q + 1) + j / 2];
      matrix[i * order + j] = entry ? entry * offDiagonal[i % 2][j % 2] : onDiagonal[i % 2][j % 2];
    }
  return matrix;
}

/// [[A, B, C, D], [-B, A, -D, C], [-C, D, A, -B], [-D, -C, B, A]].
static std::vector<int8_t> williamson(const WilliamsonRows &table) {
  static const int8_t which[4][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}};
  static const int8_t sign[4][4] = {{1, 1, 1, 1}, {-1, 1, -1, 1}, {-1, 1, 1, -1}, {-1, -1, 1, 1}};
  int64_t n = table.n, order = 4 * n;
  std::vector<int8_t> matrix(order * order);
  for (int64_t i = 0; i < order; ++i)
    for (int64_t j = 0; j < order; ++j) {
      llvm::StringRef row = table.rows[which[i / n][j / n]];
      int8_t entry = row[(j % n - i % n + n) % n] == '+' ? 1 : -1;
      matrix[i * order + j] = sign[i / n][j / n] * entry;
    }
  return matrix;
}

static std::vector<int8_t> kronecker(const std::vector<int8_t> &left, int64_t n, const std::vector<int8_t> &right,
                                     int64_t m) {
  int64_t order = n * m;
  std::vector<int8_t> matrix(order * order);
  for (int64_t i = 0; i < order; ++i)
    for (int64_t j = 0; j < order; ++j)
      matrix[i * order + j] = left[i / m * n + j / m] * right[i % m * m + j % m];
  return matrix;
}

static bool isPaleyOne(int64_t order) { return order % 4 == 0 && asPrimePower(order - 1); }
static bool isPaleyTwo(int64_t order) {
  return order % 4 == 0 && (order / 2 - 1) % 4 == 1 && asPrimePower(order / 2 - 1);
}
static const WilliamsonRows *findWilliamson(int64_t order) {
  const auto *found = llvm::find_if(williamsonTable, [&](const WilliamsonRows &table) { return 4 * table.n == order; });
  return found == std::end(williamsonTable) ? nullptr : found;
}

/// The smaller factor of a product of two orders that can be constructed; 0 if there is none.
static int64_t kroneckerFactor(int64_t order);

static bool canConstruct(int64_t order) {
  return order > 0 && (llvm::isPowerOf2_64(order) || isPaleyOne(order) || isPaleyTwo(order) || findWilliamson(order) ||
                       kroneckerFactor(order));
}

static int64_t kroneckerFactor(int64_t order) {
  for (int64_t a = 2; a * a <= order; a += 2)
    if (order % a == 0 && canConstruct(a) && canConstruct(order / a))
      return a;
  return 0;
}

std::vector<int8_t> quantopt::numerics::constructHadamard(int64_t order) {
  if (order == 1)
    return {1};
  if (order > 0 && llvm::isPowerOf2_64(order))
    return kronecker(constructHadamard(order / 2), order / 2, {1, 1, 1, -1}, 2);
  if (isPaleyOne(order))
    return paleyOne(order - 1);
  if (isPaleyTwo(order))
    return paleyTwo(order / 2 - 1);
  if (const WilliamsonRows *table = findWilliamson(order))
    return williamson(*table);
  if (int64_t a = kroneckerFactor(order))
    return kronecker(constructHadamard(a), a, constructHadamard(order / a), order / a);
  return {};
}

bool quantopt::numerics::hadamardExists(int64_t order) { return canConstruct(order); }
