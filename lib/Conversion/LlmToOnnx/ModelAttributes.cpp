//===- ModelAttributes.cpp - what a module says of the model as a whole -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ModelAttributes.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"

using namespace mlir;
using namespace quantopt;

static constexpr llvm::StringLiteral opsetImports = "opset_imports", irVersionName = "ir_version",
                                     metadataName = "metadata_props", standardDomain = "ai.onnx";

static NamedAttrList getModel(ModuleOp module) {
  return NamedAttrList(module->getAttrOfType<DictionaryAttr>(onnx::OnnxDialect::modelAttrName));
}
static NamedAttrList getEntry(const NamedAttrList &model, StringRef name) {
  return NamedAttrList(dyn_cast_or_null<DictionaryAttr>(model.get(name)));
}
static void setModel(ModuleOp module, NamedAttrList &model) {
  module->setAttr(onnx::OnnxDialect::modelAttrName, model.getDictionary(module.getContext()));
}

std::optional<int64_t> quantopt::getModelOpset(ModuleOp module) {
  auto opset = dyn_cast_or_null<IntegerAttr>(getEntry(getModel(module), opsetImports).get(standardDomain));
  return opset ? std::optional<int64_t>(opset.getInt()) : std::nullopt;
}

void quantopt::setModelVersions(ModuleOp module, int64_t opset, int64_t irVersion) {
  Builder builder(module.getContext());
  NamedAttrList model = getModel(module), imports = getEntry(model, opsetImports);
  imports.set(standardDomain, builder.getI64IntegerAttr(opset));
  module.walk([&](onnx::NodeOpInterface node) {
    if (!node.getDomain().empty() && !imports.get(node.getDomain()))
      imports.set(node.getDomain(), builder.getI64IntegerAttr(1));
  });
  model.set(opsetImports, imports.getDictionary(module.getContext()));
  if (auto known = dyn_cast_or_null<IntegerAttr>(model.get(irVersionName)))
    irVersion = std::max(irVersion, known.getInt());
  model.set(irVersionName, builder.getI64IntegerAttr(irVersion));
  setModel(module, model);
}

void quantopt::setModelMetadata(ModuleOp module, StringRef key, StringRef value) {
  Builder builder(module.getContext());
  NamedAttrList model = getModel(module), metadata = getEntry(model, metadataName);
  metadata.set(key, builder.getStringAttr(value));
  model.set(metadataName, metadata.getDictionary(module.getContext()));
  setModel(module, model);
}
