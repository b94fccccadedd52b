//===- Tile.cpp - one op per GPU kernel -------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "Detail.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Support/Inliner.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;
using rot::Accepts;
using rot::BasisTie;

#include "tile/TileAttrsEnums.cpp.inc"
#include "tile/TileInterfacesOp.cpp.inc"
#include "tile/TileOpsDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "tile/TileAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "tile/TileOps.cpp.inc"

void TileDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "tile/TileOps.cpp.inc"
      >();
  addInterfaces<AlwaysInline>();
}

void TileDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "tile/TileAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------------===//

GemmOperands quantopt::tile::getGemmOperands(Operation *op) {
  auto ofCodes = [](auto gemm) -> GemmOperands {
    return {gemm.getInput(),       gemm.getInputScale(), gemm.getWeight(),   gemm.getWeightScale(),
            gemm.getGroupScales(), gemm.getBias(),       gemm.getResidual(), gemm.getConfig()};
  };
  return TypeSwitch<Operation *, GemmOperands>(op)
      .Case<GemmW4A4Op, GemmW4A8Op, GemmW8A8Op, GemmDecodeOp>(ofCodes)
      .Case([](GemmW4A16Op gemm) -> GemmOperands {
        return {gemm.getInput(), {}, gemm.getWeight(), gemm.getWeightScale(), {}, gemm.getBias(), gemm.getResidual(),
                gemm.getConfig()};
      })
      .Case([](GemmF16Op gemm) -> GemmOperands {
        return {gemm.getInput(), {}, gemm.getWeight(), {}, {}, gemm.getBias(), gemm.getResidual(), gemm.getConfig()};
      });
}

/// The instruction that multiplies codes or floats of that many bits.
static Mma deriveMma(Arch arch, int64_t inputBits, int64_t weightBits) {
  if (inputBits == 16)
    return Mma::F16;
  return inputBits == 4 && weightBits == 4 && getArchitecture(arch).s4 ? Mma::S4 : Mma::S8;
}

/// Bits of a weight: packed bytes do not show them, but hold that many codes.
static int64_t getWeightBits(RankedTensorType weight, int64_t n, int64_t k) {
  if (!weight.getElementType().isInteger(8))
    return weight.getElementTypeBitWidth();
  int64_t bytesOf8Bits = numerics::Layout(numerics::Layout::Order::S8).getByteSize(n, k);
  return weight.getNumElements() == bytesOf8Bits ? 8 : 4;
}

/// Groups of scales [N], [N, G] or, filled to blocks of 16 channels, [blocks, 16] or [blocks, 16, G].
static int64_t countGroups(RankedTensorType scales, int64_t n) {
  bool isBlocked = scales.getRank() > 1 && scales.getDimSize(0) == numerics::Layout::getRowBlocks(n) &&
                   scales.getDimSize(1) == numerics::Layout::blockRows;
  int64_t channelDims = isBlocked ? 2 : 1;
  return scales.getRank() > channelDims ? scales.getShape().back() : 1;
}

GemmShape quantopt::tile::getGemmShape(Operation *op) {
  GemmOperands operands = getGemmOperands(op);
  GemmShape shape;
  shape.n = lastSize(op->getResult(0));
  shape.k = lastSize(operands.input);
  shape.inputBits = typeOf(operands.input).getElementTypeBitWidth();
  shape.weightBits = getWeightBits(typeOf(operands.weight), shape.n, shape.k);
  shape.groups = 1;
  if (operands.groupScales)
    shape.groups = countGroups(typeOf(operands.groupScales), shape.n);
  else if (shape.inputBits == 16 && operands.weightScale)
    shape.groups = countGroups(typeOf(operands.weightScale), shape.n);
  shape.mma = operands.config.getMma();
  if (shape.mma == Mma::Derived)
    shape.mma = deriveMma(operands.config.getArch(), shape.inputBits, shape.weightBits);
  return shape;
}

std::optional<numerics::Layout> quantopt::tile::getWeightLayout(Operation *op) {
  using Order = numerics::Layout::Order;
  GemmShape shape = getGemmShape(op);
  if (shape.weightBits == 16)
    return std::nullopt;
  if (shape.weightBits == 8)
    return Order::S8;
  if (shape.mma == Mma::F16)
    return Order::F16x4;
  return shape.mma == Mma::S4 ? Order::S4 : Order::S8x4;
}

SmallVector<BasisTie> quantopt::tile::getGemmBasisTies(Operation *op) {
  GemmOperands operands = getGemmOperands(op);
  BasisTie out{Accepts::Any, {{op->getResult(0), lastDim(op->getResult(0))}}};
  if (operands.bias)
    out.slots.push_back({operands.bias, 0});
  if (operands.residual)
    out.slots.push_back({operands.residual, lastDim(operands.residual)});
  SmallVector<BasisTie> ties{{Accepts::Any, {{operands.input, lastDim(operands.input)}}}, out};
  if (isa<FloatType>(typeOf(operands.weight).getElementType())) // packed codes have no basis
    ties[0].slots.push_back({operands.weight, 1, 1, /*isDual=*/true});
  return ties;
}

//===----------------------------------------------------------------------------===//
// Ties of kernels that work row by row. Codes are in any basis: with the transform as an attribute, a type need not say
// what the op does.
//===----------------------------------------------------------------------------===//

static SmallVector<BasisTie> tieNorm(Value input, Value residual, Value result, Value sum, bool isTransformed) {
  int64_t last = lastDim(input);
  BasisTie stream{Accepts::Orthogonal, {{input, last}}};
  for (Value value : {residual, sum})
    if (value)
      stream.slots.push_back({value, last});
  if (isTransformed)
    return {stream, {Accepts::Any, {{result, last}}}};
  stream.slots.push_back({result, last});
  return {stream};
}

SmallVector<BasisTie> NormQuantOp::getBasisTies() {
  return tieNorm(getInput(), getResidual(), getCodes(), getSum(), getHadamard().has_value());
}
SmallVector<BasisTie> NormOp::getBasisTies() {
  return tieNorm(getInput(), getResidual(), getResult(), getSum(), false);
}
SmallVector<BasisTie> SwigluQuantOp::getBasisTies() {
  BasisTie codes{Accepts::Any, {{getCodes(), lastDim(getCodes())}}};
  if (!getHadamard()) {
    codes.accepts = Accepts::Diagonal;
    codes.slots.push_back({getUp(), lastDim(getUp())});
  }
  return {codes};
}
SmallVector<BasisTie> SwigluOp::getBasisTies() {
  BasisTie result{Accepts::Any, {{getResult(), lastDim(getResult())}}};
  if (!getHadamard()) {
    result.accepts = Accepts::Diagonal;
    result.slots.push_back({getUp(), lastDim(getUp())});
  }
  return {result};
}
SmallVector<BasisTie> QuantOp::getBasisTies() {
  BasisTie input{Accepts::Any, {{getInput(), lastDim(getInput())}}},
      codes{Accepts::Any, {{getCodes(), lastDim(getCodes())}}};
  if (getHadamard())
    return {input, codes};
  input.slots.append(codes.slots);
  return {input};
}
SmallVector<BasisTie> EmbeddingOp::getBasisTies() {
  return {{Accepts::Any, {{getTable(), 1}, {getResult(), lastDim(getResult())}}}};
}
SmallVector<BasisTie> ArgMaxOp::getBasisTies() { return {}; }
SmallVector<BasisTie> TopKOp::getBasisTies() { return {}; }

//===----------------------------------------------------------------------------===//
// Ties of attention. A cache is bytes without a basis: rows enter it and leave it in any.
//===----------------------------------------------------------------------------===//

/// Each value in a basis of its own.
static SmallVector<BasisTie> acceptAny(ValueRange values) {
  SmallVector<BasisTie> ties;
  for (Value value : values)
    ties.push_back({Accepts::Any, {{value, lastDim(value)}}});
  return ties;
}

SmallVector<BasisTie> RopeAppendOp::getBasisTies() { return acceptAny({getValue(), getResult()}); }
SmallVector<BasisTie> AttentionOp::getBasisTies() { return acceptAny({getQuery(), getResult()}); }
SmallVector<BasisTie> AttentionDecodeOp::getBasisTies() { return acceptAny({getQuery()}); }
SmallVector<BasisTie> AttentionCombineOp::getBasisTies() { return acceptAny({getResult()}); }
