//===- Model.cpp - a model that predicts tokens ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Model.h"
#include "BundleModel.h"
#include "InterpretedModel.h"
#include "quantopt/Support/Conversion.h"
#include "quantopt/Support/Npy.h"
#include "llvm/Support/FileSystem.h"

using namespace quantopt;
using namespace quantopt::eval;
using llvm::StringRef;

Model::~Model() = default;

Tensor eval::copyRows(const Tensor &tensor, int64_t begin, int64_t count) {
  Tensor rows(tensor.dtype(), {count, tensor.dim(1)});
  uint64_t rowBytes = tensor.dim(1) * bytesInMemory(tensor.dtype());
  std::memcpy(rows.mutableRaw(), tensor.raw() + begin * rowBytes, count * rowBytes);
  return rows;
}

namespace {
/// Logits of a .npy file, of which the first tokens have been compared.
class RecordedModel : public Model {
public:
  static llvm::Expected<std::unique_ptr<Model>> load(StringRef path);
  llvm::Error start(llvm::ArrayRef<int64_t> ids) override;
  llvm::Expected<Tensor> logits(int64_t begin, int64_t count) override;

private:
  std::string path;
  Tensor recorded;
  /// Tokens of the texts before, and of this one.
  int64_t first = 0, length = 0;
};
} // namespace

llvm::Expected<std::unique_ptr<Model>> RecordedModel::load(StringRef path) {
  llvm::Expected<Tensor> recorded = readNpy(path);
  if (!recorded)
    return recorded.takeError();
  if (recorded->rank() != 2 || !isFloat(recorded->dtype()))
    return llvm::createStringError(path + ": expected logits [tokens, vocabulary]");
  auto model = std::make_unique<RecordedModel>();
  model->path = path.str();
  model->recorded = *recorded;
  return model;
}

llvm::Error RecordedModel::start(llvm::ArrayRef<int64_t> ids) {
  first += length;
  length = ids.size();
  if (first + length > recorded.dim(0))
    return llvm::createStringError(path + ": holds logits of " + llvm::Twine(recorded.dim(0)) + " tokens, expected " +
                                   llvm::Twine(first + length) + " or more");
  return llvm::Error::success();
}

llvm::Expected<Tensor> RecordedModel::logits(int64_t begin, int64_t count) {
  return convert(copyRows(recorded, first + begin, count), DType::F32);
}

llvm::Expected<std::unique_ptr<Model>> Model::load(StringRef path, StringRef device) {
  if (path.ends_with(".npy"))
    return RecordedModel::load(path);
  if (!llvm::sys::fs::is_directory(path))
    return InterpretedModel::load(path);
  if (device == "reference")
    return InterpretedModel::load((path + "/model.mlir").str());
  return BundleModel::load(path, device);
}
