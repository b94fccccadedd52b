//===- TileTest.cpp - functions of tile ops against what they were selected from ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "TestModel.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace quantopt;
using interp::InterpreterOptions;
using interp::Precision;

static std::string replaceAll(std::string text, llvm::StringRef from, llvm::StringRef to) {
  for (size_t at = 0; (at = text.find(from.str(), at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to.str());
  return text;
}

/// The model after tile-select. Fails where an op of q or llm that computes stays.
static void select(TestModel &model, llvm::StringRef arch, int64_t maxRows) {
  TileSelectPassOptions options;
  options.arch = arch.str();
  options.maxRows = maxRows;
  mlir::PassManager passes(model.get().getContext());
  passes.addPass(createTileSelectPass(options));
  ASSERT_TRUE(mlir::succeeded(passes.run(model.get())));
  model.get().walk([](mlir::Operation *op) {
    bool isComputed = llvm::isa_and_nonnull<q::QDialect, llm::LlmDialect>(op->getDialect()) &&
                      !param::isWeightExpression(op->getResult(0));
    EXPECT_FALSE(isComputed) << op->getName().getStringRef().str();
  });
}

static InterpreterOptions inDoubles() {
  InterpreterOptions options;
  options.precision = Precision::F64;
  return options;
}

/// Weights are never kept: they are read in pieces.
static InterpreterOptions inPieces() {
  InterpreterOptions options;
  options.weightCacheBytes = 0;
  return options;
}

/// Runs the text before and after tile-select and expects the same bits.
static void expectSameAfterSelection(const std::string &text, const Tensor &weights, llvm::ArrayRef<Tensor> inputs,
                                     llvm::StringRef arch, int64_t maxRows, llvm::ArrayRef<InterpreterOptions> runs) {
  SCOPED_TRACE(arch.str() + (maxRows ? " decode" : ""));
  TestModel before(text, weights), after(text, weights);
  select(after, arch, maxRows);
  for (const InterpreterOptions &options : runs) {
    auto expected = before.run(inputs, options), actual = after.run(inputs, options);
    ASSERT_EQ(expected.size(), actual.size());
    for (auto [a, b] : llvm::zip(expected, actual))
      expectSameBits(a, b);
  }
}

/// A norm of a stream that nothing else adds to, products with bias and residual, SwiGLU, both transforms. Neither 100
/// columns nor 100 channels fill blocks.
static const char integerText[] = R"(
    #h = #rot.hadamard<96, seed = 3>
    #g = #rot.kron<5, #rot.hadamard<20>>
    #H = #rot.basis<[_, _, #h]>
    #G = #rot.basis<[_, _, #g]>
    param.file @f "FILE"
    param.global @up : tensor<100x96xf32> from @f [offset = 0, length = 38400]
    param.global @down : tensor<96x100xf32> from @f [offset = 38400, length = 38400]
    param.global @bias : tensor<100xf32> from @f [offset = 76800, length = 400]
    param.global @table : tensor<50x96xf32> from @f [offset = 77200, length = 19200]
    func.func @main(%ids: tensor<?x?xi64>, %r: tensor<?x?x96xf32>)
        -> (tensor<?x?x96xf32>, tensor<?x?x100xf32>, tensor<?x?x96xf32>) {
      %up = param.load @up : tensor<100x96xf32>
      %down = param.load @down : tensor<96x100xf32>
      %bias = param.load @bias : tensor<100xf32>
      %table = param.load @table : tensor<50x96xf32>
      %ur = rot.convert %up : tensor<100x96xf32> to tensor<100x96xf32, #rot.basis<[_, #h]>>
      %dr = rot.convert %down : tensor<96x100xf32> to tensor<96x100xf32, #rot.basis<[_, #g]>>
      %uc, %us = q.quantize_weight %ur {method = "rtn", options = {bits = WBITS : i64}}
        : tensor<100x96xf32, #rot.basis<[_, #h]>> -> tensor<100x96xWEIGHT, #rot.basis<[_, #h]>>, tensor<100x1xf32>
      %dc, %ds = q.quantize_weight %dr {method = "rtn", options = {bits = WBITS : i64}}
        : tensor<96x100xf32, #rot.basis<[_, #g]>> -> tensor<96x100xWEIGHT, #rot.basis<[_, #g]>>, tensor<96x1xf32>
      %e = llm.embedding %ids, %table : (tensor<?x?xi64>, tensor<50x96xf32>) -> tensor<?x?x96xf32>
      %x = llm.residual_add %e, %r : (tensor<?x?x96xf32>, tensor<?x?x96xf32>) -> tensor<?x?x96xf32>
      %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x?x96xf32> -> tensor<?x?x96xf32>
      %t = rot.convert %n : tensor<?x?x96xf32> to tensor<?x?x96xf32, #H>
      %c, %s = q.quantize_dynamic %t {bits = XBITS : i64, group_size = 0 : i64, clip = 0.9 : f64}
        : tensor<?x?x96xf32, #H> -> (tensor<?x?x96xCODE, #H>, tensor<?x?x1xf32>)
      %u = q.linear %c, %s, %uc, %us bias %bias {input_group_size = 0 : i64, weight_group_size = 0 : i64}
        : (tensor<?x?x96xCODE, #H>, tensor<?x?x1xf32>, tensor<100x96xWEIGHT, #rot.basis<[_, #h]>>, tensor<100x1xf32>,
           tensor<100xf32>) -> tensor<?x?x100xf32>
      %a = llm.swiglu %u, %u : (tensor<?x?x100xf32>, tensor<?x?x100xf32>) -> tensor<?x?x100xf32>
      %b = rot.convert %a : tensor<?x?x100xf32> to tensor<?x?x100xf32, #G>
      %d, %z = q.quantize_dynamic %b {bits = XBITS : i64, group_size = 0 : i64, clip = 0.95 : f64}
        : tensor<?x?x100xf32, #G> -> (tensor<?x?x100xCODE, #G>, tensor<?x?x1xf32>)
      %l = q.linear %d, %z, %dc, %ds {input_group_size = 0 : i64, weight_group_size = 0 : i64}
        : (tensor<?x?x100xCODE, #G>, tensor<?x?x1xf32>, tensor<96x100xWEIGHT, #rot.basis<[_, #g]>>, tensor<96x1xf32>)
          -> tensor<?x?x96xf32>
      %y = llm.residual_add %x, %l : (tensor<?x?x96xf32>, tensor<?x?x96xf32>) -> tensor<?x?x96xf32>
      return %x, %u, %y : tensor<?x?x96xf32>, tensor<?x?x100xf32>, tensor<?x?x96xf32>
    })";

static std::string integerLayer(int inputBits, int weightBits) {
  std::string text = replaceAll(integerText, "XBITS", std::to_string(inputBits));
  text = replaceAll(text, "WBITS", std::to_string(weightBits));
  text = replaceAll(text, "CODE", inputBits > 4 ? "i8" : "i4");
  return replaceAll(text, "WEIGHT", weightBits > 4 ? "i8" : "i4");
}

TEST(Tile, IntegerProductsHaveTheBitsOfTheQForm) {
  Tensor weights = randomFloats({24100}, 1);
  llvm::SmallVector<Tensor> inputs = {integers({2, 7}, {0, 49, 3, 3, 9, 20, 1, 30, 31, 32, 0, 17, 18, 19}),
                                      randomFloats({2, 7, 96}, 2)};
  InterpreterOptions runs[] = {{}, inDoubles(), inPieces()};
  for (auto [inputBits, weightBits] : {std::pair(4, 4), {3, 2}, {8, 4}, {6, 3}, {8, 8}, {4, 8}})
    for (llvm::StringRef arch : {"sm_80", "sm_90a"})
      for (int64_t maxRows : {0, 16}) {
        SCOPED_TRACE(llvm::formatv("W{0}A{1}", weightBits, inputBits).str());
        expectSameAfterSelection(integerLayer(inputBits, weightBits), weights, inputs, arch, maxRows, runs);
      }
}

/// Root mean square of the difference, relative to that of `expected`.
static double relativeError(const Tensor &actual, const Tensor &expected) {
  Tensor a = convert(actual, DType::F64), b = convert(expected, DType::F64);
  double error = 0, power = 0;
  for (auto [x, y] : llvm::zip_equal(a.data<double>(), b.data<double>())) {
    error += (x - y) * (x - y);
    power += y * y;
  }
  return std::sqrt(error / power);
}

/// A product of floats, one of floats and codes in GROUPS groups, and additions to both. The file's f32 become TYPE.
static const char floatText[] = R"(
    param.file @f "FILE"
    param.global @w : tensor<72x128xf32> from @f [offset = 0, length = 36864]
    param.global @v : tensor<72x128xf32> from @f [offset = 36864, length = 36864]
    param.global @b : tensor<72xf32> from @f [offset = 73728, length = 288]
    func.func @main(%x: tensor<?x?x128xTYPE>, %r: tensor<?x?x72xTYPE>)
        -> (tensor<?x?x72xTYPE>, tensor<?x?x72xTYPE>, tensor<?x?x72xTYPE>) {
      %w32 = param.load @w : tensor<72x128xf32>
      %v32 = param.load @v : tensor<72x128xf32>
      %b32 = param.load @b : tensor<72xf32>
      %w = param.cast %w32 : tensor<72x128xf32> to tensor<72x128xTYPE>
      %v = param.cast %v32 : tensor<72x128xf32> to tensor<72x128xTYPE>
      %b = param.cast %b32 : tensor<72xf32> to tensor<72xTYPE>
      %c, %s = q.quantize_weight %v {method = "rtn", options = {bits = 4, group_size = SIZE}}
        : tensor<72x128xTYPE> -> tensor<72x128xi4>, tensor<72xGROUPSxTYPE>
      %d = q.dequantize %c, %s {group_size = SIZE : i64} : (tensor<72x128xi4>, tensor<72xGROUPSxTYPE>) -> tensor<72x128xTYPE>
      %y = llm.linear %x, %w : (tensor<?x?x128xTYPE>, tensor<72x128xTYPE>) -> tensor<?x?x72xTYPE>
      %z = llm.linear %x, %d : (tensor<?x?x128xTYPE>, tensor<72x128xTYPE>) -> tensor<?x?x72xTYPE>
      %l = llm.linear %x, %d bias %b : (tensor<?x?x128xTYPE>, tensor<72x128xTYPE>, tensor<72xTYPE>) -> tensor<?x?x72xTYPE>
      %a = llm.residual_add %r, %l : (tensor<?x?x72xTYPE>, tensor<?x?x72xTYPE>) -> tensor<?x?x72xTYPE>
      return %y, %z, %a : tensor<?x?x72xTYPE>, tensor<?x?x72xTYPE>, tensor<?x?x72xTYPE>
    })";

TEST(Tile, FloatProductsEqualTheLlmForm) {
  Tensor weights = randomFloats({18504}, 1);
  llvm::SmallVector<Tensor> inputs = {randomFloats({3, 5, 128}, 2), randomFloats({3, 5, 72}, 3)};
  for (llvm::StringRef type : {"f16", "bf16"})
    for (int64_t groups : {1, 2, 4}) {
      SCOPED_TRACE(llvm::formatv("{0} {1} groups", type, groups).str());
      std::string text = replaceAll(floatText, "TYPE", type);
      text = replaceAll(text, "SIZE", std::to_string(groups > 1 ? 128 / groups : 0));
      text = replaceAll(text, "GROUPS", std::to_string(groups));
      for (llvm::StringRef arch : {"sm_80", "sm_90a"})
        for (int64_t maxRows : {0, 16}) {
          InterpreterOptions doubles[] = {inDoubles()};
          expectSameAfterSelection(text, weights, inputs, arch, maxRows, doubles);
          // Kernels read scales that are rounded to the type, and round what they add up once, the llm form every sum.
          TestModel before(text, weights), after(text, weights);
          select(after, arch, maxRows);
          auto expected = before.run(inputs), actual = after.run(inputs), pieces = after.run(inputs, inPieces());
          expectSameBits(actual[0], expected[0]);
          for (unsigned i : {1, 2})
            EXPECT_LE(relativeError(actual[i], expected[i]), 2 * (type == "f16" ? 0x1p-11 : 0x1p-8));
          for (auto [a, b] : llvm::zip_equal(actual, pieces))
            expectSameBits(a, b);
        }
    }
}

/// The head of an f32 model, which kernels compute in f16.
TEST(Tile, HeadIsInHalves) {
  const char text[] = R"(
    param.file @f "FILE"
    param.global @w : tensor<72x128xf32> from @f [offset = 0, length = 36864]
    func.func @main(%x: tensor<?x128xf32>) -> tensor<?x72xf32> {
      %w = param.load @w : tensor<72x128xf32>
      %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x128xf32> -> tensor<?x128xf32>
      %y = llm.linear %n, %w : (tensor<?x128xf32>, tensor<72x128xf32>) -> tensor<?x72xf32>
      return %y : tensor<?x72xf32>
    })";
  Tensor weights = randomFloats({9216}, 1), x = randomFloats({9, 128}, 2);
  InterpreterOptions doubles[] = {inDoubles()};
  expectSameAfterSelection(text, weights, {x}, "sm_80", 0, doubles);
  TestModel before(text, weights), after(text, weights);
  select(after, "sm_80", 0);
  Tensor expected = before.run({x})[0], actual = after.run({x})[0];
  EXPECT_LE(relativeError(actual, expected), 0x1p-11); // two factors are off by 2^-11 each, at most
}

/// Rows that neither a norm nor a SwiGLU makes, quantized; and a SwiGLU that a product of floats reads.
TEST(Tile, QuantizesAnyRowsAndMultipliesSwiglu) {
  const char text[] = R"(
    #H = #rot.basis<[_, #rot.hadamard<128>]>
    param.file @f "FILE"
    param.global @w : tensor<72x128xf32> from @f [offset = 0, length = 36864]
    func.func @main(%x: tensor<?x128xf32>, %u: tensor<?x128xf32>) -> (tensor<?x72xf32>, tensor<?x72xf32>) {
      %w = param.load @w : tensor<72x128xf32>
      %r = rot.convert %w : tensor<72x128xf32> to tensor<72x128xf32, #H>
      %c, %s = q.quantize_weight %r {method = "rtn", options = {bits = 4}}
        : tensor<72x128xf32, #H> -> tensor<72x128xi4, #H>, tensor<72x1xf32>
      %t = rot.convert %x : tensor<?x128xf32> to tensor<?x128xf32, #H>
      %xc, %xs = q.quantize_dynamic %t {bits = 4 : i64, group_size = 0 : i64, clip = 0.9 : f64}
        : tensor<?x128xf32, #H> -> (tensor<?x128xi4, #H>, tensor<?x1xf32>)
      %y = q.linear %xc, %xs, %c, %s {input_group_size = 0 : i64, weight_group_size = 0 : i64}
        : (tensor<?x128xi4, #H>, tensor<?x1xf32>, tensor<72x128xi4, #H>, tensor<72x1xf32>) -> tensor<?x72xf32>
      %d, %e = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 32}}
        : tensor<72x128xf32> -> tensor<72x128xi4>, tensor<72x4xf32>
      %v = q.dequantize %d, %e {group_size = 32 : i64} : (tensor<72x128xi4>, tensor<72x4xf32>) -> tensor<72x128xf32>
      %g = llm.swiglu %x, %u : (tensor<?x128xf32>, tensor<?x128xf32>) -> tensor<?x128xf32>
      %z = llm.linear %g, %v : (tensor<?x128xf32>, tensor<72x128xf32>) -> tensor<?x72xf32>
      return %y, %z : tensor<?x72xf32>, tensor<?x72xf32>
    })";
  Tensor weights = randomFloats({9216}, 1);
  llvm::SmallVector<Tensor> inputs = {randomFloats({9, 128}, 2), randomFloats({9, 128}, 3)};
  InterpreterOptions doubles[] = {inDoubles()};
  expectSameAfterSelection(text, weights, inputs, "sm_80", 0, doubles);
  TestModel before(text, weights), after(text, weights);
  select(after, "sm_80", 0);
  auto expected = before.run(inputs), actual = after.run(inputs);
  expectSameBits(actual[0], expected[0]);
  EXPECT_LE(relativeError(actual[1], expected[1]), 0x1p-10); // SwiGLU, weights and their scales are in f16
}

//===----------------------------------------------------------------------------===//
// What no selection makes
//===----------------------------------------------------------------------------===//

TEST(Tile, GroupScalesAreIntegers) {
  TestModel model(R"(
    func.func @main(%x: tensor<?x128xi4>, %xs: tensor<?x1xf32>, %w: tensor<1x1024xui8>, %ws: tensor<9xf32>,
                    %g: tensor<9x2xui8>, %r: tensor<?x9xf16>) -> tensor<?x9xf16> {
      %y = tile.gemm_w4a4 %x, %xs, %w, %ws groups %g residual %r
        {config = #tile.gemm<arch = sm_80, bm = 64, bn = 64, bk = 64, wm = 32, wn = 32, stages = 3>}
        : (tensor<?x128xi4>, tensor<?x1xf32>, tensor<1x1024xui8>, tensor<9xf32>, tensor<9x2xui8>, tensor<?x9xf16>)
          -> tensor<?x9xf16>
      return %y : tensor<?x9xf16>
    })");
  std::vector<int8_t> codes(9 * 128), x(2 * 128);
  std::vector<uint8_t> packed(1024), factors(18);
  std::vector<float> ws(9);
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] = int8_t(i * 7 % 16) - 8;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = int8_t(i * 5 % 16) - 8;
  for (size_t i = 0; i < 18; ++i)
    factors[i] = 13 * i + 1;
  for (size_t i = 0; i < 9; ++i)
    ws[i] = 0.001f * (i + 1);
  numerics::Layout(numerics::Layout::Order::S4).pack(codes.data(), 9, 128, packed.data());
  Tensor residual = convert(randomFloats({2, 9}, 1), DType::F16), wide = convert(residual, DType::F32);
  auto results = model.run({Tensor::from<int8_t>(DType::I4, {2, 128}, x), floats({2, 1}, {0.25f, 0.3f}),
                            Tensor::from<uint8_t>(DType::U8, {1, 1024}, packed), floats({9}, ws),
                            Tensor::from<uint8_t>(DType::U8, {9, 2}, factors), residual});
  Tensor expected(DType::F32, {2, 9});
  for (int m = 0; m < 2; ++m)
    for (int n = 0; n < 9; ++n) {
      int total = 0;
      for (int k = 0; k < 128; ++k)
        total += factors[2 * n + k / 64] * x[m * 128 + k] * codes[n * 128 + k];
      float scaled = float(total) * (m ? 0.3f : 0.25f) * ws[n];
      expected.mutableData<float>()[m * 9 + n] = scaled + wide.data<float>()[m * 9 + n];
    }
  ASSERT_EQ(results.size(), 1u);
  expectSameBits(results[0], convert(expected, DType::F16));
}

TEST(Tile, LooksUpAndSelects) {
  TestModel model(R"(
    func.func @main(%ids: tensor<?xi32>, %table: tensor<3x8xf16>, %x: tensor<?x8xf32>)
        -> (tensor<?x8xf32>, tensor<?xi32>, tensor<?x3xf32>, tensor<?x3xi32>) {
      %y = tile.embedding %ids, %table {config = #tile.rows<arch = sm_80, threads = 32>}
        : (tensor<?xi32>, tensor<3x8xf16>) -> tensor<?x8xf32>
      %i = tile.arg_max %x {config = #tile.rows<arch = sm_80, threads = 32>} : (tensor<?x8xf32>) -> tensor<?xi32>
      %v, %j = tile.top_k %x {config = #tile.rows<arch = sm_80, threads = 32>}
        : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x3xi32>)
      return %y, %i, %v, %j : tensor<?x8xf32>, tensor<?xi32>, tensor<?x3xf32>, tensor<?x3xi32>
    })");
  Tensor table = convert(randomFloats({3, 8}, 1), DType::F16), wide = convert(table, DType::F32);
  auto results = model.run({Tensor::from<int32_t>(DType::I32, {3}, {2, -1, 3}), table,
                            floats({2, 8}, {1, 5, 2, 5, 0, -1, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0.5f})});
  ASSERT_EQ(results.size(), 4u);
  std::vector<float> expected(24);
  llvm::copy(wide.data<float>().slice(16, 8), expected.begin());
  expectElements<float>(results[0], {3, 8}, expected);
  expectElements<int32_t>(results[1], {2}, {1, 7});
  expectElements<float>(results[2], {2, 3}, {5, 5, 5, 0.5f, 0, 0});
  expectElements<int32_t>(results[3], {2, 3}, {1, 3, 7, 7, 0, 1});
}
