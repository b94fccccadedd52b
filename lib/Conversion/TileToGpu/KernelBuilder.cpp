//===- KernelBuilder.cpp - writes the body of a GPU kernel ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace quantopt;

static constexpr unsigned globalSpace = 1;
static constexpr unsigned sharedSpace = 3;
static constexpr llvm::StringLiteral sharedName = "dynamic_shared";

KernelBuilder::KernelBuilder(gpu::GPUModuleOp module, Location loc, const KernelSignature &signature)
    : module(module), loc(loc), b(OpBuilder::atBlockEnd(module.getBody())), threads(signature.threads) {
  SmallVector<Type> types(signature.pointers, LLVM::LLVMPointerType::get(b.getContext(), globalSpace));
  llvm::fill(MutableArrayRef(types).take_front(signature.tensorMaps), LLVM::LLVMPointerType::get(b.getContext()));
  types.push_back(i32());
  func = gpu::GPUFuncOp::create(b, loc, signature.name, b.getFunctionType(types, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(signature.minBlocks));
  if (signature.tensorMaps)
    func->setAttr(tensorMapsAttrName, b.getI32IntegerAttr(signature.tensorMaps));
  b.setInsertionPointToStart(&func.getBody().front());
}

void KernelBuilder::finish() { gpu::ReturnOp::create(b, loc); }

//===----------------------------------------------------------------------===//
// Parameters and indices
//===----------------------------------------------------------------------===//

Value KernelBuilder::pointer(unsigned number) {
  assert(number + 1 < func.getNumArguments() && "no such pointer");
  return func.getArgument(number);
}
Value KernelBuilder::rows() { return func.getArgument(func.getNumArguments() - 1); }

/// A special register; its bound lets LLVM drop sign extensions and masks.
template <typename IdOp> Value KernelBuilder::special(unsigned upperBound) {
  auto range = LLVM::ConstantRangeAttr::get(b.getContext(), llvm::APInt(32, 0), llvm::APInt(32, upperBound));
  return IdOp::create(b, loc, i32(), range);
}
/// Limits of CUDA's compute capabilities 7.5 and above.
static constexpr unsigned maxGridX = 0x7fffffff;
static constexpr unsigned maxGridYZ = 65535;

Value KernelBuilder::threadX() { return special<NVVM::ThreadIdXOp>(threads); }
Value KernelBuilder::blockX() { return special<NVVM::BlockIdXOp>(maxGridX); }
Value KernelBuilder::blockY() { return special<NVVM::BlockIdYOp>(maxGridYZ); }
Value KernelBuilder::blockZ() { return special<NVVM::BlockIdZOp>(maxGridYZ); }
Value KernelBuilder::lane() { return bitAnd(threadX(), 31); }
Value KernelBuilder::warp() { return shrU(threadX(), 5); }

//===----------------------------------------------------------------------===//
// Constants and arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element) ? TypedAttr(b.getFloatAttr(element, value))
                                           : TypedAttr(b.getIntegerAttr(element, static_cast<int64_t>(value)));
  if (auto vectorType = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vectorType, Attribute(attr));
  return arith::ConstantOp::create(b, loc, type, attr);
}
Value KernelBuilder::constantI32(int32_t value) { return constant(i32(), value); }
Value KernelBuilder::constantI64(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}
Value KernelBuilder::constantF32(float value) { return constant(f32(), value); }
Value KernelBuilder::boolean(bool value) { return arith::ConstantOp::create(b, loc, b.getBoolAttr(value)); }

Value KernelBuilder::materialize(const Operand &operand, Type type) {
  return operand.value ? operand.value : constant(type, operand.constant);
}
std::pair<Value, Value> KernelBuilder::unify(const Operand &x, const Operand &y) {
  Type type = x.value ? x.value.getType() : y.value ? y.value.getType() : x.isFloat || y.isFloat ? f32() : i32();
  return {materialize(x, type), materialize(y, type)};
}
template <typename IntegerOp> Value KernelBuilder::integer(const Operand &x, const Operand &y) {
  auto [left, right] = unify(x, y);
  return b.createOrFold<IntegerOp>(loc, left, right);
}
template <typename IntegerOp, typename FloatOp> Value KernelBuilder::arithmetic(const Operand &x, const Operand &y) {
  auto [left, right] = unify(x, y);
  if (isa<FloatType>(getElementTypeOrSelf(left)))
    return b.createOrFold<FloatOp>(loc, left, right);
  return b.createOrFold<IntegerOp>(loc, left, right);
}

Value KernelBuilder::add(Operand x, Operand y) { return arithmetic<arith::AddIOp, arith::AddFOp>(x, y); }
Value KernelBuilder::sub(Operand x, Operand y) { return arithmetic<arith::SubIOp, arith::SubFOp>(x, y); }
Value KernelBuilder::mul(Operand x, Operand y) { return arithmetic<arith::MulIOp, arith::MulFOp>(x, y); }
Value KernelBuilder::div(Operand x, Operand y) { return arithmetic<arith::DivSIOp, arith::DivFOp>(x, y); }

/// An intrinsic of LLVM on floats. Called by name: the ops for them are illegal while gpu ops are converted, and those
/// of the math dialect become calls of a device library.
Value KernelBuilder::floatIntrinsic(StringRef name, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, operands[0].getType(), b.getStringAttr(name), operands).getResults();
}
/// The suffix by which LLVM names the overload for a type: "f32", "v2f16".
static std::string overload(Type type) {
  Type element = getElementTypeOrSelf(type);
  std::string name = element.isBF16() ? "bf16" : ("f" + llvm::Twine(element.getIntOrFloatBitWidth())).str();
  if (auto vectorType = dyn_cast<VectorType>(type))
    return ("v" + llvm::Twine(vectorType.getNumElements()) + name).str();
  return name;
}
Value KernelBuilder::fma(Operand x, Operand y, Operand z) {
  auto [left, right] = unify(x, y);
  Value addend = materialize(z, left.getType());
  return floatIntrinsic("llvm.fma." + overload(left.getType()), {left, right, addend});
}
Value KernelBuilder::min(Operand x, Operand y) {
  auto [left, right] = unify(x, y);
  if (isa<FloatType>(getElementTypeOrSelf(left)))
    return floatIntrinsic("llvm.minnum." + overload(left.getType()), {left, right});
  return b.createOrFold<arith::MinSIOp>(loc, left, right);
}
Value KernelBuilder::max(Operand x, Operand y) {
  auto [left, right] = unify(x, y);
  if (isa<FloatType>(getElementTypeOrSelf(left)))
    return floatIntrinsic("llvm.maxnum." + overload(left.getType()), {left, right});
  return b.createOrFold<arith::MaxSIOp>(loc, left, right);
}
Value KernelBuilder::abs(Operand x) {
  if (isa<FloatType>(getElementTypeOrSelf(x.value)))
    return floatIntrinsic("llvm.fabs." + overload(x.value.getType()), x.value);
  return max(x, neg(x));
}
Value KernelBuilder::neg(Operand x) {
  if (isa<FloatType>(getElementTypeOrSelf(x.value)))
    return b.createOrFold<arith::NegFOp>(loc, x.value);
  return sub(0, x);
}

Value KernelBuilder::divU(Operand x, Operand y) { return integer<arith::DivUIOp>(x, y); }
Value KernelBuilder::remU(Operand x, Operand y) { return integer<arith::RemUIOp>(x, y); }
Value KernelBuilder::shl(Operand x, Operand y) { return integer<arith::ShLIOp>(x, y); }
Value KernelBuilder::shrU(Operand x, Operand y) { return integer<arith::ShRUIOp>(x, y); }
Value KernelBuilder::shrS(Operand x, Operand y) { return integer<arith::ShRSIOp>(x, y); }
Value KernelBuilder::bitAnd(Operand x, Operand y) { return integer<arith::AndIOp>(x, y); }
Value KernelBuilder::bitOr(Operand x, Operand y) { return integer<arith::OrIOp>(x, y); }
Value KernelBuilder::bitXor(Operand x, Operand y) { return integer<arith::XOrIOp>(x, y); }

Value KernelBuilder::compare(arith::CmpIPredicate integers, arith::CmpFPredicate floats, const Operand &x,
                             const Operand &y) {
  auto [left, right] = unify(x, y);
  if (isa<FloatType>(getElementTypeOrSelf(left)))
    return b.createOrFold<arith::CmpFOp>(loc, floats, left, right);
  return b.createOrFold<arith::CmpIOp>(loc, integers, left, right);
}
Value KernelBuilder::equal(Operand x, Operand y) {
  return compare(arith::CmpIPredicate::eq, arith::CmpFPredicate::OEQ, x, y);
}
Value KernelBuilder::notEqual(Operand x, Operand y) {
  return compare(arith::CmpIPredicate::ne, arith::CmpFPredicate::UNE, x, y);
}
Value KernelBuilder::lessS(Operand x, Operand y) {
  return compare(arith::CmpIPredicate::slt, arith::CmpFPredicate::OLT, x, y);
}
Value KernelBuilder::lessU(Operand x, Operand y) {
  return compare(arith::CmpIPredicate::ult, arith::CmpFPredicate::OLT, x, y);
}
Value KernelBuilder::lessEqualS(Operand x, Operand y) {
  return compare(arith::CmpIPredicate::sle, arith::CmpFPredicate::OLE, x, y);
}
Value KernelBuilder::select(Value condition, Operand x, Operand y) {
  auto [left, right] = unify(x, y);
  return b.createOrFold<arith::SelectOp>(loc, condition, left, right);
}

//===----------------------------------------------------------------------===//
// Conversions and vectors
//===----------------------------------------------------------------------===//

/// `type` with the elements of another one: f16 of a vector<2xf32> is vector<2xf16>.
static Type withElement(Type type, Type element) {
  if (auto vectorType = dyn_cast<VectorType>(type))
    return VectorType::get(vectorType.getShape(), element);
  return element;
}

Value KernelBuilder::toFloat(Value x) { return arith::SIToFPOp::create(b, loc, f32(), x); }
Value KernelBuilder::roundToInt(Value x) {
  return LLVM::CallIntrinsicOp::create(b, loc, i32(), b.getStringAttr("llvm.nvvm.f2i.rn"), x).getResults();
}
Value KernelBuilder::convertFloat(Value x, Type element) {
  Type type = withElement(x.getType(), element);
  if (x.getType() == type)
    return x;
  unsigned from = getElementTypeOrSelf(x).getIntOrFloatBitWidth(), to = element.getIntOrFloatBitWidth();
  if (from == to)
    return convertFloat(convertFloat(x, f32()), element);
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, x);
  return arith::TruncFOp::create(b, loc, type, x);
}
Value KernelBuilder::extendS(Value x, Type type) { return b.createOrFold<arith::ExtSIOp>(loc, type, x); }
Value KernelBuilder::extendU(Value x, Type type) { return b.createOrFold<arith::ExtUIOp>(loc, type, x); }
Value KernelBuilder::truncate(Value x, Type type) { return b.createOrFold<arith::TruncIOp>(loc, type, x); }
Value KernelBuilder::bitcast(Value x, Type type) {
  return x.getType() == type ? x : LLVM::BitcastOp::create(b, loc, type, x).getResult();
}

Value KernelBuilder::element(Value vector, int64_t position) {
  return b.createOrFold<vector::ExtractOp>(loc, vector, position);
}
Fragment KernelBuilder::elements(Value vector) {
  Fragment result;
  for (int64_t i : llvm::seq(cast<VectorType>(vector.getType()).getNumElements()))
    result.push_back(element(vector, i));
  return result;
}
Value KernelBuilder::vector(ArrayRef<Value> elements) {
  return vector::FromElementsOp::create(b, loc, vectorOf(elements.size(), elements[0].getType()), elements);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then) {
  auto op = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  then();
}

SmallVector<Value> KernelBuilder::ifElse(Value condition, llvm::function_ref<SmallVector<Value>()> then,
                                         llvm::function_ref<SmallVector<Value>()> otherwise) {
  // The types of the results are those that the branches give: they are written first, the op around them.
  Region branches[2];
  SmallVector<Value> results;
  for (auto [region, body] : llvm::zip(branches, ArrayRef{then, otherwise})) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&region.emplaceBlock());
    results = body();
    scf::YieldOp::create(b, loc, results);
  }
  auto op = scf::IfOp::create(b, loc, ValueRange(results).getTypes(), condition, /*addThenBlock=*/false,
                              /*addElseBlock=*/false);
  op.getThenRegion().takeBody(branches[0]);
  op.getElseRegion().takeBody(branches[1]);
  return SmallVector<Value>(op.getResults());
}

SmallVector<Value> KernelBuilder::loop(Operand lower, Operand upper, Operand step, ValueRange carried,
                                       llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, loc, materialize(lower, i32()), materialize(upper, i32()), materialize(step, i32()),
                               carried);
  OpBuilder::InsertionGuard guard(b);
  if (carried.empty()) // made with its terminator
    b.setInsertionPointToStart(op.getBody());
  else
    b.setInsertionPointToEnd(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(op.getResults());
}
void KernelBuilder::loop(Operand lower, Operand upper, Operand step, llvm::function_ref<void(Value)> body) {
  loop(lower, upper, step, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::address(Value pointer, Operand bytes) {
  if (!bytes.value && bytes.constant == 0)
    return pointer;
  if (!bytes.value)
    return LLVM::GEPOp::create(b, loc, pointer.getType(), i8(), pointer,
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes.constant)});
  return LLVM::GEPOp::create(b, loc, pointer.getType(), i8(), pointer, ValueRange{bytes.value});
}
Value KernelBuilder::rowPointer(Value pointer, Value row, int64_t bytesPerRow) {
  return address(pointer, mul(extendU(row, i64()), constantI64(bytesPerRow)));
}
Value KernelBuilder::shared(Operand offset) {
  if (!module.lookupSymbol(sharedName)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(b, loc, LLVM::LLVMArrayType::get(i8(), 0), /*isConstant=*/false, LLVM::Linkage::External,
                           sharedName, Attribute(), /*alignment=*/128, sharedSpace);
  }
  Value base = LLVM::AddressOfOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext(), sharedSpace), sharedName);
  return address(base, offset);
}
Value KernelBuilder::load(Type type, Value pointer, unsigned alignment) {
  return LLVM::LoadOp::create(b, loc, type, pointer, alignment);
}
void KernelBuilder::store(Value value, Value pointer, unsigned alignment) {
  LLVM::StoreOp::create(b, loc, value, pointer, alignment);
}
Value KernelBuilder::loadIf(Value condition, Type type, Value pointer, unsigned alignment, Value otherwise) {
  return ifElse(
      condition, [&] { return SmallVector<Value>{load(type, pointer, alignment)}; },
      [&] { return SmallVector<Value>{otherwise}; })[0];
}
void KernelBuilder::storeIf(Value condition, Value value, Value pointer, unsigned alignment) {
  ifThen(condition, [&] { store(value, pointer, alignment); });
}

Fragment KernelBuilder::unpackStruct(Value value) {
  Fragment result;
  for (size_t i : llvm::seq(cast<LLVM::LLVMStructType>(value.getType()).getBody().size()))
    result.push_back(LLVM::ExtractValueOp::create(b, loc, value, i));
  return result;
}
Fragment KernelBuilder::loadStreaming(Value pointer) {
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, i32()));
  return unpackStruct(
      pureAsm(type, "ld.global.nc.L1::no_allocate.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l", pointer));
}

//===----------------------------------------------------------------------===//
// Synchronization and asynchronous copies
//===----------------------------------------------------------------------===//

void KernelBuilder::barrier() { NVVM::Barrier0Op::create(b, loc); }
void KernelBuilder::syncWarp() { NVVM::SyncWarpOp::create(b, loc, constantI32(-1)); }
void KernelBuilder::copyAsync(Value shared, Value global, Value sourceBytes) {
  NVVM::CpAsyncOp::create(b, loc, shared, global, 16, NVVM::LoadCacheModifierKind::CG, sourceBytes);
}
void KernelBuilder::copyAsyncCommit() { NVVM::CpAsyncCommitGroupOp::create(b, loc); }
void KernelBuilder::copyAsyncWait(unsigned pending) { NVVM::CpAsyncWaitGroupOp::create(b, loc, pending); }

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

Fragment KernelBuilder::loadMatrix4(Value shared, bool isTransposed) {
  auto layout = isTransposed ? NVVM::MMALayout::col : NVVM::MMALayout::row;
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, i32()));
  return unpackStruct(NVVM::LdMatrixOp::create(
      b, loc, type, shared, b.getI32IntegerAttr(4), NVVM::MMALayoutAttr::get(b.getContext(), layout),
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltTypeAttr::get(b.getContext(), NVVM::LdStMatrixEltType::B16)));
}

Fragment KernelBuilder::mma(Type sum, ArrayRef<int64_t> shape, ValueRange a, ValueRange operandB, ValueRange c,
                            std::optional<NVVM::MMATypes> type) {
  bool integers = sum.isInteger();
  auto result = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(c.size(), sum));
  std::optional<std::array<NVVM::MMATypes, 2>> types;
  if (type)
    types = std::array<NVVM::MMATypes, 2>{*type, *type};
  return unpackStruct(NVVM::MmaOp::create(b, loc, result, a, operandB, c, shape, std::nullopt,
                                          integers ? std::optional(NVVM::MMAIntOverflow::wrapped) : std::nullopt, types,
                                          std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col}));
}

Fragment KernelBuilder::mmaS4(const Fragment &a, const Fragment &b, const Fragment &c) {
  return mma(i32(), {16, 8, 64}, a, b, c, NVVM::MMATypes::s4);
}
Fragment KernelBuilder::mmaS4Turing(const Fragment &a, const Fragment &b, const Fragment &c) {
  Fragment result;
  for (unsigned half : {0u, 1u}) { // rows 0-7, rows 8-15
    Fragment sum = {c[2 * half], c[2 * half + 1]};
    for (unsigned step : {0u, 1u}) // k 0-31, k 32-63
      sum = mma(i32(), {8, 8, 32}, a[half + 2 * step], b[step], sum, NVVM::MMATypes::s4);
    result.append(sum);
  }
  return result;
}
Fragment KernelBuilder::mmaS8Turing(const Fragment &a, const Fragment &b, const Fragment &c) {
  Fragment result;
  for (unsigned half : {0u, 1u}) { // rows 0-7, rows 8-15
    Fragment sum = {c[2 * half], c[2 * half + 1]};
    for (unsigned step : {0u, 1u}) // k 0-15, k 16-31
      sum = mma(i32(), {8, 8, 16}, a[half + 2 * step], b[step], sum, NVVM::MMATypes::s8);
    result.append(sum);
  }
  return result;
}
Fragment KernelBuilder::mmaS8(const Fragment &a, const Fragment &b, const Fragment &c) {
  return mma(i32(), {16, 8, 32}, a, b, c, NVVM::MMATypes::s8);
}
/// i32 registers as pairs of f16.
static Fragment asPairs(KernelBuilder &k, ArrayRef<Value> registers) {
  Fragment result;
  for (Value value : registers)
    result.push_back(k.bitcast(value, k.vectorOf(2, k.f16())));
  return result;
}
Fragment KernelBuilder::mmaFloat(Type element, const Fragment &a, const Fragment &b, const Fragment &c) {
  if (element.isBF16())
    return mma(f32(), {16, 8, 16}, a, b, c, NVVM::MMATypes::bf16);
  return mma(f32(), {16, 8, 16}, asPairs(*this, a), asPairs(*this, b), c, NVVM::MMATypes::f16);
}
Fragment KernelBuilder::mmaF16Turing(const Fragment &a, const Fragment &b, const Fragment &c) {
  Fragment sum = c;
  for (unsigned step : {0u, 1u}) // k 0-7, k 8-15
    sum = mma(f32(), {16, 8, 8}, asPairs(*this, ArrayRef(a).slice(2 * step, 2)), asPairs(*this, b[step]), sum,
              NVVM::MMATypes::f16);
  return sum;
}

//===----------------------------------------------------------------------===//
// Between lanes
//===----------------------------------------------------------------------===//

Value KernelBuilder::shuffle(Value x, Value lane, NVVM::ShflKind kind) {
  bool direct = x.getType().isInteger(32) || x.getType().isF32();
  Value bits = direct ? x : bitcast(x, i32());
  Value all = constantI32(-1), clamp = constantI32(31);
  Value result = NVVM::ShflOp::create(b, loc, bits.getType(), all, bits, lane, clamp, kind, UnitAttr());
  return bitcast(result, x.getType());
}
Value KernelBuilder::shuffleXor(Value x, unsigned mask) { return shuffle(x, constantI32(mask), NVVM::ShflKind::bfly); }
Value KernelBuilder::shuffleFrom(Value x, Operand source) {
  return shuffle(x, materialize(source, i32()), NVVM::ShflKind::idx);
}
Value KernelBuilder::warpReduce(Value x, Combine combine, unsigned width) {
  for (unsigned mask = width / 2; mask > 0; mask /= 2)
    x = combine(x, shuffleXor(x, mask));
  return x;
}
Value KernelBuilder::blockReduce(Value x, Combine combine, unsigned warps, Operand scratch) {
  x = warpReduce(x, combine);
  if (warps == 1)
    return x;
  Value base = shared(scratch);
  storeIf(equal(lane(), 0), x, address(base, mul(warp(), 4)), 4);
  barrier();
  Value first = mul(divU(warp(), warps), 4 * warps);
  Value result;
  for (unsigned i : llvm::seq(warps)) {
    Value part = load(x.getType(), address(base, add(first, 4 * i)), 4);
    result = result ? combine(result, part) : part;
  }
  return result;
}
Value KernelBuilder::blockSum(Value x, unsigned warps, Operand scratch) {
  return blockReduce(x, [&](Value left, Value right) { return add(left, right); }, warps, scratch);
}
Value KernelBuilder::blockMax(Value x, unsigned warps, Operand scratch) {
  return blockReduce(x, [&](Value left, Value right) { return max(left, right); }, warps, scratch);
}

//===----------------------------------------------------------------------===//
// Leaves in inline PTX
//===----------------------------------------------------------------------===//

Value KernelBuilder::pureAsm(Type result, StringRef text, StringRef constraints, ValueRange operands) {
  return LLVM::InlineAsmOp::create(b, loc, result, operands, text, constraints, /*has_side_effects=*/false,
                                   /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                   LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
      .getRes();
}
Value KernelBuilder::exp2Approx(Value x) { return pureAsm(f32(), "ex2.approx.f32 $0, $1;", "=f,f", x); }
Value KernelBuilder::exp2Flushed(Value x) { return pureAsm(f32(), "ex2.approx.ftz.f32 $0, $1;", "=f,f", x); }
Value KernelBuilder::rsqrtApprox(Value x) { return pureAsm(f32(), "rsqrt.approx.f32 $0, $1;", "=f,f", x); }
Value KernelBuilder::reciprocalApprox(Value x) { return pureAsm(f32(), "rcp.approx.f32 $0, $1;", "=f,f", x); }
Value KernelBuilder::sqrtApprox(Value x) { return pureAsm(f32(), "sqrt.approx.f32 $0, $1;", "=f,f", x); }

Value KernelBuilder::packS4(ArrayRef<Value> values) {
  assert(values.size() == 8 && "eight nibbles make a register");
  Value packed = constantI32(0);
  for (unsigned i : {6u, 4u, 2u, 0u})
    packed = pureAsm(i32(), "cvt.pack.sat.s4.s32.b32 $0, $1, $2, $3;", "=r,r,r,r", {values[i + 1], values[i], packed});
  return packed;
}
Value KernelBuilder::packS8(ArrayRef<Value> values) {
  assert(values.size() == 4 && "four bytes make a register");
  Value packed = constantI32(0);
  for (unsigned i : {2u, 0u})
    packed = pureAsm(i32(), "cvt.pack.sat.s8.s32.b32 $0, $1, $2, $3;", "=r,r,r,r", {values[i + 1], values[i], packed});
  return packed;
}
std::array<Value, 2> KernelBuilder::unpackS4Times16(Value codes) {
  constexpr int32_t highNibbles = static_cast<int32_t>(0xF0F0F0F0);
  return {bitAnd(shl(codes, 4), highNibbles), bitAnd(codes, highNibbles)};
}
Fragment KernelBuilder::unpackOffset4(Value codes, Type element) {
  // A nibble in the low bits of the significand of 1024 (f16) or 128 (bf16) is a number without any conversion; the
  // significand of f16 has room for it four bits higher, too.
  constexpr uint8_t andOr = 0xEA; // (x & y) | z
  bool isHalf = element.isF16();
  Type pair = vectorOf(2, element);
  Value magic = constantI32(isHalf ? 0x64006400 : 0x43004300);
  Value low = constantI32(0x000F000F), high = constantI32(0x00F000F0);
  auto offset = [&](Value nibble, double factor, double distance) {
    Value number = bitcast(lop3(codes, nibble, magic, andOr), pair);
    return bitcast(fma(number, constant(pair, factor), constant(pair, -distance)), i32());
  };
  Fragment result;
  for (unsigned p = 0; p < 4; p += 2, codes = shrU(codes, 8)) {
    result.push_back(isHalf ? offset(low, 1, 1032) : offset(low, 1, 136));
    if (isHalf) {
      result.push_back(offset(high, 1.0 / 16, 72));
      continue;
    }
    Value shifted = shrU(codes, 4);
    std::swap(codes, shifted);
    result.push_back(offset(low, 1, 136));
    std::swap(codes, shifted);
  }
  return result;
}
Value KernelBuilder::lop3(Operand x, Operand y, Operand z, uint8_t table) {
  std::string text = "lop3.b32 $0, $1, $2, $3, " + std::to_string(table) + ";";
  return pureAsm(i32(), text, "=r,r,r,r", {materialize(x, i32()), materialize(y, i32()), materialize(z, i32())});
}
Value KernelBuilder::permuteBytes(Operand x, Operand y, uint16_t selector) {
  std::string text = "prmt.b32 $0, $1, $2, " + std::to_string(selector) + ";";
  return pureAsm(i32(), text, "=r,r,r", {materialize(x, i32()), materialize(y, i32())});
}
