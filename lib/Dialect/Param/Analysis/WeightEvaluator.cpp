//===- WeightEvaluator.cpp - weights, computed slice by slice --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"
#include "Slices.h"
#include "quantopt/Support/Conversion.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include <cstring>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;
using llvm::Expected;

std::string quantopt::param::getSourceFolder(ModuleOp module) {
  auto location = dyn_cast<FileLineColLoc>(module.getLoc());
  return location ? llvm::sys::path::parent_path(location.getFilename()).str() : "";
}

WeightEvaluator::WeightEvaluator(ModuleOp module, WeightStore &store, std::string folder)
    : store(store), folder(std::move(folder)) {
  for (auto symbol : module.getOps<SymbolOpInterface>())
    symbols[symbol.getNameAttr()] = symbol;
}

TensorInFile WeightEvaluator::locate(GlobalOp global) const {
  StringRef path = cast<FileOp>(symbols.lookup(global.getFileAttr().getAttr())).getPath();
  llvm::SmallString<128> resolved(path);
  if (llvm::sys::path::is_relative(path)) {
    resolved = folder;
    llvm::sys::path::append(resolved, path);
  }
  auto type = cast<RankedTensorType>(global.getType());
  return {global.getSymName().str(),        std::string(resolved),
          uint64_t(global.getOffset()),     uint64_t(global.getLength()),
          *getDType(type.getElementType()), SmallVector<int64_t, 4>(type.getShape())};
}

namespace {
/// One call: values that several ops of an expression use are computed once.
class Evaluation {
public:
  Evaluation(const WeightEvaluator &evaluator, bool keepF64) : evaluator(evaluator), keepF64(keepF64) {}

  /// Announces that a value will be asked for.
  void expect(Value value) { countUses(value, uses); }

  /// Floating-point elements in f64.
  Expected<Tensor> get(Value value, const TensorSlice &slice) {
    if (auto load = value.getDefiningOp<LoadOp>())
      return getParameter(load.getParamAttr().getAttr(), cast<OpResult>(value).getResultNumber(), slice);
    auto result = cast<OpResult>(value);
    OpSlices slices(result, slice);
    Expected<SmallVector<Tensor>> all = run(result.getOwner(), slices);
    if (!all)
      return all.takeError();
    return cut((*all)[result.getResultNumber()], slices.results[result.getResultNumber()], slice);
  }

  /// The result in the element type of the IR.
  Expected<Tensor> getRounded(Value value, const TensorSlice &slice) {
    Expected<Tensor> tensor = get(value, slice);
    return tensor && !keepF64 ? Expected<Tensor>(convert(*tensor, dtypeOf(value))) : std::move(tensor);
  }

private:
  Expected<Tensor> getParameter(StringAttr name, unsigned number, const TensorSlice &slice) {
    Operation *symbol = evaluator.lookup(name);
    if (auto derived = dyn_cast_or_null<DerivedOp>(symbol)) {
      if (llvm::is_contained(active, name))
        return llvm::createStringError("parameter '" + name.getValue() + "' depends on itself");
      Value value = derived.getBody().front().getTerminator()->getOperand(number);
      active.push_back(name);
      expect(value);
      Expected<Tensor> tensor = getRounded(value, slice);
      active.pop_back();
      return tensor ? widen(*tensor) : std::move(tensor);
    }
    auto global = dyn_cast_or_null<GlobalOp>(symbol);
    if (!global)
      return llvm::createStringError("no parameter is called '" + name.getValue() + "'");
    Expected<Tensor> tensor = evaluator.getStore().readSlice(evaluator.locate(global), slice);
    return tensor ? widen(*tensor) : std::move(tensor);
  }

  static Tensor widen(const Tensor &tensor) { return isFloat(tensor.dtype()) ? convert(tensor, DType::F64) : tensor; }

  Expected<SmallVector<Tensor>> run(Operation *op, const OpSlices &slices) {
    bool isShared = uses.lookup(op) > 1;
    if (isShared)
      for (auto &[known, tensors] : computed[op])
        if (known == slices.results[0])
          return tensors;
    SmallVector<Tensor> operands;
    for (auto [operand, slice] : llvm::zip_equal(op->getOperands(), slices.operands)) {
      Expected<Tensor> tensor = get(operand, slice);
      if (!tensor)
        return tensor.takeError();
      operands.push_back(std::move(*tensor));
    }
    Expected<SmallVector<Tensor>> results = cast<WeightOpInterface>(op).evaluate(
        operands, slices.results[0], [&](FlatSymbolRefAttr name) { return readTransform(name); });
    if (!results)
      return llvm::createStringError("'" + op->getName().getStringRef() + "': " + llvm::toString(results.takeError()));
    if (isShared)
      computed[op].emplace_back(slices.results[0], *results);
    return results;
  }

  /// A parameter that a transform names; always in f64.
  Expected<Tensor> readTransform(FlatSymbolRefAttr name) {
    Operation *symbol = evaluator.lookup(name.getAttr());
    if (auto global = dyn_cast_or_null<GlobalOp>(symbol))
      return getParameter(name.getAttr(), 0, TensorSlice::whole(cast<RankedTensorType>(global.getType()).getShape()));
    if (auto derived = dyn_cast_or_null<DerivedOp>(symbol))
      return getParameter(name.getAttr(), 0,
                          TensorSlice::whole(cast<RankedTensorType>(derived.getYieldedTypes()[0]).getShape()));
    return llvm::createStringError("no parameter is called '" + name.getValue() + "'");
  }

  /// `wanted` out of `tensor`, which holds `given`.
  static Tensor cut(const Tensor &tensor, const TensorSlice &given, const TensorSlice &wanted) {
    if (given == wanted || !wanted.numElements())
      return given == wanted ? tensor : Tensor(tensor.dtype(), wanted.sizes);
    Tensor result(tensor.dtype(), wanted.sizes);
    uint64_t run = wanted.sizes.back() * bytesInMemory(tensor.dtype());
    SmallVector<int64_t, 4> index(wanted.sizes.size(), 0);
    for (uint64_t done = 0; done < result.sizeInBytes(); done += run) {
      int64_t from = 0;
      for (size_t dim = 0; dim < index.size(); ++dim)
        from = from * given.sizes[dim] + wanted.offsets[dim] - given.offsets[dim] + index[dim];
      std::memcpy(result.mutableRaw() + done, tensor.raw() + from * bytesInMemory(tensor.dtype()), run);
      for (int64_t dim = int64_t(index.size()) - 2; dim >= 0 && ++index[dim] == wanted.sizes[dim]; --dim)
        index[dim] = 0;
    }
    return result;
  }

  const WeightEvaluator &evaluator;
  bool keepF64;
  /// Derived parameters whose bodies are being evaluated, outermost first.
  SmallVector<StringAttr> active;
  DenseMap<Operation *, unsigned> uses;
  DenseMap<Operation *, std::vector<std::pair<TensorSlice, SmallVector<Tensor>>>> computed;
};
} // namespace

Expected<Tensor> WeightEvaluator::evaluate(Value expression, const TensorSlice &slice, bool keepF64) const {
  // A stored parameter needs neither widening nor rounding.
  auto load = expression.getDefiningOp<LoadOp>();
  if (auto global = load && !keepF64 ? dyn_cast_or_null<GlobalOp>(lookup(load.getParamAttr().getAttr())) : nullptr)
    return store.readSlice(locate(global), slice);
  Evaluation evaluation(*this, keepF64);
  evaluation.expect(expression);
  return evaluation.getRounded(expression, slice);
}

Expected<Tensor> WeightEvaluator::evaluate(Value expression, bool keepF64) const {
  return evaluate(expression, wholeOf(expression), keepF64);
}

static Expected<SmallVector<Tensor>> evaluateEach(const WeightEvaluator &evaluator, ValueRange expressions,
                                                  ArrayRef<TensorSlice> slices, bool keepF64) {
  Evaluation evaluation(evaluator, keepF64);
  for (Value expression : expressions)
    evaluation.expect(expression);
  SmallVector<Tensor> results;
  for (auto [expression, slice] : llvm::zip_equal(expressions, slices)) {
    Expected<Tensor> result = evaluation.getRounded(expression, slice);
    if (!result)
      return result.takeError();
    results.push_back(std::move(*result));
  }
  return results;
}

Expected<SmallVector<Tensor>> WeightEvaluator::evaluateRows(ValueRange expressions, int64_t begin, int64_t count,
                                                            bool keepF64) const {
  return evaluateEach(*this, expressions, rowsOf(expressions, begin, count), keepF64);
}

Expected<SmallVector<Tensor>> WeightEvaluator::evaluateAll(ValueRange expressions, bool keepF64) const {
  return evaluateEach(*this, expressions, llvm::map_to_vector(expressions, wholeOf), keepF64);
}
