//===- Floats.cpp - matrix products of floats as kernels ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "Selection.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

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
  if (!isHalf(input) && !canMakeHalf(input))
    return keep(linear, "computes in f32 on what no kernel makes in f16"), success();
  return dequantize ? replaceWeightOnly(linear, dequantize) : replaceFloats(linear);
}

//===----------------------------------------------------------------------------===//
// Rows in f16, for a model in f32: tensor cores read rows and weights in f16, and add up in f32
//===----------------------------------------------------------------------------===//

bool Selection::canMakeHalf(Value rows) {
  Operation *producer = rows.getDefiningOp();
  if (auto norm = dyn_cast_or_null<llm::RmsNormOp>(producer))
    return !norm.getScale();
  if (auto convert = dyn_cast_or_null<rot::ConvertOp>(producer))
    return convert.getInput().getDefiningOp<llm::SwigluOp>() &&
           succeeded(findTransform(convert.getInput().getType(), convert.getType()));
  return isa_and_nonnull<llm::SwigluOp, AttentionOp, AttentionCombineOp>(producer);
}

FailureOr<Value> Selection::getHalf(Value rows) {
  if (isHalf(rows))
    return rows;
  if (Value half = halves.lookup(rows))
    return half;
  Type element = Float16Type::get(rows.getContext());
  FailureOr<Value> made =
      TypeSwitch<Operation *, FailureOr<Value>>(rows.getDefiningOp())
          .Case([&](llm::RmsNormOp norm) { return makeNorm(norm, element); })
          .Case([&](llm::SwigluOp swiglu) { return makeSwiglu(swiglu, rows, rot::Transform(), element); })
          .Case([&](rot::ConvertOp convert) {
            auto swiglu = convert.getInput().getDefiningOp<llm::SwigluOp>();
            return makeSwiglu(swiglu, rows, *findTransform(swiglu.getType(), convert.getType()), element);
          })
          .Case<AttentionOp, AttentionCombineOp>([&](auto attention) -> FailureOr<Value> {
            auto copy = cast<decltype(attention)>(OpBuilder(attention).clone(*attention));
            copy.getResult().setType(cast<RankedTensorType>(typeOf(rows).clone(element)));
            return Value(copy.getResult());
          });
  if (succeeded(made))
    halves[rows] = *made;
  return made;
}

/// A change of basis goes before what it reads.
void Selection::eraseReplaced() {
  llvm::SetVector<Operation *> converts, producers;
  for (auto [rows, half] : halves) {
    Operation *op = rows.getDefiningOp();
    if (auto convert = dyn_cast<rot::ConvertOp>(op)) {
      converts.insert(op);
      op = convert.getInput().getDefiningOp();
    }
    producers.insert(op);
  }
  for (const auto &ops : {converts, producers})
    for (Operation *op : ops)
      if (op->use_empty())
        op->erase();
}

//===----------------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------------===//

LogicalResult Selection::replaceFloats(llm::LinearOp linear) {
  Value weight = linear.getWeight();
  if (typeOf(weight).getElementType() != typeOf(linear.getInput()).getElementType())
    return keep(linear, "multiplies two types of floats"), success();
  FailureOr<Value> made = getHalf(linear.getInput());
  if (failed(made))
    return failure();
  Value input = *made;
  FailureOr<GemmAttr> config = chooseConfig(linear, "gemm_f16", lastSize(linear.getResult()), lastSize(input));
  if (failed(config))
    return failure();
  LinearPlace place = findPlace(linear);
  OpBuilder builder(place.last);
  weight = castWeight(builder, weight, typeOf(input).getElementType());
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
  Value codes = weight.getCodes();
  int64_t groups = lastSize(weight.getScale()), columns = lastSize(linear.getInput());
  if (weight.getZero() || typeOf(codes).getElementTypeBitWidth() != 4)
    return keep(linear, "has a weight that is not of symmetric 4-bit codes"), success();
  FailureOr<GemmAttr> config = chooseConfig(linear, "gemm_w4a16", lastSize(linear.getResult()), columns);
  if (failed(config))
    return failure();
  int64_t size = groups > 1 ? int64_t(weight.getGroupSize()) : config->getBk();
  if ((groups > 1 && columns % size) || size % 16 || (size % config->getBk() && config->getBk() % size))
    return keep(linear, "has groups that are not equal or do not meet tiles of the contraction evenly"), success();
  std::string why = std::move(reason);
  FailureOr<Value> made = getHalf(linear.getInput());
  if (failed(made))
    return failure();
  Value input = *made;
  reason = std::move(why);
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
