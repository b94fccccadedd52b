//===- CollectPlan.cpp - the launches of a module ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Buffers.h"
#include "Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

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

static std::string nameOfArgument(func::FuncOp function, unsigned number) {
  auto name = function.getArgAttrOfType<StringAttr>(number, onnx::OnnxDialect::nameAttrName);
  return name ? name.str() : "argument" + std::to_string(number);
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
  /// The argument's name in the graph, or "<node>.<op>.<number of the result>".
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

static SmallVector<StringRef> gemmOperandNames(Operation *op) {
  tile::GemmOperands operands = tile::getGemmOperands(op);
  SmallVector<StringRef> names;
  for (auto [value, name] : {std::pair(operands.input, "input"),
                             {operands.inputScale, "input_scale"},
                             {operands.weight, "weight"},
                             {operands.weightScale, "weight_scale"},
                             {operands.groupScales, "group_scales"},
                             {operands.bias, "bias"},
                             {operands.residual, "residual"}})
    if (value)
      names.push_back(name);
  return names;
}

/// What operands and then results are to their kernel, in order.
static SmallVector<StringRef> argumentNames(Operation *op) {
  using Names = SmallVector<StringRef>;
  auto [operands, results] =
      llvm::TypeSwitch<Operation *, std::pair<Names, Names>>(op)
          .Case([](tile::NormQuantOp) { return std::pair(Names{"input", "residual"}, Names{"codes", "scale", "sum"}); })
          .Case([](tile::SwigluQuantOp) { return std::pair(Names{"gate", "up"}, Names{"codes", "scale"}); })
          .Case([](tile::QuantOp) { return std::pair(Names{"input"}, Names{"codes", "scale"}); })
          .Case([](tile::SwigluOp) { return std::pair(Names{"gate", "up"}, Names{"result"}); })
          .Case([](tile::NormOp) { return std::pair(Names{"input", "residual"}, Names{"result", "sum"}); })
          .Case([](tile::EmbeddingOp) { return std::pair(Names{"ids", "table"}, Names{"result"}); })
          .Case([](tile::ArgMaxOp) { return std::pair(Names{"input"}, Names{"result"}); })
          .Case([](tile::TopKOp) { return std::pair(Names{"input"}, Names{"values", "indices"}); })
          .Default([](Operation *gemm) { return std::pair(gemmOperandNames(gemm), Names{"result"}); });
  operands.truncate(op->getNumOperands());
  results.truncate(op->getNumResults());
  operands.append(results);
  return operands;
}

//===----------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------===//

/// Parameters, empty results of optional inputs: nothing that runs.
static bool isBookkeeping(Operation &op) {
  return isa<param::LoadOp, onnx::NoValueOp>(op) || op.hasTrait<OpTrait::IsTerminator>() ||
         (op.getNumResults() && param::isWeightExpression(op.getResult(0)));
}

/// The value that a matrix product adds to its result, element by element as it stores that; or none.
static Value residualOf(Operation *op) {
  bool isGemm =
      isa<tile::GemmW4A4Op, tile::GemmW4A8Op, tile::GemmW8A8Op, tile::GemmW4A16Op, tile::GemmF16Op, tile::GemmDecodeOp>(
          op);
  return isGemm ? tile::getGemmOperands(op).residual : Value();
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
    auto add = [&](Value value, Kind kind) {
      kernel.arguments.push_back({kind, cast<RankedTensorType>(value.getType()), "", "", {}});
      launch.operands.push_back(kind == Kind::Weight ? PlannedOperand{kind, "", numberOfWeight(value)}
                                                     : PlannedOperand{kind, nameActivation(value)});
    };
    for (auto [position, operand] : llvm::enumerate(op->getOperands())) {
      bool isWeight = operand.getDefiningOp<param::LoadOp>() != nullptr;
      add(operand, isWeight ? Kind::Weight : Kind::Input);
      PlannedArgument &argument = kernel.arguments.back();
      argument.tensorMap = op.getTensorMap(position);
      if (std::optional<numerics::Layout> layout = op.getOperandLayout(position); layout && isWeight)
        argument.layout = layout->getName();
    }
    for (Value result : op->getResults())
      add(result, Kind::Result);
    for (auto [argument, name] : llvm::zip_equal(kernel.arguments, argumentNames(op)))
      argument.role = name;
    plan.kernels.insert({StringAttr::get(op->getContext(), launch.kernel), std::move(kernel)});
    phase.launches.push_back(std::move(launch));
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
      if (auto found = numbers.find(residualOf(value.getDefiningOp())); found != numbers.end())
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

Plan quantopt::collectPlan(ModuleOp module, int64_t maxRows) {
  Plan plan;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isDeclaration())
      continue;
    PlannedPhase phase = PhaseCollector(function, plan).run();
    if (phase.launches.empty())
      continue;
    auto limit = function->getAttrOfType<IntegerAttr>(tile::maxRowsAttrName);
    phase.maxRows = limit ? limit.getInt() : maxRows;
    plan.phases.push_back(std::move(phase));
  }
  return plan;
}

void quantopt::setWeightNames(Plan &plan, ArrayRef<std::string> names) {
  for (PlannedPhase &phase : plan.phases)
    for (PlannedLaunch &launch : phase.launches)
      for (PlannedOperand &operand : launch.operands)
        if (operand.kind == Kind::Weight)
          operand.name = names[operand.weight];
}
