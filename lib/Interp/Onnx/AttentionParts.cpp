//===- AttentionParts.cpp - what attention operators have in common -----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "AttentionParts.h"
#include "Kernels.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;
using compute::Binary;
using compute::Unary;

Tensor interp::maskWhere(int64_t batches, int64_t queries, int64_t positions, DType type,
                         llvm::function_ref<bool(int64_t, int64_t, int64_t)> sees, double hidden) {
  Tensor mask(DType::F64, {batches, 1, queries, positions});
  double *element = mask.mutableData<double>().data();
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t s = 0; s < queries; ++s)
      for (int64_t t = 0; t < positions; ++t)
        *element++ = sees(b, s, t) ? 0.0 : hidden;
  return convert(mask, type);
}

llvm::Expected<Tensor> interp::addMasks(const Tensor &a, const Tensor &b) {
  if (!a || !b)
    return a ? a : b;
  return compute::binary(Binary::Add, a, b);
}

llvm::Error interp::splitAll(Heads &heads, int64_t queryHeads, int64_t kvHeads) {
  for (auto [tensor, count] :
       {std::pair(&heads.q, queryHeads), std::pair(&heads.k, kvHeads), std::pair(&heads.v, kvHeads)}) {
    llvm::Expected<Tensor> split = splitHeads(*tensor, count);
    if (!split)
      return split.takeError();
    *tensor = std::move(*split);
  }
  return llvm::Error::success();
}

llvm::Expected<Tensor> interp::appendToCache(const Tensor &cache, const Tensor &rows) {
  return cache ? compute::concat({cache, rows}, 2) : llvm::Expected<Tensor>(rows);
}

/// Heads of a cache repeated for the query heads that read them.
static llvm::Expected<Tensor> repeatHeads(const Tensor &x, int64_t heads) {
  llvm::SmallVector<int64_t> which;
  for (int64_t h = 0; h < heads; ++h)
    which.push_back(h / (heads / x.dim(1)));
  return compute::gather(x, Tensor::from<int64_t>(DType::I64, {heads}, which), 1);
}

/// `step` applied to what is there.
static void then(llvm::Expected<Tensor> &x, llvm::function_ref<llvm::Expected<Tensor>(const Tensor &)> step) {
  if (x)
    x = step(*x);
}

llvm::Expected<Tensor> interp::scoresAt(int64_t mode, const Heads &heads, const Tensor &mask,
                                        compute::AttentionOptions options) {
  DType type = compute::arithmeticType(heads.q.dtype());
  Tensor q = convert(heads.q, type);
  llvm::Expected<Tensor> scores = repeatHeads(convert(heads.k, type), q.dim(1));
  then(scores, [&](const Tensor &k) { return compute::transpose(k, {0, 1, 3, 2}); });
  then(scores, [&](const Tensor &k) { return compute::matmul(q, k); });
  auto times = [&](double factor) {
    then(scores, [&](const Tensor &x) { return compute::binary(Binary::Mul, x, compute::scalar(factor, type)); });
  };
  times(options.scale);
  if (mode >= 1 && options.softcap != 0) {
    times(1 / options.softcap);
    then(scores, [&](const Tensor &x) { return compute::unary(Unary::Tanh, x); });
    times(options.softcap);
  }
  if (mode >= 2 && mask)
    then(scores, [&](const Tensor &x) { return compute::binary(Binary::Add, x, mask); });
  if (mode == 3) {
    then(scores, [&](const Tensor &x) { return compute::softmax(x, -1); });
    // Rows without a position are NaN here; they count as zero.
    then(scores, [&](const Tensor &x) -> llvm::Expected<Tensor> {
      llvm::Expected<Tensor> undefined = compute::unary(Unary::IsNaN, x);
      if (!undefined)
        return undefined;
      return compute::where(*undefined, compute::scalar(0, type), x);
    });
  }
  if (!scores)
    return scores;
  return convert(*scores, heads.q.dtype());
}

/// A sink is a position that all queries see, with a key and a value of 0, whose score its mask makes up.
llvm::Expected<Tensor> interp::attentionWithSinks(const Heads &heads, const Tensor &mask,
                                                  compute::AttentionOptions options, const Tensor &sinks) {
  int64_t batches = heads.q.dim(0), count = heads.q.dim(1), queries = heads.q.dim(2), positions = heads.k.dim(2);
  if (sinks.numElements() != count)
    return compute::makeError("expected " + llvm::Twine(count) + " sinks, not " + compute::toString(sinks.shape()));
  auto row = [](const Tensor &x) { return Tensor::zeros(x.dtype(), {x.dim(0), x.dim(1), 1, x.dim(3)}); };
  llvm::Expected<Tensor> k = compute::concat({heads.k, row(heads.k)}, 2),
                         v = compute::concat({heads.v, row(heads.v)}, 2);
  DType type = compute::arithmeticType(heads.q.dtype());
  Tensor known = mask ? mask : Tensor::zeros(type, {1, 1, 1, 1});
  llvm::Expected<Tensor> wide = compute::expand(known, {batches, count, queries, positions});
  llvm::Expected<Tensor> column =
      compute::expand(convert(sinks, type).reshaped({1, count, 1, 1}), {batches, count, queries, 1});
  if (!k || !v || !wide || !column)
    return llvm::joinErrors(llvm::joinErrors(k.takeError(), v.takeError()),
                            llvm::joinErrors(wide.takeError(), column.takeError()));
  llvm::Expected<Tensor> whole = compute::concat({*wide, *column}, 3);
  return whole ? compute::attention(heads.q, *k, *v, *whole, options) : std::move(whole);
}
