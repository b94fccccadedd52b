//===- DeviceMemory.h - global memory of the interpreted device ----------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PTX_DEVICEMEMORY_H
#define QUANTOPT_PTX_DEVICEMEMORY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace quantopt::ptx {

class Program;

/// Buffers with 256-byte aligned addresses, each alone in a 4 GiB window: any address outside of a buffer is noticed,
/// and so is an address that lost its upper half. Every byte remembers whether it has been written.
class DeviceMemory {
public:
  struct Allocation {
    std::string name;
    uint64_t base = 0, size = 0;
    std::unique_ptr<uint8_t[]> bytes;
    /// 1 for a byte that holds a value.
    std::unique_ptr<uint8_t[]> written;
  };

  /// Uninitialised bytes; `name` is for messages.
  uint64_t allocate(uint64_t bytes, llvm::StringRef name);
  /// Gives a buffer back, by the address that allocate() returned, which will be no buffer's again.
  void release(uint64_t address);
  /// Copies bytes between two places that do not overlap, each inside of a buffer; uninitialised ones stay so.
  llvm::Error copy(uint64_t destination, uint64_t source, uint64_t bytes);
  /// Makes bytes inside of one buffer uninitialised again.
  void discard(uint64_t address, uint64_t bytes);

  /// Errors where the range is not inside of one buffer.
  llvm::Error write(uint64_t address, llvm::ArrayRef<uint8_t> bytes);
  /// Errors also where a byte was never written.
  llvm::Error read(uint64_t address, llvm::MutableArrayRef<uint8_t> bytes) const;
  template <typename T> llvm::Error write(uint64_t address, llvm::ArrayRef<T> values) {
    return write(address, llvm::ArrayRef(reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)));
  }
  template <typename T> llvm::Error read(uint64_t address, llvm::MutableArrayRef<T> values) const {
    return read(address, llvm::MutableArrayRef(reinterpret_cast<uint8_t *>(values.data()), values.size() * sizeof(T)));
  }

  /// The buffer in whose window an address lies, or null; the address may be outside of the buffer itself.
  const Allocation *find(uint64_t address) const {
    uint64_t window = address >> windowBits;
    return window < windows.size() ? windows[window] : nullptr;
  }
  Allocation *find(uint64_t address) {
    return const_cast<Allocation *>(static_cast<const DeviceMemory *>(this)->find(address));
  }
  /// Values of a module's .global and .const variables; they begin as the module initialises them.
  Allocation &variables(const Program &program);
  /// In order of allocation.
  llvm::ArrayRef<std::unique_ptr<Allocation>> allocations() const { return all; }

private:
  static constexpr unsigned windowBits = 32;
  llvm::Expected<Allocation *> locate(uint64_t address, uint64_t bytes) const;

  std::vector<std::unique_ptr<Allocation>> all;
  /// By the upper half of addresses; window 0 stays empty.
  std::vector<Allocation *> windows = {nullptr};
  std::map<uint64_t, std::unique_ptr<Allocation>> variablesByProgram;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_PTX_DEVICEMEMORY_H
