//===- Cases.cpp - the kernels that are checked and timed ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Cases.h"
#include "quantopt/Numerics/Layout.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantopt::benchmark;
using quantopt::numerics::Layout;

namespace {
/// Bits of the operands of a linear layer, named as kernels are.
struct LinearTypes {
  const char *name;
  int inputBits, weightBits;
};
} // namespace

static constexpr LinearTypes w4a4 = {"w4a4", 4, 4}, w4a8 = {"w4a8", 8, 4}, w8a8 = {"w8a8", 8, 8};

/// Whether an architecture has INT4 matrix instructions.
static bool hasInt4(llvm::StringRef arch) { return arch.size() == 5 && arch < "sm_90"; }

/// A layer of a compiled model: the compiler chooses kernel and configuration.
static KernelCase linear(const LinearTypes &types, int64_t rows, int64_t outputs, int64_t inner, int64_t maxRows) {
  KernelCase test;
  test.name = llvm::formatv("{0}_{1} {2}x{3}x{4}", maxRows ? "decode" : "gemm", types.name, rows, outputs, inner);
  test.text = llvm::formatv(R"(
param.file @weights "weights.bin"
param.global @w : tensor<{0}x{1}xf32> from @weights [offset = 0, length = {2}]
func.func @f(%x: tensor<?x{1}xi{3}>, %xs: tensor<?x1xf32>) -> tensor<?x{0}xf32> {{
  %w = param.load @w : tensor<{0}x{1}xf32>
  %wq, %ws = q.quantize_weight %w {{method = "rtn", options = {{bits = {4}}}
    : tensor<{0}x{1}xf32> -> tensor<{0}x{1}xi{4}>, tensor<{0}x1xf32>
  %y = q.linear %x, %xs, %wq, %ws {{input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x{1}xi{3}>, tensor<?x1xf32>, tensor<{0}x{1}xi{4}>, tensor<{0}x1xf32>) -> tensor<?x{0}xf32>
  return %y : tensor<?x{0}xf32>
}
)",
                            outputs, inner, 4 * outputs * inner, types.inputBits, types.weightBits);
  test.rows = rows;
  test.maxRows = maxRows;
  test.isExact = true;
  test.outputs = outputs;
  test.inner = inner;
  return test;
}

/// A weight-only layer, or the head of a model where there are no codes.
static KernelCase floatLinear(llvm::StringRef arch, int64_t rows, int64_t outputs, int64_t inner, bool isW4A16) {
  KernelCase test;
  test.name = llvm::formatv("{0} {1}x{2}x{3}", isW4A16 ? "gemm_w4a16" : "gemm_f16", rows, outputs, inner);
  constexpr int64_t groupSize = 64;
  std::string weight = llvm::formatv("tensor<{0}x{1}xf16>", outputs, inner);
  if (isW4A16)
    weight = llvm::formatv("tensor<{0}xui8>", Layout(Layout::Order::F16x4).getByteSize(outputs, inner));
  std::string scale = llvm::formatv("tensor<{0}x{1}xf16>", outputs, inner / groupSize);
  const char *tiles = arch == "sm_75" ? "bm = 64, bn = 64, bk = 64, wm = 32, wn = 32, stages = 2"
                      : isW4A16       ? "bm = 128, bn = 128, bk = 64, wm = 64, wn = 32, stages = 4"
                                      : "bm = 128, bn = 128, bk = 64, wm = 64, wn = 64, stages = 3";
  test.text = llvm::formatv(R"(
func.func @f(%x: tensor<?x{0}xf16>, %w: {1}, %s: {2}) -> tensor<?x{3}xf16> {{
  %y = tile.{4} %x, %w{5} {{config = #tile.gemm<arch = {6}, {7}>}
    : (tensor<?x{0}xf16>, {1}{8}) -> tensor<?x{3}xf16>
  return %y : tensor<?x{3}xf16>
}
)",
                            inner, weight, scale, outputs, isW4A16 ? "gemm_w4a16" : "gemm_f16", isW4A16 ? ", %s" : "",
                            arch, tiles, isW4A16 ? ", " + scale : "");
  test.rows = rows;
  test.outputs = outputs;
  test.inner = inner;
  return test;
}

/// Threads for rows of that many elements, as tile-select chooses them.
static int64_t threadsFor(int64_t columns) {
  return columns <= 1024 ? 128 : columns <= 4096 ? 256 : columns <= 32768 ? 512 : 1024;
}

static KernelCase rowKernel(const std::string &name, llvm::StringRef arch, int64_t rows, int64_t columns,
                            const std::string &text) {
  KernelCase test;
  test.name = llvm::formatv("{0} {1}x{2}", name, rows, columns);
  std::string config = llvm::formatv("#tile.rows<arch = {0}, threads = {1}>", arch, threadsFor(columns));
  test.text = llvm::formatv(text.c_str(), columns, config);
  test.rows = rows;
  test.isExact = false;
  return test;
}

static constexpr const char *normQuant = R"(
func.func @f(%x: tensor<?x{0}x$F>, %r: tensor<?x{0}x$F>) -> (tensor<?x{0}xi$B>, tensor<?x1xf32>, tensor<?x{0}x$F>) {{
  %codes, %scale, %sum = tile.norm_quant %x residual %r
    {{epsilon = 1.0e-5 : f64, clip = 0.9 : f64, bits = 4 : i64$H, config = {1}}
    : (tensor<?x{0}x$F>, tensor<?x{0}x$F>) -> (tensor<?x{0}xi$B>, tensor<?x1xf32>, tensor<?x{0}x$F>)
  return %codes, %scale, %sum : tensor<?x{0}xi$B>, tensor<?x1xf32>, tensor<?x{0}x$F>
}
)";

static constexpr const char *swigluQuant = R"(
func.func @f(%g: tensor<?x{0}x$F>, %u: tensor<?x{0}x$F>) -> (tensor<?x{0}xi$B>, tensor<?x1xf32>) {{
  %codes, %scale = tile.swiglu_quant %g, %u {{clip = 0.9 : f64, bits = 4 : i64$H, config = {1}}
    : (tensor<?x{0}x$F>, tensor<?x{0}x$F>) -> (tensor<?x{0}xi$B>, tensor<?x1xf32>)
  return %codes, %scale : tensor<?x{0}xi$B>, tensor<?x1xf32>
}
)";

static constexpr const char *norm = R"(
func.func @f(%x: tensor<?x{0}x$F>) -> tensor<?x{0}xf16> {{
  %y = tile.norm %x {{epsilon = 1.0e-5 : f64, config = {1}} : (tensor<?x{0}x$F>) -> tensor<?x{0}xf16>
  return %y : tensor<?x{0}xf16>
}
)";

static constexpr const char *embedding = R"(
func.func @f(%ids: tensor<?xi64>, %table: tensor<1024x{0}xf16>) -> tensor<?x{0}x$F> {{
  %y = tile.embedding %ids, %table {{config = {1}} : (tensor<?xi64>, tensor<1024x{0}xf16>) -> tensor<?x{0}x$F>
  return %y : tensor<?x{0}x$F>
}
)";

static constexpr const char *argMax = R"(
func.func @f(%x: tensor<?x{0}xf32>) -> tensor<?xi32> {{
  %y = tile.arg_max %x {{config = {1}} : (tensor<?x{0}xf32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}
)";

/// $F: the type of activations; $B: bits in which 4-bit codes are kept; $H: a rotation, or nothing.
static std::string fill(std::string text, llvm::StringRef arch, const char *floats, const std::string &rotation) {
  const std::pair<const char *, std::string> values[] = {
      {"$F", floats}, {"$B", hasInt4(arch) ? "4" : "8"}, {"$H", rotation}};
  for (const auto &[name, value] : values)
    for (size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, 2, value);
  return text;
}

static void addRowKernels(std::vector<KernelCase> &cases, llvm::StringRef arch, const char *floats, int64_t rows,
                          llvm::ArrayRef<int64_t> hiddenSizes, llvm::ArrayRef<int64_t> intermediateSizes) {
  std::string suffix = std::string("_") + floats;
  for (int64_t columns : hiddenSizes) {
    std::string rotation = llvm::formatv(", hadamard = #rot.hadamard<{0}>", columns);
    cases.push_back(rowKernel("norm_quant" + suffix, arch, rows, columns, fill(normQuant, arch, floats, "")));
    cases.push_back(
        rowKernel("norm_hadamard_quant" + suffix, arch, rows, columns, fill(normQuant, arch, floats, rotation)));
    cases.push_back(rowKernel("norm" + suffix, arch, rows, columns, fill(norm, arch, floats, "")));
    cases.push_back(rowKernel("embedding" + suffix, arch, rows, columns, fill(embedding, arch, floats, "")));
  }
  for (int64_t columns : intermediateSizes) {
    std::string rotation = llvm::formatv(", hadamard = #rot.hadamard<{0}>", columns);
    cases.push_back(
        rowKernel("swiglu_hadamard_quant" + suffix, arch, rows, columns, fill(swigluQuant, arch, floats, rotation)));
  }
}

std::vector<KernelCase> quantopt::benchmark::checkedCases(llvm::StringRef arch) {
  std::vector<KernelCase> cases;
  for (const LinearTypes &types : {w4a4, w4a8, w8a8}) {
    if (types.inputBits == 4 && !hasInt4(arch))
      continue;
    cases.push_back(linear(types, 33, 192, 576, 0));
    cases.push_back(linear(types, 128, 576, 1536, 0));
    cases.push_back(linear(types, 33, 2304, 1024, 0));
    for (int64_t rows : {1, 8, 33})
      cases.push_back(linear(types, rows, 576, 1536, rows));
  }
  for (bool isW4A16 : {true, false})
    for (int64_t rows : {1, 33})
      cases.push_back(floatLinear(arch, rows, 192, 576, isW4A16));
  addRowKernels(cases, arch, "f32", 5, {576, 4096}, {1536, 11008});
  addRowKernels(cases, arch, "f16", 5, {576}, {1536});
  cases.push_back(rowKernel("arg_max", arch, 5, 49152, argMax));
  addCheckedAttention(cases, arch);
  return cases;
}

std::vector<KernelCase> quantopt::benchmark::timedCases(llvm::StringRef arch) {
  std::vector<KernelCase> cases;
  for (const LinearTypes &types : {w4a4, w4a8, w8a8}) {
    if (types.inputBits == 4 && !hasInt4(arch))
      continue;
    for (int64_t rows : {256, 2048, 8192})
      for (auto [outputs, inner] : {std::pair(4096, 4096), std::pair(8192, 8192), std::pair(28672, 8192)})
        cases.push_back(linear(types, rows, outputs, inner, 0));
    for (int64_t rows : {1, 8, 16, 64})
      for (auto [outputs, inner] : {std::pair(4096, 4096), std::pair(14336, 4096), std::pair(28672, 8192)})
        cases.push_back(linear(types, rows, outputs, inner, rows));
  }
  for (int64_t rows : {16, 2048})
    cases.push_back(floatLinear(arch, rows, 8192, 8192, /*isW4A16=*/true));
  for (int64_t rows : {1, 64})
    cases.push_back(floatLinear(arch, rows, 128256, 4096, /*isW4A16=*/false));
  addRowKernels(cases, arch, "f16", 4096, {4096, 8192}, {11008, 14336, 28672});
  cases.push_back(rowKernel("arg_max", arch, 64, 128256, argMax));
  addTimedAttention(cases, arch);
  return cases;
}
