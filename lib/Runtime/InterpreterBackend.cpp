//===- InterpreterBackend.cpp - bundles on the PTX interpreter ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/Interpreter.h"
#include "quantopt/Ptx/TensorMap.h"
#include "quantopt/Runtime/Backend.h"
#include "llvm/ADT/StringMap.h"
#include <map>

using namespace quantopt;
using namespace quantopt::runtime;

namespace {
class InterpreterBackend : public Backend {
public:
  explicit InterpreterBackend(unsigned threads) { options.threads = threads; }

  llvm::Error enter() override { return llvm::Error::success(); }
  std::string describe() const override { return "PTX interpreter"; }
  bool measuresTime() const override { return false; }
  llvm::Error checkArchitecture(llvm::StringRef) const override { return llvm::Error::success(); }
  std::string describeEmulation(llvm::StringRef) const override { return ""; }
  llvm::Expected<std::vector<uint64_t>> allocate(llvm::StringRef what, llvm::ArrayRef<Request> requests) override;
  void release(uint64_t first) override;
  std::optional<uint64_t> freeBytes() const override { return std::nullopt; }
  llvm::Error write(uint64_t address, llvm::ArrayRef<char> source) override { return memory.write(address, source); }
  llvm::Error read(uint64_t address, llvm::MutableArrayRef<char> destination) override {
    return memory.read(address, destination);
  }
  llvm::Error copy(uint64_t destination, uint64_t source, uint64_t bytes) override {
    return memory.copy(destination, source, bytes);
  }
  void discard(uint64_t address, uint64_t bytes) override { memory.discard(address, bytes); }
  llvm::Error load(llvm::StringRef ptx, llvm::ArrayRef<KernelUse> kernels) override;
  llvm::Error launch(const KernelLaunch &launch) override;
  llvm::Error synchronize() override { return llvm::Error::success(); }
  llvm::Expected<std::unique_ptr<Recording>> record(llvm::function_ref<llvm::Error()>) override { return nullptr; }

private:
  ptx::DeviceMemory memory;
  ptx::RunOptions options;
  std::unique_ptr<ptx::Module> module;
  llvm::StringMap<ptx::KernelInfo> kernelInfos;
  /// By the first address of what was allocated together.
  std::map<uint64_t, std::vector<uint64_t>> groups;
};
} // namespace

/// Each array is a buffer of its own, so that an access outside of it is noticed.
llvm::Expected<std::vector<uint64_t>> InterpreterBackend::allocate(llvm::StringRef, llvm::ArrayRef<Request> requests) {
  std::vector<uint64_t> addresses;
  for (const Request &request : requests)
    addresses.push_back(memory.allocate(request.bytes, request.name));
  if (!addresses.empty())
    groups[addresses.front()] = addresses;
  return addresses;
}

void InterpreterBackend::release(uint64_t first) {
  for (uint64_t address : groups[first])
    memory.release(address);
  groups.erase(first);
}

llvm::Error InterpreterBackend::load(llvm::StringRef ptx, llvm::ArrayRef<KernelUse> kernels) {
  llvm::Expected<std::unique_ptr<ptx::Module>> parsed = ptx::parseModule(ptx, "kernels.ptx");
  if (!parsed)
    return parsed.takeError();
  module = std::move(*parsed);
  for (ptx::KernelInfo &info : module->kernels())
    kernelInfos[info.name] = std::move(info);
  for (const KernelUse &use : kernels) {
    auto found = kernelInfos.find(use.name);
    if (found == kernelInfos.end())
      return llvm::createStringError("kernels.ptx has no kernel '" + use.name + "', which plan.json names");
    if (found->second.parameters.size() != use.parameters)
      return llvm::createStringError("kernel '" + use.name + "' has " + llvm::Twine(found->second.parameters.size()) +
                                     " parameters in kernels.ptx and " + llvm::Twine(use.parameters) + " in plan.json");
  }
  return llvm::Error::success();
}

static llvm::Expected<ptx::Argument> encode(const KernelLaunch::Argument &argument, uint32_t bytes) {
  if (!argument.map) {
    const uint8_t *bits = reinterpret_cast<const uint8_t *>(&argument.bits);
    return ptx::Argument{{bits, bits + std::min<uint32_t>(bytes, sizeof(argument.bits))}};
  }
  ptx::TensorMap map;
  map.address = argument.map->address;
  map.sizes = {uint32_t(argument.map->rowBytes), uint32_t(argument.map->rows)};
  map.box = {argument.map->boxBytes, argument.map->boxRows};
  map.strides = {argument.map->rowBytes};
  for (auto swizzle : {ptx::TensorSwizzle::Bytes32, ptx::TensorSwizzle::Bytes64, ptx::TensorSwizzle::Bytes128})
    if (argument.map->swizzleBytes == ptx::swizzleBytes(swizzle))
      map.swizzle = swizzle;
  llvm::Expected<ptx::EncodedTensorMap> encoded = ptx::encodeTensorMap(map);
  if (!encoded)
    return encoded.takeError();
  return ptx::Argument{{encoded->begin(), encoded->end()}};
}

llvm::Error InterpreterBackend::launch(const KernelLaunch &launch) {
  auto found = kernelInfos.find(launch.kernel);
  if (found == kernelInfos.end())
    return llvm::createStringError("kernels.ptx has no kernel '" + launch.kernel + "'");
  ptx::Launch call;
  call.kernel = launch.kernel;
  call.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
  call.block = {launch.block[0], launch.block[1], launch.block[2]};
  call.dynamicSharedBytes = launch.dynamicSharedBytes;
  for (auto [argument, parameter] : llvm::zip(launch.arguments, found->second.parameters)) {
    llvm::Expected<ptx::Argument> encoded = encode(argument, parameter.size);
    if (!encoded)
      return encoded.takeError();
    call.arguments.push_back(std::move(*encoded));
  }
  return ptx::launch(*module, memory, call, options).takeError();
}

std::unique_ptr<Backend> runtime::createInterpreterBackend(unsigned threads) {
  return std::make_unique<InterpreterBackend>(threads);
}
