//===- RotationSites.cpp - where rotations can be inserted -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RotationSites.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::llm;

using Sites = SmallVectorImpl<RotationSite>;

/// A Hadamard matrix on the last dimension, which has to be known.
static void addHadamard(Sites &sites, Value value, int64_t seed) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t last = type.getRank() - 1;
  if (!type.isDynamicDim(last))
    sites.push_back({value, last, rot::HadamardAttr::get(value.getContext(), type.getDimSize(last), seed)});
}

/// The residual stream begins at the embedding. Its sums are in the same web, unless an op that is not understood
/// stands between: then each of them begins another piece.
static void addResidual(Sites &sites, Operation *op, int64_t seed) {
  if (isa<EmbeddingOp, ResidualAddOp>(op))
    addHadamard(sites, op->getResult(0), seed);
}

static void addValues(Sites &sites, Operation *op, int64_t) {
  if (auto attention = dyn_cast<AttentionOp>(op))
    addHadamard(sites, attention.getValue(), 0);
}

static void addQueries(Sites &sites, Operation *op, int64_t) {
  if (auto attention = dyn_cast<AttentionOp>(op))
    addHadamard(sites, attention.getQuery(), 0);
}

/// Whether a value goes into the residual stream, perhaps through a norm or a multiplier of its own.
static bool entersStream(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    if (isa<RmsNormOp, LayerNormOp, ScaleOp, rot::ConvertOp>(user))
      return llvm::any_of(user->getUsers(), [](Operation *next) { return isa<ResidualAddOp>(next); });
    return isa<ResidualAddOp>(user);
  });
}

/// The input of a down projection: of the linear behind a gated activation, or behind an operator that is no layer
/// (another activation) on the way into the residual stream. A conversion that stands between is looked through.
static void addDownInput(Sites &sites, Operation *op, int64_t) {
  auto linear = dyn_cast<LinearOp>(op);
  if (!linear)
    return;
  Value source = linear.getInput();
  if (auto convert = source.getDefiningOp<rot::ConvertOp>())
    source = convert.getInput();
  Operation *writer = source.getDefiningOp();
  bool isUngated = writer && !isa_and_nonnull<LlmDialect>(writer->getDialect()) && entersStream(linear.getResult());
  if (isa_and_nonnull<SwigluOp, GegluOp, ActivationOp>(writer) || isUngated)
    addHadamard(sites, linear.getInput(), 0);
}

ArrayRef<RotationSiteKind> llm::getRotationSiteKinds() {
  static const RotationSiteKind kinds[] = {
      {"R1", "the residual stream", /*isOnline=*/false, addResidual},
      {"R2", "the values of attention", /*isOnline=*/false, addValues},
      {"R3", "the queries and keys of attention", /*isOnline=*/true, addQueries},
      {"R4", "the input of a down projection", /*isOnline=*/true, addDownInput},
  };
  return kinds;
}

SmallVector<RotationSite> RotationSiteKind::findSites(func::FuncOp func, int64_t seed) const {
  SmallVector<RotationSite> sites;
  func.walk([&](Operation *op) { addSites(sites, op, seed); });
  return sites;
}
