//===- BlockQuantized.cpp - com.microsoft operators on block-quantized weights ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Kernels.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Elementwise.h"
#include "quantopt/Interp/Compute/MatMul.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Quantize.h"
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

/// Whether group indices say of each column that it belongs to the block it lies in.
static bool isOwnBlock(llvm::ArrayRef<int64_t> groups, int64_t blockSize) {
  for (auto [column, group] : llvm::enumerate(groups))
    if (group != int64_t(column) / blockSize)
      return false;
  return true;
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
  if (node.getInt("weight_prepacked", 0))
    return unsupported("weights in the layout of one GPU (weight_prepacked) cannot be computed with");
  if (context.has(4) && !isOwnBlock(compute::toIntegers(context.operand(4)), weight.blockSize))
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

//===----------------------------------------------------------------------------===//
// GatherBlockQuantized
//===----------------------------------------------------------------------------===//

/// Codes of `bits` bits out of bytes along the last dimension, low bits first; `count` of them there.
static Tensor unpackLast(const Tensor &packed, int64_t bits, int64_t count) {
  compute::Shape shape(packed.shape());
  int64_t bytes = shape.back(), rows = bytes ? packed.numElements() / bytes : 0;
  shape.back() = count;
  Tensor codes(DType::U8, shape);
  const uint8_t *from = packed.data<uint8_t>().data();
  uint8_t *to = codes.mutableData<uint8_t>().data();
  for (int64_t row = 0; row < rows; ++row, from += bytes)
    for (int64_t i = 0; i < count; ++i)
      *to++ = (from[i * bits / 8] >> (i * bits % 8)) & ((1 << bits) - 1);
  return codes;
}

namespace {

/// A table of codes with blocks along one axis.
struct QuantizedTable {
  Tensor codes, scales, zeros;
  int64_t axis, blockSize;
};

} // namespace

/// The slices that valid indices name; others name the first.
static llvm::Expected<QuantizedTable> gatherCodes(const QuantizedTable &table, const Tensor &indices, int64_t axis) {
  QuantizedTable result = table;
  for (Tensor *x : {&result.codes, &result.scales, &result.zeros}) {
    if (!*x || (x != &result.codes && x->dim(axis) == 1))
      continue;
    llvm::Expected<Tensor> slices = compute::gather(*x, indices, axis);
    if (!slices)
      return slices.takeError();
    *x = std::move(*slices);
  }
  return result;
}

static llvm::Expected<Tensor> dequantizeTable(QuantizedTable table, int64_t bits) {
  bool isPacked = table.codes.dtype() == DType::U8 && bits < 8;
  if (isPacked) {
    table.codes = unpackLast(table.codes, bits, table.codes.dim(-1) * 8 / bits);
    if (table.zeros)
      table.zeros = unpackLast(table.zeros, bits, table.scales.dim(-1));
  }
  compute::Shape blocks(table.codes.shape());
  if (table.blockSize == 0)
    table.blockSize = std::max<int64_t>(blocks[table.axis], 1);
  blocks[table.axis] = llvm::divideCeil(blocks[table.axis], table.blockSize);
  llvm::Expected<Tensor> scales = compute::expand(table.scales, blocks);
  if (!scales)
    return scales;
  // Bytes hold unsigned codes around a middle one, other types their values.
  if (!table.zeros && table.codes.dtype() == DType::U8)
    table.zeros = compute::fill(blocks, compute::scalar(int64_t(1) << (bits - 1), DType::U8));
  return compute::dequantizeLinear(table.codes, *scales, table.zeros, {table.axis, table.blockSize},
                                   table.scales.dtype());
}

/// Slices of a table of codes, dequantized. Indices outside give zeros.
static llvm::Expected<Tensors> gatherBlockQuantized(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  QuantizedTable table{context.operand(0), context.operand(2), context.operand(3), 0, node.getInt("block_size", 128)};
  int64_t rank = table.codes.rank(), bits = node.getInt("bits", 4);
  llvm::Expected<int64_t> gatherAxis = compute::normalizeAxis(node.getInt("gather_axis", 0), rank);
  llvm::Expected<int64_t> blockAxis = compute::normalizeAxis(node.getInt("quantize_axis", 1), rank);
  if (!gatherAxis || !blockAxis)
    return llvm::joinErrors(gatherAxis.takeError(), blockAxis.takeError());
  table.axis = *blockAxis;
  bool isPacked = table.codes.dtype() == DType::U8 && bits < 8;
  if (bits != 2 && bits != 4 && bits != 8)
    return unsupported("codes of " + llvm::Twine(bits) + " bits cannot be computed with");
  if (table.scales.rank() != rank || table.blockSize < 0 || (isPacked && *gatherAxis == rank - 1))
    return compute::makeError("scales, block_size or gather_axis do not fit the table " +
                              compute::toString(table.codes.shape()));
  int64_t size = table.codes.dim(*gatherAxis);
  llvm::SmallVector<int64_t> indices = compute::toIntegers(context.operand(1)), outside;
  for (auto [i, index] : llvm::enumerate(indices)) {
    index += index < 0 ? size : 0;
    if (index >= 0 && index < size)
      continue;
    outside.push_back(i);
    index = 0;
  }
  Tensor places = Tensor::from<int64_t>(DType::I64, {int64_t(indices.size())}, indices);
  llvm::Expected<Tensor> values = Tensor();
  if (*gatherAxis == table.axis) {
    values = dequantizeTable(table, bits);
    if (values)
      values = compute::gather(*values, places, *gatherAxis);
  } else {
    llvm::Expected<QuantizedTable> slices = gatherCodes(table, places, *gatherAxis);
    values = slices ? dequantizeTable(*slices, bits) : slices.takeError();
  }
  if (!values)
    return values.takeError();
  if (!outside.empty()) {
    Tensor valid = compute::fill({int64_t(indices.size())}, compute::scalar(1, DType::Bool));
    for (int64_t i : outside)
      valid.mutableData<uint8_t>()[i] = 0;
    compute::Shape along(rank, 1);
    along[*gatherAxis] = indices.size();
    values = compute::where(valid.reshaped(along), *values, compute::scalar(0, values->dtype()));
    if (!values)
      return values.takeError();
  }
  compute::Shape shape(values->shape());
  shape.erase(shape.begin() + *gatherAxis);
  shape.insert(shape.begin() + *gatherAxis, context.operand(1).shape().begin(), context.operand(1).shape().end());
  return Tensors{values->reshaped(shape)};
}

//===----------------------------------------------------------------------------===//
// MatMulBnb4
//===----------------------------------------------------------------------------===//

/// The numbers of bitsandbytes' codes: FP4 and NF4 (Dettmers et al., QLoRA, 2023, appendix E).
static constexpr float bnb4Values[2][16] = {
    {0.0f, 5.208333333e-03f, 0.66666667f, 1.0f, 0.33333333f, 0.5f, 0.16666667f, 0.25f, -0.0f, -5.208333333e-03f,
     -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f},
    {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
     -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
     0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f}};

/// x · Wᵀ, or x · W without transB; W [N, K] is one run of codes, the first of two in the high half of a byte.
static llvm::Expected<Tensors> matMulBnb4(KernelContext &context) {
  onnx::NodeOpInterface node = context.node();
  int64_t n = node.getInt("N", 0), k = node.getInt("K", 0), blockSize = node.getInt("block_size", 0);
  int64_t type = node.getInt("quant_type", 0);
  const Tensor &x = context.operand(0), &packed = context.operand(1);
  Tensor scales = convert(context.operand(2), DType::F32);
  bool transposes = node.getInt("transB", 1);
  if (type != 0 && type != 1)
    return unsupported("quant_type " + llvm::Twine(type) + " cannot be computed with");
  bool fits = n >= 0 && k >= 0 && blockSize > 0 && packed.dtype() == DType::U8 && x.rank() > 0 &&
              packed.numElements() == int64_t(llvm::divideCeil(n * k, 2)) &&
              scales.numElements() == int64_t(llvm::divideCeil(n * k, blockSize)) && x.dim(-1) == (transposes ? k : n);
  if (!fits)
    return compute::makeError("N, K and block_size do not fit the operands");
  Tensor w(DType::F32, {n, k});
  for (int64_t i = 0; i < n * k; ++i) {
    uint8_t byte = packed.data<uint8_t>()[i / 2];
    w.mutableData<float>()[i] = bnb4Values[type][i % 2 ? byte & 15 : byte >> 4] * scales.data<float>()[i / blockSize];
  }
  DType working = compute::arithmeticType(x.dtype());
  llvm::Expected<Tensor> right = transposes ? compute::transpose(w, {1, 0}) : llvm::Expected<Tensor>(w);
  llvm::Expected<Tensor> y = right ? compute::matmul(convert(x, working), convert(*right, working)) : std::move(right);
  return y ? Tensors{convert(*y, x.dtype())} : llvm::Expected<Tensors>(y.takeError());
}

void interp::registerBlockQuantizedKernels(KernelRegistry &registry) {
  registry.addNode("com.microsoft::MatMulNBits", matMulNBits, {1});
  registry.addNode("com.microsoft::GatherBlockQuantized", gatherBlockQuantized);
  registry.addNode("com.microsoft::MatMulBnb4", matMulBnb4);
}
