//===- QuantizerRegistry.cpp - weight quantizers by name -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Quantizer.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt::numerics;

static llvm::Error invalid(llvm::StringRef name, llvm::StringRef value, llvm::StringRef expected) {
  return llvm::createStringError("quantizer option '" + name + "' must be " + expected + ", got '" + value + "'");
}

static llvm::Error readInteger(llvm::StringRef name, llvm::StringRef text, int64_t least, int64_t greatest,
                               int64_t &value) {
  if (!text.getAsInteger(10, value) && value >= least && value <= greatest)
    return llvm::Error::success();
  return invalid(name, text, "an integer from " + std::to_string(least) + " to " + std::to_string(greatest));
}

static llvm::Error readOption(llvm::StringRef name, llvm::StringRef text, WeightQuantizerOptions &options) {
  if (name == "bits")
    return readInteger(name, text, 2, 8, options.bits);
  if (name == "group_size")
    return readInteger(name, text, 0, INT64_MAX, options.groupSize);
  if (name == "clip_steps")
    return readInteger(name, text, 0, 100, options.clipSteps);
  if (name == "clip_norm") {
    if (text.getAsDouble(options.clipNorm) || !(options.clipNorm >= 1 && options.clipNorm <= 4))
      return invalid(name, text, "a number from 1 to 4");
    return llvm::Error::success();
  }
  if (name == "symmetric") {
    if (text != "true" && text != "false")
      return invalid(name, text, "'true' or 'false'");
    options.symmetric = text == "true";
    return llvm::Error::success();
  }
  return llvm::createStringError("unknown quantizer option '" + name +
                                 "'; expected bits, symmetric, group_size, clip_steps or clip_norm");
}

llvm::Expected<WeightQuantizerOptions>
quantopt::numerics::parseWeightQuantizerOptions(const QuantizerOptions &dictionary) {
  WeightQuantizerOptions options;
  for (const auto &entry : dictionary)
    if (llvm::Error error = readOption(entry.getKey(), entry.getValue(), options))
      return std::move(error);
  return options;
}

static llvm::Expected<std::unique_ptr<WeightQuantizer>> createRtn(const QuantizerOptions &dictionary) {
  llvm::Expected<WeightQuantizerOptions> options = parseWeightQuantizerOptions(dictionary);
  if (!options)
    return options.takeError();
  return makeRtnQuantizer(*options);
}

QuantizerRegistry &QuantizerRegistry::global() {
  static QuantizerRegistry *registry = [] {
    auto *created = new QuantizerRegistry;
    created->add("rtn", createRtn);
    return created;
  }();
  return *registry;
}

void QuantizerRegistry::add(llvm::StringRef name, WeightQuantizerFactory factory) {
  factories[name] = std::move(factory);
}

llvm::Expected<std::unique_ptr<WeightQuantizer>> QuantizerRegistry::create(llvm::StringRef name,
                                                                           const QuantizerOptions &options) const {
  auto found = factories.find(name);
  if (found != factories.end())
    return found->second(options);
  llvm::SmallVector<llvm::StringRef> names(factories.keys());
  llvm::sort(names);
  return llvm::createStringError("unknown quantizer '" + name + "'; there are: " + llvm::join(names, ", "));
}
