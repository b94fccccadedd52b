//===- Unpack.cpp - q.unpack ----------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Q/IR/Q.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::q;

/// Rows of bytes have no basis, and neither have the codes in them: an exporter knows none.
SmallVector<rot::BasisTie> UnpackOp::getBasisTies() { return {}; }

LogicalResult UnpackOp::verify() {
  auto bytes = getBytes().getType(), codes = getCodes().getType();
  int64_t bits = getBits();
  auto integer = dyn_cast<IntegerType>(codes.getElementType());
  if (bits != 2 && bits != 4 && bits != 8) // C7
    return emitOpError() << "expected codes of 2, 4 or 8 bits, got " << bits;
  if (!integer || integer != getCodeType(getContext(), bits, integer.isUnsigned())) // C7
    return emitOpError() << "expected codes of type " << getCodeType(getContext(), bits, false) << " or "
                         << getCodeType(getContext(), bits, true) << ", got " << codes.getElementType();
  if (!bytes.getElementType().isUnsignedInteger(8) || bytes.getRank() < 2 || !bytes.hasStaticShape() ||
      codes.getRank() != 2 || !codes.hasStaticShape() || bytes.getDimSize(0) != codes.getDimSize(0)) // C7
    return emitOpError() << "expected rows of ui8 and as many rows of codes, got " << bytes << " and " << codes;
  int64_t bitsPerRow = 8;
  for (int64_t size : bytes.getShape().drop_front())
    bitsPerRow *= size;
  if (codes.getDimSize(1) * bits > bitsPerRow) // C7
    return emitOpError() << "expected at least " << codes.getDimSize(1) * bits << " bits in a row, got " << bitsPerRow;
  return success();
}

std::string UnpackOp::getRole() { return "codes"; }

/// Rows are unpacked as a whole.
SmallVector<TensorSlice> UnpackOp::getOperandSlices(TensorSlice &result) {
  result = TensorSlice::rows(getCodes().getType().getShape(), result.offsets[0], result.sizes[0]);
  return {TensorSlice::rows(getBytes().getType().getShape(), result.offsets[0], result.sizes[0])};
}

llvm::Expected<SmallVector<Tensor>> UnpackOp::evaluate(ArrayRef<Tensor> operands, const TensorSlice &slice,
                                                       rot::ParameterReader) {
  auto type = getCodes().getType();
  int64_t bits = getBits(), rows = slice.sizes[0], columns = slice.sizes[1];
  int64_t bytesPerRow = rows ? operands[0].numElements() / rows : 0;
  int middle = type.getElementType().isUnsignedInteger() ? 0 : 1 << (bits - 1);
  Tensor codes(*param::getDType(type.getElementType()), slice.sizes);
  const uint8_t *in = operands[0].data<uint8_t>().data();
  // A code is a byte in memory; -8 in i4 and 248 in ui8 are the same bits.
  auto *out = reinterpret_cast<uint8_t *>(codes.mutableRaw());
  for (int64_t row = 0; row < rows; ++row, in += bytesPerRow)
    for (int64_t column = 0; column < columns; ++column) {
      int64_t bit = column * bits;
      *out++ = ((in[bit / 8] >> (bit % 8)) & ((1 << bits) - 1)) - middle;
    }
  return SmallVector<Tensor>{codes};
}
