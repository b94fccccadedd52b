//===- Pipelines.h - methods as named pipelines of passes -----------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PIPELINES_PIPELINES_H
#define QUANTOPT_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace quantopt {

// Every pipeline starts from a module as imported and ends before emission: an emission pass or a pass of one's own can
// follow. `--dump-pass-pipeline` prints the passes that a pipeline stands for.

/// What does not change what a model computes: recognition, then rotations at every site that allows them.
void buildRotationPipeline(mlir::OpPassManager &pm);

/// How many bits weights, activations and cache get, and how they share scales. 16 bits: leave it.
template <typename Options> struct PrecisionOptions : mlir::PassPipelineOptions<Options> {
  template <typename T> using Option = mlir::detail::PassOptions::Option<T>;

  Option<int64_t> weightBits{*this, "weight-bits", llvm::cl::desc("Bits per weight; 16: leave (default: 4)"),
                             llvm::cl::init(4)};
  Option<int64_t> actBits{*this, "act-bits", llvm::cl::desc("Bits per input of a linear; 16: leave (default: 4)"),
                          llvm::cl::init(4)};
  Option<int64_t> kvBits{*this, "kv-bits", llvm::cl::desc("Bits per element of the cache; 16: leave (default: 4)"),
                         llvm::cl::init(4)};
  Option<int64_t> groupSize{*this, "group-size",
                            llvm::cl::desc("Inputs of a weight that share a scale; 0: an output channel (default: 0)"),
                            llvm::cl::init(0)};
  Option<int64_t> actGroupSize{
      *this, "act-group-size",
      llvm::cl::desc("Elements of a linear's input that share a scale; 0: a token (default: 0)"), llvm::cl::init(0)};
  Option<int64_t> kvGroupSize{*this, "kv-group-size",
                              llvm::cl::desc("Elements of the cache that share a scale; 0: a head (default: 0)"),
                              llvm::cl::init(0)};
  Option<std::string> kvScaleType{*this, "kv-scale-type",
                                  llvm::cl::desc("Type of the scales of the cache: f32 or f16 (default: f32)"),
                                  llvm::cl::init("f32")};
};

/// Round to nearest in the basis that the model came in.
struct RtnOptions : PrecisionOptions<RtnOptions> {};
void buildRtnPipeline(mlir::OpPassManager &pm, const RtnOptions &options);

/// QuaRot (arXiv:2404.00456) with the sites of SpinQuant: the cross-head rotation in front of the output projection is
/// left out, since it needs a Hadamard matrix of the number of heads.
struct QuarotOptions : PrecisionOptions<QuarotOptions> {
  Option<int64_t> seed{*this, "seed", llvm::cl::desc("Seed of the signs of R1; 0: no signs (default: 7)"),
                       llvm::cl::init(7)};
  mlir::detail::PassOptions::ListOption<std::string> sites{
      *this, "sites",
      llvm::cl::desc("Sites to rotate (default: R1 and R2, R3 if the cache is quantized, R4 if activations are)")};
};
void buildQuarotPipeline(mlir::OpPassManager &pm, const QuarotOptions &options);

/// Weights only, rotated by what is free at run time: R1 and R2.
struct W4A16Options : mlir::PassPipelineOptions<W4A16Options> {
  Option<int64_t> weightBits{*this, "weight-bits", llvm::cl::desc("Bits per weight (default: 4)"), llvm::cl::init(4)};
  Option<int64_t> groupSize{*this, "group-size",
                            llvm::cl::desc("Inputs of a weight that share a scale; 0: an output channel (default: 32)"),
                            llvm::cl::init(32)};
  Option<int64_t> seed{*this, "seed", llvm::cl::desc("Seed of the signs of R1; 0: no signs (default: 7)"),
                       llvm::cl::init(7)};
  Option<bool> includeHead{*this, "include-head", llvm::cl::desc("Quantize the head as well (default: false)"),
                           llvm::cl::init(false)};
};
void buildW4A16Pipeline(mlir::OpPassManager &pm, const W4A16Options &options);

/// Registers `quarot`, `rtn` and `w4a16`.
void registerPipelines();

} // namespace quantopt

#endif // QUANTOPT_PIPELINES_PIPELINES_H
