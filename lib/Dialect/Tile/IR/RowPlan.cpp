//===- RowPlan.cpp - how threads share the rows of a kernel ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Numerics/Hadamard.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <optional>

using namespace quantopt;
using namespace quantopt::tile;

static constexpr int64_t warpSize = 32;
/// Elements of a thread at most: as many accumulators stand beside them, and 255 registers are all there are.
static constexpr int64_t maxElements = 64;

/// Elements of a vector at most.
static constexpr int64_t maxWidth = 8;

static int64_t greatestPowerOf2Divisor(int64_t n, int64_t limit) {
  return std::min<int64_t>(limit, int64_t(1) << llvm::countr_zero(uint64_t(n)));
}

/// Distributes the levels of b over the bits of an element's index: element of a vector, lane, warp, vector of a
/// thread.
static void placeLevels(RowPlan &plan) {
  int64_t left = llvm::Log2_64(plan.transform.b);
  auto take = [&](int64_t count) {
    int64_t taken = std::min<int64_t>(left, llvm::Log2_64(count));
    left -= taken;
    return taken;
  };
  plan.elementLevels = take(plan.width);
  plan.laneLevels = take(std::min(plan.threadsPerRow, warpSize));
  plan.warpLevels = take(plan.getWarpsPerRow());
  plan.vectorLevels = left;
}

/// Shared memory behind the rows' shares.
static void placeRest(RowPlan &plan, int64_t factorWords) {
  int64_t warps = plan.getWarpsPerRow();
  plan.reductionOffset = llvm::alignTo(4 * plan.rowWords * plan.rowsPerBlock, 128);
  plan.factorOffset = plan.reductionOffset + (warps > 1 ? 2 * 4 * warps * plan.rowsPerBlock : 0);
  plan.sharedBytes = plan.factorOffset + 4 * factorWords;
}

/// Shared memory for `planes` elements of every vector at once.
static void placePlanes(RowPlan &plan, int64_t planes) {
  plan.planes = planes;
  plan.planeWords = plan.vectors * plan.threadsPerRow;
  plan.rowWords = llvm::alignTo(planes * plan.planeWords, warpSize);
  // Rows of one warp lie in different banks.
  if (planes && plan.threadsPerRow < warpSize)
    plan.rowWords += plan.threadsPerRow;
  placeRest(plan, plan.transform.isHartley ? plan.transform.a : 0);
}

/// The plan on tensor cores, where they multiply f16 by 16 rows at a time, tiles of columns are whole vectors whose
/// rows lie in different banks, and shared memory suffices.
static std::optional<RowPlan> planTensorCores(RowPlan plan, const Architecture &gpu) {
  const RowTransform &transform = plan.transform;
  bool isHadamard = transform.a > 1 && transform.blocks == 1 && !transform.isHartley;
  if (!isHadamard || transform.b < 64 || gpu.f16.k != 16 || plan.threadsPerRow < warpSize)
    return std::nullopt;
  plan.usesTensorCores = true;
  plan.warpLevels = plan.vectorLevels = 0;
  plan.denseOrder = plan.columns / (plan.width << plan.laneLevels);
  // Halves of vectors, the second ones 4 chunks further on: in other banks.
  constexpr int64_t chunkWords = 4, halves = 2, shift = 4;
  plan.rowWords = halves * chunkWords * (plan.getDenseChunks() + shift);
  placeRest(plan, plan.getSignWords());
  if (plan.sharedBytes > gpu.sharedPerBlock)
    return std::nullopt;
  return plan;
}

llvm::Expected<RowPlan> RowPlan::make(int64_t columns, RowTransform transform, bool withCodes, int64_t threads,
                                      int64_t rows, const Architecture &gpu) {
  RowPlan plan;
  plan.columns = columns;
  plan.paddedColumns = withCodes ? llvm::alignTo(columns, 64) : columns;
  plan.transform = transform;
  plan.rowsPerBlock = rows;
  plan.threadsPerRow = threads / rows;
  if (threads % rows || !llvm::isPowerOf2_64(plan.threadsPerRow) || plan.threadsPerRow < 8 || threads > 1024 ||
      (threads % warpSize))
    return llvm::createStringError("%lld threads cannot share %lld rows: threads per row must be a power of two from 8 "
                                   "on, and threads a multiple of 32 up to 1024",
                                   (long long)threads, (long long)rows);
  plan.width = greatestPowerOf2Divisor(transform ? transform.b : columns, maxWidth);
  plan.vectors = llvm::divideCeil(plan.paddedColumns, plan.width * plan.threadsPerRow);
  if (plan.vectors * plan.width > maxElements)
    return llvm::createStringError("rows of %lld elements need more than %lld threads: a thread would hold %lld "
                                   "elements, and %lld fit into its registers",
                                   (long long)columns, (long long)plan.threadsPerRow,
                                   (long long)(plan.vectors * plan.width), (long long)maxElements);
  if (transform)
    placeLevels(plan);
  if (std::optional<RowPlan> onTensorCores = planTensorCores(plan, gpu))
    return *onTensorCores;
  bool isExchanged = plan.warpLevels || transform.a > 1;
  int64_t planes = isExchanged ? plan.width : 0;
  placePlanes(plan, planes);
  // A level between warps shares out at least two elements.
  while (plan.sharedBytes > gpu.sharedPerBlock && planes > (plan.warpLevels ? 2 : 1)) {
    planes /= 2;
    placePlanes(plan, planes);
  }
  if (plan.sharedBytes > gpu.sharedPerBlock)
    return llvm::createStringError("rows of %lld elements need %lld bytes of shared memory, more than the %lld of a "
                                   "block; let a block work on fewer rows at a time",
                                   (long long)columns, (long long)plan.sharedBytes, (long long)gpu.sharedPerBlock);
  return plan;
}

llvm::Expected<RowTransform> tile::makeRowTransform(mlir::Attribute attribute, int64_t columns) {
  RowTransform transform;
  mlir::Attribute leaf = attribute;
  if (auto kron = llvm::dyn_cast<rot::KronAttr>(attribute); kron && kron.getFactors().size() == 2)
    if (auto blocks = llvm::dyn_cast<mlir::IntegerAttr>(kron.getFactors()[0])) {
      transform.blocks = blocks.getInt();
      leaf = kron.getFactors()[1];
    }
  auto hadamard = llvm::dyn_cast<rot::HadamardAttr>(leaf);
  if (!hadamard)
    return llvm::createStringError("kernels transform rows by #rot.hadamard<n> or #rot.kron<k, #rot.hadamard<n>> only");
  if (transform.blocks * hadamard.getSize() != columns)
    return llvm::createStringError("a transform of %lld elements does not fit rows of %lld",
                                   (long long)(transform.blocks * hadamard.getSize()), (long long)columns);
  llvm::Expected<numerics::HadamardStructure> structure = numerics::hadamardStructure(hadamard.getSize());
  if (!structure)
    return structure.takeError();
  transform.a = structure->a;
  transform.b = structure->b;
  transform.isHartley = structure->isHartley;
  transform.seed = hadamard.getSeed();
  return transform;
}

/// The heads of a token are rows, each for as few lanes of a warp as hold it.
static llvm::Expected<RowPlan> makeHeadPlan(RopeAppendOp op) {
  int64_t headDim = op.getCache().getHeadDim(), threads = op.getConfig()->getThreads();
  RowTransform transform;
  if (std::optional<mlir::Attribute> attribute = op.getHadamard()) {
    llvm::Expected<RowTransform> made = makeRowTransform(*attribute, headDim);
    if (!made)
      return made.takeError();
    transform = *made;
  }
  int64_t vectors = headDim / greatestPowerOf2Divisor(transform ? transform.b : headDim, maxWidth);
  int64_t lanes = std::min<int64_t>(std::max<int64_t>(llvm::PowerOf2Ceil(vectors), 8), warpSize);
  return RowPlan::make(headDim, transform, /*withCodes=*/false, threads, threads / lanes,
                       getArchitecture(op.getConfig()->getArch()));
}

llvm::Expected<RowPlan> tile::getRowPlan(mlir::Operation *op) {
  auto make = [](mlir::Value rows, std::optional<mlir::Attribute> attribute, bool withCodes,
                 RowsAttr config) -> llvm::Expected<RowPlan> {
    RowTransform transform;
    if (attribute) {
      llvm::Expected<RowTransform> made = makeRowTransform(*attribute, lastSize(rows));
      if (!made)
        return made.takeError();
      transform = *made;
    }
    return RowPlan::make(lastSize(rows), transform, withCodes, config.getThreads(), config.getRows(),
                         getArchitecture(config.getArch()));
  };
  return llvm::TypeSwitch<mlir::Operation *, llvm::Expected<RowPlan>>(op)
      .Case([&](NormQuantOp norm) { return make(norm.getInput(), norm.getHadamard(), true, norm.getConfig()); })
      .Case(
          [&](SwigluQuantOp swiglu) { return make(swiglu.getGate(), swiglu.getHadamard(), true, swiglu.getConfig()); })
      .Case([&](QuantOp quant) { return make(quant.getInput(), quant.getHadamard(), true, quant.getConfig()); })
      .Case([&](SwigluOp swiglu) { return make(swiglu.getGate(), swiglu.getHadamard(), false, swiglu.getConfig()); })
      .Case(makeHeadPlan)
      .Case([&](NormOp norm) { return make(norm.getInput(), std::nullopt, false, norm.getConfig()); });
}
