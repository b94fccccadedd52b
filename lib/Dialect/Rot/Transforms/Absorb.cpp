//===- Absorb.cpp - conversions that move into weights -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Rot/Transforms/Absorb.h"

using namespace mlir;
using namespace quantopt::rot;

namespace {
/// Retypes ops so that a conversion next to them goes away.
struct Absorber {
  bool (*isWeight)(Value);

  /// The tie of `op` through which dimension `dim` of `value` can take basis `t` by changing weights only, and the
  /// basis that the tie then has.
  FailureOr<std::pair<BasisTie, Transform>> findTie(BasisOpInterface op, Value value, int64_t dim, Transform t) const {
    for (const BasisTie &tie : op.getBasisTies()) {
      const BasisSlot *self = nullptr;
      bool othersAreWeights = tie.slots.size() > 1;
      for (const BasisSlot &slot : tie.slots) {
        if (slot.value == value && slot.dim == dim)
          self = &slot;
        else
          othersAreWeights &= isWeight(slot.value);
      }
      if (!self || !othersAreWeights)
        continue;
      FailureOr<Transform> common = fromSlot(*self, t);
      if (succeeded(common) && tie.admits(*common))
        return std::make_pair(tie, *common);
    }
    return failure();
  }

  /// Lets `op` compute dimension `dim` of `value`, its result, in basis `t`; or read `replacement` in that basis
  /// instead of `value`.
  LogicalResult retype(BasisOpInterface op, Value value, Value replacement, int64_t dim, Transform t,
                       PatternRewriter &rewriter) const {
    auto found = findTie(op, value, dim, t);
    if (failed(found))
      return failure();
    rewriter.setInsertionPoint(op);
    rewriter.modifyOpInPlace(op, [&] {
      for (const BasisSlot &slot : found->first.slots) {
        if (slot.value == value && slot.dim == dim)
          continue;
        auto type = withBasis(cast<RankedTensorType>(slot.value.getType()), slot.dim,
                              toSlot(slot, found->second, rewriter.getContext()));
        op->replaceUsesOfWith(slot.value, rewriter.createOrFold<ConvertOp>(op.getLoc(), type, slot.value));
      }
      if (replacement)
        op->replaceUsesOfWith(value, replacement);
    });
    return success();
  }
};
} // namespace

/// The one dimension whose basis a conversion changes, if it is one.
static FailureOr<int64_t> findChangedDim(ConvertOp convert) {
  FailureOr<int64_t> changed = failure();
  for (int64_t dim = 0, rank = convert.getType().getRank(); dim < rank; ++dim) {
    if (getBasis(convert.getInput(), dim) == getBasis(convert.getResult(), dim))
      continue;
    if (succeeded(changed))
      return failure();
    changed = dim;
  }
  return changed;
}

namespace {
/// op(convert(x), W) -> op(x, convert(W))
struct AbsorbIntoReaders : OpRewritePattern<ConvertOp> {
  AbsorbIntoReaders(MLIRContext *context, Absorber absorber) : OpRewritePattern(context), absorber(absorber) {}

  LogicalResult matchAndRewrite(ConvertOp convert, PatternRewriter &rewriter) const override {
    FailureOr<int64_t> dim = findChangedDim(convert);
    if (failed(dim) || getBasis(convert.getResult(), *dim) || absorber.isWeight(convert.getInput()))
      return rewriter.notifyMatchFailure(convert, "does not leave a basis, or is offline");
    bool changed = false;
    for (Operation *user : llvm::make_early_inc_range(convert->getUsers()))
      if (auto op = dyn_cast<BasisOpInterface>(user))
        changed |= succeeded(absorber.retype(op, convert.getResult(), convert.getInput(), *dim,
                                             getBasis(convert.getInput(), *dim), rewriter));
    return success(changed);
  }

  Absorber absorber;
};

/// convert(op(x, W)) -> op(x, convert(W)), if nothing else reads the result.
struct AbsorbIntoWriter : OpRewritePattern<ConvertOp> {
  AbsorbIntoWriter(MLIRContext *context, Absorber absorber) : OpRewritePattern(context), absorber(absorber) {}

  LogicalResult matchAndRewrite(ConvertOp convert, PatternRewriter &rewriter) const override {
    FailureOr<int64_t> dim = findChangedDim(convert);
    Value input = convert.getInput();
    auto op = input.getDefiningOp<BasisOpInterface>();
    if (failed(dim) || getBasis(input, *dim) || !op || !input.hasOneUse() || absorber.isWeight(input))
      return rewriter.notifyMatchFailure(convert, "does not enter a basis, or the standard one is wanted too");
    if (failed(absorber.retype(op, input, {}, *dim, getBasis(convert.getResult(), *dim), rewriter)))
      return rewriter.notifyMatchFailure(convert, "the writer's other operands are not weights");
    rewriter.modifyOpInPlace(op, [&] { input.setType(convert.getType()); });
    rewriter.replaceOp(convert, input);
    return success();
  }

  Absorber absorber;
};
} // namespace

void quantopt::rot::populateAbsorbPatterns(RewritePatternSet &patterns, bool (*isWeight)(Value)) {
  patterns.add<AbsorbIntoReaders, AbsorbIntoWriter>(patterns.getContext(), Absorber{isWeight});
}
