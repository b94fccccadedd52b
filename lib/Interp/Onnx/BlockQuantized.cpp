//===- BlockQuantized.cpp - com.microsoft operators on block-quantized weights ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;
using namespace quantopt::interp;

namespace {

/// The weight of a MatMulNBits: rows of blocks of packed codes, low bits first.
struct BlockedWeight {
  int64_t columns, bits, blockSize, blocks;
  /// f32, or f64 in proofs; [rows · blocks].
  Tensor scales;
  /// Packed ui8 codes [rows, ceil(blocks · bits / 8)], or f32 [rows · blocks], or null: the middle code.
  Tensor zeros;

  int64_t bytesPerRow() const { return blocks * blockSize * bits / 8; }
  float zeroOf(int64_t row, int64_t block) const {
    if (!zeros)
      return float(int64_t(1) << (bits - 1));
    if (isFloat(zeros.dtype()))
      return zeros.data<float>()[row * blocks + block];
    return codeAt(zeros.data<uint8_t>().data() + row * llvm::divideCeil(blocks * bits, 8), block);
  }
  uint8_t codeAt(const uint8_t *packed, int64_t i) const {
    int64_t bit = i * bits;
    return (packed[bit / 8] >> (bit % 8)) & ((1 << bits) - 1);
  }
};

} // namespace

/// Rows [begin, begin + n) of `packed` as [n, columns], in T, the type of the scales. `packed` starts at row `begin`.
template <typename T>
static Tensor dequantizeRows(const BlockedWeight &weight, const uint8_t *packed, int64_t begin, int64_t n) {
  Tensor result(weight.scales.dtype(), {n, weight.columns});
  T *target = result.mutableData<T>().data();
  const T *scales = weight.scales.data<T>().data();
  for (int64_t row = 0; row < n; ++row, packed += weight.bytesPerRow())
    for (int64_t column = 0; column < weight.columns; ++column) {
      int64_t block = column / weight.blockSize;
      T code = weight.codeAt(packed, column);
      *target++ = (code - weight.zeroOf(begin + row, block)) * scales[(begin + row) * weight.blocks + block];
    }
  return result;
}

/// x · dequantize(W)ᵀ [+ bias]; accuracy levels 0 and 1: in f32.
static llvm::Expected<Tensors> matMulNBits(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  int64_t rows = node.getInt("N", 0), bits = node.getInt("bits", 4);
  BlockedWeight weight{node.getInt("K", 0), bits, node.getInt("block_size", 0), 0, {}, {}};
  const Tensor &x = context.operand(0);
  if (bits != 2 && bits != 4 && bits != 8)
    return unsupported("codes of " + llvm::Twine(bits) + " bits cannot be computed with");
  if (weight.blockSize <= 0 || x.rank() == 0 || x.dim(-1) != weight.columns)
    return compute::makeError("K and block_size do not fit the input " + compute::toString(x.shape()));
  if (context.has(4))
    return unsupported("g_idx is not supported: its meaning with zero points differs between implementations");
  weight.blocks = llvm::divideCeil(weight.columns, weight.blockSize);
  DType working = compute::arithmeticType(x.dtype());
  weight.scales = convert(context.operand(2), working);
  if (context.has(3))
    weight.zeros = isFloat(context.operand(3).dtype()) ? convert(context.operand(3), DType::F32) : context.operand(3);
  Tensor wide = convert(x, working);
  compute::Shape shape(x.shape());
  shape.back() = rows;
  Tensor result(working, shape);
  constexpr int64_t rowsPerPiece = 1024;
  for (int64_t begin = 0; begin < rows; begin += rowsPerPiece) {
    int64_t n = std::min(rowsPerPiece, rows - begin);
    llvm::Expected<Tensor> packed = context.isDeferred(1)
                                        ? context.weightRows(1, begin, begin + n)
                                        : compute::slice(context.operand(1), {begin}, {begin + n}, {0}, {1});
    if (!packed)
      return packed.takeError();
    auto dequantize = working == DType::F64 ? dequantizeRows<double> : dequantizeRows<float>;
    compute::linearInto(wide, dequantize(weight, packed->data<uint8_t>().data(), begin, n), result, begin);
  }
  if (context.has(5))
    compute::addBias(result, context.operand(5));
  return Tensors{convert(result, x.dtype())};
}

/// Rows of a table of codes, dequantized: blocks along the last dimension.
static llvm::Expected<Tensors> gatherBlockQuantized(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  const Tensor &codes = context.operand(0), &indices = context.operand(1);
  int64_t bits = node.getInt("bits", 4), blockSize = node.getInt("block_size", 128);
  int64_t axis = node.getInt("quantize_axis", -1);
  bool packed = codes.dtype() == DType::U8 && bits < 8;
  int64_t columns = codes.dim(-1) * (packed ? 8 / bits : 1);
  if (codes.rank() != 2 || node.getInt("gather_axis", 0) != 0 || (axis != 1 && axis != -1))
    return unsupported("only rows of a matrix in blocks along its last dimension can be looked up");
  int64_t blocks = llvm::divideCeil(columns, blockSize);
  // Products of a code and a scale are exact in f64, so that rounding them is what the operator does in its own type.
  Tensor scales = convert(context.operand(2), DType::F64);
  Tensor zeros = context.has(3) ? convert(context.operand(3), DType::F64) : Tensor();
  // A ui8 table holds unsigned codes around a middle one; other types hold their values.
  BlockedWeight weight{columns, packed ? bits : 8, blockSize, blocks, scales, context.operand(3)};
  bool isSigned = codes.dtype() == DType::I4 || codes.dtype() == DType::I8;
  compute::Shape shape(indices.shape());
  shape.push_back(columns);
  Tensor result(DType::F64, shape);
  double *target = result.mutableData<double>().data();
  for (int64_t row : compute::toIntegers(indices)) {
    row += row < 0 ? codes.dim(0) : 0;
    if (row < 0 || row >= codes.dim(0))
      return compute::makeError("an index is outside a table of " + llvm::Twine(codes.dim(0)) + " rows");
    for (int64_t column = 0; column < columns; ++column) {
      int64_t block = column / blockSize, at = row * codes.dim(1);
      float zero = 0, code;
      if (isSigned)
        code = codes.data<int8_t>()[at + column];
      else
        code = weight.codeAt(codes.data<uint8_t>().data() + at, column);
      if (codes.dtype() == DType::U8 || weight.zeros)
        zero = weight.zeros && !packed ? float(zeros.data<double>()[row * blocks + block]) : weight.zeroOf(row, block);
      *target++ = (code - zero) * scales.data<double>()[row * blocks + block];
    }
  }
  return Tensors{convert(result, context.operand(2).dtype())};
}

void interp::registerBlockQuantizedKernels(KernelRegistry &registry) {
  registry.addNode("com.microsoft::MatMulNBits", matMulNBits, {1});
  registry.addNode("com.microsoft::GatherBlockQuantized", gatherBlockQuantized);
}
