//===- NumericsBenchmark.cpp - speed of rotations and quantizers -----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "benchmark/benchmark.h"
#include "quantopt/Numerics/DynamicQuantizer.h"
#include "quantopt/Numerics/Hadamard.h"
#include "quantopt/Numerics/Quantizer.h"
#include <chrono>
#include <cstring>
#include <random>
#include <vector>

using namespace quantopt::numerics;

/// About as many numbers as a large layer's weight, more than the caches hold.
static constexpr int64_t totalNumbers = 8 << 20;

template <typename T> static std::vector<T> normalNumbers(int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<T> distribution(0, T(0.05));
  std::vector<T> numbers(count);
  for (T &number : numbers)
    number = distribution(random);
  return numbers;
}

template <typename Body> static double secondsOf(Body body) {
  auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Time of a transform of rows of `n` numbers as a multiple of copying them (counter copies).
template <typename T> static void benchmarkHadamard(benchmark::State &state) {
  int64_t n = state.range(0), rows = totalNumbers / n;
  std::unique_ptr<LinearMap> map = llvm::cantFail(makeHadamard(n, 1));
  std::vector<T> numbers = normalNumbers<T>(rows * n), copy(rows * n);
  double transforming = 0, copying = 0;
  for (auto _ : state) {
    transforming += secondsOf([&] { map->apply(numbers.data(), rows); });
    copying += secondsOf([&] { std::memcpy(copy.data(), numbers.data(), rows * n * sizeof(T)); });
    benchmark::DoNotOptimize(copy.data());
  }
  state.counters["copies"] = transforming / copying;
  state.counters["numbers/s"] = double(rows) * n * state.iterations() / transforming;
}
BENCHMARK(benchmarkHadamard<float>)->Arg(64)->Arg(576)->Arg(1536)->Arg(4096)->Arg(11008)->Arg(14336);
BENCHMARK(benchmarkHadamard<double>)->Arg(64)->Arg(576)->Arg(1536)->Arg(4096)->Arg(11008);

/// Pairs of a weight and a clipping ratio per second.
static void benchmarkClipSearch(benchmark::State &state) {
  int64_t cols = state.range(0), rows = (1 << 20) / cols;
  WeightQuantizerOptions options;
  options.groupSize = state.range(1);
  std::unique_ptr<WeightQuantizer> quantizer = llvm::cantFail(makeRtnQuantizer(options));
  std::vector<float> weights = normalNumbers<float>(rows * cols), scales(rows * quantizer->groupsPerRow(cols));
  std::vector<int8_t> codes(rows * cols);
  for (auto _ : state)
    llvm::cantFail(quantizer->quantizeRows(weights, rows, cols, codes.data(), scales.data()));
  double pairs = double(rows) * cols * options.clipSteps * state.iterations();
  state.counters["pairs/s"] = benchmark::Counter(pairs, benchmark::Counter::kIsRate);
}
BENCHMARK(benchmarkClipSearch)->Args({576, 0})->Args({1536, 0})->Args({4096, 0})->Args({4096, 128})->Args({4096, 32});

/// Numbers per second.
template <typename T, bool isSymmetric> static void benchmarkDynamic(benchmark::State &state) {
  int64_t cols = 1536, rows = 512;
  std::vector<T> numbers = normalNumbers<T>(rows * cols), scales(rows);
  std::vector<int8_t> codes(rows * cols);
  std::vector<uint8_t> plainCodes(rows * cols), zeros(rows);
  for (auto _ : state) {
    if (isSymmetric)
      quantizeSymmetric({}, numbers.data(), rows, cols, codes.data(), scales.data());
    else
      quantizeAsymmetric({}, numbers.data(), rows, cols, plainCodes.data(), scales.data(), zeros.data());
    benchmark::ClobberMemory();
  }
  double count = double(rows) * cols * state.iterations();
  state.counters["numbers/s"] = benchmark::Counter(count, benchmark::Counter::kIsRate);
}
BENCHMARK(benchmarkDynamic<float, true>);
BENCHMARK(benchmarkDynamic<float, false>);
BENCHMARK(benchmarkDynamic<double, true>);
