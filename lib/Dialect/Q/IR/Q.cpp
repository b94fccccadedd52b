//===- Q.cpp - quantized tensors as several values -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Q/IR/Q.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Support/Inliner.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Numerics/Layout.h"
#include "quantopt/Numerics/WeightLayout.h"
#include <cmath>

using namespace mlir;
using namespace quantopt;
using namespace quantopt::q;
using rot::Accepts;
using rot::BasisTie;

#include "q/QOpsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "q/QOps.cpp.inc"

void QDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "q/QOps.cpp.inc"
      >();
  addInterfaces<AlwaysInline>();
}

IntegerType quantopt::q::getCodeType(MLIRContext *context, int64_t bits, bool hasZero) {
  return IntegerType::get(context, bits <= 4 ? 4 : 8, hasZero ? IntegerType::Unsigned : IntegerType::Signless);
}

SmallVector<int64_t> quantopt::q::scaleShape(ArrayRef<int64_t> shape, int64_t groupSize, int64_t axis) {
  SmallVector<int64_t> result(shape);
  int64_t &groups = result[result.size() + axis];
  if (!groupSize || !ShapedType::isDynamic(groups))
    groups = groupCount(groups, groupSize);
  return result;
}

numerics::QuantizerOptions quantopt::q::getQuantizerOptions(DictionaryAttr options) {
  numerics::QuantizerOptions result;
  for (NamedAttribute option : options) {
    std::string &text = result[option.getName()];
    if (auto string = dyn_cast<StringAttr>(option.getValue()))
      text = string.str();
    else if (auto flag = dyn_cast<BoolAttr>(option.getValue()))
      text = flag.getValue() ? "true" : "false";
    else if (auto integer = dyn_cast<IntegerAttr>(option.getValue()))
      text = std::to_string(integer.getInt());
    else
      llvm::raw_string_ostream(text) << cast<FloatAttr>(option.getValue()).getValueAsDouble();
  }
  return result;
}

//===----------------------------------------------------------------------------===//
// Ties: a quantizer is an approximate identity, so codes are in the basis of what was quantized
//===----------------------------------------------------------------------------===//

SmallVector<BasisTie> QuantizeWeightOp::getBasisTies() { return rot::tieAllDims(getWeight(), getCodes()); }
SmallVector<BasisTie> QuantizeDynamicOp::getBasisTies() { return rot::tieAllDims(getInput(), getCodes()); }
SmallVector<BasisTie> DequantizeOp::getBasisTies() { return rot::tieAllDims(getCodes(), getResult()); }
SmallVector<BasisTie> LinearOp::getBasisTies() {
  BasisTie out{Accepts::Any, {{getWeight(), 0}, {getResult(), lastDim(getResult())}}};
  if (getBias())
    out.slots.push_back({getBias(), 0});
  return {{Accepts::Any, {{getInput(), lastDim(getInput())}, {getWeight(), 1, 1, /*isDual=*/true}}}, out};
}

/// Packed codes have no basis: whoever reads them knows that of the codes.
SmallVector<BasisTie> PackOp::getBasisTies() {
  return {{Accepts::Any, {{getCodes(), 0}}}, {Accepts::Any, {{getCodes(), 1}}}};
}

//===----------------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------------===//

/// C1: codes have the shape of `data`, scale (and zero point) that of its rows along `axis`, with one element per
/// group.
static LogicalResult verifyGranularity(Operation *op, RankedTensorType data, RankedTensorType codes, Value zero,
                                       RankedTensorType scale, int64_t groupSize, int64_t axis = -1) {
  auto integer = dyn_cast<IntegerType>(codes.getElementType());
  bool fitsZero = integer && (integer.isUnsigned() == bool(zero) || (zero && isa<DequantizeOp>(op)));
  if (!fitsZero || (integer.getWidth() != 4 && integer.getWidth() != 8)) // C1
    return op->emitOpError() << "expected codes of type " << (zero ? "ui4 or ui8" : "i4 or i8") << ", got "
                             << codes.getElementType();
  if (data.getRank() < 1 || data.getShape() != codes.getShape()) // C1
    return op->emitOpError() << "expected codes of the shape of " << data << ", got " << codes;
  if (axis != -1 && (axis != -2 || data.getRank() < 2 || groupSize == 0)) // C1
    return op->emitOpError() << "expected axis -1, or axis -2 and a group size, got " << axis << " and " << groupSize;
  SmallVector<int64_t> shape(data.getShape());
  if (groupSize < 0 || (axis == -1 && groupSize && ShapedType::isDynamic(shape.back()))) // C1
    return op->emitOpError() << "expected a group size that is not negative, and a known last dimension to group, got "
                             << groupSize << " and " << data;
  shape = scaleShape(shape, groupSize, axis);
  if (scale.getShape() != ArrayRef<int64_t>(shape)) { // C1
    InFlightDiagnostic diag = op->emitOpError() << "expected a scale of shape [";
    llvm::interleaveComma(shape, diag, [&](int64_t size) {
      if (ShapedType::isDynamic(size))
        diag << "?";
      else
        diag << size;
    });
    return diag << "] for groups of " << groupSize << " (0: all), got " << scale;
  }
  if (zero && (typeOf(zero).getShape() != scale.getShape() || typeOf(zero).getElementType() != integer)) // C1
    return op->emitOpError() << "expected a zero point of the shape of the scale and the type of the codes, got "
                             << zero.getType();
  return success();
}

/// C2: bits from 2 to 8, which the codes can hold.
static LogicalResult verifyBits(Operation *op, int64_t bits, RankedTensorType codes) {
  if (bits < 2 || bits > int64_t(codes.getElementTypeBitWidth()))
    return op->emitOpError() << "expected 2 to " << codes.getElementTypeBitWidth() << " bits, got " << bits;
  return success();
}

LogicalResult QuantizeWeightOp::verify() {
  auto weight = getWeight().getType();
  if (weight.getRank() != 2 || !weight.hasStaticShape())
    return emitOpError() << "expected a matrix of known size, got " << weight; // C3
  for (NamedAttribute option : getOptions())
    if (!isa<StringAttr, BoolAttr, IntegerAttr, FloatAttr>(option.getValue()))
      return emitOpError() << "option " << option.getName() << " is neither a number, a truth value nor a string"; // C3
  auto quantizer = numerics::QuantizerRegistry::global().create(getMethod(), getQuantizerOptions(getOptions()));
  if (!quantizer)
    return emitOpError() << llvm::toString(quantizer.takeError()); // C3
  int64_t groups = (*quantizer)->groupsPerRow(weight.getDimSize(1));
  if (getCodes().getType().getShape() != weight.getShape() ||
      getScale().getType().getShape() != ArrayRef<int64_t>{weight.getDimSize(0), groups}) // C1
    return emitOpError() << "expected codes of the shape of " << weight << " and a scale [" << weight.getDimSize(0)
                         << ", " << groups << "], got " << getCodes().getType() << " and " << getScale().getType();
  return success();
}

LogicalResult QuantizeDynamicOp::verify() {
  auto input = getInput().getType(), codes = getCodes().getType();
  if (failed(verifyBits(*this, getBits(), codes)))
    return failure();
  if (!(getClip().convertToDouble() > 0 && getClip().convertToDouble() <= 1)) // C2
    return emitOpError() << "expected a clip in (0, 1], got " << getClip().convertToDouble();
  if (Type scale = getScale().getType().getElementType(); !scale.isF32() && !scale.isF16()) // C2
    return emitOpError() << "expected a scale of type f32 or f16, got " << scale;
  return verifyGranularity(*this, input, codes, getZero(), getScale().getType(), getGroupSize(), getAxis());
}

LogicalResult DequantizeOp::verify() {
  return verifyGranularity(*this, getResult().getType(), getCodes().getType(), getZero(), getScale().getType(),
                           getGroupSize(), getAxis());
}

LogicalResult LinearOp::verify() {
  auto input = getInput().getType(), weight = getWeight().getType(), result = getResult().getType();
  if (weight.getRank() != 2 || input.getRank() < 1 || input.getShape().back() != weight.getDimSize(1)) // C4
    return emitOpError() << "expected a weight [out, in] with in = " << (input.getRank() ? input.getShape().back() : 0)
                         << ", got " << weight;
  if (failed(verifyGranularity(*this, input, input, {}, getInputScale().getType(), getInputGroupSize())) ||
      failed(verifyGranularity(*this, weight, weight, {}, getWeightScale().getType(), getWeightGroupSize())))
    return failure();
  if (getInputGroupSize() && getWeightGroupSize() && getInputGroupSize() != getWeightGroupSize()) // C4
    return emitOpError() << "expected groups of one size on both sides, or one group on a side, got "
                         << int64_t(getInputGroupSize()) << " and " << int64_t(getWeightGroupSize());
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = weight.getDimSize(0);
  if (failed(verifyCompatibleShape(result.getShape(), shape)) || // C4
      (getBias() && (typeOf(getBias()).getRank() != 1 || lastSize(getBias()) != shape.back())))
    return emitOpError() << "expected a result, and a bias if any, of " << shape.back() << " columns, got " << result;
  return success();
}

LogicalResult PackOp::verify() {
  auto codes = getCodes().getType(), packed = getPacked().getType();
  auto integer = dyn_cast<IntegerType>(codes.getElementType());
  if (codes.getRank() != 2 || !codes.hasStaticShape() || !integer || integer.isUnsigned()) // C5
    return emitOpError() << "expected a matrix of i4 or i8 codes, got " << codes;
  if (failed(verifyGranularity(*this, codes, codes, {}, getScale().getType(), getGroupSize())))
    return failure();
  int64_t out = codes.getDimSize(0), in = codes.getDimSize(1), groups = getScale().getType().getDimSize(1);
  SmallVector<int64_t> shape, scaleShape;
  Type element = integer;
  if (getLayout() == numerics::inOutLayout) {
    shape = {in, out};
    scaleShape = groups == 1 ? SmallVector<int64_t>{out} : SmallVector<int64_t>{groups, out};
  } else if (getLayout() == numerics::matMulNBitsLayout) {
    if (getGroupSize() < 2 || getGroupSize() % 2) // C5
      return emitOpError() << "expected groups of an even size, got " << int64_t(getGroupSize());
    shape = {out, groups, int64_t(getGroupSize()) * integer.getWidth() / 8};
    scaleShape = {out, groups};
    element = IntegerType::get(getContext(), 8, IntegerType::Unsigned);
  } else if (std::optional<numerics::Layout> layout = numerics::Layout::parse(getLayout())) {
    if (integer.getWidth() != layout->getBits() || !layout->fits(in)) // C6
      return emitOpError() << "expected codes of " << layout->getBits() << " bits, and a permutation of " << in
                           << " columns if any, for layout " << getLayoutAttr();
    int64_t blocks = layout->getRowBlocks(out);
    shape = {blocks, layout->getByteSize(out, in) / blocks};
    scaleShape = {blocks, numerics::Layout::blockRows};
    if (groups > 1)
      scaleShape.push_back(groups);
    element = IntegerType::get(getContext(), 8, IntegerType::Unsigned);
  } else {
    return emitOpError() << "expected layout \"" << numerics::inOutLayout << "\", \"" << numerics::matMulNBitsLayout
                         << "\" or a fragment order such as \"m16n8k64.s4\", got " << getLayoutAttr(); // C5
  }
  auto expected = RankedTensorType::get(shape, element);
  if (packed.getShape() != expected.getShape() || packed.getElementType() != element ||
      getPackedScale().getType().getShape() != ArrayRef<int64_t>(scaleShape)) // C5
    return emitOpError() << "expected " << expected << " and its scales, got " << packed << " and "
                         << getPackedScale().getType();
  return success();
}

//===----------------------------------------------------------------------------===//
// Weight expressions
//===----------------------------------------------------------------------------===//

std::string QuantizeWeightOp::getRole() {
  auto integer = [&](StringRef name, int64_t otherwise) {
    auto value = getOptions().getAs<IntegerAttr>(name);
    return value ? value.getInt() : otherwise;
  };
  int64_t groupSize = integer("group_size", 0);
  return "w" + std::to_string(integer("bits", 4)) + (groupSize ? "g" + std::to_string(groupSize) : "");
}
std::string QuantizeWeightOp::getResultRole(unsigned number) { return number ? "scale" : "codes"; }
std::string DequantizeOp::getRole() { return "dequantized"; }
bool DequantizeOp::isExpansion() { return true; }
/// Order does not change what a weight is: its name is that of the quantizer.
std::string PackOp::getRole() {
  auto quantizer = getCodes().getDefiningOp<QuantizeWeightOp>();
  return quantizer ? quantizer.getRole() : "packed";
}
std::string PackOp::getResultRole(unsigned number) { return number ? "scale" : "codes"; }

/// A row is quantized as a whole, whatever part of it is wanted.
SmallVector<TensorSlice> QuantizeWeightOp::getOperandSlices(TensorSlice &result) {
  result.offsets[1] = 0;
  result.sizes[1] = getWeight().getType().getDimSize(1);
  return {result};
}

llvm::Expected<SmallVector<Tensor>> QuantizeWeightOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                               rot::ParameterReader) {
  auto quantizer = numerics::QuantizerRegistry::global().create(getMethod(), getQuantizerOptions(getOptions()));
  if (!quantizer)
    return quantizer.takeError();
  int64_t rows = slice.sizes[0], columns = slice.sizes[1], groups = (*quantizer)->groupsPerRow(columns);
  std::vector<float> weight(operands[0].numElements()), scales(rows * groups);
  llvm::copy(operands[0].data<double>(), weight.begin()); // quantizers work on what an f32 file would hold
  // Quantizers say so too, but count rows from the slice they are given.
  if (auto found = llvm::find_if_not(weight, [](float value) { return std::isfinite(value); }); found != weight.end())
    return llvm::createStringError(
        "row " + llvm::Twine(slice.offsets[0] + (found - weight.begin()) / columns) +
        " of the weight holds a NaN or an infinity in f32; quantization needs finite weights");
  Tensor codes(*param::getDType(getCodes().getType().getElementType()), {rows, columns});
  if (llvm::Error error =
          (*quantizer)->quantizeRows(weight, rows, columns, codes.mutableData<int8_t>().data(), scales.data()))
    return std::move(error);
  Tensor scale(DType::F64, {rows, groups});
  llvm::copy(scales, scale.mutableData<double>().begin());
  return SmallVector<Tensor>{codes, scale};
}

/// Scales are read for whole rows: groups need not end where a slice does.
SmallVector<TensorSlice> DequantizeOp::getOperandSlices(TensorSlice &result) {
  int64_t last = lastDim(getCodes());
  result.offsets[last] = 0;
  result.sizes[last] = typeOf(getCodes()).getDimSize(last);
  TensorSlice scale = result;
  scale.sizes[last] = lastSize(getScale());
  SmallVector<TensorSlice> slices{result, scale};
  if (getZero())
    slices.push_back(scale);
  return slices;
}

static int codeAt(const Tensor &codes, int64_t i) {
  bool isUnsigned = codes.dtype() == DType::U4 || codes.dtype() == DType::U8;
  return isUnsigned ? int(codes.data<uint8_t>()[i]) : int(codes.data<int8_t>()[i]);
}

llvm::Expected<SmallVector<Tensor>> DequantizeOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                           rot::ParameterReader) {
  if (int64_t(getAxis()) != -1)
    return llvm::createStringError("a weight has no groups along dimension -2");
  Tensor result(DType::F64, slice.sizes);
  int64_t columns = slice.sizes.back(), groups = operands[1].dim(-1);
  int64_t groupSize = getGroupSize() ? int64_t(getGroupSize()) : columns;
  ArrayRef<double> scale = operands[1].data<double>();
  MutableArrayRef<double> out = result.mutableData<double>();
  for (int64_t i = 0, n = out.size(); i < n; ++i) {
    int64_t group = i / columns * groups + i % columns / groupSize;
    int code = codeAt(operands[0], i) - (getZero() ? codeAt(operands[2], group) : 0);
    out[i] = code * scale[group];
  }
  return SmallVector<Tensor>{result};
}

/// matmul_nbits packs row by row, fragment orders block by block; rows of in_out are columns of what is quantized, and
/// so need all of it.
SmallVector<TensorSlice> PackOp::getOperandSlices(TensorSlice &result) {
  ArrayRef<int64_t> codes = getCodes().getType().getShape(), scale = getScale().getType().getShape();
  ArrayRef<int64_t> packed = getPacked().getType().getShape();
  if (getLayout() == numerics::inOutLayout) {
    result = TensorSlice::whole(packed);
    return {TensorSlice::whole(codes), TensorSlice::whole(scale)};
  }
  int64_t begin = result.offsets[0], count = result.sizes[0];
  result = TensorSlice::rows(packed, begin, count);
  if (numerics::Layout::parse(getLayout())) { // rows of what is packed are blocks of 16 rows of codes
    begin *= numerics::Layout::blockRows;
    count = std::min(count * numerics::Layout::blockRows, codes[0] - begin);
  }
  return {TensorSlice::rows(codes, begin, count), TensorSlice::rows(scale, begin, count)};
}

/// Blocks of rows in fragment order, and scales filled with zeros to whole blocks.
static SmallVector<Tensor> packFragments(const numerics::Layout &layout, const Tensor &codes, const Tensor &scale,
                                         ArrayRef<int64_t> packedShape, ArrayRef<int64_t> packedScaleShape) {
  int64_t rows = codes.dim(0);
  Tensor packed(DType::U8, packedShape);
  layout.pack(codes.data<int8_t>().data(), rows, codes.dim(1), packed.mutableData<uint8_t>().data());
  SmallVector<int64_t> scaleShape(packedScaleShape);
  scaleShape[0] = packedShape[0];
  Tensor packedScale(DType::F64, scaleShape);
  MutableArrayRef<double> out = packedScale.mutableData<double>();
  llvm::fill(out, 0);
  llvm::copy(scale.data<double>(), out.begin());
  return {packed, packedScale};
}

llvm::Expected<SmallVector<Tensor>> PackOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                     rot::ParameterReader) {
  const Tensor &codes = operands[0], &scale = operands[1];
  int64_t rows = codes.dim(0), columns = codes.dim(1);
  if (getLayout() == numerics::matMulNBitsLayout) {
    Tensor packed(DType::U8, slice.sizes);
    unsigned bits = getCodes().getType().getElementTypeBitWidth();
    numerics::packMatMulNBits(codes.data<int8_t>().data(), rows, columns, bits, getGroupSize(),
                              packed.mutableData<uint8_t>().data());
    return SmallVector<Tensor>{packed, scale};
  }
  if (std::optional<numerics::Layout> layout = numerics::Layout::parse(getLayout()))
    return packFragments(*layout, codes, scale, slice.sizes, getPackedScale().getType().getShape());
  Tensor packed(codes.dtype(), {columns, rows}), packedScale(scale.dtype(), getPackedScale().getType().getShape());
  numerics::transpose(codes.data<int8_t>().data(), rows, columns, packed.mutableData<int8_t>().data());
  numerics::transpose(scale.data<double>().data(), rows, scale.dim(1), packedScale.mutableData<double>().data());
  return SmallVector<Tensor>{packed, packedScale};
}
