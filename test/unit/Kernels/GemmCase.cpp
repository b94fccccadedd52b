//===- GemmCase.cpp - one matrix product to test: text, operands, result ---===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GemmCase.h"
#include "quantopt/Numerics/Layout.h"
#include "quantopt/Support/Half.h"
#include "quantopt/Support/Parallel.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <random>

using namespace quantopt;
using namespace quantopt::kerneltest;

std::string GemmCase::describe() const {
  std::string text = llvm::formatv("{0} {1} {2}x{3}x{4} {5}", op, arch, rows, outputs, inner, toString(result));
  if (groups)
    text += llvm::formatv(" {0} groups", groups).str();
  return text + (bias ? " bias" : "") + (residual ? " residual" : "");
}

std::string GemmCase::text() const {
  llvm::SmallVector<std::string> names, types;
  std::string operands;
  auto add = [&](llvm::StringRef before, llvm::StringRef name, std::string type) {
    operands += llvm::formatv("{0}{1}", before, name).str();
    names.push_back(llvm::formatv("{0}: {1}", name, type));
    types.push_back(std::move(type));
  };
  bool isDecode = op == "gemm_decode", isPacked = weight == DType::I4 || weight == DType::I8;
  // Orders of as many bits take as many bytes.
  numerics::Layout weightOrder(weight == DType::I4 ? numerics::Layout::Order::S4 : numerics::Layout::Order::S8);
  std::string packedType = llvm::formatv("tensor<{0}xui8>", weightOrder.getByteSize(outputs, inner));
  std::string resultType = llvm::formatv("tensor<?x{0}x{1}>", outputs, toString(result));
  add("", "%x", llvm::formatv("tensor<?x{0}x{1}>", inner, toString(input)));
  if (!isOfFloats())
    add(isDecode ? " scale " : ", ", "%xs", "tensor<?x1xf32>");
  add(", ", "%w", isPacked ? packedType : llvm::formatv("tensor<{0}x{1}x{2}>", outputs, inner, toString(weight)).str());
  if (isPacked && isOfFloats())
    add(isDecode ? " scale " : ", ", "%ws",
        llvm::formatv("tensor<{0}x{1}x{2}>", outputs, std::max<int64_t>(1, groups), toString(scale)));
  else if (isPacked)
    add(isDecode ? " scale " : ", ", "%ws", llvm::formatv("tensor<{0}xf32>", outputs));
  if (groups && !isOfFloats())
    add(" groups ", "%g", llvm::formatv("tensor<{0}x{1}xui8>", outputs, groups));
  if (bias)
    add(" bias ", "%b", llvm::formatv("tensor<{0}xf32>", outputs));
  if (residual)
    add(" residual ", "%r", resultType);
  std::string options = tiles.splitK > 1 ? llvm::formatv(", split_k = {0}", tiles.splitK).str() : "";
  if (!mma.empty())
    options += ", mma = " + mma;
  std::string config =
      llvm::formatv("#tile.gemm<arch = {0}, bm = {1}, bn = {2}, bk = {3}, wm = {4}, wn = {5}, stages = {6}{7}>", arch,
                    tiles.bm, tiles.bn, tiles.bk, tiles.wm, tiles.wn, tiles.stages, options);
  return llvm::formatv("func.func @f({0}) -> {1} {{\n  %y = tile.{2} {3} {{config = {4}}\n    : ({5}) -> {1}\n"
                       "  return %y : {1}\n}\n",
                       llvm::join(names, ", "), resultType, op, operands, config, llvm::join(types, ", "));
}

Tensor kerneltest::randomCodes(DType type, llvm::ArrayRef<int64_t> shape, std::mt19937 &random) {
  int greatest = type == DType::I4 ? 7 : 127;
  std::uniform_int_distribution<int> distribution(-greatest - 1, greatest);
  Tensor tensor(type, shape);
  for (int8_t &code : tensor.mutableData<int8_t>())
    code = int8_t(distribution(random));
  return tensor;
}

Tensor kerneltest::randomFloats(llvm::ArrayRef<int64_t> shape, float least, float greatest, std::mt19937 &random) {
  std::uniform_real_distribution<float> distribution(least, greatest);
  Tensor tensor(DType::F32, shape);
  for (float &value : tensor.mutableData<float>())
    value = distribution(random);
  return tensor;
}

std::vector<Tensor> kerneltest::randomOperands(const GemmCase &gemm, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> operands = {
      randomCodes(gemm.input, {gemm.rows, gemm.inner}, random), randomFloats({gemm.rows, 1}, 1e-4f, 2e-3f, random),
      randomCodes(gemm.weight, {gemm.outputs, gemm.inner}, random), randomFloats({gemm.outputs}, 0.01f, 0.1f, random)};
  if (gemm.groups) {
    std::uniform_int_distribution<int> distribution(1, 255);
    Tensor scales(DType::U8, {gemm.outputs, gemm.groups});
    for (uint8_t &scale : scales.mutableData<uint8_t>())
      scale = uint8_t(distribution(random));
    operands.push_back(scales);
  }
  if (gemm.bias)
    operands.push_back(randomFloats({gemm.outputs}, -2, 2, random));
  if (gemm.residual)
    operands.push_back(roundTo(gemm.result, randomFloats({gemm.rows, gemm.outputs}, -4, 4, random)));
  return operands;
}

Tensor kerneltest::integerSums(const Tensor &x, const Tensor &w, const Tensor *groupScales) {
  int64_t rows = x.dim(0), outputs = w.dim(0), inner = x.dim(1);
  int64_t groups = groupScales ? groupScales->dim(1) : 1, groupSize = inner / groups;
  Tensor sums(DType::I32, {rows, outputs});
  const int8_t *codes = x.data<int8_t>().data(), *weights = w.data<int8_t>().data();
  int32_t *acc = sums.mutableData<int32_t>().data();
  parallelFor(outputs, 0, [&](int64_t n) {
    for (int64_t m = 0; m < rows; ++m) {
      int32_t total = 0;
      for (int64_t g = 0; g < groups; ++g) {
        const int8_t *a = codes + m * inner + g * groupSize, *b = weights + n * inner + g * groupSize;
        int32_t sum = 0;
        for (int64_t k = 0; k < groupSize; ++k)
          sum += int32_t(a[k]) * b[k];
        total += groupScales ? sum * groupScales->data<uint8_t>()[n * groups + g] : sum;
      }
      acc[m * outputs + n] = total;
    }
  });
  return sums;
}

float kerneltest::floatAt(const Tensor &tensor, int64_t i) {
  if (tensor.dtype() == DType::F32)
    return tensor.data<float>()[i];
  uint16_t bits = tensor.data<uint16_t>()[i];
  return tensor.dtype() == DType::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
}

Tensor kerneltest::roundTo(DType type, const Tensor &floats) {
  if (type == DType::F32)
    return floats;
  Tensor rounded(type, floats.shape());
  for (int64_t i = 0; i < floats.numElements(); ++i) {
    float value = floats.data<float>()[i];
    rounded.mutableData<uint16_t>()[i] = type == DType::F16 ? floatToHalf(value) : floatToBfloat(value);
  }
  return rounded;
}

Tensor kerneltest::expectedResult(const GemmCase &gemm, const std::vector<Tensor> &operands) {
  Tensor sums = integerSums(operands[0], operands[2], gemm.groups ? &operands[4] : nullptr);
  size_t next = gemm.groups ? 5 : 4;
  const Tensor *bias = gemm.bias ? &operands[next++] : nullptr;
  const Tensor *residual = gemm.residual ? &operands[next++] : nullptr;
  Tensor values(DType::F32, sums.shape());
  for (int64_t m = 0, i = 0; m < gemm.rows; ++m)
    for (int64_t n = 0; n < gemm.outputs; ++n, ++i) {
      float value = float(sums.data<int32_t>()[i]) * operands[1].data<float>()[m];
      value *= operands[3].data<float>()[n];
      if (bias)
        value += bias->data<float>()[n];
      if (residual)
        value += floatAt(*residual, i);
      values.mutableData<float>()[i] = value;
    }
  return roundTo(gemm.result, values);
}
