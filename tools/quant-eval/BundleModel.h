//===- BundleModel.h - a bundle on a device --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_QUANTEVAL_BUNDLEMODEL_H
#define QUANTOPT_TOOLS_QUANTEVAL_BUNDLEMODEL_H

#include "Model.h"
#include "quantopt/Runtime/Model.h"

namespace quantopt::eval {

/// A bundle, executed by lib/Runtime. Logits are computed as they are asked for: each time, tokens are appended to the
/// caches.
class BundleModel : public Model {
public:
  /// `device`: "interpreter" or "cuda:N".
  static llvm::Expected<std::unique_ptr<Model>> load(llvm::StringRef folder, llvm::StringRef device);

  llvm::Error start(llvm::ArrayRef<int64_t> ids) override;
  llvm::Expected<Tensor> logits(int64_t begin, int64_t count) override;

private:
  std::string folder;
  std::unique_ptr<runtime::Model> model;
  /// For texts of as many tokens as the first one has.
  std::unique_ptr<runtime::Session> session;
  std::vector<int64_t> ids;
};

} // namespace quantopt::eval

#endif // QUANTOPT_TOOLS_QUANTEVAL_BUNDLEMODEL_H
