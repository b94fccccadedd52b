//===- Floats.cpp - matrix products of floats as kernels ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "Selection.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

static bool isHalf(Value value) {
  Type element = typeOf(value).getElementType();
  return element.isF16() || element.isBF16();
}

LogicalResult Selection::select(llm::LinearOp linear) {
  Value input = linear.getInput(), weight = linear.getWeight();
  auto dequantize = weight.getDefiningOp<q::DequantizeOp>();
  if (!hasStoredWeights(dequantize ? dequantize.getCodes() : weight, linear.getBias()))
    return keep(linear, "has a weight or a bias that the model computes"), success();
  if (lastSize(input) % 8)
    return keep(linear, "has rows that do not begin at multiples of 16 bytes"), success();
  if (isHalf(input))
    return dequantize ? replaceWeightOnly(linear, dequantize) : replaceFloats(linear, input, weight);
  auto norm = input.hasOneUse() ? input.getDefiningOp<llm::RmsNormOp>() : llm::RmsNormOp();
  if (dequantize || !norm || norm.getScale())
    return keep(linear, "computes in f32; kernels take f16 or bf16"), success();
  return replaceHead(linear, norm);
}

/// The head of a model in f32: tensor cores read its input and its weight in f16, and add up in f32.
LogicalResult Selection::replaceHead(llm::LinearOp linear, llm::RmsNormOp norm) {
  FailureOr<RowsAttr> config = chooseRowsConfig(norm, norm.getInput());
  if (failed(config))
    return failure();
  OpBuilder builder(norm);
  auto half = cast<RankedTensorType>(norm.getType()).clone(builder.getF16Type());
  auto kernel = NormOp::create(builder, norm.getLoc(), half, /*sum=*/Type(), norm.getInput(), /*residual=*/Value(),
                               norm.getEpsAttr(), *config, /*kernel=*/SymbolRefAttr());
  if (failed(finish(norm, kernel)))
    return failure();
  builder.setInsertionPoint(linear);
  if (failed(replaceFloats(linear, kernel.getResult(), castWeight(builder, linear.getWeight(), builder.getF16Type()))))
    return failure();
  norm.erase();
  return success();
}

LogicalResult Selection::replaceFloats(llm::LinearOp linear, Value input, Value weight) {
  if (typeOf(weight).getElementType() != typeOf(input).getElementType())
    return keep(linear, "multiplies two types of floats"), success();
  FailureOr<GemmAttr> config = chooseConfig(linear, "gemm_f16", lastSize(linear.getResult()), lastSize(input));
  if (failed(config))
    return failure();
  LinearPlace place = findPlace(linear);
  OpBuilder builder(place.last);
  Value bias = castWeight(builder, linear.getBias(), builder.getF32Type());
  Operation *gemm = isDecode()
                        ? GemmDecodeOp::create(builder, linear.getLoc(), linear.getType(), input, Value(), weight,
                                               Value(), Value(), bias, place.residual, *config, SymbolRefAttr())
                              .getOperation()
                        : GemmF16Op::create(builder, linear.getLoc(), linear.getType(), input, weight, bias,
                                            place.residual, *config, SymbolRefAttr());
  return replaceLinear(linear, place, gemm);
}

LogicalResult Selection::replaceWeightOnly(llm::LinearOp linear, q::DequantizeOp weight) {
  Value codes = weight.getCodes(), input = linear.getInput();
  int64_t groups = lastSize(weight.getScale()), columns = lastSize(input);
  if (weight.getZero() || typeOf(codes).getElementTypeBitWidth() != 4)
    return keep(linear, "has a weight that is not of symmetric 4-bit codes"), success();
  FailureOr<GemmAttr> config = chooseConfig(linear, "gemm_w4a16", lastSize(linear.getResult()), columns);
  if (failed(config))
    return failure();
  int64_t size = groups > 1 ? int64_t(weight.getGroupSize()) : config->getBk();
  if ((groups > 1 && columns % size) || size % 16 || (size % config->getBk() && config->getBk() % size))
    return keep(linear, "has groups that are not equal or do not meet tiles of the contraction evenly"), success();
  LinearPlace place = findPlace(linear);
  OpBuilder builder(place.last);
  Value bias = castWeight(builder, linear.getBias(), builder.getF32Type());
  q::PackOp packed = packWeight(builder, linear.getLoc(), codes, weight.getScale(), weight.getGroupSize(),
                                numerics::Layout::Order::F16x4);
  Operation *gemm =
      isDecode()
          ? GemmDecodeOp::create(builder, linear.getLoc(), linear.getType(), input, Value(), packed.getPacked(),
                                 packed.getPackedScale(), Value(), bias, place.residual, *config, SymbolRefAttr())
                .getOperation()
          : GemmW4A16Op::create(builder, linear.getLoc(), linear.getType(), input, packed.getPacked(),
                                packed.getPackedScale(), bias, place.residual, *config, SymbolRefAttr());
  if (failed(replaceLinear(linear, place, gemm)))
    return failure();
  if (weight.use_empty())
    weight.erase();
  return success();
}
