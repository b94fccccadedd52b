//===- CompileTimeTest.cpp - how long a large model's kernels take to build -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Target/PTX/Translate.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <ctime>

using namespace mlir;
using namespace quantopt;

/// A linear of 4-bit weights and activations, its weights in a file that nobody reads.
static std::string linear(StringRef name, StringRef input, int64_t channels, int64_t contraction,
                          StringRef basis = "") {
  return llvm::formatv(R"(
    %w_{0} = param.load @w_{2}x{3} : tensor<{2}x{3}xi4{4}>
    %ws_{0} = param.load @s_{2} : tensor<{2}x1xf32>
    %{0} = q.linear %{1}, %{1}_scale, %w_{0}, %ws_{0} {{input_group_size = 0 : i64, weight_group_size = 0 : i64}
      : (tensor<?x{3}xi4{4}>, tensor<?x1xf32>, tensor<{2}x{3}xi4{4}>, tensor<{2}x1xf32>) -> tensor<?x{2}xf32>)",
                       name, input, channels, contraction, basis);
}

static std::string quantize(StringRef name, StringRef input, int64_t columns, StringRef basis = "") {
  return llvm::formatv(R"(
    %{0}, %{0}_scale = q.quantize_dynamic %{1} {{bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
      : tensor<?x{2}xf32{3}> -> (tensor<?x{2}xi4{3}>, tensor<?x1xf32>))",
                       name, input, columns, basis);
}

/// A layer of a model of 70 billion weights (hidden 8192, intermediate 28672, 8 heads of 128 in the cache), all of
/// whose layers have the same kernels, with the embedding before it.
static std::string largeModel() {
  constexpr int64_t hidden = 8192, intermediate = 28672, cache = 1024;
  std::string globals = "param.file @f \"none\"\n";
  for (auto [channels, contraction] : {std::pair(hidden, hidden), {cache, hidden}, {intermediate, hidden}})
    globals += llvm::formatv("param.global @w_{0}x{1} : tensor<{0}x{1}xi4> from @f [offset = 0, length = {2}]\n"
                             "param.global @s_{0} : tensor<{0}x1xf32> from @f [offset = 0, length = {3}]\n",
                             channels, contraction, channels * contraction / 2, channels * 4);
  globals += llvm::formatv("param.global @w_{0}x{1} : tensor<{0}x{1}xi4, #turned> from @f [offset = 0, length = {2}]\n"
                           "param.global @table : tensor<128256x{0}xf32> from @f [offset = 0, length = {3}]\n",
                           hidden, intermediate, hidden * intermediate / 2, 128256 * hidden * 4);
  std::string body =
      "%table = param.load @table : tensor<128256x8192xf32>\n"
      "%x = llm.embedding %ids, %table : (tensor<?xi64>, tensor<128256x8192xf32>) -> tensor<?x8192xf32>\n"
      "%n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8192xf32> -> tensor<?x8192xf32>\n";
  body += quantize("nq", "n", hidden) + linear("q", "nq", hidden, hidden) + linear("k", "nq", cache, hidden) +
          linear("v", "nq", cache, hidden) + quantize("aq", "attention", hidden) + linear("o", "aq", hidden, hidden) +
          R"(
    %r = llm.residual_add %x, %o : (tensor<?x8192xf32>, tensor<?x8192xf32>) -> tensor<?x8192xf32>
    %m = llm.rms_norm %r {eps = 1.0e-5 : f64} : tensor<?x8192xf32> -> tensor<?x8192xf32>)" +
          quantize("mq", "m", hidden) + linear("gate", "mq", intermediate, hidden) +
          linear("up", "mq", intermediate, hidden) + R"(
    %g = llm.swiglu %gate, %up : (tensor<?x28672xf32>, tensor<?x28672xf32>) -> tensor<?x28672xf32>
    %t = rot.convert %g : tensor<?x28672xf32> to tensor<?x28672xf32, #turned>)" +
          quantize("tq", "t", intermediate, ", #turned") + linear("down", "tq", hidden, intermediate, ", #turned") + R"(
    %y = llm.residual_add %r, %down : (tensor<?x8192xf32>, tensor<?x8192xf32>) -> tensor<?x8192xf32>)";
  return "#turned = #rot.basis<[_, #rot.hadamard<28672>]>\n" + globals +
         "func.func @main(%ids: tensor<?xi64>, %attention: tensor<?x8192xf32>) -> (tensor<?x8192xf32>, "
         "tensor<?x8192xf32>, tensor<?x1024xf32>, tensor<?x1024xf32>) {\n" +
         body +
         "\nreturn %y, %q, %k, %v : tensor<?x8192xf32>, tensor<?x8192xf32>, tensor<?x1024xf32>, tensor<?x1024xf32>\n}";
}

class CompileTimeTest : public testing::TestWithParam<const char *> {};

/// From quantized layers to PTX in at most five seconds of one processor.
TEST_P(CompileTimeTest, KernelsOfALargeModel) {
  DialectRegistry registry;
  registry.insert<func::FuncDialect, llm::LlmDialect, param::ParamDialect, q::QDialect, rot::RotDialect,
                  tile::TileDialect>();
  param::registerRotConvertExternalModel(registry);
  registerPtxTranslation(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(largeModel(), &context);
  ASSERT_TRUE(module);

  // Of the processor: other tests run meanwhile.
  std::clock_t start = std::clock();
  TileSelectPassOptions selection;
  selection.arch = GetParam();
  PassManager passes(&context);
  passes.addPass(createTileSelectPass(selection));
  passes.addPass(createTileLowerPass());
  ASSERT_TRUE(succeeded(passes.run(*module)));
  auto kernels = module->lookupSymbol<gpu::GPUModuleOp>(kernelModuleName);
  ASSERT_TRUE(kernels);
  FailureOr<std::string> ptx = translateToPtx(kernels, GetParam());
  ASSERT_TRUE(succeeded(ptx));
  double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;

  size_t count = StringRef(*ptx).count(".visible .entry");
  RecordProperty("seconds", std::to_string(seconds));
  llvm::outs() << llvm::formatv("{0}: {1} kernels in {2:f2} s\n", GetParam(), count, seconds);
  // Five linears without and with a residual, two norms, SwiGLU and the embedding, at least.
  EXPECT_GE(count, 8u);
  EXPECT_LE(seconds, 5.0);
}

INSTANTIATE_TEST_SUITE_P(, CompileTimeTest, testing::Values("sm_75", "sm_80", "sm_86", "sm_89", "sm_90a"),
                         [](const auto &info) { return std::string(info.param); });
