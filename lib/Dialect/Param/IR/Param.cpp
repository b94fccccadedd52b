//===- Param.cpp - weights as names of bytes ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/IR/Param.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quantopt/Dialect/Support/Inliner.h"
#include "quantopt/Support/FileSize.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

/// An I64Attr without its type.
static ParseResult parseInteger(OpAsmParser &parser, IntegerAttr &value) {
  int64_t integer;
  if (parser.parseInteger(integer))
    return failure();
  value = parser.getBuilder().getI64IntegerAttr(integer);
  return success();
}
static void printInteger(OpAsmPrinter &printer, Operation *, IntegerAttr value) { printer << value.getInt(); }

/// An F64Attr without its type.
static ParseResult parseFloat(OpAsmParser &parser, FloatAttr &value) {
  double number;
  if (parser.parseFloat(number))
    return failure();
  value = parser.getBuilder().getF64FloatAttr(number);
  return success();
}
static void printFloat(OpAsmPrinter &printer, Operation *, FloatAttr value) {
  printer.printAttributeWithoutType(value);
}

#include "param/ParamInterfacesOp.cpp.inc"
#include "param/ParamOpsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "param/ParamOps.cpp.inc"

void ParamDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "param/ParamOps.cpp.inc"
      >();
  addInterfaces<AlwaysInline>();
}

/// Narrow floats by their MLIR types.
static std::optional<DType> getNarrowFloat(Type type) {
  return llvm::TypeSwitch<Type, std::optional<DType>>(type)
      .Case<Float8E4M3FNType>([](auto) { return DType::F8E4M3FN; })
      .Case<Float8E4M3FNUZType>([](auto) { return DType::F8E4M3FNUZ; })
      .Case<Float8E5M2Type>([](auto) { return DType::F8E5M2; })
      .Case<Float8E5M2FNUZType>([](auto) { return DType::F8E5M2FNUZ; })
      .Case<Float8E8M0FNUType>([](auto) { return DType::F8E8M0FNU; })
      .Case<Float4E2M1FNType>([](auto) { return DType::F4E2M1FN; })
      .Default([](auto) { return std::nullopt; });
}

std::optional<DType> quantopt::param::getDType(Type type) {
  if (type.isF64())
    return DType::F64;
  if (type.isF32())
    return DType::F32;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return getNarrowFloat(type);
  std::string name = (integer.isUnsigned() ? "ui" : "i") + std::to_string(integer.getWidth());
  return parseDType(name);
}

Type quantopt::param::getElementType(DType type, MLIRContext *context) {
  Builder builder(context);
  switch (type) {
  case DType::F64:
    return builder.getF64Type();
  case DType::F32:
    return builder.getF32Type();
  case DType::F16:
    return builder.getF16Type();
  case DType::BF16:
    return builder.getBF16Type();
  case DType::Bool:
    return builder.getI1Type();
  case DType::U64:
  case DType::U32:
  case DType::U16:
  case DType::U8:
  case DType::U4:
  case DType::U2:
    return builder.getIntegerType(bitsInFile(type), /*isSigned=*/false);
  case DType::F8E4M3FN:
    return Float8E4M3FNType::get(context);
  case DType::F8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case DType::F8E5M2:
    return Float8E5M2Type::get(context);
  case DType::F8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case DType::F8E8M0FNU:
    return Float8E8M0FNUType::get(context);
  case DType::F4E2M1FN:
    return Float4E2M1FNType::get(context);
  default:
    return builder.getIntegerType(bitsInFile(type));
  }
}

LogicalResult GlobalOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  std::optional<DType> dtype = getDType(type.getElementType());
  if (!dtype) // C1
    return emitOpError() << "cannot hold elements of type " << type.getElementType();
  std::optional<uint64_t> expected = checkedBytesInFile(*dtype, type.getShape());
  if (!expected) // C1
    return emitOpError() << "cannot have the type " << type << ": no file holds it";
  if (int64_t(getOffset()) < 0 || getLength() != *expected) // C1
    return emitOpError() << "of type " << type << " takes " << *expected
                         << " bytes, but its range is [offset = " << int64_t(getOffset())
                         << ", length = " << int64_t(getLength()) << "]";
  return success();
}

LogicalResult GlobalOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<FileOp>(*this, getFileAttr()))
    return emitOpError() << "no file is called " << getFileAttr();
  return success();
}

LogicalResult LoadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *target = symbols.lookupNearestSymbolFrom(*this, getParamAttr());
  SmallVector<Type> expected;
  if (auto global = dyn_cast_or_null<GlobalOp>(target))
    expected = {global.getType()};
  else if (auto derived = dyn_cast_or_null<DerivedOp>(target))
    expected = llvm::to_vector(derived.getYieldedTypes());
  else
    return emitOpError() << "no parameter is called " << getParamAttr();
  if (TypeRange(expected) != getResultTypes()) // C3
    return emitOpError() << "has type " << getResultTypes() << ", but " << getParamAttr() << " has type " << expected;
  return success();
}

bool quantopt::param::isWeightExpression(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<LoadOp, ConstantOp>(op))
    return true;
  return isa<WeightOpInterface>(op) && op->getNumOperands() && llvm::all_of(op->getOperands(), isWeightExpression);
}

//===----------------------------------------------------------------------------===//
// param.scale
//===----------------------------------------------------------------------------===//

LogicalResult ScaleOp::verify() {
  auto weight = getWeight().getType(), scale = getScale().getType();
  if (int64_t(getDim()) < 0 || int64_t(getDim()) >= weight.getRank() || scale.getRank() != 1 ||
      scale.getDimSize(0) != weight.getDimSize(getDim())) // C4
    return emitOpError() << "expected a vector of the size of dimension " << int64_t(getDim()) << " of " << weight
                         << ", got " << scale;
  return success();
}

SmallVector<rot::BasisTie> ScaleOp::getBasisTies() {
  return rot::tieAllDims(getWeight(), getResult(), {int64_t(getDim())});
}

/// scale · scale⁻¹ = 1
OpFoldResult ScaleOp::fold(FoldAdaptor) {
  auto inner = getWeight().getDefiningOp<ScaleOp>();
  if (inner && inner.getScale() == getScale() && inner.getDim() == getDim() && inner.getInverse() != getInverse())
    return inner.getWeight();
  return {};
}

std::string ScaleOp::getRole() { return "scaled"; }

SmallVector<TensorSlice> ScaleOp::getOperandSlices(TensorSlice &result) {
  int64_t dim = getDim();
  return {result, {{result.offsets[dim]}, {result.sizes[dim]}}};
}

llvm::Expected<SmallVector<Tensor>> ScaleOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                      rot::ParameterReader) {
  Tensor result(DType::F64, slice.sizes);
  ArrayRef<double> weight = operands[0].data<double>(), scale = operands[1].data<double>();
  MutableArrayRef<double> out = result.mutableData<double>();
  int64_t inner = 1;
  for (int64_t size : ArrayRef<int64_t>(slice.sizes).drop_front(getDim() + 1))
    inner *= size;
  for (int64_t i = 0, n = out.size(), size = slice.sizes[getDim()]; i < n; ++i) {
    double factor = scale[i / inner % size];
    out[i] = getInverse() ? weight[i] / factor : weight[i] * factor;
  }
  return SmallVector<Tensor>{result};
}

//===----------------------------------------------------------------------------===//
// param.constant
//===----------------------------------------------------------------------------===//

LogicalResult ConstantOp::verify() {
  if (!isa<DenseFPElementsAttr>(getValue()) || !getType().getElementType().isF32()) // C12
    return emitOpError() << "expected dense f32 values, got " << getType();
  return success();
}

std::string ConstantOp::getRole() { return getName().str(); }

SmallVector<TensorSlice> ConstantOp::getOperandSlices(TensorSlice &result) {
  result = TensorSlice::whole(getType().getShape());
  return {};
}

llvm::Expected<SmallVector<Tensor>> ConstantOp::evaluate(ArrayRef<Tensor>, const TensorSlice &, rot::ParameterReader) {
  Tensor result(DType::F64, getType().getShape());
  llvm::transform(cast<DenseFPElementsAttr>(getValue()).getValues<float>(), result.mutableData<double>().begin(),
                  [](float value) { return double(value); });
  return SmallVector<Tensor>{result};
}

//===----------------------------------------------------------------------------===//
// param.transpose
//===----------------------------------------------------------------------------===//

LogicalResult CastOp::verify() {
  auto weight = getWeight().getType(), result = getResult().getType();
  if (!isa<FloatType>(weight.getElementType()) || !isa<FloatType>(result.getElementType()) ||
      weight.clone(result.getElementType()) != result) // C11
    return emitOpError() << "may change one floating-point type to another only, got " << weight << " and " << result;
  return success();
}

SmallVector<rot::BasisTie> CastOp::getBasisTies() { return rot::tieAllDims(getWeight(), getResult()); }

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getWeight().getType() == getType() ? OpFoldResult(getWeight()) : OpFoldResult();
}

std::string CastOp::getRole() {
  std::string role;
  llvm::raw_string_ostream(role) << getType().getElementType();
  return role;
}

SmallVector<TensorSlice> CastOp::getOperandSlices(TensorSlice &result) { return {result}; }

llvm::Expected<SmallVector<Tensor>> CastOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &,
                                                     rot::ParameterReader) {
  return SmallVector<Tensor>{operands[0]};
}

LogicalResult TransposeOp::verify() {
  auto weight = getWeight().getType(), result = getResult().getType();
  if (weight.getRank() != 2 || result.getRank() != 2 || weight.getElementType() != result.getElementType() ||
      weight.getDimSize(0) != result.getDimSize(1) || weight.getDimSize(1) != result.getDimSize(0)) // C5
    return emitOpError() << "expected a matrix and its transpose, got " << weight << " and " << result;
  return success();
}

SmallVector<rot::BasisTie> TransposeOp::getBasisTies() {
  return {{rot::Accepts::Any, {{getWeight(), 0}, {getResult(), 1}}},
          {rot::Accepts::Any, {{getWeight(), 1}, {getResult(), 0}}}};
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (auto inner = getWeight().getDefiningOp<TransposeOp>())
    return inner.getWeight();
  return {};
}

std::string TransposeOp::getRole() { return "transposed"; }

SmallVector<TensorSlice> TransposeOp::getOperandSlices(TensorSlice &result) {
  TensorSlice operand = result;
  std::swap(operand.offsets[0], operand.offsets[1]);
  std::swap(operand.sizes[0], operand.sizes[1]);
  return {operand};
}

template <typename T> static void transpose(const Tensor &input, Tensor &output) {
  int64_t rows = output.dim(0), columns = output.dim(1);
  const T *in = reinterpret_cast<const T *>(input.raw());
  T *out = reinterpret_cast<T *>(output.mutableRaw());
  constexpr int64_t tile = 32; // both sides stay in the first-level cache
  for (int64_t r0 = 0; r0 < rows; r0 += tile)
    for (int64_t c0 = 0; c0 < columns; c0 += tile)
      for (int64_t r = r0, rEnd = std::min(r0 + tile, rows); r < rEnd; ++r)
        for (int64_t c = c0, cEnd = std::min(c0 + tile, columns); c < cEnd; ++c)
          out[r * columns + c] = in[c * rows + r];
}

llvm::Expected<SmallVector<Tensor>> TransposeOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                          rot::ParameterReader) {
  Tensor result(operands[0].dtype(), slice.sizes);
  switch (bytesInMemory(result.dtype())) {
  case 1:
    transpose<uint8_t>(operands[0], result);
    break;
  case 2:
    transpose<uint16_t>(operands[0], result);
    break;
  case 4:
    transpose<uint32_t>(operands[0], result);
    break;
  default:
    transpose<uint64_t>(operands[0], result);
  }
  return SmallVector<Tensor>{result};
}
