//===- EvaluationCost.cpp - memory and reads of weight expressions ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Slices.h"
#include "quantopt/Dialect/Param/Analysis/WeightEvaluator.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

namespace {
/// Follows an evaluation without running it.
class CostModel {
public:
  explicit CostModel(const WeightEvaluator &evaluator) : evaluator(evaluator) {}

  void expect(Value value) { countUses(value, uses); }

  /// Adds an end of the expression: its value, and the value rounded.
  void add(Value value, const TensorSlice &slice) {
    visit(value, slice);
    held += slice.numElements() * bytesInMemory(dtypeOf(value));
    note(bytesOf(value, slice));
  }

  EvaluationCost total;

private:
  /// Floating-point elements are in f64.
  static uint64_t bytesOf(Value value, const TensorSlice &slice) {
    DType type = dtypeOf(value);
    return slice.numElements() * bytesInMemory(isFloat(type) ? DType::F64 : type);
  }
  void note(uint64_t temporary) { total.peakBytes = std::max(total.peakBytes, held + temporary); }

  /// Leaves nothing but shared values held.
  void visit(Value value, const TensorSlice &slice) {
    if (auto load = value.getDefiningOp<LoadOp>())
      return visitLoad(load, cast<OpResult>(value), slice);
    auto result = cast<OpResult>(value);
    Operation *op = result.getOwner();
    OpSlices slices(result, slice);
    bool isShared = uses.lookup(op) > 1;
    if (isShared && llvm::is_contained(computed[op], slices.results[0]))
      return note(bytesOf(value, slice));
    uint64_t before = held;
    for (auto [operand, operandSlice] : llvm::zip_equal(op->getOperands(), slices.operands)) {
      visit(operand, operandSlice);
      held += bytesOf(operand, operandSlice);
    }
    uint64_t results = 0;
    for (auto [each, eachSlice] : llvm::zip_equal(op->getResults(), slices.results))
      results += bytesOf(each, eachSlice);
    // Twice the results: quantizers and transforms work on a copy, and so does cutting.
    note(2 * std::max(results, bytesOf(value, slice)));
    held = before;
    if (isShared) {
      computed[op].push_back(slices.results[0]);
      held += results;
    }
  }

  void visitLoad(LoadOp load, OpResult result, const TensorSlice &slice) {
    Operation *symbol = evaluator.lookup(load.getParamAttr().getAttr());
    if (auto derived = dyn_cast<DerivedOp>(symbol)) {
      if (llvm::is_contained(active, derived))
        return; // evaluation reports the cycle
      Value value = derived.getBody().front().getTerminator()->getOperand(result.getResultNumber());
      active.push_back(derived);
      expect(value);
      visit(value, slice);
      active.pop_back();
      return;
    }
    total.readBytes += bytesInFile(dtypeOf(result), slice.numElements());
    note(bytesOf(result, slice) + slice.numElements() * bytesInMemory(dtypeOf(result)));
  }

  const WeightEvaluator &evaluator;
  SmallVector<DerivedOp> active;
  DenseMap<Operation *, unsigned> uses;
  DenseMap<Operation *, std::vector<TensorSlice>> computed;
  uint64_t held = 0;
};
} // namespace

static EvaluationCost costOf(const WeightEvaluator &evaluator, ValueRange expressions, ArrayRef<TensorSlice> slices) {
  CostModel model(evaluator);
  for (Value expression : expressions)
    model.expect(expression);
  for (auto [expression, slice] : llvm::zip_equal(expressions, slices))
    model.add(expression, slice);
  return model.total;
}

EvaluationCost WeightEvaluator::costOfRows(ValueRange expressions, int64_t begin, int64_t count) const {
  return costOf(*this, expressions, rowsOf(expressions, begin, count));
}

EvaluationCost WeightEvaluator::costOfAll(ValueRange expressions) const {
  return costOf(*this, expressions, llvm::map_to_vector(expressions, wholeOf));
}

/// The least number of rows that fill whole bytes of a file.
static int64_t rowAlignment(ValueRange expressions) {
  bool isAligned = llvm::all_of(expressions, [](Value value) {
    int64_t rows = typeOf(value).getDimSize(0);
    return !rows || typeOf(value).getNumElements() / rows * bitsInFile(dtypeOf(value)) % 8 == 0;
  });
  return isAligned ? 1 : 2;
}

std::optional<int64_t> WeightEvaluator::chunkRows(ValueRange expressions, uint64_t limit) const {
  auto hasRows = [&](Value value) {
    return typeOf(value).getRank() && typeOf(value).getDimSize(0) == typeOf(expressions[0]).getDimSize(0);
  };
  if (!llvm::all_of(expressions, hasRows))
    return std::nullopt;
  int64_t rows = typeOf(expressions[0]).getDimSize(0), alignment = rowAlignment(expressions);
  uint64_t whole = costOfAll(expressions).peakBytes;
  if (whole <= limit || costOfRows(expressions, 0, rows / 2).peakBytes > whole / 4 * 3)
    return std::nullopt;
  int64_t count = double(limit) / double(whole) * rows;
  while (count > alignment && costOfRows(expressions, 0, count).peakBytes > limit)
    count -= (count + 15) / 16;
  return std::max(count / alignment * alignment, alignment);
}
