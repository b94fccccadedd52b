//===- CollectPlan.cpp - the launches of a module ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Buffers.h"
#include "Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantopt;
using Kind = PlannedArgument::Kind;

int64_t quantopt::getColumns(RankedTensorType type) {
  return !type.getRank() || type.isDynamicDim(type.getRank() - 1) ? 1 : type.getDimSize(type.getRank() - 1);
}

int64_t quantopt::getRowBytes(RankedTensorType type) {
  DType dtype = *param::getDType(type.getElementType());
  int64_t columns = getColumns(type);
  bool isCodes = dtype == DType::I4 || dtype == DType::I8;
  return bytesInFile(dtype, isCodes ? numerics::Layout::getPaddedColumns(columns) : columns);
}

//===----------------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------------===//

/// What the step form calls an argument, or else its name in the graph.
static std::string nameOfArgument(func::FuncOp function, unsigned number) {
  for (StringRef attribute : {llm::inputAttrName, llm::stateAttrName, onnx::OnnxDialect::nameAttrName})
    if (auto name = function.getArgAttrOfType<StringAttr>(number, attribute))
      return name.str();
  return "argument" + std::to_string(number);
}

static std::string nameOfResult(func::FuncOp function, unsigned number) {
  auto name = function.getResultAttrOfType<StringAttr>(number, onnx::OnnxDialect::nameAttrName);
  return name ? name.str() : "result" + std::to_string(number);
}

namespace {
/// Names activations, each once and uniquely.
class ActivationNames {
public:
  StringAttr get(Value value) {
    StringAttr &name = names[value];
    if (name)
      return name;
    std::string wanted = describe(value), unique = wanted;
    for (unsigned number = 2; !taken.insert(unique).second; ++number)
      unique = wanted + "_" + std::to_string(number);
    return name = StringAttr::get(value.getContext(), unique);
  }

private:
  /// The argument's name, or "<node>.<op>.<number of the result>".
  static std::string describe(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return nameOfArgument(cast<func::FuncOp>(argument.getOwner()->getParentOp()), argument.getArgNumber());
    Operation *op = value.getDefiningOp();
    std::string name = (getNodeName(op) + "." + op->getName().stripDialect()).str();
    return op->getNumResults() == 1 ? name : name + "." + std::to_string(cast<OpResult>(value).getResultNumber());
  }

  llvm::DenseMap<Value, StringAttr> names;
  llvm::StringSet<> taken;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------===//

/// Parameters, empty results of optional inputs: nothing that runs.
static bool isBookkeeping(Operation &op) {
  return isa<param::LoadOp, onnx::NoValueOp>(op) || op.hasTrait<OpTrait::IsTerminator>() ||
         (op.getNumResults() && param::isWeightExpression(op.getResult(0)));
}

namespace {
/// Plans one function.
class PhaseCollector {
public:
  PhaseCollector(func::FuncOp function, Plan &plan) : function(function), plan(plan) {
    phase.name = function.getName();
  }

  PlannedPhase run() {
    for (Operation &op : function.getOps()) {
      if (auto kernel = dyn_cast<tile::KernelOpInterface>(op))
        addLaunch(kernel);
      else if (!isBookkeeping(op))
        plan.unlowered[op.getName().getIdentifier()].push_back(getNodeName(&op).str());
    }
    if (!phase.launches.empty()) {
      addInterface();
      placeBuffers();
    }
    return std::move(phase);
  }

private:
  void addLaunch(tile::KernelOpInterface op) {
    auto role = op->getAttrOfType<StringAttr>("llm.role");
    PlannedLaunch launch{op.getKernelName(), getNodeName(op).str(), role ? role.str() : "", {}};
    PlannedKernel kernel{op.getLaunch(), {}};
    for (auto [position, value, name] : llvm::enumerate(getParameters(op), getParameterNames(op))) {
      Kind kind = kindOf(op, position, value);
      PlannedArgument argument{kind, cast<RankedTensorType>(value.getType()), name.str(), "", {}};
      if (kind != Kind::Result)
        argument.tensorMap = op.getTensorMap(position);
      if (kind == Kind::Weight)
        if (std::optional<numerics::Layout> layout = op.getOperandLayout(position))
          argument.layout = layout->getName();
      kernel.arguments.push_back(std::move(argument));
      launch.operands.push_back(planOperand(kind, op, value));
    }
    bool looksAtOthers = kernel.launch.gridRows != tile::GridRows::Rows ||
                         llvm::any_of(launch.operands, [](const auto &operand) { return operand.kind == Kind::State; });
    plan.kernels.insert({StringAttr::get(op->getContext(), launch.kernel), std::move(kernel)});
    phase.launches.push_back(std::move(launch));
    if (looksAtOthers)
      phase.tail = phase.launches.size();
  }

  static Kind kindOf(Operation *op, unsigned position, Value value) {
    if (position >= op->getNumOperands())
      return Kind::Result;
    if (isCacheOperand(op, position))
      return Kind::State;
    return value.getDefiningOp<param::LoadOp>() ? Kind::Weight : Kind::Input;
  }

  PlannedOperand planOperand(Kind kind, Operation *op, Value value) {
    if (kind == Kind::Weight)
      return {kind, "", numberOfWeight(value)};
    return {kind, kind == Kind::State ? nameCache(op, value) : nameActivation(value)};
  }

  std::string nameCache(Operation *op, Value value) {
    StringAttr name = names.get(getMemory(value));
    tile::CacheAttr cache = getCache(op);
    plan.caches.insert({name, {cast<RankedTensorType>(value.getType()).getDimSize(1), cache.getLayout()}});
    return name.str();
  }

  size_t numberOfWeight(Value value) {
    StringAttr symbol = value.getDefiningOp<param::LoadOp>().getParamAttr().getAttr();
    auto found = plan.weights.insert({{symbol, cast<OpResult>(value).getResultNumber()}, value});
    return found.first - plan.weights.begin();
  }

  std::string nameActivation(Value value) {
    StringAttr name = names.get(value);
    if (phase.buffers.insert({name, {cast<RankedTensorType>(value.getType()), {}, ""}}).second)
      activations.insert(value);
    return name.str();
  }

  /// What the caller gives and takes of what kernels touch.
  void addInterface() {
    for (BlockArgument argument : function.getArguments())
      if (activations.contains(argument))
        phase.inputs.emplace_back(nameOfArgument(function, argument.getArgNumber()), names.get(argument).str());
    for (auto [number, value] : llvm::enumerate(function.front().getTerminator()->getOperands()))
      if (activations.contains(value))
        phase.outputs.emplace_back(nameOfResult(function, number), names.get(value).str());
  }

  bool isOfCaller(Value value) {
    return isa<BlockArgument>(value) || llvm::is_contained(function.front().getTerminator()->getOperands(), value);
  }

  void placeBuffers() {
    llvm::DenseMap<Operation *, int64_t> order;
    for (auto [number, op] : llvm::enumerate(function.getOps()))
      order[&op] = number;
    SmallVector<Value> placed;
    SmallVector<BufferRequest> requests;
    llvm::DenseMap<Value, size_t> numbers;
    for (Value value : activations) {
      if (isOfCaller(value))
        continue;
      int64_t begin = order.at(value.getDefiningOp()), end = begin;
      for (Operation *user : value.getUsers())
        end = std::max(end, order.at(user));
      std::optional<size_t> residual;
      if (auto found = numbers.find(getResidual(value.getDefiningOp())); found != numbers.end())
        residual = found->second;
      numbers[value] = requests.size();
      placed.push_back(value);
      requests.push_back({getRowBytes(cast<RankedTensorType>(value.getType())), begin, end, residual});
    }
    BufferPlan buffers = planBuffers(requests);
    phase.arenaRowBytes = buffers.rowBytes;
    for (auto [number, value] : llvm::enumerate(placed)) {
      PlannedBuffer &buffer = phase.buffers[names.get(value)];
      buffer.offset = buffers.offsets[number];
      if (buffers.isInPlace[number])
        buffer.inPlaceOf = names.get(placed[*requests[number].residual]).str();
    }
  }

  func::FuncOp function;
  Plan &plan;
  PlannedPhase phase;
  ActivationNames names;
  llvm::SetVector<Value> activations;
};
} // namespace

/// Of a module with caches: their layout, the rows of its tables of cos and sin, and the columns of what it returns.
static std::optional<PlannedModel> findModel(ModuleOp module, const Plan &plan) {
  std::optional<PlannedModel> model;
  module.walk([&](tile::RopeAppendOp op) {
    int64_t context = cast<RankedTensorType>(op.getCos().getType()).getDimSize(0);
    model = PlannedModel{context, /*vocabulary=*/0, /*isPaged=*/op.getPages() != nullptr};
  });
  for (const PlannedPhase &phase : plan.phases)
    for (const auto &[name, activation] : phase.outputs)
      if (model)
        model->vocabulary = getColumns(phase.buffers.lookup(StringAttr::get(module.getContext(), activation)).type);
  return model && model->vocabulary ? model : std::nullopt;
}

Plan quantopt::collectPlan(ModuleOp module, int64_t maxRows) {
  Plan plan;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isDeclaration())
      continue;
    PlannedPhase phase = PhaseCollector(function, plan).run();
    if (phase.launches.empty())
      continue;
    auto limit = function->getAttrOfType<IntegerAttr>(llm::maxRowsAttrName);
    phase.maxRows = limit ? limit.getInt() : maxRows;
    plan.phases.push_back(std::move(phase));
  }
  plan.model = findModel(module, plan);
  return plan;
}
