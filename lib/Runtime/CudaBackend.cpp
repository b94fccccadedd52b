//===- CudaBackend.cpp - bundles on a GPU ---------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Backend.h"
#include "llvm/Support/MathExtras.h"
#include <map>

using namespace quantopt::runtime;

static constexpr uint64_t alignment = 256;

namespace {
class GraphRecording : public Backend::Recording {
public:
  GraphRecording(Device &device, LaunchGraph graph) : device(device), graph(std::move(graph)) {}
  llvm::Error replay() override { return device.launch(graph); }

private:
  Device &device;
  LaunchGraph graph;
};

class CudaBackend : public Backend {
public:
  explicit CudaBackend(std::unique_ptr<Device> device) : device(std::move(device)) {}

  llvm::Error enter() override { return device->makeCurrent(); }
  std::string describe() const override {
    const DeviceProperties &properties = device->properties();
    return properties.name + " (sm_" + std::to_string(properties.computeCapability) + ")";
  }
  bool measuresTime() const override { return true; }
  llvm::Error checkArchitecture(llvm::StringRef arch) const override {
    return checkCapability(arch, device->properties().computeCapability, device->properties().name);
  }
  std::string describeEmulation(llvm::StringRef arch) const override {
    // 4-bit matrix products are in hardware from sm_75 to sm_89 (PTX ISA, mma).
    if (arch.ends_with("a") || device->properties().computeCapability < 90)
      return "";
    return describe() + " emulates the 4-bit matrix products of " + arch.str() + ": a bundle for sm_90a is faster";
  }
  llvm::Expected<std::vector<uint64_t>> allocate(llvm::StringRef what, llvm::ArrayRef<Request> requests) override;
  void release(uint64_t first) override { buffers.erase(first); }
  std::optional<uint64_t> freeBytes() const override;
  llvm::Error write(uint64_t address, llvm::ArrayRef<char> source) override { return device->write(address, source); }
  llvm::Error read(uint64_t address, llvm::MutableArrayRef<char> destination) override {
    return device->read(address, destination);
  }
  llvm::Error copy(uint64_t destination, uint64_t source, uint64_t bytes) override {
    return device->copy(destination, source, bytes);
  }
  void discard(uint64_t, uint64_t) override {}
  llvm::Error load(llvm::StringRef ptx, llvm::ArrayRef<KernelUse> kernels) override;
  llvm::Error launch(const KernelLaunch &launch) override { return device->launch(module, launch); }
  llvm::Error synchronize() override { return device->synchronize(); }
  llvm::Expected<std::unique_ptr<Recording>> record(llvm::function_ref<llvm::Error()> work) override {
    llvm::Expected<LaunchGraph> graph = device->capture(work);
    if (!graph)
      return graph.takeError();
    return std::make_unique<GraphRecording>(*device, std::move(*graph));
  }

private:
  // What uses the device goes first.
  std::unique_ptr<Device> device;
  LoadedModule module;
  std::map<uint64_t, Buffer> buffers;
};
} // namespace

/// One piece of memory for all: the driver rounds each of its own up by much.
llvm::Expected<std::vector<uint64_t>> CudaBackend::allocate(llvm::StringRef what, llvm::ArrayRef<Request> requests) {
  uint64_t bytes = 0;
  std::vector<uint64_t> addresses;
  for (const Request &request : requests) {
    addresses.push_back(bytes);
    bytes += llvm::alignTo(std::max<uint64_t>(request.bytes, 1), alignment);
  }
  if (requests.empty())
    return addresses;
  llvm::Expected<Buffer> buffer = device->allocate(bytes);
  if (!buffer) {
    std::optional<uint64_t> free = freeBytes();
    return llvm::createStringError("cannot allocate " + llvm::Twine(bytes) + " bytes for " + what + " on " +
                                   describe() + ", where " + (free ? llvm::Twine(*free) : llvm::Twine("?")) +
                                   " bytes are free: " + llvm::toString(buffer.takeError()));
  }
  uint64_t begin = buffer->address();
  for (uint64_t &address : addresses)
    address += begin;
  buffers[begin] = std::move(*buffer);
  return addresses;
}

std::optional<uint64_t> CudaBackend::freeBytes() const {
  llvm::Expected<uint64_t> free = device->freeBytes();
  if (free)
    return *free;
  llvm::consumeError(free.takeError());
  return std::nullopt;
}

llvm::Error CudaBackend::load(llvm::StringRef ptx, llvm::ArrayRef<KernelUse> kernels) {
  llvm::Expected<LoadedModule> loaded = device->load(ptx);
  if (!loaded)
    return loaded.takeError();
  module = std::move(*loaded);
  for (const KernelUse &use : kernels)
    if (llvm::Error error = device->prepare(module, use.name, use.dynamicSharedBytes).takeError())
      return error;
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<Backend>> quantopt::runtime::createCudaBackend(int ordinal) {
  llvm::Expected<std::unique_ptr<Device>> device = Device::open(ordinal);
  if (!device)
    return device.takeError();
  return std::make_unique<CudaBackend>(std::move(*device));
}
