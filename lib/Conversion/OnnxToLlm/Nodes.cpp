//===- Nodes.cpp - nodes that recognisers make --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Nodes.h"
#include "Dims.h"
#include "Evaluate.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

/// TensorProto.DataType of the types that are cast to.
static int64_t onnxDataType(Type type) {
  if (type.isF64())
    return 11;
  if (type.isF16())
    return 10;
  if (type.isBF16())
    return 16;
  if (type.isF32())
    return 1;
  return type.isInteger(1) ? 9 : type.isInteger(32) ? 6 : 7;
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isEqualNode(Operation *op, StringRef qualifiedType, Type type, ValueRange inputs,
                        DictionaryAttr attributes) {
  auto node = dyn_cast<NodeOpInterface>(op);
  return node && node.getQualifiedType() == qualifiedType && node->getNumResults() == 1 &&
         node->getResult(0).getType() == type && llvm::equal(node->getOperands(), inputs) &&
         node.getNodeAttrs() == attributes;
}

Value Nodes::node(StringRef qualifiedType, Type elementType, ArrayRef<int64_t> shape, ValueRange inputs,
                  ArrayRef<NamedAttribute> attributes) {
  auto type = RankedTensorType::get(shape, elementType);
  DictionaryAttr dictionary = rewriter.getDictionaryAttr(attributes);
  // Constants have users everywhere; what is computed has few.
  auto computed = llvm::find_if(inputs, [](Value input) { return !input.getDefiningOp<onnx::ConstantOp>(); });
  for (Operation *user : (computed == inputs.end() ? inputs.front() : *computed).getUsers())
    if (isEqualNode(user, qualifiedType, type, inputs, dictionary) && user->getBlock() == root->getBlock() &&
        user->isBeforeInBlock(root))
      return user->getResult(0);
  rewriter.setInsertionPoint(root);
  return onnx::createNode(rewriter, root->getLoc(), qualifiedType, type, inputs, attributes)->getResult(0);
}

//===----------------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------------===//

Value Nodes::initializer(DenseElementsAttr value) {
  Block *block = root->getBlock();
  for (Operation &op : *block) {
    auto constant = dyn_cast<onnx::ConstantOp>(op);
    if (!constant || !op.hasAttr("onnx.initializer"))
      break;
    if (cast<NodeOpInterface>(op).getTensor("value") == value)
      return constant->getResult(0);
  }
  rewriter.setInsertionPointToStart(block);
  NodeOpInterface constant = onnx::createNode(rewriter, block->getParentOp()->getLoc(), "::Constant", value.getType(),
                                              {}, rewriter.getNamedAttr("value", value));
  constant->setAttr("onnx.initializer", rewriter.getUnitAttr());
  return constant->getResult(0);
}

Value Nodes::ints(ArrayRef<int64_t> values) {
  return initializer(
      DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, rewriter.getI64Type()), values));
}

Value Nodes::scalar(Type elementType, double value) {
  Attribute number = isa<IntegerType>(elementType) ? Attribute(rewriter.getIntegerAttr(elementType, toInteger(value)))
                                                   : rewriter.getFloatAttr(elementType, value);
  return initializer(DenseElementsAttr::get(RankedTensorType::get({}, elementType), number));
}

//===----------------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------------===//

/// The first argument of the root's function that has a dimension of this name, and that dimension.
static std::pair<Value, int64_t> firstOfName(StringAttr name, Operation *root) {
  auto function = root->getParentOfType<func::FuncOp>();
  for (BlockArgument argument : function.getArguments()) {
    auto names = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), onnx::OnnxDialect::dimsAttrName);
    if (names && isa<RankedTensorType>(argument.getType()))
      for (auto [i, other] : llvm::enumerate(names))
        if (other == name)
          return {argument, i};
  }
  llvm_unreachable("the name is that of an argument's dimension");
}

Value Nodes::sizeOf(Value value, int64_t dim) {
  if (auto append = value.getDefiningOp<llm::KvAppendOp>(); append && dim == 2)
    return binary("Add", sizeOf(append.getCache(), 2), sizeOf(append.getRows(), 2));
  Dim size = dimOf(value, dim);
  if (size.isNumber())
    return scalar(size.size);
  Type i64 = rewriter.getI64Type();
  NamedAttribute axis = rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(0));
  if (size.name)
    std::tie(value, dim) = firstOfName(size.name, root);
  else if (size.index >= 0)
    std::tie(value, dim) = std::pair(size.value, size.index);
  Value shape = node("::Shape", i64, {typeOf(value).getRank()}, value);
  return node("::Gather", i64, {}, {shape, scalar(dim)}, axis);
}

//===----------------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------------===//

/// The sizes of what shapes broadcast to, as far as they are known.
static SmallVector<int64_t> broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> sizes(a);
  for (auto [size, other] : llvm::zip(MutableArrayRef(sizes).take_back(b.size()), b))
    if (size == 1 || (ShapedType::isDynamic(size) && other != 1))
      size = other;
  return sizes;
}

Value Nodes::binary(StringRef type, Value a, Value b) {
  static constexpr StringLiteral arithmetic[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
  Type elementType = llvm::is_contained(arithmetic, type) ? typeOf(a).getElementType() : Type(rewriter.getI1Type());
  return node(("::" + type).str(), elementType, broadcast(typeOf(a).getShape(), typeOf(b).getShape()), {a, b});
}

Value Nodes::where(Value condition, Value yes, Value no) {
  SmallVector<int64_t> shape = broadcast(typeOf(yes).getShape(), typeOf(no).getShape());
  return node("::Where", typeOf(yes).getElementType(), broadcast(typeOf(condition).getShape(), shape),
              {condition, yes, no});
}

Value Nodes::negate(Value condition) {
  return node("::Not", rewriter.getI1Type(), typeOf(condition).getShape(), condition);
}

Value Nodes::castTo(Value value, Type elementType) {
  if (typeOf(value).getElementType() == elementType)
    return value;
  return node("::Cast", elementType, typeOf(value).getShape(), value,
              rewriter.getNamedAttr("to", rewriter.getI64IntegerAttr(onnxDataType(elementType))));
}

Value Nodes::range(Value size) {
  int64_t count = ShapedType::kDynamic;
  if (DenseElementsAttr constant = onnx::getConstant(size))
    count = constant.getSplatValue<APInt>().getSExtValue();
  return node("::Range", rewriter.getI64Type(), {count}, {scalar(0), size, scalar(1)});
}

Value Nodes::reshape(Value value, ArrayRef<int64_t> target) {
  RankedTensorType type = typeOf(value);
  SmallVector<int64_t> shape(target);
  int64_t known = 1;
  for (auto [i, size] : llvm::enumerate(shape)) {
    size = size == 0 ? type.getDimSize(i) : size;
    known = ShapedType::isDynamic(known) || ShapedType::isDynamic(size) ? ShapedType::kDynamic
            : size == -1                                                ? known
                                                                        : known * size;
  }
  for (int64_t &size : shape)
    if (size == -1)
      size = type.hasStaticShape() && known > 0 ? type.getNumElements() / known : ShapedType::kDynamic;
  return node("::Reshape", type.getElementType(), shape, {value, ints(target)});
}

Value Nodes::gatherRows(Value table, Value indices) {
  SmallVector<int64_t> shape(typeOf(indices).getShape());
  shape.push_back(typeOf(table).getDimSize(1));
  return node("::Gather", typeOf(table).getElementType(), shape, {table, indices},
              rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(0)));
}

Value Nodes::sliceLast(Value value, int64_t begin, int64_t end) {
  SmallVector<int64_t> shape(typeOf(value).getShape());
  if (begin == 0 && end == shape.back())
    return value;
  shape.back() = end - begin;
  int64_t last = shape.size() - 1;
  return node("::Slice", typeOf(value).getElementType(), shape, {value, ints(begin), ints(end), ints(last)});
}

Value Nodes::twice(Value value, int64_t dim) {
  SmallVector<int64_t> shape(typeOf(value).getShape());
  if (!ShapedType::isDynamic(shape[dim]))
    shape[dim] *= 2;
  return node("::Concat", typeOf(value).getElementType(), shape, {value, value},
              rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(dim)));
}

Value Nodes::padLast(Value value, Value count, Value fill) {
  SmallVector<int64_t> shape(typeOf(value).getShape());
  shape.back() = ShapedType::kDynamic;
  Type i64 = rewriter.getI64Type();
  SmallVector<int64_t> none(2 * shape.size() - 1, 0);
  Value pads = node("::Concat", i64, {int64_t(none.size() + 1)}, {ints(none), reshape(count, {1})},
                    rewriter.getNamedAttr("axis", rewriter.getI64IntegerAttr(0)));
  return node("::Pad", typeOf(value).getElementType(), shape, {value, pads, fill});
}
