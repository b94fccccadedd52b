//===- Attention.cpp - kernels that read and write a cache ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Detail.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

//===----------------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------------===//

static numerics::KvLayout makeLayout(int64_t bits, int64_t headDim, int64_t group, int64_t page, FloatAttr clip,
                                     Scheme scheme, ScaleType scale) {
  numerics::KvLayout layout;
  layout.bits = bits;
  layout.headDim = headDim;
  layout.groupSize = group;
  layout.pageTokens = page;
  layout.clip = float(clip.getValueAsDouble());
  layout.isSymmetric = scheme == Scheme::sym;
  layout.hasHalfScales = scale == ScaleType::f16;
  return layout;
}

numerics::KvLayout CacheAttr::getLayout() const {
  return makeLayout(getBits(), getHeadDim(), getGroup(), getPage(), getClip(), getScheme(), getScale());
}

LogicalResult CacheAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t bits, int64_t headDim,
                                int64_t group, int64_t page, FloatAttr clip, Scheme scheme, ScaleType scale) {
  if (llvm::Error error = makeLayout(bits, headDim, group, page, clip, scheme, scale).check()) // C23
    return emitError() << llvm::toString(std::move(error));
  return success();
}

LogicalResult AttentionAttr::verify(function_ref<InFlightDiagnostic()> emitError, Arch arch, int64_t warps,
                                    int64_t splits) {
  if (warps < 1 || warps > 16 || !llvm::isPowerOf2_64(warps) || splits < 1 || splits > 256) // C27
    return emitError() << "expected 1, 2, 4, 8 or 16 warps and 1 to 256 splits, got " << warps << " and " << splits;
  return success();
}

//===----------------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------------===//

AttentionShape quantopt::tile::getAttentionShape(Operation *op) {
  auto make = [](Value query, Value cache, CacheAttr layout) -> AttentionShape {
    return {lastSize(query) / layout.getHeadDim(), typeOf(cache).getDimSize(1), layout.getHeadDim()};
  };
  return TypeSwitch<Operation *, AttentionShape>(op).Case<RopeAppendOp, AttentionOp, AttentionDecodeOp>(
      [&](auto kernel) { return make(kernel.getQuery(), kernel.getKeyCache(), kernel.getCache()); });
}

static bool holdsFloats(Type element) { return element.isF32() || element.isF16() || element.isBF16(); }

/// C23: blocks of bytes for every page and head.
static LogicalResult verifyCache(Operation *op, Value cache, CacheAttr attribute) {
  RankedTensorType type = typeOf(cache);
  int64_t bytes = attribute.getLayout().blockBytes();
  if (type.getRank() == 3 && type.getElementType().isUnsignedInteger(8) && type.getDimSize(1) > 0 &&
      type.getDimSize(2) == bytes)
    return success();
  return op->emitOpError() << "expected a cache [pages, heads, " << bytes << "] of ui8, as " << attribute
                           << " says, got " << type;
}

/// C24: rows of whole heads, known in number.
static LogicalResult verifyHeads(Operation *op, Value rows, int64_t headDim, int64_t multipleOf) {
  RankedTensorType type = typeOf(rows);
  if (type.getRank() >= 2 && holdsFloats(type.getElementType()) && lastSize(rows) > 0 &&
      lastSize(rows) % (headDim * multipleOf) == 0)
    return success();
  return op->emitOpError() << "expected rows of floats, a multiple of " << multipleOf << " heads of " << headDim
                           << " elements each, got " << type;
}

/// C26: what differs from launch to launch.
static LogicalResult verifyState(Operation *op, Value sequences, Value pages) {
  RankedTensorType type = typeOf(sequences);
  if (type.getRank() != 2 || type.getDimSize(1) != 4 || !type.getElementType().isSignlessInteger(32))
    return op->emitOpError() << "expected sequences [B, 4] of i32, got " << type;
  if (pages && (typeOf(pages).getRank() != 2 || !typeOf(pages).getElementType().isSignlessInteger(32) ||
                ShapedType::isDynamic(lastSize(pages))))
    return op->emitOpError() << "expected a table of pages [B, n] of i32 with a known n, got " << pages.getType();
  return success();
}

LogicalResult RopeAppendOp::verify() {
  CacheAttr cache = getCacheAttr();
  int64_t headDim = cache.getHeadDim();
  if (failed(verifyState(*this, getSequences(), getPages())) || failed(verifyCache(*this, getKeyCache(), cache)) ||
      failed(verifyCache(*this, getValueCache(), cache)))
    return failure();
  int64_t heads = typeOf(getKeyCache()).getDimSize(1);
  if (failed(verifyHeads(*this, getQuery(), headDim, heads)))
    return failure();
  for (Value rows : {getKey(), getValue()})
    if (failed(verifyHeads(*this, rows, headDim, heads)) || lastSize(rows) != heads * headDim) // C24
      return emitOpError() << "expected keys and values with the " << heads << " heads of the cache, got "
                           << rows.getType();
  Type element = typeOf(getQuery()).getElementType();
  if (typeOf(getKey()).getElementType() != element || typeOf(getValue()).getElementType() != element) // C24
    return emitOpError("expected queries, keys and values of one type");
  RankedTensorType result = typeOf(getResult());
  if (result.getShape() != typeOf(getQuery()).getShape() || !result.getElementType().isF16()) // C24
    return emitOpError() << "expected the queries in f16 as the result, got " << result;
  if (getNewKeyCache().getType() != getKeyCache().getType() ||
      getNewValueCache().getType() != getValueCache().getType() ||
      getKeyCache().getType() != getValueCache().getType()) // C23
    return emitOpError("expected caches of one type, also as results");
  RankedTensorType cos = typeOf(getCos()), sin = typeOf(getSin());
  if (cos != sin || cos.getRank() != 2 || !cos.hasStaticShape() || !cos.getElementType().isF32() ||
      cos.getDimSize(1) < 1 || 2 * cos.getDimSize(1) > headDim) // C25
    return emitOpError() << "expected cos and sin [positions, r/2] of f32 with r up to " << headDim << ", got " << cos
                         << " and " << sin;
  if (std::optional<Attribute> transform = getHadamard()) { // C28
    auto hadamard = dyn_cast<rot::HadamardAttr>(*transform);
    if (!hadamard || hadamard.getSize() != headDim)
      return emitOpError() << "expected a #rot.hadamard of " << headDim << ", got " << *transform;
  }
  if (!getConfig())
    return success();
  if (llvm::Expected<RowPlan> plan = getRowPlan(*this); !plan) // C18
    return emitOpError() << llvm::toString(plan.takeError());
  return verifyBfloats(*this, getArch());
}

/// C30: what a kernel has registers and shared memory for.
template <typename OpTy> static LogicalResult verifyAttentionKernel(OpTy op) {
  const Architecture &gpu = getArchitecture(op.getArch());
  numerics::KvLayout layout = op.getCache().getLayout();
  int64_t mostElements = layout.isQuantized() ? 192 : 160;
  if (layout.headDim > mostElements || layout.groups() > 8)
    return op.emitOpError() << "expected heads of at most " << mostElements
                            << " elements in at most 8 groups, for which "
                            << "kernels have registers, got " << layout.headDim << " in " << layout.groups();
  if (gpu.f16.k < 16)
    return op.emitOpError() << "expected an architecture from sm_80 on, got " << gpu.target;
  if (op.getLaunch().dynamicSharedBytes > gpu.sharedPerBlock)
    return op.emitOpError() << "expected at most " << gpu.sharedPerBlock << " bytes of shared memory on " << gpu.target
                            << ", got " << op.getLaunch().dynamicSharedBytes << ": choose fewer warps";
  return verifyBfloats(op, op.getArch());
}

template <typename OpTy> static LogicalResult verifyAttention(OpTy op) {
  if (failed(verifyState(op, op.getSequences(), op.getPages())) ||
      failed(verifyCache(op, op.getKeyCache(), op.getCacheAttr())) ||
      failed(verifyCache(op, op.getValueCache(), op.getCacheAttr())))
    return failure();
  AttentionShape shape = getAttentionShape(op);
  if (failed(verifyHeads(op, op.getQuery(), shape.headDim, shape.kvHeads)))
    return failure();
  if (!typeOf(op.getQuery()).getElementType().isF16()) // C24
    return op.emitOpError() << "expected queries of f16, got " << op.getQuery().getType();
  if (int64_t(op.getWindow()) < 0 || !(op.getSoftcap().convertToDouble() >= 0)) // C29
    return op.emitOpError("expected a window and a softcap that are not negative");
  return op.getConfig() ? verifyAttentionKernel(op) : success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  RankedTensorType result = typeOf(getResult());
  if (result.getShape() != typeOf(getQuery()).getShape() || !holdsFloats(result.getElementType())) // C24
    return emitOpError() << "expected floats in the shape of the queries, got " << result;
  if (getConfig() && getConfig()->getSplits() != 1) // C27
    return emitOpError("expected one split: only decode splits the context");
  return success();
}

LogicalResult AttentionDecodeOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  if (!getConfig()) // C27
    return emitOpError("expected a config: the result depends on its splits");
  AttentionShape shape = getAttentionShape(*this);
  if (shape.getGroup() > 16) // C24
    return emitOpError() << "expected at most 16 query heads for one of the cache, got " << shape.getGroup();
  SmallVector<int64_t> expected(typeOf(getQuery()).getShape());
  expected.back() = shape.heads * getConfig()->getSplits() * (shape.headDim + 2);
  if (typeOf(getResult()).getShape() != ArrayRef(expected) || !typeOf(getResult()).getElementType().isF32()) // C27
    return emitOpError() << "expected parts of " << expected.back() << " f32, got " << getResult().getType();
  return success();
}

LogicalResult AttentionCombineOp::verify() {
  RankedTensorType input = typeOf(getInput()), result = typeOf(getResult());
  bool isWhole = getSplits() > 0 && input.getRank() >= 2 && input.getElementType().isF32() &&
                 holdsFloats(result.getElementType()) && input.getRank() == result.getRank() &&
                 input.getShape().drop_back() == result.getShape().drop_back();
  // heads·splits·(d + 2) for heads·d: heads = (input/splits - result)/2.
  int64_t surplus = isWhole ? lastSize(getInput()) / int64_t(getSplits()) - lastSize(getResult()) : 0;
  if (!isWhole || lastSize(getInput()) % int64_t(getSplits()) || surplus < 2 || surplus % 2 ||
      lastSize(getResult()) % (surplus / 2)) // C27
    return emitOpError() << "expected parts [rows, heads·" << int64_t(getSplits())
                         << "·(d + 2)] of f32 and rows of heads·d floats, got " << input << " and " << result;
  return verifyBfloats(*this, getArch());
}

//===----------------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------------===//

std::optional<unsigned> RopeAppendOp::getAliasedOperand(unsigned number) {
  if (number == 0)
    return std::nullopt;
  Value cache = number == 1 ? getKeyCache() : getValueCache();
  for (OpOperand &operand : getOperation()->getOpOperands())
    if (operand.get() == cache)
      return operand.getOperandNumber();
  return std::nullopt;
}

Arch RopeAppendOp::getArch() { return getConfig()->getArch(); }
Arch AttentionOp::getArch() { return getConfig()->getArch(); }
Arch AttentionDecodeOp::getArch() { return getConfig()->getArch(); }

/// "kv4_d64_g64_p1024_c0d95_sym_f32".
static std::string nameCache(CacheAttr cache, int64_t kvHeads, Value pages) {
  std::string name = "_x" + std::to_string(kvHeads) + "_kv" + std::to_string(cache.getBits()) + "_d" +
                     std::to_string(cache.getHeadDim()) + "_p" + std::to_string(cache.getPage());
  if (pages)
    name += "_paged" + std::to_string(lastSize(pages));
  if (cache.getBits() == 16)
    return name;
  name += "_g" + std::to_string(cache.getGroup()) + "_c" + nameNumber(cache.getClip().getValue());
  if (cache.getScheme() == Scheme::sym)
    name += "_sym";
  return cache.getScale() == ScaleType::f32 ? name + "_f32" : name;
}

std::string RopeAppendOp::getKernelName() {
  AttentionShape shape = getAttentionShape(*this);
  std::string name;
  llvm::raw_string_ostream os(name);
  os << "rope_append_" << shape.heads;
  os << nameCache(getCache(), shape.kvHeads, getPages());
  for (Value rows : {getQuery(), getKey(), getValue()})
    os << '_' << typeOf(rows).getElementType();
  os << "_r" << 2 * lastSize(getCos()) << nameTransform(getHadamard()) << "_t" << getConfig()->getThreads();
  return name;
}

template <typename OpTy> static std::string nameAttention(OpTy op, StringRef mnemonic) {
  AttentionShape shape = getAttentionShape(op);
  std::string name;
  llvm::raw_string_ostream os(name);
  os << mnemonic << '_' << shape.heads << nameCache(op.getCache(), shape.kvHeads, op.getPages()) << "_s"
     << nameNumber(op.getScale());
  if (op.getWindow())
    os << "_window" << int64_t(op.getWindow());
  if (!op.getSoftcap().isZero())
    os << "_cap" << nameNumber(op.getSoftcap());
  os << '_' << typeOf(op.getResult()).getElementType() << "_w" << op.getConfig()->getWarps();
  if (op.getConfig()->getSplits() > 1)
    os << "_split" << op.getConfig()->getSplits();
  return name;
}
std::string AttentionOp::getKernelName() { return nameAttention(*this, "attention"); }
std::string AttentionDecodeOp::getKernelName() { return nameAttention(*this, "attention_decode"); }
std::string AttentionCombineOp::getKernelName() {
  return nameRows(*this, getInput(), getConfig()) + "_o" + std::to_string(lastSize(getResult())) + "_s" +
         std::to_string(getSplits());
}

/// Blocks along y have a token each, those along x share its heads: of the query, the key and the value.
Launch RopeAppendOp::getLaunch() {
  AttentionShape shape = getAttentionShape(*this);
  RowPlan plan = llvm::cantFail(getRowPlan(*this));
  int64_t heads = shape.heads + 2 * shape.kvHeads;
  return {plan.getThreads(), plan.sharedBytes, int64_t(llvm::divideCeil(heads, plan.rowsPerBlock)), 1};
}
Launch AttentionOp::getLaunch() {
  int64_t warps = getConfig()->getWarps();
  return {32 * warps, 0, getAttentionShape(*this).heads, 16 * warps, GridRows::SequenceRows};
}
/// Warps exchange what they have of 8 rows, or of 16 where the group has more than 8 heads: {m, l, o[d]} of each.
Launch AttentionDecodeOp::getLaunch() {
  AttentionShape shape = getAttentionShape(*this);
  int64_t warps = getConfig()->getWarps(), rows = shape.getGroup() > 8 ? 16 : 8;
  int64_t exchanged = warps > 1 ? warps * rows * (shape.headDim + 2) * 4 : 0;
  return {32 * warps, exchanged, shape.kvHeads * getConfig()->getSplits(), 1, GridRows::Sequences};
}
/// A thread has two elements of a row.
Launch AttentionCombineOp::getLaunch() {
  int64_t threadsPerRow = getConfig().getThreads() / getConfig().getRows();
  return {getConfig().getThreads(), 0, int64_t(llvm::divideCeil(lastSize(getResult()) / 2, threadsPerRow)),
          getConfig().getRows()};
}

Cost RopeAppendOp::getCost(int64_t rows) {
  AttentionShape shape = getAttentionShape(*this);
  auto bytesOf = [&](Value value) { return getBytes(rows * lastSize(value), typeOf(value).getElementType()); };
  Cost cost;
  cost.bytesRead = bytesOf(getQuery()) + bytesOf(getKey()) + bytesOf(getValue()) + 2 * rows * lastSize(getCos()) * 4;
  cost.bytesWritten = bytesOf(getResult()) + 2 * rows * shape.kvHeads * getCache().getLayout().tokenBytes();
  return cost;
}

/// Without a past: what `rows` rows of one sequence attend to.
template <typename OpTy> static Cost getAttentionCost(OpTy op, int64_t rows) {
  AttentionShape shape = getAttentionShape(op);
  auto bytesOf = [&](Value value) { return getBytes(rows * lastSize(value), typeOf(value).getElementType()); };
  Cost cost;
  cost.bytesRead = bytesOf(op.getQuery()) + 2 * rows * shape.kvHeads * op.getCache().getLayout().tokenBytes();
  cost.bytesWritten = bytesOf(op.getResult());
  cost.operations = 2 * rows * rows * shape.heads * shape.headDim;
  cost.mma = Mma::F16;
  return cost;
}
Cost AttentionOp::getCost(int64_t rows) { return getAttentionCost(*this, rows); }
Cost AttentionDecodeOp::getCost(int64_t rows) { return getAttentionCost(*this, rows); }
Cost AttentionCombineOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
