//===- Driver.h - running PTX on a GPU -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_DRIVER_H
#define QUANTOPT_RUNTIME_DRIVER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace quantopt::runtime {

// The CUDA driver API, found at run time: nothing of CUDA is needed to build, and a machine without a GPU gets an error
// that says so. Errors name the driver's function, the driver's name for the error and its explanation.

struct DriverFunctions;

/// What a device is and what it has.
struct DeviceProperties {
  std::string name;
  /// 10·major + minor: 80, 89, 90.
  unsigned computeCapability = 0;
  unsigned multiprocessors = 0;
  /// Version that the driver supports: 13000 stands for CUDA 13.0.
  int driverVersion = 0;
  uint64_t memoryBytes = 0;
  uint64_t l2Bytes = 0;
};

/// Memory of the device, freed with the object.
class Buffer {
public:
  Buffer() = default;
  Buffer(Buffer &&other) noexcept { swap(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer();

  /// At least 256-byte aligned; 0 for no memory.
  uint64_t address() const { return start; }
  uint64_t size() const { return bytes; }
  llvm::Error write(llvm::ArrayRef<char> source);
  llvm::Error read(llvm::MutableArrayRef<char> destination) const;
  llvm::Error fill(uint8_t value);

private:
  friend class Device;
  void swap(Buffer &other) {
    std::swap(functions, other.functions);
    std::swap(start, other.start);
    std::swap(bytes, other.bytes);
  }

  const DriverFunctions *functions = nullptr;
  uint64_t start = 0, bytes = 0;
};

/// A loaded module; its kernels live as long as it does.
class LoadedModule {
public:
  LoadedModule() = default;
  LoadedModule(LoadedModule &&other) noexcept { swap(other); }
  LoadedModule &operator=(LoadedModule &&other) noexcept {
    swap(other);
    return *this;
  }
  ~LoadedModule();

private:
  friend class Device;
  void swap(LoadedModule &other) {
    std::swap(functions, other.functions);
    std::swap(handle, other.handle);
    std::swap(kernels, other.kernels);
  }

  const DriverFunctions *functions = nullptr;
  void *handle = nullptr;
  /// Handles of kernels that were asked for.
  mutable llvm::StringMap<void *> kernels;
};

/// Launches that were captured, to be queued as one.
class LaunchGraph {
public:
  LaunchGraph() = default;
  LaunchGraph(LaunchGraph &&other) noexcept { swap(other); }
  LaunchGraph &operator=(LaunchGraph &&other) noexcept {
    swap(other);
    return *this;
  }
  ~LaunchGraph();

private:
  friend class Device;
  void swap(LaunchGraph &other) {
    std::swap(functions, other.functions);
    std::swap(handle, other.handle);
  }

  const DriverFunctions *functions = nullptr;
  void *handle = nullptr;
};

/// Rows of bytes in the device's memory, of which a kernel copies boxes by a tensor map (CUtensorMap). What is outside
/// of the rows reads as zeros. From CUDA 12.0 on, compute capability 9.0.
struct TensorMap {
  uint64_t address = 0; ///< A multiple of 16, as rowBytes is.
  uint64_t rowBytes = 0, rows = 0;
  uint32_t boxBytes = 0, boxRows = 0; ///< At most the swizzle's, and 256.
  unsigned swizzleBytes = 0;          ///< 0: none; 32, 64 or 128.
};

/// One launch of a kernel: its arguments by value, pointers and 32-bit integers alike.
struct KernelLaunch {
  std::string kernel;
  std::array<unsigned, 3> grid = {1, 1, 1}, block = {1, 1, 1};
  unsigned dynamicSharedBytes = 0;
  struct Argument {
    /// The first four bytes are the value of a 32-bit argument.
    uint64_t bits = 0;
    /// In place of the bits.
    std::optional<TensorMap> map = std::nullopt;
  };
  llvm::SmallVector<Argument, 12> arguments;
};

/// A GPU with its primary context, current on the thread that opens it: one device, one thread at a time.
class Device {
public:
  /// An error says whether the driver is missing, too old, or finds no such device.
  static llvm::Expected<std::unique_ptr<Device>> open(int ordinal = 0);
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device();

  const DeviceProperties &properties() const { return deviceProperties; }

  /// Makes the calling thread the one that uses the device.
  llvm::Error makeCurrent() const;
  llvm::Expected<Buffer> allocate(uint64_t bytes);
  /// Queues a copy between two places of the device's memory.
  llvm::Error copy(uint64_t destination, uint64_t source, uint64_t bytes);
  /// Queues a copy to the device's memory; `source` stays as it is until synchronize().
  llvm::Error write(uint64_t address, llvm::ArrayRef<char> source);
  /// Waits for what was queued, and copies from the device's memory.
  llvm::Error read(uint64_t address, llvm::MutableArrayRef<char> destination);
  /// What may still be allocated.
  llvm::Expected<uint64_t> freeBytes() const;
  /// Compiles PTX for this device. The error of a text that does not compile holds the compiler's messages.
  llvm::Expected<LoadedModule> load(llvm::StringRef ptx);
  /// Makes a kernel ready for launch(), which else does it the first time.
  llvm::Expected<void *> prepare(const LoadedModule &module, const std::string &kernel, unsigned dynamicSharedBytes);
  /// Queues a kernel of a module.
  llvm::Error launch(const LoadedModule &module, const KernelLaunch &launch);
  /// Records what `work` launches without running it. From CUDA 11.4 on.
  llvm::Expected<LaunchGraph> capture(llvm::function_ref<llvm::Error()> work);
  /// Queues what was captured.
  llvm::Error launch(const LaunchGraph &graph);
  /// Waits for all that was queued; an error is that of a kernel that failed.
  llvm::Error synchronize();
  /// Seconds that the device takes for what `work` queues, by events before and after it.
  llvm::Expected<double> time(llvm::function_ref<llvm::Error()> work);

private:
  Device() = default;
  llvm::Error readProperties();

  std::unique_ptr<DriverFunctions> functions;
  DeviceProperties deviceProperties;
  int device = 0;
  /// One stream takes everything, for the default stream cannot be captured.
  void *context = nullptr, *stream = nullptr, *begin = nullptr, *end = nullptr;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_DRIVER_H
