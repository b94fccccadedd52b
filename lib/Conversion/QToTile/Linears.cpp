//===- Linears.cpp - matrix products as kernels -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "Selection.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;
using numerics::Layout;

bool Selection::isDecode() const { return options.maxRows && options.maxRows <= maxDecodeRows; }

FailureOr<GemmAttr> Selection::chooseConfig(Operation *op, StringRef kernel, int64_t n, int64_t k) {
  if (Attribute given = op->getAttr(configAttrName)) {
    auto config = dyn_cast<GemmAttr>(given);
    if (!config || config.getArch() != options.arch)
      return op->emitOpError() << "expected " << configAttrName << " to be a #tile.gemm for "
                               << stringifyArch(options.arch) << ", got " << given;
    reason = "given by the op";
    return config;
  }
  int64_t paddedK = kernel.ends_with("16") ? k : Layout::getPaddedColumns(k); // of codes; floats lie as they are
  auto choice = isDecode() ? chooseDecode(op->getContext(), options.arch, paddedK, options.maxRows)
                           : chooseGemm(op->getContext(), options.arch, kernel, n);
  reason = choice.reason;
  return choice.config;
}

Value Selection::widenCodes(Value codes) {
  RankedTensorType type = typeOf(codes);
  if (type.getElementTypeBitWidth() == 8)
    return codes;
  Value &wide = widened[codes];
  auto quantize = codes.getDefiningOp<q::QuantizeDynamicOp>();
  if (wide || !quantize)
    return wide;
  OpBuilder builder(quantize);
  auto copy = cast<q::QuantizeDynamicOp>(builder.clone(*quantize));
  copy.getCodes().setType(cast<RankedTensorType>(type.clone(builder.getI8Type())));
  quantize.getScale().replaceAllUsesWith(copy.getScale());
  return wide = copy.getCodes();
}

bool quantopt::tile::hasStoredWeights(Value weight, Value bias) {
  return param::isWeightExpression(weight) &&
         (!bias || typeOf(bias).getElementType().isF32() || param::isWeightExpression(bias));
}

Value quantopt::tile::castWeight(OpBuilder &builder, Value weight, Type element) {
  if (!weight || typeOf(weight).getElementType() == element)
    return weight;
  return param::CastOp::create(builder, weight.getLoc(), typeOf(weight).clone(element), weight);
}

q::PackOp quantopt::tile::packWeight(OpBuilder &builder, Location location, Value codes, Value scale, int64_t groupSize,
                                     Layout layout) {
  int64_t rows = typeOf(codes).getDimSize(0), columns = typeOf(codes).getDimSize(1), groups = lastSize(scale);
  int64_t blocks = Layout::getRowBlocks(rows);
  SmallVector<int64_t> scaleShape{blocks, Layout::blockRows};
  if (groups > 1)
    scaleShape.push_back(groups);
  Type byte = builder.getIntegerType(8, /*isSigned=*/false);
  return q::PackOp::create(
      builder, location, RankedTensorType::get({blocks, layout.getByteSize(rows, columns) / blocks}, byte),
      RankedTensorType::get(scaleShape, typeOf(scale).getElementType()), codes, scale, layout.getName(), groupSize);
}

Selection::LinearPlace Selection::findPlace(Operation *linear) {
  Value result = linear->getResult(0);
  auto addition = linear->hasOneUse() ? dyn_cast<llm::ResidualAddOp>(*linear->user_begin()) : llm::ResidualAddOp();
  if (!addition || addition.getType() != result.getType())
    return {linear, {}};
  return {addition, addition.getLhs() == result ? addition.getRhs() : addition.getLhs()};
}

LogicalResult Selection::replaceLinear(Operation *linear, const LinearPlace &place, Operation *gemm) {
  if (place.residual)
    reason += "; adds the residual";
  if (failed(finish(linear, gemm)))
    return failure();
  place.last->replaceAllUsesWith(gemm);
  place.last->erase();
  if (place.residual)
    linear->erase();
  return success();
}

LogicalResult Selection::select(q::LinearOp linear) {
  if (linear.getInputGroupSize() || linear.getWeightGroupSize())
    return keep(linear, "has scales per group; kernels take one per token and one per channel"), success();
  if (!hasStoredWeights(linear.getWeight(), linear.getBias()))
    return keep(linear, "has a weight or a bias that the model computes"), success();
  int64_t inputBits = typeOf(linear.getInput()).getElementTypeBitWidth();
  int64_t weightBits = typeOf(linear.getWeight()).getElementTypeBitWidth();
  bool isS4 = inputBits == 4 && weightBits == 4 && getArchitecture(options.arch).s4;
  Value input = isS4 ? linear.getInput() : widenCodes(linear.getInput());
  if (!input)
    return keep(linear, "needs codes of 8 bits, and they are not made by a q.quantize_dynamic"), success();

  StringRef kernel = isS4 ? "gemm_w4a4" : weightBits == 4 ? "gemm_w4a8" : "gemm_w8a8";
  Layout layout = isS4 ? Layout::Order::S4 : weightBits == 4 ? Layout::Order::S8x4 : Layout::Order::S8;
  FailureOr<GemmAttr> config = chooseConfig(linear, kernel, lastSize(linear.getResult()), lastSize(linear.getInput()));
  if (failed(config))
    return failure();
  if (inputBits == 4 && !isS4)
    reason += weightBits == 4 ? "; no INT4 tensor cores: 4-bit codes in 8 bits" : "; 4-bit codes in 8 bits";

  LinearPlace place = findPlace(linear);
  OpBuilder builder(place.last);
  Value bias = castWeight(builder, linear.getBias(), builder.getF32Type());
  q::PackOp packed =
      packWeight(builder, linear.getLoc(), linear.getWeight(), linear.getWeightScale(), /*groupSize=*/0, layout);
  auto create = [&](auto tag) -> Operation * {
    return decltype(tag)::create(builder, linear.getLoc(), linear.getType(), input, linear.getInputScale(),
                                 packed.getPacked(), packed.getPackedScale(), /*group_scales=*/Value(), bias,
                                 place.residual, *config,
                                 /*kernel=*/SymbolRefAttr());
  };
  Operation *gemm = isDecode()        ? create(GemmDecodeOp())
                    : isS4            ? create(GemmW4A4Op())
                    : weightBits == 4 ? create(GemmW4A8Op())
                                      : create(GemmW8A8Op());
  return replaceLinear(linear, place, gemm);
}
