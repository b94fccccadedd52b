//===- Replay.cpp - nodes executed alone on what another runtime recorded ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Quantize.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/Interpreter.h"
#include "quantopt/Support/Npy.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <map>

using namespace quantopt;
using namespace quantopt::check;

namespace {

/// How near to the middle between two integers a value may be for either to be accepted.
constexpr double tieTolerance = 1e-5;

/// Tensors by the name of their value in the graph, read when they are asked for.
class Recording {
public:
  static llvm::Expected<Recording> open(llvm::StringRef folder);
  bool has(llvm::StringRef name) const { return files.contains(name); }
  /// Whether the tensor lies in the folder of another recording, which shares it.
  bool isElsewhere(llvm::StringRef name) const { return elsewhere.contains(name); }
  llvm::Expected<Tensor> read(llvm::StringRef name) const { return readNpy(files.find(name)->second); }

private:
  llvm::StringMap<std::string> files;
  llvm::StringSet<> elsewhere;
};

/// What was found of one operator.
struct Tally {
  unsigned nodes = 0, failures = 0;
  int64_t elements = 0, ties = 0;
  double worst = 0;
};

class Replay {
public:
  Replay(Model &model, const Recording &recording, double tolerance)
      : model(model), recording(recording), tolerance(tolerance),
        interpreter(model.function, model.evaluator.get(), {}) {}
  bool run();

private:
  std::string nameOf(mlir::Value value) const;
  bool isElsewhere(mlir::Operation *op) const;
  llvm::Expected<Tensor> recorded(mlir::Value value);
  llvm::Expected<Tensor> operandFor(mlir::Value value);
  llvm::Error replay(mlir::Operation *op, Tally &tally);
  llvm::Error compareResult(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, const Tensor &computed,
                            const Tensor &expected, Tally &tally);

  Model &model;
  const Recording &recording;
  double tolerance;
  interp::Interpreter interpreter;
};

} // namespace

llvm::Expected<Recording> Recording::open(llvm::StringRef folder) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, "index.json");
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return llvm::createStringError(path + ": " + file.getError().message());
  llvm::Expected<llvm::json::Value> json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return json.takeError();
  const llvm::json::Object *object = json->getAsObject();
  if (!object)
    return llvm::createStringError(path + ": expected an object from value names to files");
  Recording recording;
  for (const auto &[name, value] : *object) {
    std::optional<llvm::StringRef> relative = value.getAsString();
    if (!relative)
      return llvm::createStringError(path + ": expected a file for '" + name.str() + "'");
    llvm::SmallString<128> array(folder);
    llvm::sys::path::append(array, *relative);
    recording.files[name] = std::string(array);
    if (relative->starts_with(".."))
      recording.elsewhere.insert(name);
  }
  return recording;
}

/// The name of a value in the ONNX graph.
std::string Replay::nameOf(mlir::Value value) const {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    auto name =
        model.function.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), onnx::OnnxDialect::nameAttrName);
    return name ? name.str() : "";
  }
  auto node = value.getDefiningOp<onnx::NodeOpInterface>();
  if (!node || node.getOutputNames().empty())
    return "";
  return llvm::cast<mlir::StringAttr>(node.getOutputNames()[llvm::cast<mlir::OpResult>(value).getResultNumber()]).str();
}

/// The recorded tensor, in the type that the graph states: recordings hold 4-bit codes as 8-bit integers.
llvm::Expected<Tensor> Replay::recorded(mlir::Value value) {
  std::string name = nameOf(value);
  if (!recording.has(name))
    return llvm::createStringError("'" + name + "' was not recorded");
  llvm::Expected<Tensor> tensor = recording.read(name);
  if (!tensor)
    return tensor;
  auto type = llvm::dyn_cast<mlir::ShapedType>(value.getType());
  std::optional<DType> stated = type ? param::getDType(type.getElementType()) : std::nullopt;
  return convert(*tensor, stated.value_or(tensor->dtype()));
}

/// Whether a value depends on no input of the model.
static bool isConstant(mlir::Value value) {
  mlir::Operation *op = value.getDefiningOp();
  return op && (param::isWeightExpression(value) || llvm::all_of(op->getOperands(), isConstant));
}

/// A recorded operand; constants that were not recorded are computed, weights and omitted inputs are left to the
/// interpreter.
llvm::Expected<Tensor> Replay::operandFor(mlir::Value value) {
  if (llvm::isa<mlir::NoneType>(value.getType()) || param::isWeightExpression(value))
    return Tensor();
  if (recording.has(nameOf(value)) || !isConstant(value))
    return recorded(value);
  mlir::Operation *op = value.getDefiningOp();
  llvm::SmallVector<Tensor> operands;
  for (mlir::Value operand : op->getOperands()) {
    llvm::Expected<Tensor> tensor = operandFor(operand);
    if (!tensor)
      return tensor;
    operands.push_back(std::move(*tensor));
  }
  llvm::Expected<interp::Tensors> computed = interpreter.runOp(op, operands);
  if (!computed)
    return computed.takeError();
  return (*computed)[llvm::cast<mlir::OpResult>(value).getResultNumber()];
}

/// Whether x / scale (or x itself, for Round) is as good as in the middle between two integers, at each element whose
/// codes differ; counts them.
static llvm::Expected<bool> areTies(onnx::NodeOpInterface node, llvm::ArrayRef<Tensor> operands, const Tensor &computed,
                                    const Tensor &expected, int64_t &ties) {
  if (!node.isNode("QuantizeLinear") && !node.isNode("Round"))
    return false;
  Tensor quotient = convert(operands[0], DType::F64);
  if (node.isNode("QuantizeLinear")) {
    // x · (1 / scale): the layout of scales is the one dequantization knows.
    Tensor inverse(DType::F64, operands[1].shape());
    Tensor scale = convert(operands[1], DType::F64);
    for (auto [target, source] : llvm::zip(inverse.mutableData<double>(), scale.data<double>()))
      target = 1 / source;
    compute::ScaleLayout layout{node.getInt("axis", 1), node.getInt("block_size", 0)};
    Tensor ones = compute::fill(quotient.shape(), compute::scalar(1, DType::F64));
    llvm::Expected<Tensor> factors = compute::dequantizeLinear(ones, inverse, Tensor(), layout, DType::F64);
    if (!factors)
      return factors.takeError();
    for (auto [value, factor] : llvm::zip(quotient.mutableData<double>(), factors->data<double>()))
      value *= factor;
  }
  Tensor a = convert(computed, DType::F64), b = convert(expected, DType::F64);
  for (int64_t i = 0; i < a.numElements(); ++i) {
    if (a.data<double>()[i] == b.data<double>()[i])
      continue;
    double value = quotient.data<double>()[i], toTie = std::abs(value - std::floor(value) - 0.5);
    if (std::abs(a.data<double>()[i] - b.data<double>()[i]) != 1 || toTie > tieTolerance)
      return false;
    ++ties;
  }
  return true;
}

llvm::Error Replay::compareResult(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, const Tensor &computed,
                                  const Tensor &expected, Tally &tally) {
  if (computed.shape() != expected.shape())
    return llvm::createStringError("computed " + compute::toString(computed.shape()) + ", recorded " +
                                   compute::toString(expected.shape()));
  tally.elements += expected.numElements();
  Deviation deviation = compare(computed, expected);
  auto node = llvm::cast<onnx::NodeOpInterface>(op);
  bool isReal = isFloat(expected.dtype()) && !node.isNode("Round");
  if (isReal ? deviation.difference <= tolerance * deviation.largest : deviation.difference == 0) {
    tally.worst = std::max(tally.worst, deviation.relative());
    return llvm::Error::success();
  }
  llvm::Expected<bool> ties =
      isReal ? llvm::Expected<bool>(false) : areTies(node, operands, computed, expected, tally.ties);
  if (!ties)
    return ties.takeError();
  if (*ties)
    return llvm::Error::success();
  return llvm::createStringError(describe(deviation));
}

llvm::Error Replay::replay(mlir::Operation *op, Tally &tally) {
  llvm::SmallVector<Tensor> operands;
  for (mlir::Value operand : op->getOperands()) {
    llvm::Expected<Tensor> tensor = operandFor(operand);
    if (!tensor)
      return tensor.takeError();
    operands.push_back(std::move(*tensor));
  }
  llvm::Expected<interp::Tensors> computed = interpreter.runOp(op, operands);
  if (!computed)
    return computed.takeError();
  for (auto [value, tensor] : llvm::zip(op->getResults(), *computed)) {
    if (llvm::isa<mlir::NoneType>(value.getType()))
      continue;
    llvm::Expected<Tensor> expected = recorded(value);
    if (!expected)
      return expected.takeError();
    if (llvm::Error error = compareResult(op, operands, tensor, *expected, tally))
      return error;
  }
  return llvm::Error::success();
}

/// Whether all that a node computes is part of another recording, to be replayed with that one.
bool Replay::isElsewhere(mlir::Operation *op) const {
  return llvm::all_of(op->getResults(), [&](mlir::Value result) {
    return llvm::isa<mlir::NoneType>(result.getType()) || recording.isElsewhere(nameOf(result));
  });
}

bool Replay::run() {
  if (llvm::Error error = interpreter.check()) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
    return false;
  }
  std::map<std::string, Tally> tallies;
  unsigned nodes = 0, failures = 0, shared = 0;
  for (mlir::Operation &op : model.function.getBody().front().without_terminator()) {
    auto node = llvm::dyn_cast<onnx::NodeOpInterface>(&op);
    // Nodes without inputs compute nothing that could deviate.
    if (!node || op.getNumOperands() == 0)
      continue;
    if (isElsewhere(&op)) {
      ++shared;
      continue;
    }
    Tally &tally = tallies[node.getDomain().empty() ? node.getOpType().str() : node.getQualifiedType()];
    ++tally.nodes;
    ++nodes;
    if (llvm::Error error = replay(&op, tally)) {
      ++tally.failures;
      ++failures;
      llvm::outs() << "FAILED " << onnx::describeNode(&op) << ": " << llvm::toString(std::move(error)) << '\n';
    }
  }
  llvm::outs() << llvm::left_justify("operator", 44) << "  nodes  failed      elements   ties  worst deviation\n";
  for (const auto &[name, tally] : tallies)
    llvm::outs() << llvm::left_justify(name, 44)
                 << llvm::format("%7u %7u %13lld %6lld  %.1e\n", tally.nodes, tally.failures, (long long)tally.elements,
                                 (long long)tally.ties, tally.worst);
  llvm::outs() << nodes << " nodes replayed, " << failures << " failed";
  if (shared)
    llvm::outs() << "; " << shared << " whose results another recording holds";
  llvm::outs() << '\n';
  return failures == 0 && nodes > 0;
}

bool check::runReplay(llvm::StringRef modelPath, llvm::StringRef folder, double tolerance) {
  llvm::Expected<Model> model = loadModel(modelPath);
  if (!model) {
    llvm::errs() << "error: " << llvm::toString(model.takeError()) << '\n';
    return false;
  }
  llvm::Expected<Recording> recording = Recording::open(folder);
  if (!recording) {
    llvm::errs() << "error: " << llvm::toString(recording.takeError()) << '\n';
    return false;
  }
  return Replay(*model, *recording, tolerance).run();
}
