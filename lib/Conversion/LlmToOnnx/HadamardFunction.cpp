//===- HadamardFunction.cpp - the model-local function quantopt::HadamardTransform ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Lowering.h"

using namespace mlir;
using namespace quantopt;

static constexpr llvm::StringLiteral functionSymbol = "HadamardTransform";

/// Y = scale·(HA·V·HB) of every [a, b] block V of X, blocks lying one after the other along the last dimension:
/// X → Reshape [-1, a, b] → MatMul HB → MatMul(HA, ·) → Mul scale → Reshape (Shape X).
void quantopt::addHadamardFunction(ModuleOp module) {
  if (module.lookupSymbol(functionSymbol))
    return;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Location location = builder.getUnknownLoc();
  Type f32 = builder.getF32Type(), i64 = builder.getI64Type();
  Type any = UnrankedTensorType::get(f32);
  constexpr int64_t dynamic = ShapedType::kDynamic;
  auto matrix = RankedTensorType::get({dynamic, dynamic}, f32),
       stack = RankedTensorType::get({dynamic, dynamic, dynamic}, f32);
  auto scalar = RankedTensorType::get({}, f32);
  auto one = RankedTensorType::get({1}, i64), three = RankedTensorType::get({3}, i64);
  auto shape = RankedTensorType::get({dynamic}, i64);
  auto function = func::FuncOp::create(builder, location, functionSymbol,
                                       builder.getFunctionType({any, matrix, matrix, scalar}, any));
  function.setPrivate();
  auto named = [&](StringRef name) { return builder.getStringAttr(name); };
  StringRef inputs[] = {"X", "HA", "HB", "scale"};
  for (auto [i, name] : llvm::enumerate(inputs))
    function.setArgAttr(i, onnx::OnnxDialect::nameAttrName, named(name));
  function.setResultAttr(0, onnx::OnnxDialect::nameAttrName, named("Y"));
  function->setAttr(onnx::OnnxDialect::functionAttrName,
                    builder.getDictionaryAttr(
                        {{"domain", named("quantopt")},
                         {"name", named("HadamardTransform")},
                         {"opset_imports", builder.getDictionaryAttr({{"ai.onnx", builder.getI64IntegerAttr(21)}})}}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  Value x = body->getArgument(0), slow = body->getArgument(1), fast = body->getArgument(2),
        scale = body->getArgument(3);
  auto node = [&](StringRef type, StringRef name, Type result, ValueRange operands,
                  ArrayRef<NamedAttribute> attributes = {}) {
    return onnx::createNode(builder, location, ("::" + type).str(), result, operands, attributes, name, {name})
        ->getResult(0);
  };
  auto size = [&](StringRef name, Value factor) {
    return node("Shape", name, one, factor,
                {{"start", builder.getI64IntegerAttr(0)}, {"end", builder.getI64IntegerAttr(1)}});
  };
  Value whole = node("Shape", "shape", shape, x);
  Value a = size("a", slow), b = size("b", fast);
  Value all = node("Constant", "all", one, {}, {{"value_ints", builder.getDenseI64ArrayAttr({-1})}});
  Value blocks = node("Concat", "block_shape", three, {all, a, b}, {{"axis", builder.getI64IntegerAttr(0)}});
  Value split = node("Reshape", "blocks", stack, {x, blocks});
  Value rows = node("MatMul", "rows", stack, {split, fast});
  Value columns = node("MatMul", "columns", stack, {slow, rows});
  Value scaled = node("Mul", "scaled", stack, {columns, scale});
  Value y = node("Reshape", "Y", any, {scaled, whole});
  func::ReturnOp::create(builder, location, y);
}
