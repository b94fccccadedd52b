//===- Einsum.cpp - ONNX's sums of products by index letters ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Reduction.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/ADT/StringExtras.h"
#include <cstring>
#include <map>

using namespace quantopt;
using namespace quantopt::interp;

namespace {

/// Index letters of dimensions; those that an ellipsis stands for are numbers above all letters, the last is 256.
using Labels = llvm::SmallVector<int, 6>;

/// A tensor and the index of each of its dimensions, all different.
struct Term {
  Tensor tensor;
  Labels labels;
};

} // namespace

/// The indices of one term of the equation, whose ellipsis stands for `hidden` dimensions.
static llvm::Expected<Labels> parseTerm(llvm::StringRef text, int64_t hidden) {
  Labels labels;
  bool hasEllipsis = false;
  while (!text.empty()) {
    if (text.consume_front("...")) {
      if (hasEllipsis)
        return compute::makeError("two ellipses in one term");
      hasEllipsis = true;
      for (int64_t d = hidden; d > 0; --d)
        labels.push_back(255 + d);
    } else if (llvm::isAlpha(text.front())) {
      labels.push_back(text.front());
      text = text.drop_front();
    } else {
      return compute::makeError("unexpected '" + text + "' in the equation");
    }
  }
  return labels;
}

/// Dimensions of a term under one index reduced to their diagonal.
static Term takeDiagonals(Term term) {
  Labels labels;
  compute::Shape shape, strides, own = compute::rowMajorStrides(term.tensor.shape());
  for (auto [d, label] : llvm::enumerate(term.labels)) {
    auto *found = llvm::find(labels, label);
    if (found != labels.end()) {
      strides[found - labels.begin()] += own[d];
      continue;
    }
    labels.push_back(label);
    shape.push_back(term.tensor.dim(d));
    strides.push_back(own[d]);
  }
  if (labels.size() == term.labels.size())
    return term;
  Tensor result(term.tensor.dtype(), shape);
  int64_t bytes = bytesInMemory(result.dtype());
  for (int64_t i = 0; i < result.numElements(); ++i) {
    int64_t from = 0, rest = i;
    for (int64_t d = shape.size(); d-- > 0; rest /= shape[d])
      from += rest % shape[d] * strides[d];
    std::memcpy(result.mutableRaw() + i * bytes, term.tensor.raw() + from * bytes, bytes);
  }
  return {result, labels};
}

/// A term summed over the indices that `kept` does not have.
static llvm::Expected<Term> sumOthers(Term term, llvm::ArrayRef<int> kept) {
  llvm::SmallVector<int64_t> axes;
  Labels labels;
  for (auto [d, label] : llvm::enumerate(term.labels))
    if (llvm::is_contained(kept, label))
      labels.push_back(label);
    else
      axes.push_back(d);
  if (axes.empty())
    return term;
  llvm::Expected<Tensor> sum = compute::reduce(compute::Reduce::Sum, term.tensor, axes, false);
  if (!sum)
    return sum.takeError();
  return Term{*sum, labels};
}

/// A term with its dimensions in the order of `labels`, of which it has all.
static llvm::Expected<Tensor> arranged(const Term &term, llvm::ArrayRef<int> labels) {
  compute::Shape permutation;
  for (int label : labels)
    permutation.push_back(llvm::find(term.labels, label) - term.labels.begin());
  return compute::transpose(term.tensor, permutation);
}

/// The product of two terms, summed over the indices that neither the output nor a later term needs: a batched matrix
/// product.
static llvm::Expected<Term> multiply(Term a, Term b, llvm::ArrayRef<int> needed) {
  Labels both(needed), withB = both;
  llvm::append_range(both, a.labels);
  llvm::append_range(withB, b.labels);
  llvm::Expected<Term> left = sumOthers(std::move(a), withB), right = sumOthers(std::move(b), both);
  if (!left || !right)
    return llvm::joinErrors(left.takeError(), right.takeError());
  Labels batch, rows, columns, summed;
  for (int label : left->labels)
    if (!llvm::is_contained(right->labels, label))
      rows.push_back(label);
    else
      (llvm::is_contained(needed, label) ? batch : summed).push_back(label);
  for (int label : right->labels)
    if (!llvm::is_contained(left->labels, label))
      columns.push_back(label);
  auto concat = [](llvm::ArrayRef<int> x, llvm::ArrayRef<int> y, llvm::ArrayRef<int> z) {
    Labels joined(x);
    llvm::append_range(joined, y);
    llvm::append_range(joined, z);
    return joined;
  };
  llvm::Expected<Tensor> x = arranged(*left, concat(batch, rows, summed));
  llvm::Expected<Tensor> y = arranged(*right, concat(batch, summed, columns));
  if (!x || !y)
    return llvm::joinErrors(x.takeError(), y.takeError());
  llvm::ArrayRef<int64_t> xs = x->shape(), ys = y->shape();
  int64_t batches = compute::product(xs.take_front(batch.size())),
          depth = compute::product(xs.take_back(summed.size()));
  int64_t m = compute::product(xs.slice(batch.size(), rows.size())), n = compute::product(ys.take_back(columns.size()));
  llvm::Expected<Tensor> product = compute::matmul(x->reshaped({batches, m, depth}), y->reshaped({batches, depth, n}));
  if (!product)
    return product.takeError();
  compute::Shape shape(xs.drop_back(summed.size()));
  llvm::append_range(shape, ys.take_back(columns.size()));
  return Term{product->reshaped(shape), concat(batch, rows, columns)};
}

/// The indices of the result: stated after "->", or the ellipsis and the letters that occur once, in order.
static llvm::Expected<Labels> outputLabels(std::optional<llvm::StringRef> stated, int64_t hidden,
                                           llvm::ArrayRef<Term> terms) {
  if (stated)
    return parseTerm(*stated, hidden);
  std::map<int, int> counts;
  for (const Term &term : terms)
    for (int label : term.labels)
      ++counts[label];
  Labels labels;
  for (int64_t d = hidden; d > 0; --d)
    labels.push_back(255 + d);
  for (auto [label, count] : counts)
    if (count == 1 && label < 256)
      labels.push_back(label);
  return labels;
}

/// Sizes of all indices; dimensions of 1 repeat.
static llvm::Error broadcastTerms(llvm::MutableArrayRef<Term> terms) {
  std::map<int, int64_t> sizes;
  for (const Term &term : terms)
    for (auto [d, label] : llvm::enumerate(term.labels)) {
      int64_t &size = sizes.try_emplace(label, 1).first->second;
      if (size != 1 && term.tensor.dim(d) != 1 && size != term.tensor.dim(d))
        return compute::makeError("an index is both " + llvm::Twine(size) + " and " + llvm::Twine(term.tensor.dim(d)) +
                                  " long");
      size = size == 1 ? term.tensor.dim(d) : size;
    }
  for (Term &term : terms) {
    compute::Shape shape;
    for (int label : term.labels)
      shape.push_back(sizes[label]);
    llvm::Expected<Tensor> whole = compute::expand(term.tensor, shape);
    if (!whole)
      return whole.takeError();
    term.tensor = std::move(*whole);
  }
  return llvm::Error::success();
}

static llvm::Expected<Tensors> einsum(KernelContext &context) {
  std::string equation = context.node().getString("equation").str();
  llvm::erase(equation, ' ');
  auto [inputs, output] = llvm::StringRef(equation).split("->");
  bool hasOutput = llvm::StringRef(equation).contains("->");
  llvm::SmallVector<llvm::StringRef> texts;
  inputs.split(texts, ',');
  if (texts.size() != context.numOperands())
    return compute::makeError("the equation has " + llvm::Twine(texts.size()) + " terms for " +
                              llvm::Twine(context.numOperands()) + " operands");
  llvm::SmallVector<Term> terms;
  int64_t hidden = 0;
  for (auto [i, text] : llvm::enumerate(texts)) {
    const Tensor &x = context.operand(i);
    bool hasEllipsis = text.contains("...");
    int64_t own = hasEllipsis ? x.rank() - int64_t(text.size()) + 3 : 0;
    llvm::Expected<Labels> labels = parseTerm(text, std::max<int64_t>(own, 0));
    if (!labels)
      return labels.takeError();
    if (int64_t(labels->size()) != x.rank())
      return compute::makeError("term '" + text + "' does not fit an operand of " + compute::toString(x.shape()));
    hidden = std::max(hidden, own);
    terms.push_back({x, *labels});
  }
  if (llvm::Error error = broadcastTerms(terms))
    return error;
  for (Term &term : terms)
    term = takeDiagonals(std::move(term));
  llvm::Expected<Labels> wanted = outputLabels(hasOutput ? std::optional(output) : std::nullopt, hidden, terms);
  if (!wanted)
    return wanted.takeError();
  Term result = terms.front();
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels needed(*wanted);
    for (const Term &later : llvm::ArrayRef(terms).drop_front(i + 1))
      llvm::append_range(needed, later.labels);
    llvm::Expected<Term> product = multiply(std::move(result), std::move(terms[i]), needed);
    if (!product)
      return product.takeError();
    result = std::move(*product);
  }
  llvm::Expected<Term> sum = sumOthers(std::move(result), *wanted);
  if (!sum)
    return sum.takeError();
  for (int label : *wanted)
    if (!llvm::is_contained(sum->labels, label))
      return compute::makeError("the result has an index that no operand has");
  return single(arranged(*sum, *wanted));
}

void interp::registerEinsumKernels(KernelRegistry &registry) { registry.addNode("::Einsum", einsum); }
