//===- InterpretedModel.cpp - a model in lib/Interp ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "InterpretedModel.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/OnnxToLlm/OnnxToLlm.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Bundle/BundleModel.h"
#include "quantopt/Interp/Compute/Types.h"
#include "quantopt/Interp/Diagnostics.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Support/Conversion.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"
#include <numeric>

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

llvm::Expected<std::unique_ptr<Model>> InterpretedModel::load(StringRef path) {
  std::unique_ptr<InterpretedModel> model(new InterpretedModel());
  model->path = path.str();
  DialectRegistry registry;
  registerAllDialects(registry);
  model->context = std::make_unique<MLIRContext>(registry);
  model->context->loadAllAvailableDialects();
  llvm::Error error = path.ends_with(".onnx") ? model->importModel(path) : model->parseModel(path);
  if (error)
    return std::move(error);
  for (StringRef name : {"main", "prefill"})
    if (!model->body)
      model->body = model->module->lookupSymbol<func::FuncOp>(name);
  if (!model->body)
    return llvm::createStringError(path + ": has neither a function @main nor @prefill");
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

llvm::Error InterpretedModel::importModel(StringRef path) {
  interp::CollectedDiagnostics diagnostics(*context);
  module = importOnnx(path, *context);
  if (!module)
    return diagnostics.error(path);
  return recognize();
}

/// Layers run faster than their nodes. What is not recognised runs as nodes.
llvm::Error InterpretedModel::recognize() {
  interp::CollectedDiagnostics diagnostics(*context);
  PassManager manager(context.get());
  manager.addPass(createRecognizePass());
  return succeeded(manager.run(*module)) ? llvm::Error::success() : diagnostics.error(path);
}

llvm::Error InterpretedModel::parseModel(StringRef path) {
  interp::CollectedDiagnostics diagnostics(*context);
  allowInput(path);
  module = parseSourceFile<ModuleOp>(path, ParserConfig(context.get()));
  return module ? computeWeights() : diagnostics.error(path);
}

/// Evaluating quantizers anew at each use would take most of the time.
llvm::Error InterpretedModel::computeWeights() {
  interp::CollectedDiagnostics diagnostics(*context);
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
void InterpretedModel::splitHead() {
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

/// Tokens in a page of the caches of a step form; a context without a table of pages is one page.
static int64_t pageTokensOf(func::FuncOp function) {
  int64_t tokens = 1;
  function.walk([&](tile::RopeAppendOp op) { tokens = op.getCache().getLayout().pageTokens; });
  return tokens;
}

/// Inputs of a graph for the ids as one sequence with nothing before it; what its arguments mean is found by dataflow.
llvm::Expected<SmallVector<Tensor>> InterpretedModel::makeGraphInputs(ArrayRef<int64_t> ids) {
  SmallVector<interp::InputRole> roles = interp::findInputRoles(body);
  SmallVector<Tensor> inputs = interp::makeDecoderInputs(body, {int64_t(ids.size()), 0, {0}});
  for (auto [role, input, argument] : llvm::zip_equal(roles, inputs, body.getArguments())) {
    bool isIds = role == interp::InputRole::TokenIds;
    if (!input || role == interp::InputRole::Other || (isIds && input.numElements() != int64_t(ids.size())))
      return llvm::createStringError(path + ": input '" + labelOf(argument) +
                                     "' is unknown; expected token ids, masks, positions, lengths and caches");
    Tensor numbers(DType::I64, input.shape());
    if (isIds)
      llvm::copy(ids, numbers.mutableData<int64_t>().begin());
    else if (role == interp::InputRole::KeptTokens)
      llvm::fill(numbers.mutableData<int64_t>(), ids.size());
    else
      continue;
    input = convert(numbers, input.dtype());
  }
  return inputs;
}

/// Inputs of a step form for the same: empty caches, the sequence, its pages.
llvm::Expected<SmallVector<Tensor>> InterpretedModel::makeStepInputs(ArrayRef<int64_t> ids) {
  int64_t count = ids.size(), pageTokens = pageTokensOf(body), pages = (count + pageTokens - 1) / pageTokens;
  llvm::StringMap<Tensor> caches;
  Tensor table;
  for (BlockArgument argument : body.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    if (auto state = body.getArgAttrOfType<StringAttr>(argument.getArgNumber(), llm::stateAttrName))
      caches[state] = Tensor::zeros(DType::U8, {pages, type.getDimSize(1), type.getDimSize(2)});
    if (labelOf(argument) != "pages")
      continue;
    table = Tensor::zeros(DType::I32, {1, type.isDynamicDim(1) ? pages : type.getDimSize(1)});
    if (pages > table.dim(1))
      return llvm::createStringError("a text of " + llvm::Twine(count) + " tokens is longer than the context of " +
                                     llvm::Twine(table.dim(1) * pageTokens));
    std::iota(table.mutableData<int32_t>().begin(), table.mutableData<int32_t>().begin() + pages, 0);
  }
  return interp::makeStepInputs(body, {ids.vec(), uint32_t(0), /*past=*/0, table, caches});
}

/// The name of an argument: that of the step form, or else the exporter's.
std::string InterpretedModel::labelOf(BlockArgument argument) {
  unsigned number = argument.getArgNumber();
  for (StringRef attribute : {StringRef(llm::inputAttrName), StringRef(onnx::OnnxDialect::nameAttrName)})
    if (auto name = body.getArgAttrOfType<StringAttr>(number, attribute))
      return name.str();
  return "#" + std::to_string(number);
}

llvm::Expected<SmallVector<Tensor>> InterpretedModel::makeInputs(ArrayRef<int64_t> ids) {
  bool isStepForm = llvm::any_of(body.getArguments(), [&](BlockArgument argument) {
    return bool(body.getArgAttr(argument.getArgNumber(), llm::inputAttrName));
  });
  if (!isStepForm)
    return makeGraphInputs(ids);
  llvm::Expected<SmallVector<Tensor>> inputs = makeStepInputs(ids);
  if (!inputs)
    return llvm::createStringError(path + ": " + llvm::toString(inputs.takeError()));
  return inputs;
}

llvm::Error InterpretedModel::start(ArrayRef<int64_t> ids) {
  llvm::Expected<SmallVector<Tensor>> inputs = makeInputs(ids);
  if (!inputs)
    return inputs.takeError();
  llvm::Expected<SmallVector<Tensor>> results = bodyInterpreter->run(*inputs);
  if (!results)
    return llvm::createStringError(path + ": " + llvm::toString(results.takeError()));
  states = results->front().reshaped({int64_t(ids.size()), results->front().dim(-1)});
  return llvm::Error::success();
}

llvm::Expected<Tensor> InterpretedModel::logits(int64_t begin, int64_t count) {
  Tensor rows = copyRows(states, begin, count);
  if (!head)
    return convert(rows, DType::F32);
  llvm::Expected<SmallVector<Tensor>> results = headInterpreter->run(rows.reshaped({1, count, states.dim(1)}));
  if (!results)
    return llvm::createStringError(path + ": " + llvm::toString(results.takeError()));
  return convert(results->front(), DType::F32).reshaped({count, results->front().dim(-1)});
}
