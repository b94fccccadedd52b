//===- Algebra.cpp - normal forms of transforms --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"

using namespace mlir;
using namespace quantopt::rot;

/// The factors of t over `split`, where null stands for an identity; t = nullptr is all identities.
static SmallVector<Transform> factorsOf(KronAttr t) {
  return llvm::map_to_vector(t.getFactors(), [](Attribute f) { return isa<IntegerAttr>(f) ? Transform() : f; });
}

/// Normal form of a Kronecker product: no nesting, neighbouring identities merged, null when all are identities.
static Transform makeKron(ArrayRef<Transform> factors, ArrayRef<int64_t> sizes, MLIRContext *context) {
  SmallVector<Attribute> flat;
  auto push = [&](Attribute f) {
    auto isId = [](Attribute a) { return isa<IntegerAttr>(a); };
    if (!flat.empty() && isId(f) && isId(flat.back()))
      flat.back() = Builder(context).getI64IntegerAttr(sizeOf(flat.back()) * sizeOf(f));
    else if (!(isId(f) && sizeOf(f) == 1))
      flat.push_back(f);
  };
  for (auto [factor, size] : llvm::zip_equal(factors, sizes)) {
    if (auto kron = dyn_cast_or_null<KronAttr>(factor))
      llvm::for_each(kron.getFactors(), push);
    else
      push(factor ? factor : Builder(context).getI64IntegerAttr(size));
  }
  if (flat.size() == 1)
    return isa<IntegerAttr>(flat[0]) ? Transform() : flat[0];
  return flat.empty() ? Transform() : KronAttr::get(context, flat);
}

/// Apply `change` to each factor of a composite; `reverse` also reverses a product.
static Transform mapFactors(Transform t, bool reverse, llvm::function_ref<Transform(Transform)> change) {
  MLIRContext *context = t.getContext();
  if (auto kron = dyn_cast<KronAttr>(t))
    return makeKron(llvm::map_to_vector(factorsOf(kron), [&](Transform f) { return f ? change(f) : f; }),
                    llvm::map_to_vector(kron.getFactors(), sizeOf), context);
  SmallVector<Attribute> factors = llvm::map_to_vector(cast<ChainAttr>(t).getFactors(), change);
  if (reverse)
    std::reverse(factors.begin(), factors.end());
  return ChainAttr::get(context, factors);
}

/// The leaf with `inverted` and `transposed` applied, in its shortest spelling.
static Transform makeVariant(TransformInterface leaf, bool inverted, bool transposed) {
  if (leaf.isSymmetric())
    transposed = false;
  if (leaf.isOrthogonal() && transposed)
    inverted = !inverted, transposed = false;
  if (!inverted && !transposed)
    return leaf;
  VariantKind kind = inverted ? (transposed ? VariantKind::Dual : VariantKind::Inverse) : VariantKind::Transpose;
  return VariantAttr::get(leaf.getContext(), leaf, kind);
}
static Transform changeLeaf(Transform t, bool invert, bool transpose) {
  bool inverted = false, transposed = false;
  if (auto variant = dyn_cast<VariantAttr>(t)) {
    inverted = variant.getKind() != VariantKind::Transpose;
    transposed = variant.getKind() != VariantKind::Inverse;
    t = variant.getLeaf();
  }
  return makeVariant(cast<TransformInterface>(t), inverted != invert, transposed != transpose);
}

Transform quantopt::rot::inverse(Transform t) {
  if (!t)
    return t;
  if (isa<KronAttr, ChainAttr>(t))
    return mapFactors(t, /*reverse=*/true, inverse);
  return changeLeaf(t, /*invert=*/true, /*transpose=*/false);
}
Transform quantopt::rot::transpose(Transform t) {
  if (!t)
    return t;
  if (isa<KronAttr, ChainAttr>(t))
    return mapFactors(t, /*reverse=*/true, transpose);
  return changeLeaf(t, /*invert=*/false, /*transpose=*/true);
}

bool quantopt::rot::haveSameFactorSizes(Transform a, Transform b) {
  auto first = dyn_cast_or_null<KronAttr>(a), second = dyn_cast_or_null<KronAttr>(b);
  return first && second &&
         llvm::equal(llvm::map_range(first.getFactors(), sizeOf), llvm::map_range(second.getFactors(), sizeOf));
}

Transform quantopt::rot::compose(Transform a, Transform b) {
  if (!a || !b)
    return a ? a : b;
  auto word = [](Transform t) {
    if (auto chain = dyn_cast<ChainAttr>(t))
      return SmallVector<Attribute>(chain.getFactors());
    return SmallVector<Attribute>{t};
  };
  SmallVector<Attribute> product = word(a);
  for (Transform next : word(b)) {
    Transform last = product.empty() ? Transform() : product.back();
    if (last && inverse(last) == next) {
      product.pop_back();
    } else if (haveSameFactorSizes(last, next)) {
      SmallVector<Transform> factors;
      for (auto [x, y] : llvm::zip_equal(factorsOf(cast<KronAttr>(last)), factorsOf(cast<KronAttr>(next))))
        factors.push_back(compose(x, y));
      product.pop_back();
      auto sizes = llvm::map_to_vector(cast<KronAttr>(next).getFactors(), sizeOf);
      if (Transform merged = makeKron(factors, sizes, a.getContext()))
        product.push_back(merged);
    } else {
      product.push_back(next);
    }
  }
  if (product.size() <= 1)
    return product.empty() ? Transform() : product[0];
  return ChainAttr::get(a.getContext(), product);
}

Transform quantopt::rot::blockDiagonal(int64_t blocks, Transform t, MLIRContext *context) {
  return t ? makeKron({nullptr, t}, {blocks, sizeOf(t)}, context) : t;
}

FailureOr<Transform> quantopt::rot::peelBlocks(Transform t, int64_t blocks) {
  if (!t || blocks == 1)
    return t;
  auto kron = dyn_cast<KronAttr>(t);
  if (!kron || !isa<IntegerAttr>(kron.getFactors()[0]) || sizeOf(kron.getFactors()[0]) % blocks)
    return failure();
  SmallVector<Transform> factors = factorsOf(kron);
  SmallVector<int64_t> sizes = llvm::map_to_vector(kron.getFactors(), sizeOf);
  sizes[0] /= blocks;
  return makeKron(factors, sizes, t.getContext());
}
