//===- StepTables.cpp - what a graph computes from positions and masks -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "StepTables.h"
#include "mlir/IR/IRMapping.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/Interpreter.h"
#include "quantopt/Interp/Verify/Verification.h"
#include <cstring>

using namespace mlir;
using namespace quantopt;
using interp::DecoderStep;

static LogicalResult refuse(Value value, const Twine &message) {
  Operation *op = value.getDefiningOp();
  return emitError(value.getLoc()) << (op ? nodePrefix(op) : "") << "llm-kv-lower: " << message;
}

namespace {
/// One value of a function as a function of its own, for as long as this lives.
class Slice {
public:
  explicit Slice(Value value) : value(value) {
    auto original = cast<func::FuncOp>(value.getParentBlock()->getParentOp());
    OpBuilder builder(original);
    IRMapping mapping;
    function = cast<func::FuncOp>(builder.clone(*original, mapping));
    function.setName((original.getName() + ".slice").str());
    Operation *terminator = function.front().getTerminator();
    terminator->setOperands(mapping.lookup(value));
    function.removeResAttrsAttr();
    function.setFunctionType(builder.getFunctionType(original.getArgumentTypes(), value.getType()));
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (&op != terminator && op.use_empty())
        op.erase();
  }
  ~Slice() { function.erase(); }

  /// What the value is in a step of the function it belongs to; a diagnostic on failure.
  FailureOr<Tensor> evaluate(const DecoderStep &step) {
    SmallVector<Tensor> inputs =
        interp::makeDecoderInputs(cast<func::FuncOp>(value.getParentBlock()->getParentOp()), step);
    if (llvm::any_of(inputs, [](const Tensor &input) { return !input; }))
      return refuse(value, "cannot be evaluated: the function has arguments of unknown kinds");
    WeightStore store;
    param::WeightEvaluator evaluator(function->getParentOfType<ModuleOp>(), store);
    llvm::Expected<SmallVector<Tensor>> results = interp::Interpreter(function, &evaluator).run(inputs);
    if (!results)
      return refuse(value, "cannot be evaluated: " + llvm::toString(results.takeError()));
    return results->front();
  }

  FailureOr<Tensor> evaluateFloats(const DecoderStep &step) {
    FailureOr<Tensor> result = evaluate(step);
    if (succeeded(result) && result->dtype() != DType::F32)
      return refuse(value, "expected f32 values");
    return result;
  }

private:
  Value value;
  func::FuncOp function;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------------===//

/// Row of sequence b and token s in a table [B or 1, (1,) S, d].
static const float *rowOf(const Tensor &table, int64_t b, int64_t s) {
  int64_t tokens = table.dim(-2), size = table.dim(-1);
  return table.data<float>().data() + ((table.dim(0) == 1 ? 0 : b) * tokens + s) * size;
}

static bool hasRows(const Tensor &table, int64_t batch, int64_t tokens) {
  bool isFlat = table.rank() == 3 || (table.rank() == 4 && table.dim(1) == 1);
  return isFlat && (table.dim(0) == 1 || table.dim(0) == batch) && table.dim(-2) == tokens;
}

FailureOr<DenseElementsAttr> StepTables::makePositionTable(Value table, int64_t positions) {
  Slice slice(table);
  FailureOr<Tensor> all = slice.evaluateFloats({positions, 0, {0}});
  DecoderStep padded{6, 5, {0, 3}};
  FailureOr<Tensor> probe = slice.evaluateFloats(padded);
  if (failed(all) || failed(probe))
    return failure();
  if (!hasRows(*all, 1, positions) || !hasRows(*probe, 2, padded.tokens))
    return refuse(table, "expected a row of cosines or sines for each token");
  int64_t size = all->dim(-1), half = size / 2;
  for (int64_t s = 0; s < positions; ++s)
    if (std::memcmp(rowOf(*all, 0, s), rowOf(*all, 0, s) + half, half * sizeof(float)) != 0)
      return refuse(table, "expected equal halves of cosines or sines");
  // Graphs that are told no positions count padding: RoPE depends on differences alone, so both are right.
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t s = 0; s < padded.tokens; ++s) {
      int64_t counted = padded.past + s, position = counted - padded.padding[b];
      auto agrees = [&](int64_t row) {
        return std::memcmp(rowOf(*probe, b, s), rowOf(*all, 0, row), size * sizeof(float)) == 0;
      };
      if (!agrees(position) && !agrees(counted))
        return refuse(table, "expected cosines and sines that depend on the position of a token alone");
    }
  std::vector<float> halves;
  for (int64_t s = 0; s < positions; ++s)
    halves.insert(halves.end(), rowOf(*all, 0, s), rowOf(*all, 0, s) + half);
  auto type = RankedTensorType::get({positions, half}, Float32Type::get(function.getContext()));
  return DenseElementsAttr::get(type, ArrayRef(halves));
}

//===----------------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------------===//

/// Whether a key may be read: a mask adds 0 there, and elsewhere what no score outweighs.
enum class Kept { No, Yes, Unclear };
static Kept isKept(float value) { return value == 0 ? Kept::Yes : value <= -10000 ? Kept::No : Kept::Unclear; }

/// [B or 1, 1, S, P + S] for that step, or longer.
static bool isMaskOf(const Tensor &mask, const DecoderStep &step) {
  int64_t batch = step.padding.size();
  return mask.rank() == 4 && mask.dim(1) == 1 && (mask.dim(0) == 1 || mask.dim(0) == batch) &&
         mask.dim(2) == step.tokens && mask.dim(3) >= step.past + step.tokens;
}

/// How many tokens of a sequence come before the step's, where it has no padding but is shorter by that.
static int64_t pastOf(const DecoderStep &step, int64_t sequence) {
  return std::max<int64_t>(step.past - step.padding[sequence], 0);
}

/// Whether the mask keeps what attention with that window keeps, on all rows that are no padding.
static bool agrees(const Tensor &mask, const DecoderStep &step, int64_t window, bool isRagged) {
  int64_t keys = mask.dim(3);
  for (int64_t b = 0; b < int64_t(step.padding.size()); ++b)
    for (int64_t s = 0; s < step.tokens; ++s) {
      int64_t index = (isRagged ? pastOf(step, b) : step.past) + s, hidden = isRagged ? 0 : step.padding[b];
      if (index < hidden)
        continue;
      const float *row = mask.data<float>().data() + ((mask.dim(0) == 1 ? 0 : b) * step.tokens + s) * keys;
      for (int64_t t = 0; t < keys; ++t) {
        bool expected = t <= index && t >= hidden && (!window || t > index - window);
        if (isKept(row[t]) != (expected ? Kept::Yes : Kept::No))
          return false;
      }
    }
  return true;
}

FailureOr<int64_t> StepTables::findWindow(Value mask, int64_t context) {
  // The last token of a full context shows how far back one looks.
  DecoderStep last{1, context - 1, {0}};
  Slice slice(mask);
  FailureOr<Tensor> row = slice.evaluateFloats(last);
  if (failed(row))
    return failure();
  if (row->rank() == 4 && row->dim(3) < context)
    return refuse(mask,
                  "the caches of the model have " + Twine(row->dim(3)) + " rows: use a max-context of at most that");
  if (!isMaskOf(*row, last))
    return refuse(mask, "expected a mask [B, 1, S, past + S]");
  int64_t kept = llvm::count_if(row->data<float>(), [](float value) { return isKept(value) == Kept::Yes; });
  int64_t window = kept == context ? 0 : kept;
  SmallVector<DecoderStep> steps{{7, 0, {0, 3}}, {5, 4, {2, 0}}, {1, 9, {0, 3}}, {1, context - 1, {0, 7}}};
  if (window && window + 8 < context)
    steps.push_back({8, window - 3, {0, 2}});
  bool readsPadding =
      isRagged() || llvm::is_contained(interp::findInputRoles(function), interp::InputRole::AttentionMask);
  for (DecoderStep &step : steps) {
    if (!readsPadding)
      step.padding = {0, 0};
    FailureOr<Tensor> probe = slice.evaluateFloats(step);
    if (failed(probe))
      return failure();
    if (!isMaskOf(*probe, step) || !agrees(*probe, step, window, isRagged()))
      return refuse(mask, "expected a mask that is causal, with padding on the left and a sliding window at most");
  }
  return window;
}

//===----------------------------------------------------------------------------===//
// Indices of new rows
//===----------------------------------------------------------------------------===//

LogicalResult StepTables::checkWriteIndex(Value index) {
  Slice slice(index);
  for (const DecoderStep &step : {DecoderStep{7, 0, {0, 3}}, DecoderStep{1, 9, {0, 3}}, DecoderStep{3, 5, {2, 0}}}) {
    FailureOr<Tensor> probe = slice.evaluate(step);
    if (failed(probe))
      return failure();
    SmallVector<int64_t> positions = compute::toIntegers(*probe);
    for (auto [sequence, position] : llvm::enumerate(positions))
      if (position != pastOf(step, sequence))
        return refuse(index, "expected new rows to be written behind the tokens that are in the cache");
  }
  return success();
}
