//===- Rows.cpp - what works row by row as kernels ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Policy.h"
#include "Selection.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

FailureOr<RowsAttr> Selection::chooseRowsConfig(Operation *op, Value rows) {
  Attribute given = op->getAttr(configAttrName);
  if (!given) {
    RowsAttr config = chooseRows(op->getContext(), options.arch, lastSize(rows));
    reason = std::to_string(config.getThreads()) + " threads for rows of " + std::to_string(lastSize(rows));
    return config;
  }
  auto config = dyn_cast<RowsAttr>(given);
  if (!config || config.getArch() != options.arch)
    return op->emitOpError() << "expected " << configAttrName << " to be a #tile.rows for "
                             << stringifyArch(options.arch) << ", got " << given;
  reason = "given by the op";
  return config;
}

LogicalResult Selection::select(llm::EmbeddingOp embedding) {
  FailureOr<RowsAttr> config = chooseRowsConfig(embedding, embedding.getResult());
  if (failed(config))
    return failure();
  OpBuilder builder(embedding);
  auto kernel = EmbeddingOp::create(builder, embedding.getLoc(), embedding.getType(), embedding.getIds(),
                                    embedding.getTable(), *config, /*kernel=*/SymbolRefAttr());
  if (failed(finish(embedding, kernel)))
    return failure();
  embedding.replaceAllUsesWith(kernel.getResult());
  embedding.erase();
  return success();
}

/// What takes rows from the basis of one type to that of another, where only that of the last dimension changes; null
/// for nothing. Failure where kernels have no such transform.
static FailureOr<rot::Transform> findTransform(RankedTensorType from, RankedTensorType to) {
  int64_t last = from.getRank() - 1;
  rot::Transform source = rot::getBasis(from, last), target = rot::getBasis(to, last);
  if (rot::withBasis(from, last, target) != to)
    return failure();
  rot::Transform transform = source == target ? rot::Transform()
                             : source         ? rot::compose(rot::inverse(source), target)
                                              : target;
  if (!transform)
    return transform;
  llvm::Expected<RowTransform> supported = makeRowTransform(transform, from.getDimSize(last));
  if (supported)
    return transform;
  llvm::consumeError(supported.takeError());
  return failure();
}

/// The op that makes a value which nothing else reads.
template <typename OpTy> static OpTy findSoleProducer(Value value) {
  return value.hasOneUse() ? value.getDefiningOp<OpTy>() : OpTy();
}

LogicalResult Selection::select(q::QuantizeDynamicOp quantize) {
  if (quantize.getZero() || quantize.getGroupSize())
    return success(); // of a cache, or in groups: other kernels read those
  Value rows = quantize.getInput();
  rot::Transform transform;
  if (auto convert = findSoleProducer<rot::ConvertOp>(rows)) {
    FailureOr<rot::Transform> found = findTransform(convert.getInput().getType(), convert.getType());
    if (failed(found))
      return keep(quantize, "reads rows in a basis that kernels do not transform to"), success();
    transform = *found;
    rows = convert.getInput();
  }
  if (auto norm = findSoleProducer<llm::RmsNormOp>(rows)) {
    if (norm.getScale())
      return keep(quantize, "reads a norm with a scale; llm-fuse-norm-scale moves scales into weights"), success();
    return replaceNorm(quantize, norm, transform);
  }
  if (auto swiglu = findSoleProducer<llm::SwigluOp>(rows))
    return replaceSwiglu(quantize, swiglu, transform);
  return keep(quantize, "reads what is neither a norm nor a SwiGLU"), success();
}

/// Erases `op` and, one after the other, what only it has read.
static void eraseWithProducers(Operation *op, ArrayRef<Operation *> producers) {
  op->erase();
  for (Operation *producer : producers)
    if (producer && producer->use_empty())
      producer->erase();
}

LogicalResult Selection::replaceNorm(q::QuantizeDynamicOp quantize, llm::RmsNormOp norm, rot::Transform transform) {
  FailureOr<RowsAttr> config = chooseRowsConfig(quantize, norm.getInput());
  if (failed(config))
    return failure();
  // An addition that no matrix product has taken over; what else reads the sum gets it from the kernel.
  auto addition = norm.getInput().getDefiningOp<llm::ResidualAddOp>();
  Value input = addition ? addition.getLhs() : norm.getInput();
  OpBuilder builder(addition ? addition.getOperation() : quantize.getOperation());
  auto kernel = NormQuantOp::create(builder, quantize.getLoc(), quantize.getCodes().getType(),
                                    quantize.getScale().getType(), addition ? Type(addition.getType()) : Type(), input,
                                    addition ? addition.getRhs() : Value(), norm.getEpsAttr(), quantize.getClipAttr(),
                                    quantize.getBitsAttr(), transform, *config, /*kernel=*/SymbolRefAttr());
  Operation *convert = quantize.getInput().getDefiningOp<rot::ConvertOp>();
  if (failed(finish(quantize, kernel)))
    return failure();
  quantize.getCodes().replaceAllUsesWith(kernel.getCodes());
  quantize.getScale().replaceAllUsesWith(kernel.getScale());
  eraseWithProducers(quantize, {convert, norm});
  if (addition) {
    addition.replaceAllUsesWith(kernel.getSum());
    addition.erase();
  }
  return success();
}

LogicalResult Selection::replaceSwiglu(q::QuantizeDynamicOp quantize, llm::SwigluOp swiglu, rot::Transform transform) {
  FailureOr<RowsAttr> config = chooseRowsConfig(quantize, swiglu.getResult());
  if (failed(config))
    return failure();
  OpBuilder builder(quantize);
  auto kernel = SwigluQuantOp::create(builder, quantize.getLoc(), quantize.getCodes().getType(),
                                      quantize.getScale().getType(), swiglu.getGate(), swiglu.getUp(),
                                      quantize.getClipAttr(), quantize.getBitsAttr(), transform, *config,
                                      /*kernel=*/SymbolRefAttr());
  Operation *convert = quantize.getInput().getDefiningOp<rot::ConvertOp>();
  if (failed(finish(quantize, kernel)))
    return failure();
  quantize.getCodes().replaceAllUsesWith(kernel.getCodes());
  quantize.getScale().replaceAllUsesWith(kernel.getScale());
  eraseWithProducers(quantize, {convert, swiglu});
  return success();
}
