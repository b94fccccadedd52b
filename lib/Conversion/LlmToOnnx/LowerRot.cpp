//===- LowerRot.cpp - online changes of basis as standard nodes ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"
#include "quantopt/Numerics/Hadamard.h"

using namespace mlir;
using namespace quantopt;

Value Lowering::lower(rot::ConvertOp op) {
  auto source = cast<RankedTensorType>(op.getInput().getType());
  auto target = cast<RankedTensorType>(op.getResult().getType());
  int64_t last = source.getRank() - 1;
  for (int64_t dim = 0; dim < last; ++dim)
    if (rot::getBasis(source, dim) != rot::getBasis(target, dim)) {
      op.emitOpError() << nodePrefix(op) << "has no ONNX form: it changes the basis of dimension " << dim
                       << ", expected the last one only";
      return {};
    }
  rot::Transform change = rot::compose(rot::inverse(rot::getBasis(source, last)), rot::getBasis(target, last));
  return applyTransform(op, get(op.getInput()), change);
}

Value Lowering::applyTransform(Operation *op, Value x, rot::Transform transform) {
  if (!transform)
    return x;
  if (auto chain = dyn_cast<rot::ChainAttr>(transform)) {
    for (Attribute factor : chain.getFactors())
      if (x = applyTransform(op, x, factor); !x)
        return {};
    return x;
  }
  auto kron = dyn_cast<rot::KronAttr>(transform);
  if (!kron)
    return applyLeaf(op, x, transform, 1);
  ArrayRef<Attribute> factors = kron.getFactors();
  if (factors.size() == 2 && isa<IntegerAttr>(factors[0]))
    return applyLeaf(op, x, factors[1], rot::sizeOf(factors[0]));
  op->emitOpError() << nodePrefix(op) << "has no ONNX form: " << transform;
  return {};
}

Value Lowering::applyLeaf(Operation *op, Value x, rot::Transform transform, int64_t blocks) {
  bool isInverted = false;
  Attribute leaf = transform;
  if (auto variant = dyn_cast<rot::VariantAttr>(transform)) {
    isInverted = true; // the leaves below are orthogonal: their only variant is the inverse
    leaf = variant.getLeaf();
  }
  if (auto hadamard = dyn_cast<rot::HadamardAttr>(leaf))
    return applyHadamard(op, x, hadamard, isInverted, blocks);
  auto orthogonal = dyn_cast<rot::OrthogonalAttr>(leaf);
  if (!orthogonal || blocks != 1) {
    op->emitOpError() << nodePrefix(op) << "has no ONNX form: " << transform << " on " << blocks << " blocks";
    return {};
  }
  int64_t size = orthogonal.getSize();
  auto type = RankedTensorType::get({size, size}, builder.getF32Type());
  Value matrix = param::LoadOp::create(builder, op->getLoc(), TypeRange(type), orthogonal.getParam()).getResult(0);
  return builder.like("::MatMul", "rotate", {x, isInverted ? transposedWeight(matrix) : matrix});
}

/// v·(signs·H) is scale·(Aᵀ·(v·signs)·B), v·(signs·H)⁻¹ is scale·(A·v·B)·signs, of every n elements.
Value Lowering::applyHadamard(Operation *op, Value x, rot::HadamardAttr hadamard, bool inverted, int64_t blocks) {
  int64_t n = hadamard.getSize();
  llvm::Expected<numerics::HadamardFactors> factors = numerics::hadamardFactors(n);
  if (!factors) {
    op->emitOpError() << nodePrefix(op) << llvm::toString(factors.takeError());
    return {};
  }
  auto applySigns = [&](Value value) {
    if (!hadamard.getSeed())
      return value;
    std::vector<double> signs(n * blocks);
    for (int64_t i = 0, e = signs.size(); i < e; ++i)
      signs[i] = numerics::randomSign(hadamard.getSeed(), i % n);
    std::string name = "constants.signs." + std::to_string(hadamard.getSeed()) + "." + std::to_string(signs.size());
    return builder.like("::Mul", "signs", {value, builder.matrix(name, {int64_t(signs.size())}, signs)});
  };
  int64_t a = factors->a, b = factors->b;
  Value fastMatrix = builder.matrix("constants.hadamard." + std::to_string(b), {b, b}, factors->fast);
  Value scale = builder.scalar(builder.getF32Type(), factors->scale);
  Type type = elementOf(x);
  x = builder.cast("float", x, builder.getF32Type());
  if (!inverted)
    x = applySigns(x);
  if (a == 1 && blocks == 1) {
    // Without a slow factor the function would be these two nodes; onnxruntime takes seconds to inline 60 calls.
    x = builder.like("::Mul", "hadamard_scale", {builder.like("::MatMul", "hadamard", {x, fastMatrix}), scale});
  } else {
    std::vector<double> slow = factors->slow;
    for (int64_t k = 0, e = inverted ? 0 : a * a; k < e; ++k)
      slow[k] = factors->slow[k % a * a + k / a];
    std::string name = "constants.hadamard." + std::to_string(a) + (inverted ? "" : ".transposed");
    addHadamardFunction(function->getParentOfType<ModuleOp>());
    x = builder.like("quantopt::HadamardTransform", "hadamard",
                     {x, builder.matrix(name, {a, a}, slow), fastMatrix, scale});
  }
  if (inverted)
    x = applySigns(x);
  return builder.cast("narrow", x, type);
}
