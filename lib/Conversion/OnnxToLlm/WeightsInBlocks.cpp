//===- WeightsInBlocks.cpp - operators that read packed weights ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Match.h"
#include "WeightExpressions.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// Whether g_idx, when there is one, says that column i is in group i / block: what holds without it.
static bool isInOrder(Value groupIndex, int64_t block) {
  if (!groupIndex)
    return true;
  DenseElementsAttr constant = onnx::getConstant(groupIndex);
  if (!constant || !isa<IntegerType>(constant.getElementType()))
    return false;
  return llvm::all_of(llvm::enumerate(constant.getValues<APInt>()),
                      [&](auto element) { return element.value().getSExtValue() == int64_t(element.index()) / block; });
}

namespace {
/// Codes, scales and zero points as a node in blocks along the contraction has them.
struct Blocks {
  Value codes, scale, zero;
  int64_t rows, columns, bits, size;
};
} // namespace

/// The weight [rows, columns] out of packed codes and, if any, zero points. Zero points of other types than ui8 are
/// values between codes, which have no symmetric form: null.
static Value buildPacked(WeightExpressions &expressions, const Blocks &blocks, Type elementType) {
  int64_t groups = llvm::divideCeil(blocks.columns, blocks.size);
  Value bytes = expressions.build(blocks.codes), scale = expressions.build(blocks.scale);
  Value zero = blocks.zero ? expressions.build(blocks.zero) : Value();
  if (!bytes || !scale || !zero != !blocks.zero || !isa<FloatType>(typeOf(scale).getElementType()))
    return {};
  Value codes =
      expressions.unpack(bytes, {blocks.rows, blocks.columns}, blocks.bits, blocks.size, /*isUnsigned=*/bool(zero));
  scale = expressions.reshape(scale, {blocks.rows, groups});
  if (zero)
    zero = expressions.unpack(zero, {blocks.rows, groups}, blocks.bits, 1, /*isUnsigned=*/true);
  if (!codes || !scale || !zero != !blocks.zero)
    return {};
  return expressions.dequantize(codes, scale, zero, blocks.size, elementType);
}

LogicalResult quantopt::recognizeMatMulNBits(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || !node.isNode("MatMulNBits", "com.microsoft"))
    return failure();
  Value x = node.getNodeInput(0), bias = node.getNodeInput(5);
  int64_t rows = node.getInt("N", 0), columns = node.getInt("K", 0), size = node.getInt("block_size", 0);
  RankedTensorType input = x ? rankedType(x) : RankedTensorType();
  if (!input || input.getRank() < 1 || rows <= 0 || columns <= 0 || rows > greatestSize || columns > greatestSize ||
      size < 16 || size > greatestSize || !llvm::isPowerOf2_64(size) || node.getInt("weight_prepacked", 0) ||
      !isInOrder(node.getNodeInput(4), size) ||
      (!input.isDynamicDim(input.getRank() - 1) && input.getShape().back() != columns))
    return failure();
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = rows;
  RankedTensorType type = refineType(root, shape);
  Value bytes = node.getNodeInput(1), scale = node.getNodeInput(2);
  if (!type || !bytes || !scale)
    return failure();
  rewriter.setInsertionPoint(root);
  WeightExpressions expressions(rewriter, root->getLoc());
  Value weight =
      buildPacked(expressions, {bytes, scale, node.getNodeInput(3), rows, columns, node.getInt("bits", 4), size},
                  input.getElementType());
  Value vector = bias && weight ? expressions.buildVector(bias, rows) : Value();
  if (!weight || !vector != !bias)
    return failure();
  replaceRoot(rewriter, root, llm::LinearOp::create(rewriter, root->getLoc(), type, x, weight, vector));
  return success();
}

/// The table of a GatherBlockQuantized: packed in bytes, or of 4-bit elements.
static Value buildTable(WeightExpressions &expressions, NodeOpInterface node, RankedTensorType data, Type elementType) {
  Value zero = node.getNodeInput(3);
  int64_t size = node.getInt("block_size", 128), bits = node.getInt("bits", 4);
  auto integer = dyn_cast<IntegerType>(data.getElementType());
  if (!integer || size < 1 || bits < 1 || bits > 8)
    return {};
  int64_t rows = data.getDimSize(0), columns = data.getDimSize(1);
  if (rows > greatestSize || columns > greatestSize || size > greatestSize)
    return {};
  int64_t groups = llvm::divideCeil(columns, size);
  if (integer.isUnsignedInteger(8))
    return buildPacked(expressions,
                       {node->getOperand(0), node->getOperand(2), zero, rows, columns * 8 / bits, bits, size},
                       elementType);
  if (integer.getWidth() != 4 || (integer.isUnsigned() && !zero))
    return {};
  Value codes = expressions.build(node->getOperand(0)), scale = expressions.build(node->getOperand(2));
  Value zeros = zero ? expressions.build(zero) : Value();
  if (!codes || !scale || !zeros != !zero || (zeros && typeOf(zeros).getElementType() != integer))
    return {};
  scale = expressions.reshape(scale, {rows, groups});
  zeros = zeros ? expressions.reshape(zeros, {rows, groups}) : zeros;
  return scale && !zeros == !zero ? expressions.dequantize(codes, scale, zeros, size, elementType) : Value();
}

LogicalResult quantopt::recognizeGatherBlockQuantized(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || !node.isNode("GatherBlockQuantized", "com.microsoft") || node.getNodeInputs().size() < 3)
    return failure();
  RankedTensorType data = rankedType(node->getOperand(0)), ids = rankedType(node->getOperand(1));
  int64_t axis = node.getInt("quantize_axis", 1);
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(root->getResult(0).getType()));
  if (!data || data.getRank() != 2 || !data.hasStaticShape() || !ids || !ids.getElementType().isInteger() || !element ||
      node.getInt("gather_axis", 0) != 0 || (axis != 1 && axis != -1))
    return failure();
  rewriter.setInsertionPoint(root);
  WeightExpressions expressions(rewriter, root->getLoc());
  Value table = buildTable(expressions, node, data, element);
  if (!table)
    return failure();
  SmallVector<int64_t> shape(ids.getShape());
  shape.push_back(typeOf(table).getDimSize(1));
  RankedTensorType type = refineType(root, shape);
  if (!type)
    return failure();
  replaceRoot(rewriter, root, llm::EmbeddingOp::create(rewriter, root->getLoc(), type, node->getOperand(1), table));
  return success();
}
