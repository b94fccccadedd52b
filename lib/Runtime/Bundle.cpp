//===- Bundle.cpp - a bundle's files, checked -----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Bundle.h"
#include "quantopt/Support/FileAccess.h"
#include "quantopt/Support/Json.h"
#include "quantopt/Support/Parallel.h"
#include "quantopt/Weights/Safetensors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"

using namespace quantopt;
using namespace quantopt::runtime;
namespace fs = llvm::sys::fs;

static constexpr llvm::StringLiteral kernelsName = "kernels.ptx", weightsName = "weights.safetensors";

static llvm::Error fileError(llvm::StringRef file, const llvm::Twine &what) {
  return llvm::createStringError("'" + file + "': " + what);
}

/// The bytes of a file of the bundle; a file of no bytes cannot be mapped and gives an empty region.
static llvm::Expected<fs::mapped_file_region> mapFile(llvm::StringRef folder, llvm::StringRef name) {
  llvm::Expected<ReadableFile> file = openBelow(folder, name);
  if (!file)
    return file.takeError();
  std::error_code code;
  fs::mapped_file_region region;
  if (file->size())
    region = fs::mapped_file_region(file->descriptor(), fs::mapped_file_region::readonly, file->size(), 0, code);
  if (code)
    return fileError((folder + "/" + name).str(), code.message());
  return region;
}

static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> readFile(llvm::StringRef folder, llvm::StringRef name) {
  llvm::Expected<ReadableFile> file = openBelow(folder, name);
  if (!file)
    return file.takeError();
  return file->map((folder + "/" + name).str());
}

/// Whether `bytes` are those that the plan describes.
static llvm::Error compare(llvm::StringRef path, llvm::ArrayRef<char> bytes, const PlannedFile &planned) {
  if (bytes.size() != planned.bytes)
    return fileError(path, "has " + llvm::Twine(bytes.size()) + " bytes, and plan.json says " +
                               llvm::Twine(planned.bytes) +
                               (bytes.size() < planned.bytes ? ": the file is truncated" : ": the file has changed"));
  llvm::SHA256 hash;
  hash.update(llvm::StringRef(bytes.data(), bytes.size()));
  if (llvm::toHex(hash.final(), /*LowerCase=*/true) != planned.sha256)
    return fileError(path, "is damaged: its SHA-256 is not the one in plan.json");
  return llvm::Error::success();
}

llvm::Error Bundle::checkFiles() {
  std::vector<std::pair<std::string, PlannedFile>> files(bundlePlan.files.begin(), bundlePlan.files.end());
  return parallelTryFor(files.size(), /*threads=*/0, [&](int64_t i) -> llvm::Error {
    std::string path = folder + "/" + files[i].first;
    llvm::Expected<fs::mapped_file_region> region = mapFile(folder, files[i].first);
    if (!region)
      return region.takeError();
    llvm::ArrayRef<char> bytes;
    if (*region)
      bytes = {region->const_data(), region->size()};
    if (llvm::Error error = compare(path, bytes, files[i].second))
      return error;
    // What was hashed is what will be used: these two stay mapped.
    if (files[i].first == kernelsName)
      kernelsFile = std::move(*region);
    else if (files[i].first == weightsName)
      weightsFile = std::move(*region);
    return llvm::Error::success();
  });
}

/// Fewest bytes that kernels read of each weight.
static std::vector<uint64_t> minimumBytes(const BundlePlan &plan) {
  std::vector<uint64_t> bytes(plan.weights.size());
  for (const PlannedPhase &phase : plan.phases)
    for (const PlannedLaunch &launch : phase.launches)
      for (auto [operand, argument] : llvm::zip_equal(launch.operands, plan.kernels[launch.kernel].arguments))
        if (operand.kind == PlannedLaunch::Operand::Kind::Weight)
          bytes[operand.index] = std::max(bytes[operand.index], argument.minimumBytes);
  return bytes;
}

llvm::Error Bundle::mapWeights() {
  std::string path = folder + "/" + weightsName.str();
  if (!weightsFile)
    return fileError(path, "is empty");
  llvm::Expected<SafetensorsFile> file = parseSafetensors({weightsFile.const_data(), weightsFile.size()}, path);
  if (!file)
    return file.takeError();
  llvm::StringMap<llvm::ArrayRef<char>> tensors;
  for (const TensorInFile &tensor : file->tensors) {
    if (tensor.offset > weightsFile.size() || tensor.length > weightsFile.size() - tensor.offset)
      return fileError(path, "ends before its tensor '" + tensor.name + "' does");
    tensors[tensor.name] = {weightsFile.const_data() + tensor.offset, size_t(tensor.length)};
  }
  std::vector<uint64_t> needed = minimumBytes(bundlePlan);
  for (auto [name, bytes] : llvm::zip_equal(bundlePlan.weights, needed)) {
    auto found = tensors.find(name);
    if (found == tensors.end())
      return fileError(path, "there is no weight '" + name + "', which plan.json names");
    if (found->second.size() < bytes)
      return fileError(path, "the weight '" + name + "' has " + llvm::Twine(found->second.size()) +
                                 " bytes, and its kernels read " + llvm::Twine(bytes));
    weights.push_back(found->second);
  }
  return llvm::Error::success();
}

uint64_t Bundle::weightBytes() const {
  uint64_t bytes = 0;
  for (llvm::ArrayRef<char> weight : weights)
    bytes += weight.size();
  return bytes;
}

llvm::Error Bundle::readStopTokens() {
  for (llvm::StringRef name : {"generation_config.json", "config.json"}) {
    std::string path = folder + "/" + name.str();
    if (!fs::exists(path))
      continue;
    auto text = readFile(folder, name);
    if (!text)
      return text.takeError();
    llvm::Expected<llvm::json::Value> value = parseJson((*text)->getBuffer());
    if (!value)
      return fileError(path, llvm::toString(value.takeError()));
    const llvm::json::Object *object = value->getAsObject();
    const llvm::json::Value *ids = object ? object->get("eos_token_id") : nullptr;
    if (!ids || ids->getAsNull())
      continue;
    const llvm::json::Array *list = ids->getAsArray();
    for (const llvm::json::Value &id : list ? llvm::ArrayRef(list->data(), list->size()) : llvm::ArrayRef(*ids)) {
      std::optional<int64_t> number = id.getAsInteger();
      if (!number)
        return fileError(path, "expected eos_token_id to be an integer or a list of integers");
      stops.push_back(*number);
    }
    return llvm::Error::success();
  }
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<Bundle>> Bundle::open(llvm::StringRef folder) {
  std::unique_ptr<Bundle> bundle(new Bundle);
  bundle->folder = folder.rtrim('/').str();
  allowInput(bundle->folder + "/plan.json");
  auto text = readFile(bundle->folder, "plan.json");
  if (!text)
    return llvm::createStringError("'" + folder + "' is no bundle: " + llvm::toString(text.takeError()));
  llvm::Expected<BundlePlan> plan = BundlePlan::parse((*text)->getBuffer());
  if (!plan)
    return fileError(bundle->folder, llvm::toString(plan.takeError()));
  bundle->bundlePlan = std::move(*plan);
  if (llvm::Error error = bundle->checkFiles())
    return std::move(error);
  if (llvm::Error error = bundle->mapWeights())
    return std::move(error);
  if (llvm::Error error = bundle->readStopTokens())
    return std::move(error);
  return bundle;
}
