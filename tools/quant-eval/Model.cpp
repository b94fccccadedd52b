//===- Model.cpp - a model that predicts tokens -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Model.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Support/Npy.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::eval;

/// Weights of the body are used once per window, so keeping some of them saves nothing; that of the head is used for
/// every chunk of rows.
static constexpr uint64_t bodyCacheBytes = 0, headCacheBytes = uint64_t(256) << 20;

//===----------------------------------------------------------------------------===//
// Temporary files
//===----------------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<TemporaryFile>> TemporaryFile::create(StringRef suffix) {
  SmallString<128> name;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("quantopt", suffix, name))
    return llvm::createStringError(error, "cannot create a temporary file: " + error.message());
  auto file = std::make_unique<TemporaryFile>();
  file->name = name.str().str();
  llvm::sys::RemoveFileOnSignal(name);
  return file;
}

TemporaryFile::~TemporaryFile() {
  llvm::sys::fs::remove(name);
  llvm::sys::DontRemoveFileOnSignal(name);
}

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

namespace {
/// Turns what is reported while it lives into an error.
class Diagnostics {
public:
  explicit Diagnostics(MLIRContext &context)
      : handler(&context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
            return success();
          text += (text.empty() ? "" : "; ") + diagnostic.str();
          return success();
        }) {}
  llvm::Error error(const llvm::Twine &path) { return llvm::createStringError(path + ": " + text); }

private:
  std::string text;
  ScopedDiagnosticHandler handler;
};
} // namespace

llvm::Expected<std::unique_ptr<Model>> Model::load(StringRef path) {
  std::unique_ptr<Model> model(new Model());
  model->path = path.str();
  if (path.ends_with(".npy")) {
    llvm::Expected<Tensor> recorded = readNpy(path);
    if (!recorded)
      return recorded.takeError();
    if (recorded->rank() != 2 || !isFloat(recorded->dtype()))
      return llvm::createStringError(path + ": expected logits [tokens, vocabulary]");
    model->recorded = *recorded;
    return model;
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  model->context = std::make_unique<MLIRContext>(registry);
  model->context->loadAllAvailableDialects();
  llvm::Error error = path.ends_with(".onnx") ? model->importModel(path) : model->parseModel(path);
  if (error)
    return std::move(error);
  model->body = model->module->lookupSymbol<func::FuncOp>("main");
  if (!model->body)
    return llvm::createStringError(path + ": has no function @main");
  model->splitHead();
  model->evaluator = std::make_unique<param::WeightEvaluator>(*model->module, model->store);
  interp::InterpreterOptions options;
  options.weightCacheBytes = bodyCacheBytes;
  model->bodyInterpreter = std::make_unique<interp::Interpreter>(model->body, model->evaluator.get(), options);
  if (llvm::Error missing = model->bodyInterpreter->check())
    return llvm::createStringError(path + ": " + llvm::toString(std::move(missing)));
  options.weightCacheBytes = headCacheBytes;
  if (model->head)
    model->headInterpreter = std::make_unique<interp::Interpreter>(model->head, model->evaluator.get(), options);
  return model;
}

llvm::Error Model::importModel(StringRef path) {
  Diagnostics diagnostics(*context);
  module = importOnnx(path, *context);
  if (!module)
    return diagnostics.error(path);
  return recognize();
}

/// Layers run faster than their nodes. What is not recognised runs as nodes.
llvm::Error Model::recognize() {
  Diagnostics diagnostics(*context);
  PassManager manager(context.get());
  manager.addPass(createRecognizePass());
  return succeeded(manager.run(*module)) ? llvm::Error::success() : diagnostics.error(path);
}

llvm::Error Model::parseModel(StringRef path) {
  Diagnostics diagnostics(*context);
  module = parseSourceFile<ModuleOp>(path, ParserConfig(context.get()));
  return module ? computeWeights() : diagnostics.error(path);
}

/// Evaluating quantizers anew at each use would take most of the time.
llvm::Error Model::computeWeights() {
  Diagnostics diagnostics(*context);
  PassManager manager(context.get());
  manager.addPass(createParamHoistPass());
  if (failed(manager.run(*module)))
    return diagnostics.error(path);
  if (module->getOps<param::DerivedOp>().empty())
    return llvm::Error::success();
  auto file = TemporaryFile::create("weights");
  if (!file)
    return file.takeError();
  weights = std::move(*file);
  param::MaterializeOptions options;
  options.output = weights->path();
  return succeeded(param::materialize(*module, options)) ? llvm::Error::success() : diagnostics.error(path);
}

//===----------------------------------------------------------------------------===//
// The head
//===----------------------------------------------------------------------------===//

/// Collects the ops that a value is computed by, if no argument of the function is among what it depends on.
static bool collectConstant(Value value, llvm::SetVector<Operation *> &ops) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (ops.contains(op))
    return true;
  for (Value operand : op->getOperands())
    if (!collectConstant(operand, ops))
      return false;
  ops.insert(op);
  return true;
}

/// Whether an op multiplies its first operand, row by row.
static bool isProduct(Operation *op) {
  if (isa<llm::LinearOp>(op))
    return true;
  auto node = dyn_cast<onnx::NodeOpInterface>(op);
  return node && (node.isNode("MatMul") || node.isNode("MatMulNBits", "com.microsoft"));
}

/// Result number of the logits: the one of that name, or the first.
static unsigned logitsNumber(func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    auto name = function.getResultAttrOfType<StringAttr>(i, onnx::OnnxDialect::nameAttrName);
    if (name && name.getValue() == "logits")
      return i;
  }
  return 0;
}

/// Leaves one result of the body: the logits, or what the head makes them of.
void Model::splitHead() {
  Operation *terminator = body.getBody().front().getTerminator();
  Value result = terminator->getOperand(logitsNumber(body));
  Operation *product = result.getDefiningOp();
  llvm::SetVector<Operation *> constants;
  bool isSplit = product && isProduct(product) && llvm::all_of(product->getOperands().drop_front(), [&](Value value) {
                   return collectConstant(value, constants);
                 });
  if (isSplit) {
    Value states = product->getOperand(0);
    OpBuilder builder(body);
    builder.setInsertionPointAfter(body);
    head = func::FuncOp::create(builder, product->getLoc(), "quantopt_head",
                                builder.getFunctionType(states.getType(), result.getType()));
    builder.setInsertionPointToStart(head.addEntryBlock());
    IRMapping mapping;
    mapping.map(states, head.getArgument(0));
    for (Operation *op : constants)
      builder.clone(*op, mapping);
    Operation *clone = builder.clone(*product, mapping);
    func::ReturnOp::create(builder, product->getLoc(), clone->getResult(0));
    result = states;
  }
  terminator->setOperands(result);
  body.setFunctionType(FunctionType::get(body.getContext(), body.getArgumentTypes(), result.getType()));
  body.setResAttrsAttr(nullptr);
}

//===----------------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------------===//

llvm::Expected<SmallVector<Tensor>> Model::makeInputs(ArrayRef<int64_t> ids) {
  SmallVector<Tensor> inputs;
  int64_t count = ids.size();
  for (BlockArgument argument : body.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    auto name = body.getArgAttrOfType<StringAttr>(argument.getArgNumber(), onnx::OnnxDialect::nameAttrName);
    std::string label = name ? name.str() : argument.getArgNumber() ? "" : "input_ids";
    if (type && isa<FloatType>(type.getElementType()) && type.getRank() == 4 && type.isDynamicDim(2)) {
      DType dtype = *param::getDType(type.getElementType());
      inputs.push_back(Tensor::zeros(dtype, {1, type.getDimSize(1), 0, type.getDimSize(3)}));
      continue;
    }
    Tensor tensor(DType::I64, {1, count});
    if (label == "input_ids")
      llvm::copy(ids, tensor.mutableData<int64_t>().begin());
    else if (label == "attention_mask")
      llvm::fill(tensor.mutableData<int64_t>(), 1);
    else if (label == "position_ids")
      for (int64_t i = 0; i < count; ++i)
        tensor.mutableData<int64_t>()[i] = i;
    else
      return llvm::createStringError(path + ": input '" + label +
                                     "' is unknown; expected input_ids, attention_mask, position_ids and caches "
                                     "[batch, heads, length, head size]");
    inputs.push_back(tensor);
  }
  return inputs;
}

llvm::Expected<Tensor> Model::nextRecorded(int64_t count) {
  int64_t vocabulary = recorded.dim(1);
  if (used + count > recorded.dim(0))
    return llvm::createStringError(path + ": holds logits of " + llvm::Twine(recorded.dim(0)) + " tokens, expected " +
                                   llvm::Twine(used + count) + " or more");
  Tensor logits(recorded.dtype(), {1, count, vocabulary});
  uint64_t rowBytes = vocabulary * bytesInMemory(recorded.dtype());
  std::memcpy(logits.mutableRaw(), recorded.raw() + used * rowBytes, count * rowBytes);
  used += count;
  return logits;
}

llvm::Expected<Tensor> Model::run(ArrayRef<int64_t> ids) {
  if (recorded)
    return nextRecorded(ids.size());
  llvm::Expected<SmallVector<Tensor>> inputs = makeInputs(ids);
  if (!inputs)
    return inputs.takeError();
  llvm::Expected<SmallVector<Tensor>> results = bodyInterpreter->run(*inputs);
  if (!results)
    return llvm::createStringError(path + ": " + llvm::toString(results.takeError()));
  return results->front();
}

llvm::Expected<Tensor> Model::logits(const Tensor &states, int64_t begin, int64_t count) {
  int64_t width = states.dim(-1);
  Tensor rows(states.dtype(), {1, count, width});
  uint64_t rowBytes = width * bytesInMemory(states.dtype());
  std::memcpy(rows.mutableRaw(), states.raw() + begin * rowBytes, count * rowBytes);
  if (head) {
    llvm::Expected<SmallVector<Tensor>> results = headInterpreter->run(rows);
    if (!results)
      return llvm::createStringError(path + ": " + llvm::toString(results.takeError()));
    rows = results->front();
  }
  return convert(rows, DType::F32).reshaped({count, rows.dim(-1)});
}
