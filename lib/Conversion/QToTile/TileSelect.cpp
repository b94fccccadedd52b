//===- TileSelect.cpp - tile-select -----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Selection.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/Support/Format.h"

namespace quantopt {
#define GEN_PASS_DEF_TILESELECTPASS
#include "tile/TilePasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

void Selection::keep(Operation *op, const llvm::Twine &reason) {
  if (options.report)
    op->emitRemark() << nodePrefix(op) << "stays without a kernel: it " << reason;
}

LogicalResult Selection::finish(Operation *before, Operation *kernel) {
  for (NamedAttribute attribute : before->getDiscardableAttrs())
    if (attribute.getName() != configAttrName)
      kernel->setDiscardableAttr(attribute.getName(), attribute.getValue());
  if (failed(mlir::verify(kernel)))
    return failure();
  if (!options.report)
    return success();
  auto op = cast<KernelOpInterface>(kernel);
  Launch launch = op.getLaunch();
  const Architecture &gpu = getArchitecture(options.arch);
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op.getKernelName() << ": " << reason << "; " << launch.threads << " threads, "
     << llvm::format("%.1f", launch.dynamicSharedBytes / 1024.0) << " KiB of shared memory; at best";
  for (int64_t rows : {1, 2048}) {
    if (options.maxRows && rows > options.maxRows)
      continue;
    os << (rows > 1 ? ", " : " ") << llvm::format("%.2f", op.getCost(rows).getRooflineSeconds(options.arch) * 1e6)
       << " us for " << rows << (rows > 1 ? " rows" : " row");
  }
  before->emitRemark() << nodePrefix(before) << text << " on " << gpu.gpu;
  return success();
}

/// Ops that are made on the way are none of those that are looked for.
template <typename OpTy> LogicalResult Selection::selectEach(func::FuncOp function) {
  for (OpTy op : llvm::to_vector(function.front().getOps<OpTy>()))
    if (failed(select(op)))
      return failure();
  return success();
}

LogicalResult Selection::run(func::FuncOp function) {
  if (function.isDeclaration())
    return success();
  if (auto rows = function->getAttrOfType<IntegerAttr>(llm::maxRowsAttrName))
    options.maxRows = rows.getInt();
  auto phase = function->getAttrOfType<StringAttr>(llm::phaseAttrName);
  isDecodePhase = phase && phase.getValue() == "decode";
  if (failed(selectEach<RopeAppendOp>(function)) || failed(selectEach<AttentionOp>(function)) ||
      failed(selectEach<q::LinearOp>(function)))
    return failure();
  // Codes that were made in 4 bits for a kernel that reads them in 8.
  for (auto [narrow, wide] : widened)
    if (wide && narrow.use_empty())
      narrow.getDefiningOp()->erase();
  if (failed(selectEach<q::QuantizeDynamicOp>(function)) || failed(selectEach<llm::LinearOp>(function)))
    return failure();
  eraseReplaced();
  return success(succeeded(selectEach<llm::RmsNormOp>(function)) && succeeded(selectEach<llm::SwigluOp>(function)) &&
                 succeeded(selectEach<llm::EmbeddingOp>(function)));
}

namespace {
struct TileSelectPass : quantopt::impl::TileSelectPassBase<TileSelectPass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    std::optional<Arch> known = symbolizeArch(arch);
    if (!known)
      return emitError(UnknownLoc::get(context))
             << "tile-select: expected arch to be sm_75, sm_80, sm_86, sm_87, sm_89, sm_90a, sm_100a or sm_120a, got '"
             << arch << "'";
    if (maxRows < 0)
      return emitError(UnknownLoc::get(context))
             << "tile-select: expected max-rows not to be negative, got " << int64_t(maxRows);
    options = {*known, maxRows, report};
    return success();
  }

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (failed(Selection(options).run(function)))
        return signalPassFailure();
    }
  }

  SelectionOptions options;
};
} // namespace
