//===- InsertRotations.cpp - rot-insert ---------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// A site is the seed of a web; the web is retyped as a whole, and conversions stand on its border only. A pair T·T⁻¹ on
// one edge would be folded away by any greedy driver.
//
//===----------------------------------------------------------------------------===//
#include "NormScale.h"
#include "RotationSites.h"
#include "quantopt/Dialect/Llm/Transforms/Passes.h"
#include "quantopt/Dialect/Rot/IR/Opaque.h"
#include "quantopt/Dialect/Rot/Transforms/RetypeWeb.h"
#include "quantopt/Dialect/Support/NodeName.h"

namespace quantopt {
#define GEN_PASS_DEF_ROTINSERTPASS
#include "llm/LlmPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using llm::RotationSiteKind;
using rot::Web;

static bool hasLayers(func::FuncOp func) {
  return func
      .walk([](Operation *op) {
        return isa_and_nonnull<llm::LlmDialect>(op->getDialect()) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Whether a layer gives the value to rotate online in the standard basis: what the site is about.
static bool isExpected(const Web::Crossing &crossing, const RotationSiteKind &kind) {
  return kind.isOnline && crossing.isWriter && isa_and_nonnull<rot::BasisOpInterface>(crossing.op);
}

/// Names every conversion of a value that the site does not promise; fails where running another pass avoids it.
static LogicalResult checkBorder(const Web &web, const RotationSiteKind &kind) {
  for (const Web::Crossing &crossing : web.getCrossings()) {
    if (isExpected(crossing, kind))
      continue;
    auto norm = dyn_cast_or_null<llm::RmsNormOp>(crossing.op);
    if (norm && norm.getScale() && !llm::findNormScaleBlocker(norm))
      return norm.emitOpError() << nodePrefix(norm) << "has a scale, so " << kind.description << " (" << kind.name
                                << ") cannot be rotated; run llm-fuse-norm-scale first";
    if (crossing.op && crossing.op->hasTrait<rot::Opaque>()) // C10
      return crossing.op->emitError()
             << "'" << crossing.op->getName() << "' op " << nodePrefix(crossing.op)
             << (crossing.isWriter ? "gives " : "reads ") << kind.description
             << ", and nothing is known about its operator, so " << kind.name
             << " cannot pass it; leave that site out of 'sites', or take the node out of the model";
    if (!crossing.op) {
      Web::Member member = crossing.member;
      web.getFunction().emitWarning() << "argument #" << cast<BlockArgument>(member.value).getArgNumber()
                                      << " belongs to " << kind.description << " (" << kind.name
                                      << ") but is an interface: it is converted while the model runs";
      continue;
    }
    crossing.op->emitWarning() << "'" << crossing.op->getName() << "' op " << nodePrefix(crossing.op)
                               << (crossing.isWriter ? "gives " : "reads ") << kind.description << " (" << kind.name
                               << ") in the standard basis: it is converted while the model runs";
  }
  return success();
}

namespace {
struct RotInsertPass : quantopt::impl::RotInsertPassBase<RotInsertPass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    for (const std::string &name : sites)
      if (!findKind(name))
        return emitError(UnknownLoc::get(context)) << "rot-insert knows no site '" << name << "'; there are R1 to R4";
    if (seed < 0)
      return emitError(UnknownLoc::get(context))
             << "rot-insert needs a seed that is not negative, got " << int64_t(seed);
    return success();
  }

  void runOnOperation() override {
    if (getOperation().isDeclaration() || (getOperation().isPrivate() && !hasLayers(getOperation())))
      return; // a function that the model calls
    for (const RotationSiteKind &kind : llm::getRotationSiteKinds())
      if ((sites.empty() || llvm::is_contained(sites, kind.name)) && failed(insert(kind)))
        return signalPassFailure();
  }

  static const RotationSiteKind *findKind(StringRef name) {
    auto kinds = llm::getRotationSiteKinds();
    auto it = llvm::find_if(kinds, [&](const RotationSiteKind &kind) { return kind.name == name; });
    return it == kinds.end() ? nullptr : it;
  }

  LogicalResult insert(const RotationSiteKind &kind) {
    auto found = kind.findSites(getOperation(), seed);
    if (found.empty())
      return getOperation().emitError() << "has no place for " << kind.name << ", " << kind.description
                                        << "; run llm-recognize first, or leave " << kind.name << " out of sites";
    for (const llm::RotationSite &site : found) {
      if (rot::getBasis(site.value, site.dim) == site.basis)
        continue; // in the web of another site
      Web web(getOperation(), {param::isWeightExpression, llm::stateAttrName});
      if (failed(web.grow(site.value, site.dim, site.basis)) || failed(checkBorder(web, kind)))
        return failure();
      rot::retypeWeb(web);
    }
    return success();
  }
};
} // namespace
