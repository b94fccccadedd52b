//===- BundleModel.cpp - a bundle on a device ------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "BundleModel.h"

using namespace quantopt;
using namespace quantopt::eval;

llvm::Expected<std::unique_ptr<Model>> BundleModel::load(llvm::StringRef folder, llvm::StringRef device) {
  llvm::Expected<std::unique_ptr<runtime::Backend>> backend = runtime::createBackend(device);
  if (!backend)
    return backend.takeError();
  llvm::Expected<std::unique_ptr<runtime::Bundle>> bundle = runtime::Bundle::open(folder);
  if (!bundle)
    return bundle.takeError();
  auto result = std::make_unique<BundleModel>();
  result->folder = folder.str();
  if (llvm::Error error = runtime::Model::load(std::move(*bundle), std::move(*backend)).moveInto(result->model))
    return std::move(error);
  return result;
}

llvm::Error BundleModel::start(llvm::ArrayRef<int64_t> text) {
  ids = text.vec();
  if (session && session->context() >= ids.size()) {
    session->reset();
    return llvm::Error::success();
  }
  runtime::SessionOptions options;
  options.context = ids.size();
  return runtime::Session::create(*model, options).moveInto(session);
}

llvm::Expected<Tensor> BundleModel::logits(int64_t begin, int64_t count) {
  assert(begin == session->past() && "tokens of a text come in order");
  runtime::PromptBatch prompt;
  prompt.sequences = 1;
  prompt.tokens = count;
  prompt.ids.assign(ids.begin() + begin, ids.begin() + begin + count);
  llvm::Expected<std::vector<float>> values = session->prefill(prompt, runtime::LogitRows::All);
  if (!values)
    return llvm::createStringError(folder + ": " + llvm::toString(values.takeError()));
  Tensor logits(DType::F32, {count, session->vocabulary()});
  llvm::copy(*values, logits.mutableData<float>().begin());
  return logits;
}
