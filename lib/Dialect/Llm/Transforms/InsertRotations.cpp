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

/// Whether the value to rotate online is given in the standard basis: what the site is about.
static bool isExpected(const Web::Crossing &crossing, const RotationSiteKind &kind) {
  return kind.isOnline && crossing.isWriter && crossing.op && !crossing.op->hasTrait<rot::Opaque>();
}

/// Why a web cannot be rotated where it meets `op`; empty if a conversion can stand there.
static std::string findObstacle(const Web::Crossing &crossing) {
  Operation *op = crossing.op;
  if (!op)
    return "";
  if (op->hasTrait<rot::Opaque>()) // C10 of rot
    return "and nothing is known about its operator";
  if (isa<llm::LayerNormOp>(op))
    return "and takes its mean, which could not be moved into the weights that write it";
  auto norm = dyn_cast<llm::RmsNormOp>(op);
  if (norm && norm.getScale() && crossing.isWriter)
    return "through a scale that cannot move into the weight of a linear behind it";
  if (norm && norm.getScale())
    return "and has a scale that not all of its readers can take";
  return "";
}

/// A scale that another pass would have moved out of the way is a mistake in the pipeline.
static LogicalResult checkScales(ArrayRef<Web::Crossing> crossings, const RotationSiteKind &kind) {
  for (const Web::Crossing &crossing : crossings) {
    auto norm = dyn_cast_or_null<llm::RmsNormOp>(crossing.op);
    if (norm && norm.getScale() && !isExpected(crossing, kind) && !llm::findNormScaleBlocker(norm))
      return norm.emitOpError() << nodePrefix(norm) << "has a scale, so " << kind.description << " (" << kind.name
                                << ") cannot be rotated; run llm-fuse-norm-scale first";
  }
  return success();
}

/// Names every conversion of a value that the site does not promise.
static void warnOfConversions(func::FuncOp func, ArrayRef<Web::Crossing> crossings, const RotationSiteKind &kind) {
  for (const Web::Crossing &crossing : crossings) {
    if (isExpected(crossing, kind))
      continue;
    if (!crossing.op) {
      Web::Member member = crossing.member;
      func.emitWarning() << "argument #" << cast<BlockArgument>(member.value).getArgNumber() << " belongs to "
                         << kind.description << " (" << kind.name
                         << ") but is an interface: it is converted while the model runs";
      continue;
    }
    crossing.op->emitWarning() << "'" << crossing.op->getName() << "' op " << nodePrefix(crossing.op)
                               << (crossing.isWriter ? "gives " : "reads ") << kind.description << " (" << kind.name
                               << ") in the standard basis: it is converted while the model runs";
  }
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
    auto isWanted = [&](const RotationSiteKind &kind) { return sites.empty() || llvm::is_contained(sites, kind.name); };
    auto wanted = llvm::make_filter_range(llm::getRotationSiteKinds(), isWanted);
    if (llvm::all_of(wanted,
                     [&](const RotationSiteKind &kind) { return kind.findSites(getOperation(), seed).empty(); })) {
      getOperation().emitError() << "has no place for a rotation of that kind; run llm-recognize first";
      return signalPassFailure();
    }
    for (const RotationSiteKind &kind : wanted)
      if (failed(insert(kind)))
        return signalPassFailure();
  }

  static const RotationSiteKind *findKind(StringRef name) {
    auto kinds = llm::getRotationSiteKinds();
    auto it = llvm::find_if(kinds, [&](const RotationSiteKind &kind) { return kind.name == name; });
    return it == kinds.end() ? nullptr : it;
  }

  LogicalResult insert(const RotationSiteKind &kind) {
    auto found = kind.findSites(getOperation(), seed);
    if (found.empty()) {
      InFlightDiagnostic report = strict ? getOperation().emitError() : getOperation().emitWarning();
      report << "there is no place for " << kind.name << ", " << kind.description;
      return failure(strict);
    }
    DenseSet<Value> refused; // values in webs that have been left out
    for (const llm::RotationSite &site : found) {
      if (rot::getBasis(site.value, site.dim) == site.basis || refused.contains(site.value))
        continue; // in the web of another site
      if (failed(insert(kind, site, refused)))
        return failure();
    }
    return success();
  }

  LogicalResult insert(const RotationSiteKind &kind, const llm::RotationSite &site, DenseSet<Value> &refused) {
    Web web(getOperation(), {param::isWeightExpression, llm::stateAttrName});
    if (failed(web.grow(site.value, site.dim, site.basis)))
      return failure();
    SmallVector<Web::Crossing> crossings = web.getCrossings();
    if (failed(checkScales(crossings, kind)))
      return failure();
    SmallVector<std::pair<Web::Crossing, std::string>> obstacles;
    for (const Web::Crossing &crossing : crossings)
      if (std::string obstacle = findObstacle(crossing); !obstacle.empty() && !isExpected(crossing, kind))
        obstacles.push_back({crossing, obstacle});
    if (obstacles.empty()) {
      warnOfConversions(getOperation(), crossings, kind);
      rot::retypeWeb(web);
      return success();
    }
    for (const Web::Member &member : web.getMembers())
      refused.insert(member.value);
    return leaveOut(kind, obstacles);
  }

  /// Says where a site fails: the first obstacles by name, and how many there are.
  LogicalResult leaveOut(const RotationSiteKind &kind, ArrayRef<std::pair<Web::Crossing, std::string>> obstacles) {
    if (strict)
      return refuse(kind, obstacles.front().first, obstacles.front().second);
    constexpr size_t shown = 8;
    InFlightDiagnostic report = emitWarning(obstacles.front().first.op->getLoc());
    report << kind.name << ", " << kind.description << ", is left out: " << obstacles.size() << " op"
           << (obstacles.size() == 1 ? " stands" : "s stand") << " in its way";
    for (const auto &[crossing, why] : obstacles.take_front(shown))
      report.attachNote(crossing.op->getLoc()) << "'" << crossing.op->getName() << "' op " << nodePrefix(crossing.op)
                                               << (crossing.isWriter ? "writes it " : "reads it ") << why;
    if (obstacles.size() > shown)
      report.attachNote() << "and " << obstacles.size() - shown << " more";
    return success();
  }

  LogicalResult refuse(const RotationSiteKind &kind, const Web::Crossing &crossing, StringRef why) {
    return crossing.op->emitError()
           << "'" << crossing.op->getName() << "' op " << nodePrefix(crossing.op)
           << (crossing.isWriter ? "writes " : "reads ") << kind.description << ' ' << why << ", so " << kind.name
           << " cannot be rotated; leave that site out of 'sites', or take the node out of the "
              "model";
  }
};
} // namespace
