//===- InterpreterTest.cpp - functions executed op by op ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "TestModel.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Support/Conversion.h"

using namespace quantopt;
using interp::InterpreterOptions;
using interp::Precision;

static InterpreterOptions inDoubles() {
  InterpreterOptions options;
  options.precision = Precision::F64;
  return options;
}

TEST(Interpreter, ListsEveryOpWithoutAKernelBeforeRunning) {
  TestModel model(R"(
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %0 = onnx.node "my.domain::Strange"(%x) node "first" : (tensor<2xf32>) -> tensor<2xf32>
      %1 = onnx.Abs(%0) node "known" : (tensor<2xf32>) -> tensor<2xf32>
      %2 = onnx.node "my.domain::Strange"(%1) node "second" : (tensor<2xf32>) -> tensor<2xf32>
      %3 = onnx.node "::Det"(%2) node "third" : (tensor<2xf32>) -> tensor<2xf32>
      return %3 : tensor<2xf32>
    })");
  EXPECT_EQ(model.errorOfRun({floats({2}, {1, 2})}), "cannot execute: there is no kernel for\n"
                                                     "  Det: node \"third\" (Det)\n"
                                                     "  my.domain::Strange: node \"first\" (Strange) and 1 more");
}

TEST(Interpreter, NamesTheNodeThatFails) {
  TestModel model(R"(
    func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
      %0 = onnx.Add(%x, %y) node "/model/Add" : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
      return %0 : tensor<?xf32>
    })");
  EXPECT_EQ(model.errorOfRun({floats({2}, {1, 2}), floats({3}, {1, 2, 3})}),
            "node \"/model/Add\" (Add): shapes 2 and 3 do not broadcast");
}

TEST(Interpreter, ChecksInputsAndResults) {
  TestModel model(R"(
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %0 = onnx.Abs(%x) node "abs" : (tensor<2xf32>) -> tensor<2xf32>
      return %0 : tensor<2xf32>
    })");
  EXPECT_EQ(model.errorOfRun({}), "expected 1 inputs, got 0");
  EXPECT_EQ(model.errorOfRun({integers({2}, {1, 2})}), "input #0 has elements of i64, expected f32");
  EXPECT_EQ(model.errorOfRun({floats({3}, {1, 2, 3})}), "input #0: computed 3 where the graph states tensor<2xf32>");
}

TEST(Interpreter, RunsCallsAndModelLocalFunctions) {
  TestModel model(R"(
    func.func private @twice(%x: tensor<*xf32>) -> tensor<*xf32>
        attributes {onnx.function = {domain = "mine", name = "Double", opset_imports = {ai.onnx = 21 : i64}}} {
      %0 = onnx.Add(%x, %x) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
      return %0 : tensor<*xf32>
    }
    func.func private @negate(%x: tensor<2xf32>) -> tensor<2xf32> {
      %0 = onnx.Neg(%x) : (tensor<2xf32>) -> tensor<2xf32>
      return %0 : tensor<2xf32>
    }
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %0 = onnx.node "mine::Double"(%x) : (tensor<2xf32>) -> tensor<2xf32>
      %1 = call @negate(%0) : (tensor<2xf32>) -> tensor<2xf32>
      return %1 : tensor<2xf32>
    })");
  expectElements<float>(model.run({floats({2}, {1, 2})})[0], {2}, {-2, -4});
}

TEST(Interpreter, DoublesRoundNothing) {
  TestModel model(R"(
    func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
      %0 = onnx.Cast(%x) {to = 10 : i64} : (tensor<1xf32>) -> tensor<1xf16>
      %1 = onnx.Cast(%0) {to = 1 : i64} : (tensor<1xf16>) -> tensor<1xf32>
      return %1 : tensor<1xf32>
    })");
  Tensor third = floats({1}, {1.0f / 3});
  expectElements<double>(model.run({third}, inDoubles())[0], {1}, {double(1.0f / 3)});
  EXPECT_NE(model.run({third})[0].data<float>()[0], 1.0f / 3);
}

TEST(Interpreter, ReadsConstantsOfEveryKind) {
  TestModel model(R"(
    func.func @main(%shape: tensor<1xi64>) -> (tensor<?xi1>, tensor<3xi1>, tensor<2xf16>, tensor<2xi4>, tensor<2xui8>) {
      %0 = onnx.ConstantOfShape(%shape) {value = dense<true> : tensor<1xi1>} : (tensor<1xi64>) -> tensor<?xi1>
      %1 = onnx.Constant() {value = dense<[true, false, true]> : tensor<3xi1>} : () -> tensor<3xi1>
      %2 = onnx.Constant() {value = dense<1.5> : tensor<2xf16>} : () -> tensor<2xf16>
      %3 = onnx.Constant() {value = dense<[-8, 7]> : tensor<2xi4>} : () -> tensor<2xi4>
      %4 = onnx.Constant() {value = dense<[200, 3]> : tensor<2xui8>} : () -> tensor<2xui8>
      return %0, %1, %2, %3, %4 : tensor<?xi1>, tensor<3xi1>, tensor<2xf16>, tensor<2xi4>, tensor<2xui8>
    })");
  auto results = model.run({integers({1}, {2})});
  expectElements<uint8_t>(results[0], {2}, {1, 1});
  expectElements<uint8_t>(results[1], {3}, {1, 0, 1});
  expectElements<uint16_t>(results[2], {2}, {0x3e00, 0x3e00});
  expectElements<int8_t>(results[3], {2}, {-8, 7});
  expectElements<uint8_t>(results[4], {2}, {200, 3});
}

static const char linearText[] = R"(
    param.file @f "FILE"
    param.global @table : tensor<40x24xf32> from @f [offset = 0, length = 3840]
    param.global @w : tensor<24x40xf32> from @f [offset = 3840, length = 3840]
    func.func @main(%ids: tensor<?xi64>) -> (tensor<?x24xf32>, tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>) {
      %table = param.load @table : tensor<40x24xf32>
      %w = param.load @w : tensor<24x40xf32>
      %wt = param.transpose %w : tensor<24x40xf32> to tensor<40x24xf32>
      %turned = onnx.Transpose(%table) {perm = array<i64: 1, 0>} : (tensor<40x24xf32>) -> tensor<24x40xf32>
      %x = llm.embedding %ids, %table : (tensor<?xi64>, tensor<40x24xf32>) -> tensor<?x24xf32>
      %0 = llm.linear %x, %wt : (tensor<?x24xf32>, tensor<40x24xf32>) -> tensor<?x40xf32>
      %1 = onnx.MatMul(%x, %w) : (tensor<?x24xf32>, tensor<24x40xf32>) -> tensor<?x40xf32>
      %2 = onnx.MatMul(%x, %turned) : (tensor<?x24xf32>, tensor<24x40xf32>) -> tensor<?x40xf32>
      return %x, %0, %1, %2 : tensor<?x24xf32>, tensor<?x40xf32>, tensor<?x40xf32>, tensor<?x40xf32>
    })";

TEST(Interpreter, WeightsAreReadInAnyFormAndKeptOrNot) {
  Tensor weights = randomFloats({1920}, 1);
  TestModel model(linearText, weights);
  Tensor ids = integers({5}, {3, 39, 0, 3, 4});
  Tensor table = take(compute::slice(weights, {0}, {960}, {0}, {1})).reshaped({40, 24});
  Tensor w = take(compute::slice(weights, {960}, {1920}, {0}, {1})).reshaped({24, 40});
  Tensor x = take(compute::gather(table, ids, 0));
  InterpreterOptions forgetful;
  forgetful.weightCacheBytes = 0;
  for (const InterpreterOptions &options : {InterpreterOptions(), forgetful}) {
    auto results = model.run({ids}, options);
    expectSameBits(results[0], x);
    expectSameBits(results[1], take(compute::matmul(x, w)));
    expectSameBits(results[2], results[1]);
    expectSameBits(results[3], take(compute::matmul(x, take(compute::transpose(table, {1, 0})))));
  }
  EXPECT_EQ(model.run({ids}, inDoubles())[1].dtype(), DType::F64);
  EXPECT_EQ(model.errorOfRun({integers({1}, {40})}), "node (llm.embedding): index 40 is outside a table of 40 rows");
}

TEST(Interpreter, ObservesEveryValue) {
  TestModel model(linearText, randomFloats({1920}, 1));
  unsigned seen = 0;
  InterpreterOptions options;
  options.observe = [&](mlir::Value, const Tensor &tensor) { seen += tensor.dim(0) == 2; };
  model.run({integers({2}, {1, 2})}, options);
  EXPECT_EQ(seen, 4u);
}

//===----------------------------------------------------------------------------===//
// A decoder layer
//===----------------------------------------------------------------------------===//

/// Attention of two heads of 8 on one cached head, quantized linears, and an online transform.
static const char layerText[] = R"(
    #h = #rot.hadamard<8>
    param.file @f "FILE"
    param.global @wq : tensor<16x16xf32> from @f [offset = 0, length = 1024]
    param.global @wk : tensor<8x16xf32> from @f [offset = 1024, length = 512]
    func.func @main(%x: tensor<?x?x16xf32>, %cos: tensor<?x?x8xf32>, %sin: tensor<?x?x8xf32>, %past: tensor<?x1x?x8xf32>,
                    %mask: tensor<?x1x?x?xf32>) -> (tensor<?x?x16xf32>, tensor<?x1x?x8xf32>) {
      %wq = param.load @wq : tensor<16x16xf32>
      %wk = param.load @wk : tensor<8x16xf32>
      %qc, %qs = q.quantize_weight %wq {method = "rtn", options = {bits = 4 : i64}}
        : tensor<16x16xf32> -> tensor<16x16xi4>, tensor<16x1xf32>
      %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x?x16xf32> -> tensor<?x?x16xf32>
      %xc, %xs = q.quantize_dynamic %n {bits = 4 : i64, group_size = 0 : i64, clip = 0.9 : f64}
        : tensor<?x?x16xf32> -> (tensor<?x?x16xi4>, tensor<?x?x1xf32>)
      %q = q.linear %xc, %xs, %qc, %qs {input_group_size = 0 : i64, weight_group_size = 0 : i64}
        : (tensor<?x?x16xi4>, tensor<?x?x1xf32>, tensor<16x16xi4>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
      %k = llm.linear %n, %wk : (tensor<?x?x16xf32>, tensor<8x16xf32>) -> tensor<?x?x8xf32>
      %q4 = llm.split_heads %q : (tensor<?x?x16xf32>) -> tensor<?x2x?x8xf32>
      %k4 = llm.split_heads %k : (tensor<?x?x8xf32>) -> tensor<?x1x?x8xf32>
      %qr = llm.rope %q4, %cos, %sin : (tensor<?x2x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x2x?x8xf32>
      %kr = llm.rope %k4, %cos, %sin : (tensor<?x1x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x1x?x8xf32>
      %kc, %ks, %kz = q.quantize_dynamic %kr {bits = 4 : i64, group_size = 0 : i64, clip = 0.95 : f64}
        : tensor<?x1x?x8xf32> -> (tensor<?x1x?x8xui4>, tensor<?x1x?x1xf32>, tensor<?x1x?x1xui4>)
      %kd = q.dequantize %kc, %ks zero %kz {group_size = 0 : i64}
        : (tensor<?x1x?x8xui4>, tensor<?x1x?x1xf32>, tensor<?x1x?x1xui4>) -> tensor<?x1x?x8xf32>
      %all = llm.kv_append %past, %kd : (tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x1x?x8xf32>
      %a = llm.attention %qr, %all, %all mask %mask {scale = 0.35 : f64}
        : (tensor<?x2x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x?xf32>) -> tensor<?x2x?x8xf32>
      %r = rot.convert %a : tensor<?x2x?x8xf32> to tensor<?x2x?x8xf32, #rot.basis<[_, _, _, #h]>>
      %b = rot.convert %r : tensor<?x2x?x8xf32, #rot.basis<[_, _, _, #h]>> to tensor<?x2x?x8xf32>
      %m = llm.merge_heads %b : (tensor<?x2x?x8xf32>) -> tensor<?x?x16xf32>
      %g = llm.swiglu %m, %x : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
      %y = llm.residual_add %x, %g : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
      return %y, %all : tensor<?x?x16xf32>, tensor<?x1x?x8xf32>
    })";

namespace {

/// Inputs for positions [begin, end) of one sequence.
struct LayerInputs {
  Tensor x = randomFloats({1, 40, 16}, 2), cos = randomFloats({1, 40, 8}, 3), sin = randomFloats({1, 40, 8}, 4);

  llvm::SmallVector<Tensor> at(int64_t begin, int64_t end, const Tensor &past) const {
    Tensor mask = Tensor::zeros(DType::F32, {1, 1, end - begin, end});
    for (int64_t i = begin; i < end; ++i)
      for (int64_t t = i + 1; t < end; ++t)
        mask.mutableData<float>()[(i - begin) * end + t] = -3.4028235e38f;
    auto part = [&](const Tensor &tensor) { return take(compute::slice(tensor, {begin}, {end}, {1}, {1})); };
    return {part(x), part(cos), part(sin), past, mask};
  }
};

} // namespace

TEST(Interpreter, DecodeEqualsPrefillToTheBit) {
  TestModel model(layerText, randomFloats({384}, 5));
  LayerInputs inputs;
  Tensor nothing(DType::F32, {1, 1, 0, 8});
  auto whole = model.run(inputs.at(0, 40, nothing));
  auto prefill = model.run(inputs.at(0, 33, nothing));
  Tensor cache = prefill[1];
  for (int64_t i = 33; i < 40; ++i) {
    auto step = model.run(inputs.at(i, i + 1, cache));
    expectSameBits(step[0], take(compute::slice(whole[0], {i}, {i + 1}, {1}, {1})));
    cache = step[1];
  }
  expectSameBits(cache, whole[1]);
}

TEST(Interpreter, ThreadsDoNotShow) {
  TestModel model(layerText, randomFloats({384}, 5));
  LayerInputs inputs;
  InterpreterOptions one, five;
  one.threads = 1;
  five.threads = 5;
  Tensor nothing(DType::F32, {1, 1, 0, 8});
  auto a = model.run(inputs.at(0, 40, nothing), one), b = model.run(inputs.at(0, 40, nothing), five);
  expectSameBits(a[0], b[0]);
  expectSameBits(a[1], b[1]);
}

TEST(Interpreter, QuantizesChannelsOverBlocksOfTokens) {
  TestModel model(R"(
    func.func @main(%k: tensor<1x1x?x2xf32>) -> (tensor<1x1x?x2xui4>, tensor<1x1x?x2xf16>, tensor<1x1x?x2xui4>, tensor<1x1x?x2xf32>) {
      %c, %s, %z = q.quantize_dynamic %k {axis = -2 : i64, bits = 2 : i64, clip = 1.0 : f64, group_size = 3 : i64}
        : tensor<1x1x?x2xf32> -> (tensor<1x1x?x2xui4>, tensor<1x1x?x2xf16>, tensor<1x1x?x2xui4>)
      %d = q.dequantize %c, %s zero %z {axis = -2 : i64, group_size = 3 : i64}
        : (tensor<1x1x?x2xui4>, tensor<1x1x?x2xf16>, tensor<1x1x?x2xui4>) -> tensor<1x1x?x2xf32>
      return %c, %s, %z, %d : tensor<1x1x?x2xui4>, tensor<1x1x?x2xf16>, tensor<1x1x?x2xui4>, tensor<1x1x?x2xf32>
    })");
  // Blocks of 3 tokens and 1; each channel has a range of its own.
  auto results = model.run({floats({1, 1, 4, 2}, {3, -2, 1, 4, 0.4f, 0, 6, -3})});
  expectElements<uint8_t>(results[0], {1, 1, 4, 2}, {3, 0, 1, 3, 0, 1, 3, 0});
  expectElements<float>(convert(results[1], DType::F32), {1, 1, 2, 2}, {1, 2, 2, 1});
  expectElements<uint8_t>(results[2], {1, 1, 2, 2}, {0, 1, 0, 3});
  expectElements<float>(results[3], {1, 1, 4, 2}, {3, -2, 1, 4, 0, 0, 6, -3});
}
