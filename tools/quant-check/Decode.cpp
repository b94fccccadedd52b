//===- Decode.cpp - decoding through the cache against a prefill --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Check.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Interpreter.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::check;

namespace {

/// A decoder with caches, fed by the usual names of its inputs.
class Decoder {
public:
  Decoder(Model &model, interp::Precision precision);
  /// An error where inputs are not what a decoder has, or a cache has no result that continues it.
  llvm::Error bind();
  /// Results for tokens [begin, end) of the sequence, after what `caches` hold.
  llvm::Expected<llvm::SmallVector<Tensor>> run(int64_t begin, int64_t end, llvm::ArrayRef<Tensor> caches);
  /// The caches in results, in the order run() takes them.
  llvm::SmallVector<Tensor> cachesOf(llvm::ArrayRef<Tensor> results) const;
  /// Caches without a token.
  llvm::SmallVector<Tensor> emptyCaches() const;
  unsigned logits() const { return logitsResult; }

private:
  std::string nameOf(mlir::BlockArgument argument) const;
  std::optional<unsigned> resultCalled(llvm::StringRef name) const;
  static bool isCache(mlir::Type type);

  mlir::func::FuncOp function;
  interp::Interpreter interpreter;
  DType floats;
  /// For each cache argument, the result that is the cache afterwards.
  llvm::SmallVector<unsigned> cacheResults;
  unsigned logitsResult = 0;
};

} // namespace

static interp::InterpreterOptions withPrecision(interp::Precision precision) {
  interp::InterpreterOptions options;
  options.precision = precision;
  return options;
}

Decoder::Decoder(Model &model, interp::Precision precision)
    : function(model.function), interpreter(function, model.evaluator.get(), withPrecision(precision)),
      floats(precision == interp::Precision::F64 ? DType::F64 : DType::F32) {}

bool Decoder::isCache(mlir::Type type) {
  auto ranked = llvm::dyn_cast<mlir::RankedTensorType>(type);
  return ranked && ranked.getRank() == 4 && llvm::isa<mlir::FloatType>(ranked.getElementType()) &&
         !ranked.isDynamicDim(1) && ranked.isDynamicDim(2) && !ranked.isDynamicDim(3);
}

std::string Decoder::nameOf(mlir::BlockArgument argument) const {
  auto name = mlir::func::FuncOp(function).getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(),
                                                                              onnx::OnnxDialect::nameAttrName);
  return name ? name.str() : "";
}

std::optional<unsigned> Decoder::resultCalled(llvm::StringRef wanted) const {
  mlir::func::FuncOp op = function;
  for (unsigned i = 0; i < op.getNumResults(); ++i)
    if (auto name = op.getResultAttrOfType<mlir::StringAttr>(i, onnx::OnnxDialect::nameAttrName))
      if (name.getValue() == wanted)
        return i;
  return std::nullopt;
}

llvm::Error Decoder::bind() {
  if (llvm::Error error = interpreter.check())
    return error;
  logitsResult = resultCalled("logits").value_or(0);
  constexpr llvm::StringLiteral past = "past_key_values";
  for (mlir::BlockArgument argument : function.getArguments()) {
    if (!isCache(argument.getType()))
      continue;
    std::string name = nameOf(argument);
    if (size_t at = name.find(past); at != std::string::npos)
      name.replace(at, past.size(), "present");
    std::optional<unsigned> result = resultCalled(name);
    if (!result)
      return llvm::createStringError("no result '" + name + "' continues cache '" + nameOf(argument) + "'");
    cacheResults.push_back(*result);
  }
  if (cacheResults.empty())
    return llvm::createStringError("the model has no caches [batch, heads, length, head size]");
  return llvm::Error::success();
}

llvm::SmallVector<Tensor> Decoder::emptyCaches() const {
  llvm::SmallVector<Tensor> caches;
  for (mlir::BlockArgument argument : mlir::func::FuncOp(function).getArguments())
    if (isCache(argument.getType())) {
      auto type = llvm::cast<mlir::RankedTensorType>(argument.getType());
      caches.emplace_back(floats, llvm::ArrayRef<int64_t>{1, type.getDimSize(1), 0, type.getDimSize(3)});
    }
  return caches;
}

llvm::SmallVector<Tensor> Decoder::cachesOf(llvm::ArrayRef<Tensor> results) const {
  llvm::SmallVector<Tensor> caches;
  for (unsigned result : cacheResults)
    caches.push_back(results[result]);
  return caches;
}

/// Integers [1, end - begin] by position.
static Tensor row(int64_t begin, int64_t end, llvm::function_ref<int64_t(int64_t)> value) {
  Tensor tensor(DType::I64, {1, end - begin});
  for (int64_t i = begin; i < end; ++i)
    tensor.mutableData<int64_t>()[i - begin] = value(i);
  return tensor;
}

/// Some token of a vocabulary of at least 96.
static int64_t tokenAt(int64_t position) { return (position * position * 31 + position * 7 + 5) % 96; }

llvm::Expected<llvm::SmallVector<Tensor>> Decoder::run(int64_t begin, int64_t end, llvm::ArrayRef<Tensor> caches) {
  llvm::SmallVector<Tensor> inputs;
  for (mlir::BlockArgument argument : function.getArguments()) {
    std::string name = nameOf(argument);
    if (isCache(argument.getType())) {
      inputs.push_back(caches.front());
      caches = caches.drop_front();
    } else if (name == "input_ids") {
      inputs.push_back(row(begin, end, tokenAt));
    } else if (name == "position_ids") {
      inputs.push_back(row(begin, end, [](int64_t i) { return i; }));
    } else if (name == "attention_mask") {
      inputs.push_back(row(0, end, [](int64_t) { return 1; }));
    } else {
      return llvm::createStringError("input '" + name +
                                     "' is unknown; expected input_ids, attention_mask, position_ids and caches");
    }
  }
  return interpreter.run(inputs);
}

/// An error where `part` is not, bit for bit, positions [begin, begin + its length) of `whole` along `axis`.
static llvm::Error expectSame(const Tensor &part, const Tensor &whole, int64_t begin, int64_t axis,
                              const llvm::Twine &what) {
  llvm::Expected<Tensor> expected = compute::slice(whole, {begin}, {begin + part.dim(axis)}, {axis}, {1});
  if (!expected)
    return expected.takeError();
  if (expected->shape() == part.shape() && !std::memcmp(part.raw(), expected->raw(), part.sizeInBytes()))
    return llvm::Error::success();
  return llvm::createStringError(what + " differs from the prefill's: " + describe(compare(part, *expected)));
}

static llvm::Error compareSteps(Decoder &decoder, int64_t tokens, int64_t steps) {
  auto whole = decoder.run(0, tokens + steps, decoder.emptyCaches());
  if (!whole)
    return whole.takeError();
  llvm::SmallVector<Tensor> caches = decoder.emptyCaches();
  for (int64_t step = 0; step <= steps; ++step) {
    int64_t begin = step ? tokens + step - 1 : 0, end = tokens + step;
    auto results = decoder.run(begin, end, caches);
    if (!results)
      return results.takeError();
    if (llvm::Error error = expectSame((*results)[decoder.logits()], (*whole)[decoder.logits()], begin, 1,
                                       "'logits' of step " + llvm::Twine(step)))
      return error;
    caches = decoder.cachesOf(*results);
    for (auto [i, pair] : llvm::enumerate(llvm::zip(caches, decoder.cachesOf(*whole))))
      if (llvm::Error error = expectSame(std::get<0>(pair), std::get<1>(pair), 0, 2,
                                         "cache " + llvm::Twine(i) + " after step " + llvm::Twine(step)))
        return error;
  }
  return llvm::Error::success();
}

bool check::runDecode(llvm::StringRef modelPath, int64_t tokens, int64_t steps, interp::Precision precision) {
  llvm::Expected<Model> model = loadModel(modelPath);
  if (!model) {
    llvm::errs() << "error: " << llvm::toString(model.takeError()) << '\n';
    return false;
  }
  Decoder decoder(*model, precision);
  llvm::Error error = decoder.bind();
  if (!error)
    error = compareSteps(decoder, tokens, steps);
  if (error) {
    llvm::outs() << "FAILED " << modelPath << ": " << llvm::toString(std::move(error)) << '\n';
    return false;
  }
  llvm::outs() << "a prefill of " << tokens << " tokens and " << steps
               << " decode steps give the bits of one prefill, logits and caches\n";
  return true;
}
