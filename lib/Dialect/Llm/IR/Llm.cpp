//===- Llm.cpp - which dimensions of each layer share a basis -------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quantopt/Dialect/Support/Inliner.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::llm;
using rot::Accepts;
using rot::BasisTie;

#include "llm/LlmOpsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "llm/LlmOps.cpp.inc"

void LlmDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "llm/LlmOps.cpp.inc"
      >();
  addInterfaces<AlwaysInline>();
}

GeluForm GeluForm::of(bool isTanh, std::optional<APFloat> factor, std::optional<APFloat> cubic) {
  return {isTanh,
          factor   ? factor->convertToDouble()
          : isTanh ? geluTanhFactor
                   : M_SQRT1_2,
          cubic ? cubic->convertToDouble() : geluTanhCubic};
}

using Ties = SmallVector<BasisTie>;

/// Sizes that may be equal at run time.
static bool mayEqual(int64_t a, int64_t b) { return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b; }
static bool shapesMayEqual(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip_equal(a, b), [](auto pair) { return mayEqual(std::get<0>(pair), std::get<1>(pair)); });
}

//===----------------------------------------------------------------------------===//
// Ties
//===----------------------------------------------------------------------------===//

Ties EmbeddingOp::getBasisTies() { return {{Accepts::Any, {{getTable(), 1}, {getResult(), lastDim(getResult())}}}}; }
Ties RmsNormOp::getBasisTies() {
  int64_t last = lastDim(getInput());
  return {{getScale() ? Accepts::Standard : Accepts::Orthogonal, {{getInput(), last}, {getResult(), last}}}};
}
/// The mean is that of the stored elements, so every dimension stays standard.
Ties LayerNormOp::getBasisTies() { return {}; }
/// x Wᵀ = (x T)(W T⁻ᵀ)ᵀ, and (x Wᵀ + b) T = x (Tᵀ W)ᵀ + b T.
Ties LinearOp::getBasisTies() {
  BasisTie out{Accepts::Any, {{getWeight(), 0}, {getResult(), lastDim(getResult())}}};
  if (getBias())
    out.slots.push_back({getBias(), 0});
  return {{Accepts::Any, {{getInput(), lastDim(getInput())}, {getWeight(), 1, 1, /*isDual=*/true}}}, out};
}
Ties ResidualAddOp::getBasisTies() {
  int64_t last = lastDim(getResult());
  return {{Accepts::Any, {{getLhs(), last}, {getRhs(), last}, {getResult(), last}}}};
}
Ties SwigluOp::getBasisTies() {
  int64_t last = lastDim(getResult());
  return {{Accepts::Diagonal, {{getUp(), last}, {getResult(), last}}}};
}
Ties GegluOp::getBasisTies() {
  int64_t last = lastDim(getResult());
  return {{Accepts::Diagonal, {{getUp(), last}, {getResult(), last}}}};
}
Ties ActivationOp::getBasisTies() { return {}; }
Ties ScaleOp::getBasisTies() { return rot::tieAllDims(getInput(), getResult()); }
Ties RopeOp::getBasisTies() { return {}; }
Ties KvAppendOp::getBasisTies() {
  int64_t last = lastDim(getResult());
  return {{Accepts::Any, {{getCache(), last}, {getRows(), last}, {getResult(), last}}}};
}
Ties KvWriteOp::getBasisTies() {
  int64_t last = lastDim(getResult());
  return {{Accepts::Any, {{getCache(), last}, {getRows(), last}, {getResult(), last}}}};
}
/// I_heads ⊗ T on the joint dimension is T on the last one.
Ties SplitHeadsOp::getBasisTies() {
  return {{Accepts::Any, {{getInput(), lastDim(getInput()), typeOf(getResult()).getDimSize(1)}, {getResult(), 3}}}};
}
Ties MergeHeadsOp::getBasisTies() {
  return {{Accepts::Any, {{getInput(), 3}, {getResult(), lastDim(getResult()), typeOf(getInput()).getDimSize(1)}}}};
}
/// q kᵀ contracts, so k is in the dual of q's basis; v carries its basis through to the result.
Ties AttentionOp::getBasisTies() {
  return {{Accepts::Any, {{getQuery(), 3}, {getKey(), 3, 1, /*isDual=*/true}}},
          {Accepts::Any, {{getValue(), 3}, {getResult(), 3}}}};
}

Ties MixedAttentionOp::getBasisTies() {
  return {{Accepts::Any, {{getQuery(), 3}, {getKey(), 3, 1, /*isDual=*/true}, {getExactKey(), 3, 1, /*isDual=*/true}}},
          {Accepts::Any, {{getValue(), 3}, {getExactValue(), 3}, {getResult(), 3}}}};
}

//===----------------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  auto table = typeOf(getTable()), ids = typeOf(getIds()), result = typeOf(getResult());
  if (table.getRank() != 2 || !ids.getElementType().isInteger() || result.getRank() != ids.getRank() + 1 ||
      !mayEqual(result.getShape().back(), table.getDimSize(1))) // C1
    return emitOpError() << "expected integer ids and a matrix of rows as wide as the result, got " << ids << " and "
                         << table << " for " << result;
  return success();
}

/// C2, C10: what norms of the last dimension share.
template <typename OpTy> static LogicalResult verifyNorm(OpTy op, ValueRange vectors) {
  auto input = typeOf(op.getInput()), result = typeOf(op.getResult());
  if (input.getRank() < 1 || !shapesMayEqual(input.getShape(), result.getShape()))
    return op.emitOpError() << "expected input and result of one shape, got " << input << " and " << result;
  for (Value vector : vectors)
    if (vector && (typeOf(vector).getRank() != 1 || !mayEqual(lastSize(vector), lastSize(op.getInput()))))
      return op.emitOpError() << "expected a " << (vector == op.getScale() ? "scale" : "bias")
                              << " of the size of the last dimension of " << input << ", got " << vector.getType();
  if (op.getEps().convertToDouble() < 0)
    return op.emitOpError() << "expected eps not to be negative";
  return success();
}

LogicalResult RmsNormOp::verify() { return verifyNorm(*this, getScale()); }                // C2
LogicalResult LayerNormOp::verify() { return verifyNorm(*this, {getScale(), getBias()}); } // C10

LogicalResult LinearOp::verify() {
  auto input = typeOf(getInput()), weight = typeOf(getWeight()), result = typeOf(getResult());
  if (input.getRank() < 1 || weight.getRank() != 2 || !mayEqual(input.getShape().back(), weight.getDimSize(1))) // C3
    return emitOpError() << "expected a weight [out, in] with in = " << (input.getRank() ? input.getShape().back() : 0)
                         << ", got " << weight;
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = weight.getDimSize(0);
  if (!shapesMayEqual(shape, result.getShape())) // C3
    return emitOpError() << "expected a result whose last dimension is " << shape.back() << ", got " << result;
  if (getBias() && (typeOf(getBias()).getRank() != 1 || !mayEqual(lastSize(getBias()), weight.getDimSize(0)))) // C3
    return emitOpError() << "expected a bias of size " << weight.getDimSize(0) << ", got " << getBias().getType();
  return success();
}

/// C4: all of one shape.
static LogicalResult verifyElementwise(Operation *op) {
  auto shape = typeOf(op->getResult(0)).getShape();
  for (Value operand : op->getOperands())
    if (!shapesMayEqual(typeOf(operand).getShape(), shape))
      return op->emitOpError() << "expected operands and result of one shape, got " << operand.getType() << " for "
                               << op->getResult(0).getType();
  return success();
}
LogicalResult ResidualAddOp::verify() { return verifyElementwise(*this); }
LogicalResult SwigluOp::verify() { return verifyElementwise(*this); }
LogicalResult ScaleOp::verify() { return verifyElementwise(*this); }
LogicalResult GegluOp::verify() {
  if (getApproximate() != "none" && getApproximate() != "tanh") // C11
    return emitOpError() << "expected approximate to be \"none\" or \"tanh\", got \"" << getApproximate() << '"';
  return verifyElementwise(*this);
}

LogicalResult ActivationOp::verify() {
  static constexpr StringLiteral known[] = {"gelu", "gelu_tanh", "relu", "relu_squared"};
  if (!llvm::is_contained(known, getFunction())) // C13
    return emitOpError() << "expected function to be gelu, gelu_tanh, relu or relu_squared, got \"" << getFunction()
                         << '"';
  return verifyElementwise(*this);
}

/// C5: [B, S, heads·d] against [B, heads, S, d].
static LogicalResult verifyHeads(Operation *op, RankedTensorType joint, RankedTensorType split) {
  bool isRanked = joint.getRank() == 3 && split.getRank() == 4;
  if (isRanked && !ShapedType::isDynamic(split.getDimSize(1)) && !ShapedType::isDynamic(split.getDimSize(3)) &&
      mayEqual(joint.getDimSize(0), split.getDimSize(0)) && mayEqual(joint.getDimSize(1), split.getDimSize(2)) &&
      mayEqual(joint.getDimSize(2), split.getDimSize(1) * split.getDimSize(3)))
    return success();
  return op->emitOpError() << "expected [B, S, heads·d] and [B, heads, S, d] with known heads and d, got " << joint
                           << " and " << split;
}
LogicalResult SplitHeadsOp::verify() { return verifyHeads(*this, typeOf(getInput()), typeOf(getResult())); }
LogicalResult MergeHeadsOp::verify() { return verifyHeads(*this, typeOf(getResult()), typeOf(getInput())); }

LogicalResult RopeOp::verify() {
  auto input = typeOf(getInput()), result = typeOf(getResult());
  if (input.getRank() != 4 || !shapesMayEqual(input.getShape(), result.getShape())) // C6
    return emitOpError() << "expected input and result [B, heads, S, d], got " << input << " and " << result;
  for (Value table : {getCos(), getSin()}) {
    int64_t width = typeOf(table).getRank() ? lastSize(table) : 0, size = lastSize(getInput());
    bool isTooWide = !ShapedType::isDynamic(width) && !ShapedType::isDynamic(size) && width > size;
    if ((typeOf(table).getRank() != 3 && typeOf(table).getRank() != 4) || width % 2 || isTooWide) // C6
      return emitOpError() << "expected cos and sin [B, S, r] or [B, 1, S, r] with an even r of at most " << size
                           << ", got " << table.getType();
  }
  if (!mayEqual(lastSize(getCos()), lastSize(getSin()))) // C6
    return emitOpError() << "expected cos and sin of one width, got " << getCos().getType() << " and "
                         << getSin().getType();
  return success();
}

/// C7, C12: a cache, rows and the cache with these rows.
template <typename OpTy> static LogicalResult verifyCache(OpTy op) {
  auto cache = typeOf(op.getCache()), rows = typeOf(op.getRows()), result = typeOf(op.getResult());
  auto agree = [](RankedTensorType a, RankedTensorType b) {
    return a.getRank() == 4 && b.getRank() == 4 && a.getElementType() == b.getElementType() &&
           mayEqual(a.getDimSize(0), b.getDimSize(0)) && mayEqual(a.getDimSize(1), b.getDimSize(1)) &&
           mayEqual(a.getDimSize(3), b.getDimSize(3));
  };
  if (!agree(cache, rows) || !agree(cache, result))
    return op.emitOpError() << "expected a cache, rows and a result [B, kv_heads, length, d], got " << cache << ", "
                            << rows << " and " << result;
  return success();
}
LogicalResult KvAppendOp::verify() { return verifyCache(*this); } // C7
LogicalResult KvWriteOp::verify() {
  auto isPosition = [](Value value, int64_t rank) {
    return typeOf(value).getRank() == rank && typeOf(value).getElementType().isSignlessInteger();
  };
  if (!isPosition(getIndex(), 1) || (getLength() && !isPosition(getLength(), 0))) // C12
    return emitOpError() << "expected an integer index [B]" << (getLength() ? " and an integer length" : "") << ", got "
                         << getIndex().getType() << (getLength() ? " and " : "");
  if (!getLength() && !mayEqual(typeOf(getCache()).getDimSize(2), typeOf(getResult()).getDimSize(2))) // C12
    return emitOpError() << "expected a result as long as the cache, got " << getResult().getType() << " for "
                         << getCache().getType();
  return verifyCache(*this);
}

/// C8: heads and head sizes of an attention.
template <typename OpTy> static LogicalResult verifyHeads(OpTy op) {
  auto q = typeOf(op.getQuery()), k = typeOf(op.getKey()), v = typeOf(op.getValue()), result = typeOf(op.getResult());
  for (RankedTensorType type : {q, k, v, result})
    if (type.getRank() != 4 || ShapedType::isDynamic(type.getDimSize(1))) // C8
      return op.emitOpError() << "expected [B, heads, S, d] with known heads, got " << type;
  if (k.getDimSize(1) == 0 || q.getDimSize(1) % k.getDimSize(1) || k.getDimSize(1) != v.getDimSize(1)) // C8
    return op.emitOpError() << q.getDimSize(1) << " query heads cannot share " << k.getDimSize(1) << " key and "
                            << v.getDimSize(1) << " value heads evenly";
  if (!mayEqual(q.getDimSize(3), k.getDimSize(3)) || !mayEqual(v.getDimSize(3), result.getDimSize(3)) ||
      q.getDimSize(1) != result.getDimSize(1)) // C8
    return op.emitOpError()
           << "expected queries and keys of one head size, and a result with the heads of the queries and "
              "the head size of the values";
  if (op.getSoftcap().convertToDouble() < 0) // C8
    return op.emitOpError() << "expected a softcap that is not negative";
  return success();
}

LogicalResult AttentionOp::verify() { return verifyHeads(*this); }

LogicalResult MixedAttentionOp::verify() {
  if (failed(verifyHeads(*this)))
    return failure();
  for (auto [codes, exact] : {std::pair(getKey(), getExactKey()), std::pair(getValue(), getExactValue())})
    if (codes.getType() != exact.getType()) // C9
      return emitOpError() << "expected exact rows of type " << codes.getType() << ", got " << exact.getType();
  int64_t sinks = getSinks(), residual = getResidual(), block = getKeyBlock();
  if (std::min({sinks, residual, block}) < 0 || (sinks | residual | block) == 0) // C9
    return emitOpError() << "expected sinks, residual and key_block that are not negative, one of them positive, got "
                         << sinks << ", " << residual << " and " << block;
  return success();
}
