//===- Interpreter.cpp - runs functions of the onnx, llm and q forms on the CPU ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Interpreter.h"
#include "mlir/IR/SymbolTable.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Onnx/Subgraph.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace quantopt;
using namespace quantopt::interp;
using mlir::Operation;
using mlir::Value;

char UnsupportedOperatorError::ID = 0;

const KernelRegistry &KernelRegistry::standard() {
  static const KernelRegistry registry = [] {
    KernelRegistry kernels;
    registerOnnxKernels(kernels);
    registerLlmKernels(kernels);
    registerQKernels(kernels);
    registerRotKernels(kernels);
    registerTileKernels(kernels);
    return kernels;
  }();
  return registry;
}

Interpreter::Interpreter(mlir::func::FuncOp function, const param::WeightEvaluator *evaluator,
                         InterpreterOptions interpreterOptions)
    : entry(function), options(std::move(interpreterOptions)),
      weights(evaluator, options.precision == Precision::F64, options.weightCacheBytes) {
  if (options.threads)
    compute::setThreadCount(options.threads);
  auto module = function->getParentOfType<mlir::ModuleOp>();
  if (!module)
    return;
  for (auto candidate : module.getOps<mlir::func::FuncOp>()) {
    auto local = candidate->getAttrOfType<mlir::DictionaryAttr>(onnx::OnnxDialect::functionAttrName);
    if (!local)
      continue;
    auto domain = local.getAs<mlir::StringAttr>("domain"), name = local.getAs<mlir::StringAttr>("name");
    if (domain && name)
      nodeFunctions[(domain.getValue() + "::" + name.getValue()).str()] = candidate;
  }
}

const KernelRegistry &Interpreter::registry() const {
  return options.registry ? *options.registry : KernelRegistry::standard();
}

/// The function that an op calls: by func.call, or as a node that a model-local function defines.
mlir::func::FuncOp Interpreter::calleeOf(Operation *op) const {
  if (auto call = llvm::dyn_cast<mlir::func::CallOp>(op))
    return mlir::SymbolTable::lookupNearestSymbolFrom<mlir::func::FuncOp>(op, call.getCalleeAttr());
  if (auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op))
    return nodeFunctions.lookup(node.getQualifiedType());
  return nullptr;
}

/// Ops that need no kernel: their values are weights, or nothing.
static bool isDeferredOp(Operation *op) {
  if (llvm::isa<onnx::NoValueOp>(op))
    return true;
  return op->getNumResults() && param::isWeightExpression(op->getResult(0));
}

/// A node that shows a weight as it is or transposed; the weight stays unread.
static std::optional<WeightView> viewOfWeight(Operation *op, llvm::ArrayRef<Slot> operands) {
  auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op);
  if (!node || operands.size() != 1 || !operands[0].weight)
    return std::nullopt;
  WeightView view = *operands[0].weight;
  if (node.isNode("Identity"))
    return view;
  if (!node.isNode("Transpose"))
    return std::nullopt;
  if (llvm::cast<mlir::RankedTensorType>(view.expression.getType()).getRank() != 2)
    return std::nullopt;
  std::optional<llvm::ArrayRef<int64_t>> permutation = node.getInts("perm");
  bool swaps = !permutation || *permutation == llvm::ArrayRef<int64_t>{1, 0};
  view.transposed ^= swaps;
  return view;
}

//===----------------------------------------------------------------------------===//
// Preparation
//===----------------------------------------------------------------------------===//

/// The operator of a node, the name of any other op.
static std::string kindOf(Operation *op) {
  if (auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op))
    return node.getDomain().empty() ? node.getOpType().str() : node.getQualifiedType();
  return op->getName().getStringRef().str();
}

static llvm::Error inOp(Operation *op, llvm::Error error) {
  std::string operators = kindOf(op);
  if (error.isA<UnsupportedOperatorError>()) // of a function that the node calls
    error = llvm::handleErrors(std::move(error), [&](std::unique_ptr<UnsupportedOperatorError> cause) -> llvm::Error {
      operators = cause->operators().str();
      return llvm::Error(std::move(cause));
    });
  bool isUnsupported = error.isA<UnsupportedError>();
  std::string message = onnx::describeNode(op) + ": " + llvm::toString(std::move(error));
  if (isUnsupported)
    return llvm::make_error<UnsupportedOperatorError>(message, operators);
  return llvm::createStringError(message);
}

llvm::Error Interpreter::collectMissingInSubgraphs(Operation *op, llvm::SmallPtrSetImpl<Operation *> &seen,
                                                   llvm::SmallVectorImpl<Operation *> &missing, unsigned level) {
  auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op);
  if (!node)
    return llvm::Error::success();
  for (mlir::NamedAttribute attribute : node.getNodeAttrs()) {
    bool isKnown = subgraphs.count({op, attribute.getName().str()});
    if (!isKnown && !isSubgraph(attribute.getValue()))
      continue;
    llvm::Expected<mlir::func::FuncOp> function = get(op, attribute.getName());
    if (!function)
      return inOp(op, function.takeError());
    if (llvm::Error error = collectMissing(*function, seen, missing, level + 1))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Interpreter::collectMissing(mlir::func::FuncOp function, llvm::SmallPtrSetImpl<Operation *> &seen,
                                        llvm::SmallVectorImpl<Operation *> &missing, unsigned level) {
  if (!seen.insert(function).second)
    return llvm::Error::success();
  if (level > options.maxDepth)
    return llvm::createStringError("functions and subgraphs are nested more than " + llvm::Twine(options.maxDepth) +
                                   " deep");
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (isDeferredOp(&op))
      continue;
    llvm::Error error = llvm::Error::success();
    if (registry().lookup(&op))
      error = collectMissingInSubgraphs(&op, seen, missing, level);
    else if (mlir::func::FuncOp callee = calleeOf(&op); callee && !callee.isExternal())
      error = collectMissing(callee, seen, missing, level + 1);
    else
      missing.push_back(&op);
    if (error)
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<llvm::SmallVector<Operation *>> Interpreter::missingKernels() {
  llvm::SmallPtrSet<Operation *, 4> seen;
  llvm::SmallVector<Operation *> missing;
  if (!entry.isExternal())
    if (llvm::Error error = collectMissing(entry, seen, missing, 0))
      return error;
  return missing;
}

llvm::Error Interpreter::check() {
  if (entry.isExternal())
    return llvm::createStringError("function '" + entry.getName() + "' has no body to execute");
  llvm::Expected<llvm::SmallVector<Operation *>> missing = missingKernels();
  if (!missing)
    return missing.takeError();
  if (missing->empty())
    return llvm::Error::success();
  // One line for each kind, with the first op of it.
  std::map<std::string, std::pair<Operation *, unsigned>> kinds;
  for (Operation *op : *missing)
    ++kinds.try_emplace(kindOf(op), op, 0).first->second.second;
  std::string message = "cannot execute: there is no kernel for", operators;
  for (const auto &[kind, found] : kinds) {
    operators += (operators.empty() ? "" : ", ") + kind;
    message += "\n  " + kind + ": " + onnx::describeNode(found.first);
    if (found.second > 1)
      message += " and " + std::to_string(found.second - 1) + " more";
  }
  return llvm::make_error<UnsupportedOperatorError>(message, operators);
}

const Interpreter::Plan &Interpreter::planOf(mlir::func::FuncOp function) {
  auto found = plans.find(function);
  if (found != plans.end())
    return found->second;
  mlir::Block &body = function.getBody().front();
  Plan plan{function, {}, body.getTerminator()->getOperands()};
  llvm::DenseSet<Value> used(plan.results.begin(), plan.results.end());
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    llvm::SmallVector<Value, 2> dying;
    for (Value value : llvm::concat<Value>(llvm::to_vector(op.getOperands()), llvm::to_vector(op.getResults())))
      if (used.insert(value).second)
        dying.push_back(value);
    plan.steps.emplace_back(&op, std::move(dying));
  }
  std::reverse(plan.steps.begin(), plan.steps.end());
  return plans.emplace(function, std::move(plan)).first->second;
}

//===----------------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------------===//

/// Reads a deferred weight.
llvm::Error Interpreter::makeTensor(Slot &slot) {
  if (!slot.weight)
    return llvm::Error::success();
  llvm::Expected<Tensor> whole = weights.whole(slot.weight->expression);
  if (whole && slot.weight->transposed)
    whole = compute::transpose(*whole, {1, 0});
  if (!whole)
    return whole.takeError();
  slot.tensor = std::move(*whole);
  slot.weight.reset();
  return llvm::Error::success();
}

/// Whether a computed tensor is what the graph says of the result.
static llvm::Error checkResult(const Tensor &tensor, mlir::Type type) {
  auto stated = llvm::dyn_cast<mlir::RankedTensorType>(type);
  if (!stated || !tensor)
    return llvm::Error::success();
  bool fits = tensor.rank() == stated.getRank();
  for (int64_t d = 0; fits && d < tensor.rank(); ++d)
    fits = stated.isDynamicDim(d) || stated.getDimSize(d) == tensor.dim(d);
  if (fits)
    return llvm::Error::success();
  std::string text;
  llvm::raw_string_ostream(text) << stated;
  return llvm::createStringError("computed " + compute::toString(tensor.shape()) + " where the graph states " + text);
}

/// Whether a kernel that takes `elements` takes this tensor as operand `i`.
static bool isTaken(const Tensor &tensor, Elements elements, size_t i) {
  if (!tensor || isNumeric(tensor.dtype()) || elements == Elements::Sequences)
    return true;
  bool takesStrings = elements == Elements::Strings || (elements == Elements::StringsFirst && i == 0);
  return takesStrings && tensor.dtype() == DType::String;
}

llvm::Expected<Tensors> Interpreter::runKernel(Operation *op, llvm::MutableArrayRef<Slot> operands) {
  const KernelEntry *kernel = registry().lookup(op);
  if (!kernel)
    return llvm::createStringError("there is no kernel for " + kindOf(op));
  auto node = llvm::dyn_cast<onnx::NodeOpInterface>(op);
  size_t inputs = node ? node.getNodeInputs().size() : operands.size();
  for (auto [i, operand] : llvm::enumerate(operands.take_front(inputs))) {
    if (llvm::is_contained(kernel->deferred, i))
      continue;
    if (llvm::Error error = makeTensor(operand))
      return error;
    if (!isTaken(operand.tensor, kernel->elements, i))
      return unsupported(kindOf(op) + " of a " + toString(operand.tensor.dtype()) + " cannot be computed");
  }
  KernelContext context(op, operands, options.precision, weights, this);
  llvm::Expected<Tensors> results = kernel->kernel(context);
  if (!results)
    return results;
  results->resize(op->getNumResults());
  for (auto [tensor, type] : llvm::zip(*results, op->getResultTypes()))
    if (llvm::Error error = checkResult(tensor, type))
      return error;
  return results;
}

llvm::Error Interpreter::runStep(Operation *op, Values &values) {
  if (llvm::isa<onnx::NoValueOp>(op))
    return llvm::Error::success();
  if (isDeferredOp(op)) {
    for (Value result : op->getResults())
      values[result].weight = WeightView{result};
    return llvm::Error::success();
  }
  llvm::SmallVector<Slot> operands;
  for (Value operand : op->getOperands())
    operands.push_back(values.lookup(operand));
  if (std::optional<WeightView> view = viewOfWeight(op, operands)) {
    values[op->getResult(0)].weight = view;
    return llvm::Error::success();
  }
  if (mlir::func::FuncOp callee = registry().lookup(op) ? nullptr : calleeOf(op)) {
    llvm::Expected<llvm::SmallVector<Slot>> results = runFunction(callee, operands);
    if (!results)
      return results.takeError();
    for (auto [value, result] : llvm::zip(op->getResults(), *results))
      values[value] = std::move(result);
  } else {
    llvm::Expected<Tensors> results = runKernel(op, operands);
    if (!results)
      return results.takeError();
    for (auto [value, result] : llvm::zip(op->getResults(), *results))
      values[value].tensor = std::move(result);
  }
  if (options.observe)
    for (Value result : op->getResults())
      if (const Tensor &tensor = values[result].tensor; tensor && isNumeric(tensor.dtype()))
        options.observe(result, tensor);
  return llvm::Error::success();
}

llvm::Expected<llvm::SmallVector<Slot>> Interpreter::runFunction(mlir::func::FuncOp function,
                                                                 llvm::ArrayRef<Slot> arguments) {
  if (depth >= options.maxDepth)
    return llvm::createStringError("functions and subgraphs are nested more than " + llvm::Twine(options.maxDepth) +
                                   " deep");
  llvm::SaveAndRestore<unsigned> nested(depth, depth + 1);
  const Plan &plan = planOf(function);
  Values values;
  for (auto [argument, slot] : llvm::zip(function.getArguments(), arguments))
    values[argument] = slot;
  for (const auto &[op, dying] : plan.steps) {
    if (llvm::Error error = runStep(op, values))
      return inOp(op, std::move(error));
    for (Value value : dying)
      values.erase(value);
  }
  llvm::SmallVector<Slot> results;
  for (Value result : plan.results)
    results.push_back(values.lookup(result));
  return results;
}

//===----------------------------------------------------------------------------===//
// Subgraphs
//===----------------------------------------------------------------------------===//

llvm::Expected<mlir::func::FuncOp> Interpreter::get(Operation *node, llvm::StringRef attribute) {
  mlir::OwningOpRef<mlir::ModuleOp> &module = subgraphs[{node, attribute.str()}];
  if (!module) {
    auto imported = importSubgraph(llvm::cast<onnx::NodeOpInterface>(node), attribute);
    if (!imported)
      return imported.takeError();
    module = std::move(*imported);
  }
  return module->lookupSymbol<mlir::func::FuncOp>("main");
}

llvm::Expected<Tensors> Interpreter::run(mlir::func::FuncOp subgraph, llvm::ArrayRef<Tensor> inputs,
                                         llvm::ArrayRef<Slot> captures) {
  if (inputs.size() + captures.size() != subgraph.getNumArguments())
    return llvm::createStringError("the subgraph has " +
                                   llvm::Twine(int64_t(subgraph.getNumArguments()) - int64_t(captures.size())) +
                                   " inputs, but the node gives it " + llvm::Twine(inputs.size()));
  llvm::SmallVector<Slot> arguments;
  for (const Tensor &input : inputs)
    arguments.push_back({input, std::nullopt});
  llvm::append_range(arguments, captures);
  llvm::Expected<llvm::SmallVector<Slot>> results = runFunction(subgraph, arguments);
  if (!results)
    return results.takeError();
  Tensors tensors;
  for (Slot &result : *results) {
    if (llvm::Error error = makeTensor(result))
      return error;
    tensors.push_back(std::move(result.tensor));
  }
  return tensors;
}

llvm::Error Interpreter::countIteration() {
  if (iterations++ < options.maxIterations)
    return llvm::Error::success();
  return llvm::createStringError("the model's loops run more than " + llvm::Twine(options.maxIterations) +
                                 " iterations, which is the limit");
}

/// An input in the precision, if it fits the argument.
static llvm::Expected<Slot> bindInput(const Tensor &input, mlir::BlockArgument argument, Precision precision) {
  auto type = llvm::dyn_cast<mlir::ShapedType>(argument.getType());
  std::optional<DType> stated = type ? param::getDType(type.getElementType()) : std::nullopt;
  std::string place = "input #" + std::to_string(argument.getArgNumber());
  if (!input)
    return llvm::createStringError(place + " is missing");
  if (stated && *stated != input.dtype() && !(isFloat(*stated) && isFloat(input.dtype())))
    return llvm::createStringError(place + " has elements of " + toString(input.dtype()) + ", expected " +
                                   toString(*stated));
  if (llvm::Error error = checkResult(input, argument.getType()))
    return llvm::createStringError(place + ": " + llvm::toString(std::move(error)));
  if (!isNumeric(input.dtype())) {
    if (!stated)
      return Slot{input, std::nullopt};
    return llvm::createStringError(place + " is a " + toString(input.dtype()) + ", expected elements of " +
                                   toString(*stated));
  }
  DType type64 = precision == Precision::F64 && isFloat(input.dtype()) ? DType::F64 : stated.value_or(input.dtype());
  return Slot{convert(input, type64), std::nullopt};
}

llvm::Expected<llvm::SmallVector<Tensor>> Interpreter::run(llvm::ArrayRef<Tensor> inputs) {
  if (llvm::Error error = check())
    return error;
  if (inputs.size() != entry.getNumArguments())
    return llvm::createStringError("expected " + llvm::Twine(entry.getNumArguments()) + " inputs, got " +
                                   llvm::Twine(inputs.size()));
  iterations = 0;
  llvm::SmallVector<Slot> arguments;
  for (auto [input, argument] : llvm::zip(inputs, entry.getArguments())) {
    llvm::Expected<Slot> slot = bindInput(input, argument, options.precision);
    if (!slot)
      return slot.takeError();
    arguments.push_back(std::move(*slot));
  }
  llvm::Expected<llvm::SmallVector<Slot>> results = runFunction(entry, arguments);
  if (!results)
    return results.takeError();
  llvm::SmallVector<Tensor> tensors;
  for (Slot &result : *results) {
    if (llvm::Error error = makeTensor(result))
      return error;
    tensors.push_back(std::move(result.tensor));
  }
  return tensors;
}

llvm::Expected<Tensors> Interpreter::runOp(Operation *op, llvm::ArrayRef<Tensor> operands) {
  llvm::SmallVector<Slot> slots;
  for (auto [value, operand] : llvm::zip(op->getOperands(), operands)) {
    if (!operand && param::isWeightExpression(value)) {
      slots.push_back({Tensor(), WeightView{value}});
      continue;
    }
    bool widens = operand && options.precision == Precision::F64 && isFloat(operand.dtype());
    slots.push_back({widens ? convert(operand, DType::F64) : operand, std::nullopt});
  }
  mlir::func::FuncOp callee = registry().lookup(op) ? nullptr : calleeOf(op);
  if (!callee) {
    llvm::Expected<Tensors> results = runKernel(op, slots);
    return results ? std::move(results) : inOp(op, results.takeError());
  }
  llvm::Expected<llvm::SmallVector<Slot>> results = runFunction(callee, slots);
  if (!results)
    return inOp(op, results.takeError());
  Tensors tensors;
  for (Slot &result : *results)
    tensors.push_back(std::move(result.tensor));
  return tensors;
}
