//===- Activations.cpp - activations between the linears of an MLP ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// Exporters write GELU out in many associations and orders of factors. All of them are polynomials: Φ is one of x and
// e = erf(c·x) or e = tanh(c·(x + a·x³)), whose argument is again one of x. So both are multiplied out, and compared.
//
//===----------------------------------------------------------------------------===//
#include "Evaluate.h"
#include "Match.h"
#include "WeightExpressions.h"
#include <cmath>
#include <map>
#include <numeric>

using namespace mlir;
using namespace quantopt;
using onnx::NodeOpInterface;

//===----------------------------------------------------------------------------===//
// Polynomials
//===----------------------------------------------------------------------------===//

namespace {
/// The coefficients of products of powers of up to three values.
using Exponents = std::array<int, 3>;
using Polynomial = std::map<Exponents, double>;
} // namespace

constexpr int maxDegree = 6;

static bool isArithmetic(Operation *op) {
  return isa_and_nonnull<onnx::MulOp, onnx::DivOp, onnx::AddOp, onnx::SubOp, onnx::NegOp, onnx::PowOp>(op);
}

static Polynomial sum(const Polynomial &a, const Polynomial &b, double sign) {
  Polynomial result = a;
  for (const auto &[exponents, factor] : b)
    result[exponents] += sign * factor;
  return result;
}

static Polynomial product(const Polynomial &a, const Polynomial &b) {
  Polynomial result;
  for (const auto &[first, factor] : a)
    for (const auto &[second, other] : b) {
      Exponents exponents;
      for (size_t i = 0; i < exponents.size(); ++i)
        exponents[i] = first[i] + second[i];
      result[exponents] += factor * other;
    }
  return result;
}

static std::optional<double> constantOf(const Polynomial &polynomial) {
  bool isConstant = polynomial.size() == 1 && polynomial.begin()->first == Exponents{};
  return isConstant ? std::optional(polynomial.begin()->second) : std::nullopt;
}

static bool isTooLarge(const Polynomial &polynomial) {
  return llvm::any_of(polynomial, [](const auto &term) {
    return std::accumulate(term.first.begin(), term.first.end(), 0) > maxDegree;
  });
}

/// `value` as a polynomial of `atoms`, with what computes it taken into the pattern; nothing when it is none.
static std::optional<Polynomial> expand(Match &match, Value value, ArrayRef<Value> atoms, int depth = 0) {
  constexpr int maxDepth = 10;
  if (const auto *atom = llvm::find(atoms, value); atom != atoms.end()) {
    Exponents exponents{};
    exponents[atom - atoms.begin()] = 1;
    return Polynomial{{exponents, 1.0}};
  }
  if (std::optional<double> number = evaluateScalar(value))
    return Polynomial{{Exponents{}, *number}};
  Operation *op = value.getDefiningOp();
  if (!isArithmetic(op) || depth > maxDepth)
    return std::nullopt;
  if (op != match.root)
    match.inner.push_back(op);
  std::optional<Polynomial> a = expand(match, op->getOperand(0), atoms, depth + 1);
  if (!a || isa<onnx::NegOp>(op))
    return a ? std::optional(product(*a, {{Exponents{}, -1.0}})) : std::nullopt;
  std::optional<Polynomial> b = expand(match, op->getOperand(1), atoms, depth + 1);
  if (!b || isTooLarge(*a) || isTooLarge(*b))
    return std::nullopt;
  if (isa<onnx::AddOp, onnx::SubOp>(op))
    return sum(*a, *b, isa<onnx::AddOp>(op) ? 1 : -1);
  if (isa<onnx::MulOp>(op))
    return product(*a, *b);
  std::optional<double> number = constantOf(*b);
  if (isa<onnx::DivOp>(op))
    return number && *number != 0 ? std::optional(product(*a, {{Exponents{}, 1 / *number}})) : std::nullopt;
  if (number == 2.0)
    return product(*a, *a);
  return number == 3.0 ? std::optional(product(product(*a, *a), *a)) : std::nullopt;
}

//===----------------------------------------------------------------------------===//
// GELU
//===----------------------------------------------------------------------------===//

namespace {
/// The argument of erf or tanh, with the numbers that the graph has.
struct Gelu {
  Value input, up;
  bool isTanh = false;
  double factor = 0, cubic = 0;
};
} // namespace

/// Values that `value` is computed of by arithmetic, itself first.
static SmallVector<Value> valuesBehind(Value value) {
  constexpr size_t maxValues = 24;
  SmallVector<Value> values{value};
  for (size_t i = 0; i < values.size() && values.size() < maxValues; ++i)
    if (Operation *op = values[i].getDefiningOp(); isArithmetic(op))
      for (Value operand : op->getOperands())
        if (!llvm::is_contained(values, operand))
          values.push_back(operand);
  return values;
}

/// Whether a number is another up to the rounding of narrow types.
static bool isAbout(double number, double expected) { return std::abs(number - expected) < 0.006 * expected; }

/// The argument c·x of erf, or c·(x + a·x³) of tanh.
static bool matchArgument(Match &match, Value argument, Gelu &gelu) {
  std::optional<Polynomial> polynomial = expand(match, argument, gelu.input);
  Exponents linear{1}, cubic{3};
  if (!polynomial || !polynomial->count(linear) || polynomial->size() != (gelu.isTanh ? 2 : 1))
    return false;
  gelu.factor = (*polynomial)[linear];
  if (!gelu.isTanh)
    return isAbout(gelu.factor, M_SQRT1_2);
  gelu.cubic = polynomial->count(cubic) ? (*polynomial)[cubic] / gelu.factor : 0;
  return isAbout(gelu.factor, llm::geluTanhFactor) && isAbout(gelu.cubic, llm::geluTanhCubic);
}

/// x/2 + x·e/2, all of it times `up` unless that is null.
static bool matchGate(Match &match, Value root, Value bend, const Gelu &gelu) {
  SmallVector<Value, 3> atoms{gelu.input, bend};
  if (gelu.up)
    atoms.push_back(gelu.up);
  std::optional<Polynomial> polynomial = expand(match, root, atoms);
  int up = gelu.up ? 1 : 0;
  return polynomial && *polynomial == Polynomial{{{1, 0, up}, 0.5}, {{1, 1, up}, 0.5}};
}

/// GELU as the graph writes it out, gated or not, with the root as its last product.
static std::optional<Gelu> matchWrittenGelu(Operation *root) {
  SmallVector<Value> values = valuesBehind(root->getResult(0));
  const auto *bend = llvm::find_if(
      values, [](Value value) { return isa_and_nonnull<onnx::ErfOp, onnx::TanhOp>(value.getDefiningOp()); });
  if (bend == values.end())
    return std::nullopt;
  Operation *bendOp = bend->getDefiningOp();
  for (Value input : valuesBehind(bendOp->getOperand(0))) {
    Gelu gelu{input, {}, isa<onnx::TanhOp>(bendOp)};
    Match argument(root);
    argument.inner.push_back(bendOp);
    if (evaluateScalar(input) || !rankedType(input) || !matchArgument(argument, bendOp->getOperand(0), gelu))
      continue;
    for (Value up : llvm::concat<Value>(SmallVector<Value>{Value()}, values)) {
      gelu.up = up;
      bool isOther = !up || (up != input && up != *bend && up != root->getResult(0) && !evaluateScalar(up));
      Match match = argument;
      if (isOther && matchGate(match, root->getResult(0), *bend, gelu) && match.isClosed() &&
          (!up || haveSameShape(input, up)))
        return gelu;
    }
  }
  return std::nullopt;
}

static FloatAttr unlessDefault(RewriterBase &rewriter, double number, double usual) {
  return number == usual ? FloatAttr() : rewriter.getF64FloatAttr(number);
}

LogicalResult quantopt::recognizeWrittenGelu(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp, onnx::DivOp, onnx::AddOp>(root))
    return failure();
  std::optional<Gelu> gelu = matchWrittenGelu(root);
  RankedTensorType type = gelu ? refineType(root, rankedType(gelu->input).getShape()) : RankedTensorType();
  if (!type || type.getElementType() != getElementTypeOrSelf(gelu->input))
    return failure();
  rewriter.setInsertionPoint(root);
  FloatAttr factor = unlessDefault(rewriter, gelu->factor, gelu->isTanh ? llm::geluTanhFactor : M_SQRT1_2);
  FloatAttr cubic = gelu->isTanh ? unlessDefault(rewriter, gelu->cubic, llm::geluTanhCubic) : FloatAttr();
  Value result;
  if (gelu->up)
    result = llm::GegluOp::create(rewriter, root->getLoc(), type, gelu->input, gelu->up,
                                  rewriter.getStringAttr(gelu->isTanh ? "tanh" : "none"), factor, cubic);
  else
    result = llm::ActivationOp::create(rewriter, root->getLoc(), type, gelu->input,
                                       rewriter.getStringAttr(gelu->isTanh ? "gelu_tanh" : "gelu"), factor, cubic);
  replaceRoot(rewriter, root, result);
  return success();
}

LogicalResult quantopt::recognizeGeglu(Operation *root, RewriterBase &rewriter) {
  if (!isa<onnx::MulOp>(root))
    return failure();
  for (auto [activated, up] : eitherOrder(root)) {
    Match match(root);
    auto gelu = match.take<llm::ActivationOp>(activated);
    if (!gelu || !gelu.getFunction().starts_with("gelu") || !match.isClosed() || !haveSameShape(activated, up))
      continue;
    RankedTensorType type = refineType(root, rankedType(up).getShape());
    if (!type)
      continue;
    rewriter.setInsertionPoint(root);
    StringAttr approximate = rewriter.getStringAttr(gelu.getFunction() == "gelu" ? "none" : "tanh");
    replaceRoot(rewriter, root,
                llm::GegluOp::create(rewriter, root->getLoc(), type, gelu.getInput(), up, approximate,
                                     gelu.getFactorAttr(), gelu.getCubicAttr()));
    return success();
  }
  return failure();
}

//===----------------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------------===//

/// What an operator computes of its first operand, to which it may add the second; empty for others.
static StringRef functionOf(NodeOpInterface node) {
  std::string type = node.getQualifiedType();
  if (type == "::Gelu") {
    auto stated = dyn_cast_or_null<StringAttr>(node.getNodeAttrs().get("approximate"));
    return stated && stated.getValue() == "tanh" ? "gelu_tanh" : "gelu";
  }
  if (type == "com.microsoft::Gelu" || type == "com.microsoft::BiasGelu")
    return "gelu";
  if (type == "com.microsoft::FastGelu")
    return "gelu_tanh";
  return type == "::Relu" ? "relu" : "";
}

/// relu(x)², with the ReLU recognised.
static llm::ActivationOp matchSquaredRelu(Operation *root) {
  bool isSquare = isa<onnx::PowOp>(root) ? evaluateScalar(root->getOperand(1)) == 2.0
                                         : isa<onnx::MulOp>(root) && root->getOperand(0) == root->getOperand(1);
  auto relu = isSquare ? root->getOperand(0).getDefiningOp<llm::ActivationOp>() : llm::ActivationOp();
  bool isOnlyReader = relu && llvm::all_of(relu->getUsers(), [&](Operation *user) { return user == root; });
  return isOnlyReader && relu.getFunction() == "relu" ? relu : llm::ActivationOp();
}

LogicalResult quantopt::recognizeActivation(Operation *root, RewriterBase &rewriter) {
  auto node = dyn_cast<NodeOpInterface>(root);
  if (!node || root->getNumResults() != 1 || root->getNumOperands() == 0)
    return failure();
  llm::ActivationOp relu = matchSquaredRelu(root);
  StringRef function = relu ? "relu_squared" : functionOf(node);
  Value input = relu ? relu.getInput() : root->getOperand(0);
  auto linear = input.getDefiningOp<llm::LinearOp>();
  RankedTensorType type =
      function.empty() || !linear ? RankedTensorType() : refineType(root, rankedType(input).getShape());
  if (!type)
    return failure();
  rewriter.setInsertionPoint(root);
  if (Value addend = relu ? Value() : node.getNodeInput(1)) {
    Value bias = linear.getBias() || !linear->hasOneUse()
                     ? Value()
                     : WeightExpressions(rewriter, root->getLoc()).buildVector(addend, type.getShape().back());
    if (!bias)
      return failure();
    input =
        llm::LinearOp::create(rewriter, linear.getLoc(), linear.getType(), linear.getInput(), linear.getWeight(), bias);
  }
  replaceRoot(rewriter, root,
              llm::ActivationOp::create(rewriter, root->getLoc(), type, input, rewriter.getStringAttr(function),
                                        FloatAttr(), FloatAttr()));
  return success();
}
