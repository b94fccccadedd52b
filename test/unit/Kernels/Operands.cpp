//===- Operands.cpp - random operands for any kernel -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Operands.h"
#include "quantopt/Support/Half.h"
#include <cstring>
#include <random>

using namespace quantopt;
using namespace quantopt::kerneltest;

/// Fast and good enough: 64-bit steps of SplitMix64, of which every byte is used.
static void fillWithBytes(char *bytes, uint64_t count, std::mt19937_64 &random) {
  uint64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t word = random();
    std::memcpy(bytes + i, &word, 8);
  }
  for (; i < count; ++i)
    bytes[i] = char(random());
}

static Tensor randomCodes(DType type, llvm::ArrayRef<int64_t> shape, std::mt19937_64 &random) {
  Tensor codes(type, shape);
  fillWithBytes(codes.mutableRaw(), codes.sizeInBytes(), random);
  if (type == DType::I4)
    for (int8_t &code : codes.mutableData<int8_t>())
      code = int8_t(code >> 4);
  return codes;
}

/// Floats in [least, greatest), evenly.
static Tensor randomFloats(DType type, llvm::ArrayRef<int64_t> shape, float least, float greatest,
                           std::mt19937_64 &random) {
  Tensor floats(type, shape);
  std::uniform_real_distribution<float> distribution(least, greatest);
  for (int64_t i = 0; i < floats.numElements(); ++i) {
    float value = distribution(random);
    if (type == DType::F32)
      floats.mutableData<float>()[i] = value;
    else
      floats.mutableData<uint16_t>()[i] = type == DType::F16 ? floatToHalf(value) : floatToBfloat(value);
  }
  return floats;
}

/// Token ids that any vocabulary has.
static Tensor randomIds(DType type, llvm::ArrayRef<int64_t> shape, std::mt19937_64 &random) {
  Tensor ids(type, shape);
  for (int64_t i = 0; i < ids.numElements(); ++i) {
    int64_t id = random() % 256;
    if (type == DType::I64)
      ids.mutableData<int64_t>()[i] = id;
    else
      ids.mutableData<int32_t>()[i] = int32_t(id);
  }
  return ids;
}

std::vector<Tensor> kerneltest::randomOperands(const Kernel &kernel, int64_t rows, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> operands;
  for (unsigned i = 0; i < kernel.numOperands(); ++i) {
    DType type = kernel.operandType(i);
    llvm::SmallVector<int64_t> shape = kernel.operandShape(i, rows);
    bool isScale = shape.size() == 1 || shape.back() == 1;
    if (type == DType::I4 || type == DType::I8 || type == DType::U8)
      operands.push_back(randomCodes(type, shape, random));
    else if (!isFloat(type))
      operands.push_back(randomIds(type, shape, random));
    else if (isScale)
      operands.push_back(randomFloats(type, shape, 1e-3f, 2e-2f, random));
    else
      operands.push_back(randomFloats(type, shape, -2, 2, random));
  }
  return operands;
}
