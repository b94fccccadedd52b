//===- Limits.h - how large a model may be --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_ONNX_LIMITS_H
#define QUANTOPT_ONNX_LIMITS_H

#include <cstdint>

namespace quantopt {

/// What import refuses as too much, so that a small file cannot ask for much work. Each is an option of every program
/// that reads models ("nodes" is --max-nodes); the defaults are far above the largest models known.
struct ImportLimits {
  /// Of the graph with its subgraphs, and of all functions when each call is replaced by its body.
  uint64_t nodes = 1'000'000;
  uint64_t initializers = 1'000'000;
  /// Of one node.
  uint64_t attributes = 1'000;
  /// Of one name.
  uint64_t nameBytes = 64 << 10;
  /// Dimensions of a tensor.
  uint64_t rank = 64;
  /// Subgraphs inside of each other, functions that call each other.
  uint64_t depth = 16;
  /// Bytes of the file besides the elements of tensors.
  uint64_t structureBytes = uint64_t(1) << 30;

  /// As the command line states them.
  static const ImportLimits &stated();
};

} // namespace quantopt

#endif // QUANTOPT_ONNX_LIMITS_H
