//===- Companions.cpp - what lies beside a model's weights ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Target/Common/Companions.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantopt;
namespace path = llvm::sys::path;

static llvm::Error copyFile(StringRef from, StringRef to) {
  auto bytes = mapReferenced(from);
  if (!bytes)
    return bytes.takeError();
  return llvm::writeToOutput(to, [&](llvm::raw_ostream &stream) {
    stream << (*bytes)->getBuffer();
    return llvm::Error::success();
  });
}

LogicalResult quantopt::copyCompanions(ModuleOp module, StringRef folder) {
  auto model = module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::sourceAttrName);
  auto source = model ? model.getAs<StringAttr>("path") : StringAttr();
  if (!source)
    return success();
  std::string sourcePath = resolvePath(module, source.getValue());
  SmallString<256> from(path::parent_path(sourcePath)), to(folder);
  for (StringRef name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"}) {
    SmallString<256> original(from), target(to);
    path::append(original, name);
    path::append(target, name);
    if (!llvm::sys::fs::exists(original) || llvm::sys::fs::equivalent(original, target))
      continue;
    if (llvm::Error error = copyFile(original, target))
      return module.emitError() << "cannot copy '" << original << "' to '" << target
                                << "': " << llvm::toString(std::move(error));
  }
  return success();
}
