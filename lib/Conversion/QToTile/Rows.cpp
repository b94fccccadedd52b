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

FailureOr<rot::Transform> quantopt::tile::findTransform(RankedTensorType from, RankedTensorType to) {
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
  // Those of a cache, or in groups, other kernels read; rows of heads are not those of a launch.
  if (quantize.getZero() || quantize.getGroupSize() || typeOf(quantize.getInput()).getRank() > 3)
    return success();
  Value rows = quantize.getInput();
  rot::Transform transform;
  if (auto convert = findSoleProducer<rot::ConvertOp>(rows)) {
    FailureOr<rot::Transform> found = findTransform(convert.getInput().getType(), convert.getType());
    if (failed(found))
      return keep(quantize, "reads rows in a basis that kernels do not transform to"), success();
    transform = *found;
    rows = convert.getInput();
  }
  if (auto norm = findSoleProducer<llm::RmsNormOp>(rows); norm && !norm.getScale())
    return replaceNorm(quantize, norm, transform);
  if (auto swiglu = findSoleProducer<llm::SwigluOp>(rows))
    return replaceSwiglu(quantize, swiglu, transform);
  return replaceQuantizer(quantize, rows, transform);
}

LogicalResult Selection::replaceCodes(q::QuantizeDynamicOp quantize, Operation *kernel, Operation *producer) {
  Operation *convert = quantize.getInput().getDefiningOp<rot::ConvertOp>();
  if (failed(finish(quantize, kernel)))
    return failure();
  quantize.getCodes().replaceAllUsesWith(kernel->getResult(0));
  quantize.getScale().replaceAllUsesWith(kernel->getResult(1));
  quantize.erase();
  for (Operation *op : {convert, producer})
    if (op && op->use_empty())
      op->erase();
  return success();
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
  if (failed(replaceCodes(quantize, kernel, norm)))
    return failure();
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
  return replaceCodes(quantize, kernel, swiglu);
}

LogicalResult Selection::replaceQuantizer(q::QuantizeDynamicOp quantize, Value rows, rot::Transform transform) {
  FailureOr<RowsAttr> config = chooseRowsConfig(quantize, rows);
  if (failed(config))
    return failure();
  OpBuilder builder(quantize);
  auto kernel =
      QuantOp::create(builder, quantize.getLoc(), quantize.getCodes().getType(), quantize.getScale().getType(), rows,
                      quantize.getClipAttr(), quantize.getBitsAttr(), transform, *config, /*kernel=*/SymbolRefAttr());
  return replaceCodes(quantize, kernel, /*producer=*/nullptr);
}

//===----------------------------------------------------------------------------===//
// Norms and SwiGLUs without a quantizer
//===----------------------------------------------------------------------------===//

FailureOr<Value> Selection::makeNorm(llm::RmsNormOp norm, Type element) {
  FailureOr<RowsAttr> config = chooseRowsConfig(norm, norm.getInput());
  if (failed(config))
    return failure();
  auto addition = norm.getInput().getDefiningOp<llm::ResidualAddOp>();
  OpBuilder builder(addition ? addition.getOperation() : norm.getOperation());
  auto kernel =
      NormOp::create(builder, norm.getLoc(), typeOf(norm.getResult()).clone(element),
                     addition ? Type(addition.getType()) : Type(), addition ? addition.getLhs() : norm.getInput(),
                     addition ? addition.getRhs() : Value(), norm.getEpsAttr(), *config, /*kernel=*/SymbolRefAttr());
  if (failed(finish(norm, kernel)))
    return failure();
  if (addition) {
    addition.replaceAllUsesWith(kernel.getSum());
    addition.erase();
  }
  return Value(kernel.getResult());
}

FailureOr<Value> Selection::makeSwiglu(llm::SwigluOp swiglu, Value rows, rot::Transform transform, Type element) {
  FailureOr<RowsAttr> config = chooseRowsConfig(swiglu, rows);
  if (failed(config))
    return failure();
  OpBuilder builder(rows.getDefiningOp());
  auto kernel = SwigluOp::create(builder, swiglu.getLoc(), typeOf(rows).clone(element), swiglu.getGate(),
                                 swiglu.getUp(), transform, *config, /*kernel=*/SymbolRefAttr());
  if (failed(finish(swiglu, kernel)))
    return failure();
  return Value(kernel.getResult());
}

LogicalResult Selection::select(llm::RmsNormOp norm) {
  if (norm.getScale())
    return keep(norm, "has a scale; llm-fuse-norm-scale moves scales into weights"), success();
  FailureOr<Value> made = makeNorm(norm, typeOf(norm.getResult()).getElementType());
  if (failed(made))
    return failure();
  norm.replaceAllUsesWith(*made);
  norm.erase();
  return success();
}

LogicalResult Selection::select(llm::SwigluOp swiglu) {
  Value rows = swiglu.getResult();
  rot::Transform transform;
  auto convert = rows.hasOneUse() ? dyn_cast<rot::ConvertOp>(*rows.user_begin()) : rot::ConvertOp();
  if (convert)
    if (FailureOr<rot::Transform> found = findTransform(swiglu.getType(), convert.getType()); succeeded(found)) {
      transform = *found;
      rows = convert.getResult();
    }
  FailureOr<Value> made = makeSwiglu(swiglu, rows, transform, typeOf(rows).getElementType());
  if (failed(made))
    return failure();
  rows.replaceAllUsesWith(*made);
  if (rows != swiglu.getResult())
    convert.erase();
  swiglu.erase();
  return success();
}
