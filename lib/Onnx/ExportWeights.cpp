//===- ExportWeights.cpp - parameters as initializers ---------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ExportWeights.h"
#include "Convert.h"
#include "EdgeNames.h"
#include "GraphView.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

using TensorProto = ::onnx::TensorProto;

/// Weights smaller than this are put into the model.
static constexpr uint64_t inlineLimit = 1024;
/// Alignment that the ONNX documentation asks of external data.
static constexpr uint64_t dataAlignment = 4096;

static SmallString<256> normalize(StringRef path) {
  SmallString<256> result(path);
  if (sys::fs::make_absolute(result))
    return result;
  sys::path::remove_dots(result, /*remove_dot_dot=*/true);
  return result;
}

bool quantopt::isSamePath(StringRef a, StringRef b) { return normalize(a) == normalize(b); }

WeightExporter::WeightExporter(ModuleOp module, StringRef outputPath) : symbols(module), outputPath(outputPath) {
  for (auto file : module.getOps<param::FileOp>())
    paths[file.getSymName()] = resolvePath(module, file.getPath());
  for (auto global : module.getOps<param::GlobalOp>())
    parameterNames.insert(EdgeNames::parameterName(global));
  module.walk([&](quantopt::onnx::ConstantOp constant) {
    if (constant->hasAttr(quantopt::onnx::OnnxDialect::initializerAttrName) && !constant.getOutputs().empty())
      parameterNames.insert(cast<StringAttr>(constant.getOutputs()[0]).getValue());
  });
  auto isTaken = [&](StringRef path) {
    return any_of(paths, [&](const auto &entry) { return isSamePath(entry.second, path); });
  };
  dataPath = (outputPath + ".data").str();
  for (unsigned number = 1; isTaken(dataPath); ++number)
    dataPath = (outputPath + "." + Twine(number) + ".data").str();
}

StringRef WeightExporter::pathOf(param::GlobalOp global) const { return paths.find(global.getFile())->second; }

TensorProto WeightExporter::describe(param::GlobalOp global) const {
  auto type = cast<RankedTensorType>(global.getType());
  TensorProto tensor;
  tensor.set_name(EdgeNames::parameterName(global).str());
  tensor.set_data_type(exportElementType(type.getElementType()));
  for (int64_t dim : type.getShape())
    tensor.add_dims(dim);
  return tensor;
}

std::optional<std::string> WeightExporter::locationOf(StringRef path) const {
  if (path.ends_with(".onnx"))
    return std::nullopt;
  StringRef folder = sys::path::parent_path(outputPath);
  std::string location = relativeTo(normalize(path), folder.empty() ? "." : folder);
  if (sys::path::is_absolute(location) || StringRef(location).starts_with(".."))
    return std::nullopt;
  return location;
}

Expected<Span> WeightExporter::copyToDataFile(param::GlobalOp global) {
  if (!dataFile) {
    auto file = OutputFile::create(dataPath);
    if (!file)
      return file.takeError();
    dataFile.emplace(std::move(*file));
  }
  auto begin = dataFile->align(dataAlignment);
  if (!begin)
    return begin.takeError();
  Span range = rangeOf(global);
  if (Error error = dataFile->copy(pathOf(global), range))
    return std::move(error);
  return Span{*begin, *begin + range.size()};
}

static void refer(TensorProto &tensor, StringRef location, Span range) {
  auto add = [&](StringRef key, const Twine &value) {
    auto *entry = tensor.add_external_data();
    entry->set_key(key.str());
    entry->set_value(value.str());
  };
  add("location", location);
  add("offset", Twine(range.begin));
  add("length", Twine(range.size()));
  tensor.set_data_location(TensorProto::EXTERNAL);
}

Expected<MessageBytes> WeightExporter::initializer(param::GlobalOp global) {
  TensorProto tensor = describe(global);
  Span range = rangeOf(global);
  StringRef path = pathOf(global);
  MessageBytes message;
  bool isInline = range.size() < inlineLimit || (path.ends_with(".onnx") && range.size() <= inlineBudget);
  if (isInline) {
    inlineBudget -= std::min(inlineBudget, range.size());
    message.append(tensor);
    std::string header;
    appendHeader(header, TensorProto::kRawDataFieldNumber, range.size());
    message.append(std::move(header));
    message.append(path, range);
    return message;
  }
  if (std::optional<std::string> location = locationOf(path)) {
    refer(tensor, *location, range);
  } else {
    auto copied = copyToDataFile(global);
    if (!copied)
      return copied.takeError();
    refer(tensor, sys::path::filename(dataPath), *copied);
  }
  message.append(tensor);
  return message;
}

Expected<TensorProto> WeightExporter::tensor(SymbolRefAttr symbol) {
  auto global = dyn_cast_or_null<param::GlobalOp>(lookup(symbol.getRootReference()));
  if (!global)
    return createStringError("no parameter is called '" + symbol.getRootReference().getValue() + "'");
  TensorProto tensor = describe(global);
  tensor.clear_name();
  Span range = rangeOf(global);
  auto file = openReferenced(pathOf(global));
  if (!file)
    return file.takeError();
  if (range.end > file->size())
    return createStringError("'" + pathOf(global) + "' ends before byte " + Twine(range.end) +
                             "; is the file complete?");
  std::string *raw = tensor.mutable_raw_data();
  raw->resize(range.size());
  if (Error error = file->read(range.begin, *raw))
    return createStringError("cannot read '" + pathOf(global) + "': " + toString(std::move(error)));
  return tensor;
}

Error WeightExporter::commit() { return dataFile ? dataFile->commit() : Error::success(); }
