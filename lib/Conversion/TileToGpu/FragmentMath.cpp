//===- FragmentMath.cpp - products of fragments by type and architecture --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "FragmentMath.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantopt;

FragmentMath::FragmentMath(KernelBuilder &k, Operation *op) : k(k), shape(tile::getGemmShape(op)) {
  tile::GemmOperands operands = tile::getGemmOperands(op);
  isTuring = operands.config.getArch() == tile::Arch::sm_75;
  floatType = getElementTypeOrSelf(operands.input);
  std::optional<numerics::Layout> layout = tile::getWeightLayout(op);
  stepColumns = layout ? layout->getBlockColumns() : 32;
  productColumns = isFloat() ? 16 : shape.mma == tile::Mma::S4 ? 64 : 32;
}

SmallVector<Fragment> FragmentMath::unpack(const Fragment &packed) {
  SmallVector<Fragment> products;
  if (!isUnpacked()) {
    // Packed codes lie in the order of two right operands; of floats, products follow one another.
    for (ArrayRef<Value> rest = packed; !rest.empty(); rest = rest.drop_front(4))
      products.push_back(isFloat() ? Fragment(rest.take_front(4)) : Fragment{rest[0], rest[2], rest[1], rest[3]});
    return products;
  }
  if (isFloat()) {
    for (Value codes : packed)
      products.push_back(k.unpackOffset4(codes, floatType));
    return products;
  }
  products.resize(2);
  for (Value codes : packed)
    for (auto [product, unpacked] : llvm::zip(products, k.unpackS4Times16(codes)))
      product.push_back(unpacked);
  return products;
}

Fragment FragmentMath::multiply(const Fragment &weights, const Fragment &inputs, const Fragment &sums) {
  if (isFloat())
    return isTuring ? k.mmaF16Turing(weights, inputs, sums) : k.mmaFloat(floatType, weights, inputs, sums);
  if (shape.mma == tile::Mma::S4)
    return isTuring ? k.mmaS4Turing(weights, inputs, sums) : k.mmaS4(weights, inputs, sums);
  return isTuring ? k.mmaS8Turing(weights, inputs, sums) : k.mmaS8(weights, inputs, sums);
}
