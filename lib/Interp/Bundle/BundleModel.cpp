//===- BundleModel.cpp - the model inside of a bundle, and its steps ----===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Bundle/BundleModel.h"
#include "mlir/Parser/Parser.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Interp/Diagnostics.h"
#include "quantopt/Support/FileAccess.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::interp;

llvm::Expected<OwningOpRef<ModuleOp>> interp::readBundleModel(StringRef path, MLIRContext &context) {
  auto text = mapReferenced(path);
  if (!text)
    return text.takeError();
  CollectedDiagnostics diagnostics(context);
  auto module = parseSourceString<ModuleOp>((*text)->getBuffer(), ParserConfig(&context), path);
  if (!module)
    return diagnostics.error("'" + path + "'");
  return module;
}

static StringRef nameOf(DictionaryAttr attributes, StringRef attribute) {
  auto name = attributes ? attributes.getAs<StringAttr>(attribute) : StringAttr();
  return name ? name.getValue() : "";
}

template <typename T> static Tensor makeTensor(DType dtype, ArrayRef<int64_t> shape, ArrayRef<T> values) {
  Tensor tensor(dtype, shape);
  llvm::copy(values, tensor.mutableData<T>().begin());
  return tensor;
}

llvm::Expected<SmallVector<Tensor>> interp::makeStepInputs(func::FuncOp function, const ModelStep &step) {
  int64_t sequences = step.padding.size(), tokens = int64_t(step.ids.size()) / sequences;
  std::vector<int32_t> words;
  for (uint32_t start : step.padding)
    words.insert(words.end(), {int32_t(step.past), int32_t(start), int32_t(tokens), 0});
  SmallVector<Tensor> inputs;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    DictionaryAttr attributes = function.getArgAttrDict(i);
    StringRef name = nameOf(attributes, llm::inputAttrName);
    auto cache = step.caches.find(nameOf(attributes, llm::stateAttrName));
    if (cache != step.caches.end())
      inputs.push_back(cache->second);
    else if (name == "ids")
      inputs.push_back(makeTensor(DType::I64, {sequences, tokens}, ArrayRef(step.ids)));
    else if (name == "sequences")
      inputs.push_back(makeTensor(DType::I32, {sequences, 4}, ArrayRef(words)));
    else if (name == "pages" && step.pages)
      inputs.push_back(step.pages);
    else
      return llvm::createStringError("argument #" + llvm::Twine(i) + " of @" + function.getName() +
                                     " is neither an input of a step nor a cache of it");
  }
  return inputs;
}

void interp::keepCaches(func::FuncOp function, ArrayRef<Tensor> results, llvm::StringMap<Tensor> &caches) {
  for (auto [i, result] : llvm::enumerate(results))
    if (StringRef name = nameOf(function.getResultAttrDict(i), llm::stateAttrName); !name.empty())
      caches[name] = result;
}
