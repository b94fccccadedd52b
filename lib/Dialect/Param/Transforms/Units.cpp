//===- Units.cpp - derived parameters, cut into chunks ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Units.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Threading.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

/// Chunks larger than this gain nothing and leave the caches.
static constexpr uint64_t largestChunk = uint64_t(8) << 20;

uint64_t Unit::bytesRead() const {
  uint64_t sum = 0;
  for (const Chunk &chunk : chunks)
    sum += chunk.cost.readBytes;
  return sum;
}

uint64_t Unit::peakBytes() const {
  uint64_t greatest = 0;
  for (const Chunk &chunk : chunks)
    greatest = std::max(greatest, chunk.cost.peakBytes);
  return greatest;
}

uint64_t Unit::bytesWritten() const {
  uint64_t sum = 0;
  for (Value value : values) {
    auto type = cast<RankedTensorType>(value.getType());
    sum += bytesInFile(*getDType(type.getElementType()), type.getNumElements());
  }
  return sum;
}

unsigned quantopt::param::resolveThreads(const MaterializeOptions &options) {
  return options.threads ? options.threads : llvm::hardware_concurrency().compute_thread_count();
}

static SmallVector<Chunk> cutIntoChunks(ValueRange values, const WeightEvaluator &evaluator, uint64_t limit) {
  std::optional<int64_t> rowsPerChunk = evaluator.chunkRows(values, limit);
  if (!rowsPerChunk)
    return {{true, 0, 0, evaluator.costOfAll(values)}};
  SmallVector<Chunk> chunks;
  int64_t rows = cast<RankedTensorType>(values[0].getType()).getDimSize(0);
  for (int64_t begin = 0; begin < rows; begin += *rowsPerChunk) {
    int64_t count = std::min(*rowsPerChunk, rows - begin);
    chunks.push_back({false, begin, count, evaluator.costOfRows(values, begin, count)});
  }
  return chunks;
}

static LogicalResult verifyBody(DerivedOp derived) {
  for (Value value : derived.getBody().front().getTerminator()->getOperands()) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!isWeightExpression(value) || !type.hasStaticShape() || !getDType(type.getElementType()))
      return derived.emitOpError() << "cannot be computed: it yields " << type
                                   << ", which is not a weight expression of known size (ops over param.load that "
                                      "implement WeightOpInterface)";
  }
  return success();
}

FailureOr<std::vector<Unit>> quantopt::param::makeUnits(ModuleOp module, const WeightEvaluator &evaluator,
                                                        const MaterializeOptions &options) {
  uint64_t limit = std::min(largestChunk, options.maxMemory / resolveThreads(options));
  std::vector<Unit> units;
  for (auto derived : module.getOps<DerivedOp>()) {
    if (failed(verifyBody(derived)))
      return failure();
    ValueRange values = derived.getBody().front().getTerminator()->getOperands();
    units.push_back({derived, llvm::to_vector(values), {}});
    if (!values.empty())
      units.back().chunks = cutIntoChunks(values, evaluator, limit);
  }
  return units;
}
