//===- Plan.cpp - what a bundle launches, as plan.json says it --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace quantopt;
namespace json = llvm::json;

static constexpr int64_t planVersion = 1;

//===----------------------------------------------------------------------------===//
// Collection
//===----------------------------------------------------------------------------===//

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
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
      auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), onnx::OnnxDialect::nameAttrName);
      return name ? name.str() : "argument" + std::to_string(argument.getArgNumber());
    }
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

static PlannedLaunch planLaunch(tile::KernelOpInterface op, Plan &plan, ActivationNames &names) {
  using Kind = PlannedArgument::Kind;
  auto role = op->getAttrOfType<StringAttr>("llm.role");
  PlannedLaunch launch{op.getKernelName(), getNodeName(op).str(), role ? role.str() : "", {}};
  auto addActivation = [&](Value value, Kind kind) {
    auto type = cast<RankedTensorType>(value.getType());
    StringAttr name = names.get(value);
    plan.activations.insert({name, type});
    launch.arguments.push_back({kind, type, "", name.str(), 0, ""});
  };
  for (auto [position, operand] : llvm::enumerate(op->getOperands())) {
    if (!operand.getDefiningOp<param::LoadOp>()) {
      addActivation(operand, Kind::Input);
      continue;
    }
    plan.weights.insert(operand);
    unsigned number = llvm::find(plan.weights, operand) - plan.weights.begin();
    std::optional<numerics::Layout> layout = op.getOperandLayout(position);
    launch.arguments.push_back(
        {Kind::Weight, cast<RankedTensorType>(operand.getType()), "", "", number, layout ? layout->getName() : ""});
  }
  for (auto [position, argument] : llvm::enumerate(launch.arguments))
    argument.tensorMap = op.getTensorMap(position);
  for (Value result : op->getResults())
    addActivation(result, Kind::Result);
  for (auto [argument, name] : llvm::zip_equal(launch.arguments, argumentNames(op)))
    argument.role = name;
  return launch;
}

Plan quantopt::collectPlan(ModuleOp module) {
  Plan plan;
  ActivationNames names;
  for (auto function : module.getOps<func::FuncOp>())
    for (Operation &op : function.getOps()) {
      if (auto kernel = dyn_cast<tile::KernelOpInterface>(op)) {
        plan.launches.push_back(planLaunch(kernel, plan, names));
        const PlannedLaunch &launch = plan.launches.back();
        plan.kernels.insert({StringAttr::get(op.getContext(), launch.kernel), {kernel.getLaunch(), launch.arguments}});
        continue;
      }
      bool isBookkeeping = isa<param::LoadOp, onnx::NoValueOp>(op) || op.hasTrait<OpTrait::IsTerminator>() ||
                           (op.getNumResults() && param::isWeightExpression(op.getResult(0)));
      if (!isBookkeeping)
        plan.unlowered[op.getName().getIdentifier()].push_back(getNodeName(&op).str());
    }
  return plan;
}

void quantopt::setWeightNames(Plan &plan, ArrayRef<std::string> names) {
  for (PlannedLaunch &launch : plan.launches)
    for (PlannedArgument &argument : launch.arguments)
      if (argument.kind == PlannedArgument::Kind::Weight)
        argument.name = names[argument.weight];
}

//===----------------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------------===//

/// Elements of one row: the last dimension, unless that is one of rows too (token ids).
static int64_t columnsOf(RankedTensorType type) {
  return !type.getRank() || type.isDynamicDim(type.getRank() - 1) ? 1 : type.getDimSize(type.getRank() - 1);
}

static int64_t rowBytesOf(RankedTensorType type) {
  DType dtype = *param::getDType(type.getElementType());
  int64_t columns = columnsOf(type);
  bool isCodes = dtype == DType::I4 || dtype == DType::I8;
  return bytesInFile(dtype, isCodes ? numerics::Layout::getPaddedColumns(columns) : columns);
}

static StringRef dtypeOf(RankedTensorType type) { return toString(*param::getDType(type.getElementType())); }

static json::Array shapeOf(RankedTensorType type) {
  json::Array shape;
  for (int64_t dim : type.getShape())
    shape.push_back(ShapedType::isDynamic(dim) ? json::Value(nullptr) : json::Value(dim));
  return shape;
}

static void write(json::OStream &writer, const PlannedArgument &argument) {
  static constexpr const char *kinds[] = {"input", "weight", "result"};
  writer.object([&] {
    writer.attribute("name", argument.role);
    writer.attribute("is", kinds[size_t(argument.kind)]);
    writer.attribute("dtype", dtypeOf(argument.type));
    if (const std::optional<tile::TensorMapPlan> &map = argument.tensorMap)
      writer.attribute("tensor_map", json::Object{{"row_bytes", map->rowBytes},
                                                  {"box", json::Array{map->boxBytes, map->boxRows}},
                                                  {"swizzle", map->swizzleBytes}});
    if (argument.kind != PlannedArgument::Kind::Weight) {
      writer.attribute("columns", columnsOf(argument.type));
      writer.attribute("row_bytes", rowBytesOf(argument.type));
      return;
    }
    writer.attribute("shape", shapeOf(argument.type));
    if (!argument.layout.empty())
      writer.attribute("layout", argument.layout);
  });
}

static void write(json::OStream &writer, StringRef name, const PlannedKernel &kernel) {
  const tile::Launch &launch = kernel.launch;
  writer.object([&] {
    writer.attribute("name", name);
    writer.attribute("block", launch.threads);
    writer.attribute("dynamic_shared_bytes", launch.dynamicSharedBytes);
    writer.attribute("grid", json::Object{{"x", launch.gridX}, {"rows_per_block", launch.rowsPerBlock}});
    writer.attributeArray("arguments", [&] {
      for (const PlannedArgument &argument : kernel.arguments)
        write(writer, argument);
      writer.value(json::Object{{"name", "rows"}, {"is", "rows"}, {"dtype", "ui32"}});
    });
  });
}

static void write(json::OStream &writer, const PlannedLaunch &launch) {
  writer.object([&] {
    writer.attribute("kernel", launch.kernel);
    writer.attribute("node", json::fixUTF8(launch.node));
    if (!launch.role.empty())
      writer.attribute("role", launch.role);
    writer.attributeArray("arguments", [&] {
      for (const PlannedArgument &argument : launch.arguments)
        writer.value(json::Object{
            {argument.kind == PlannedArgument::Kind::Weight ? "weight" : "activation", json::fixUTF8(argument.name)}});
    });
  });
}

static void write(json::OStream &writer, RankedTensorType activation) {
  writer.object([&] {
    writer.attribute("dtype", dtypeOf(activation));
    writer.attribute("shape", shapeOf(activation));
    writer.attribute("row_bytes", rowBytesOf(activation));
  });
}

static void write(json::OStream &writer, StringRef op, ArrayRef<std::string> nodes) {
  writer.object([&] {
    writer.attribute("op", op);
    writer.attribute("count", int64_t(nodes.size()));
    writer.attributeArray("nodes", [&] {
      for (const std::string &node : nodes)
        writer.value(json::fixUTF8(node));
    });
  });
}

std::string quantopt::printPlan(const Plan &plan) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::OStream writer(stream, /*IndentSize=*/1);
  writer.object([&] {
    writer.attribute("format", "quantopt-bundle");
    writer.attribute("version", planVersion);
    writer.attribute("arch", plan.arch);
    writer.attribute("ptx_version", plan.ptxVersion);
    writer.attribute("max_rows", plan.maxRows ? json::Value(plan.maxRows) : json::Value(nullptr));
    writer.attributeObject("files", [&] {
      for (const auto &[name, digest] : plan.files)
        writer.attribute(name, json::Object{{"bytes", digest.bytes}, {"sha256", digest.sha256}});
    });
    writer.attributeArray("kernels", [&] {
      for (const auto &[name, kernel] : plan.kernels)
        write(writer, name.getValue(), kernel);
    });
    writer.attributeArray("launches", [&] {
      for (const PlannedLaunch &launch : plan.launches)
        write(writer, launch);
    });
    writer.attributeObject("activations", [&] {
      for (const auto &[name, type] : plan.activations) {
        writer.attributeBegin(json::fixUTF8(name.getValue()));
        write(writer, type);
        writer.attributeEnd();
      }
    });
    writer.attributeArray("unlowered", [&] {
      for (const auto &[name, nodes] : plan.unlowered)
        write(writer, name.getValue(), nodes);
    });
  });
  return text + "\n";
}
