//===- DeviceMemory.cpp - global memory of the interpreted device --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/DeviceMemory.h"
#include "Program.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace quantopt::ptx;

uint64_t DeviceMemory::allocate(uint64_t bytes, llvm::StringRef name) {
  auto allocation = std::make_unique<Allocation>();
  allocation->name = name.str();
  allocation->base = uint64_t(windows.size()) << windowBits;
  allocation->size = bytes;
  allocation->bytes = std::make_unique<uint8_t[]>(bytes);
  allocation->written = std::make_unique<uint8_t[]>(bytes);
  windows.insert(windows.end(), (bytes >> windowBits) + 1, allocation.get());
  all.push_back(std::move(allocation));
  return all.back()->base;
}

void DeviceMemory::release(uint64_t address) {
  Allocation *allocation = find(address);
  if (!allocation || allocation->base != address)
    return;
  std::replace(windows.begin(), windows.end(), allocation, static_cast<Allocation *>(nullptr));
  llvm::erase_if(all, [&](const std::unique_ptr<Allocation> &owned) { return owned.get() == allocation; });
}

llvm::Error DeviceMemory::copy(uint64_t destination, uint64_t source, uint64_t bytes) {
  llvm::Expected<Allocation *> from = locate(source, bytes), to = locate(destination, bytes);
  if (!from || !to)
    return llvm::joinErrors(from.takeError(), to.takeError());
  uint64_t fromOffset = source - (*from)->base, toOffset = destination - (*to)->base;
  std::copy_n((*from)->bytes.get() + fromOffset, bytes, (*to)->bytes.get() + toOffset);
  std::copy_n((*from)->written.get() + fromOffset, bytes, (*to)->written.get() + toOffset);
  return llvm::Error::success();
}

void DeviceMemory::discard(uint64_t address, uint64_t bytes) {
  llvm::Expected<Allocation *> allocation = locate(address, bytes);
  if (!allocation)
    return llvm::consumeError(allocation.takeError());
  std::fill_n((*allocation)->written.get() + (address - (*allocation)->base), bytes, 0);
}

llvm::Expected<DeviceMemory::Allocation *> DeviceMemory::locate(uint64_t address, uint64_t bytes) const {
  const Allocation *allocation = find(address);
  if (!allocation)
    return llvm::createStringError("address " + llvm::Twine(address) + " is in no buffer");
  uint64_t offset = address - allocation->base;
  if (offset > allocation->size || bytes > allocation->size - offset)
    return llvm::createStringError(llvm::Twine(bytes) + " bytes at '" + allocation->name + "' + " +
                                   llvm::Twine(offset) + " are outside of its " + llvm::Twine(allocation->size) +
                                   " bytes");
  return const_cast<Allocation *>(allocation);
}

llvm::Error DeviceMemory::write(uint64_t address, llvm::ArrayRef<uint8_t> bytes) {
  llvm::Expected<Allocation *> allocation = locate(address, bytes.size());
  if (!allocation)
    return allocation.takeError();
  uint64_t offset = address - (*allocation)->base;
  llvm::copy(bytes, (*allocation)->bytes.get() + offset);
  std::fill_n((*allocation)->written.get() + offset, bytes.size(), 1);
  return llvm::Error::success();
}

llvm::Error DeviceMemory::read(uint64_t address, llvm::MutableArrayRef<uint8_t> bytes) const {
  llvm::Expected<Allocation *> allocation = locate(address, bytes.size());
  if (!allocation)
    return allocation.takeError();
  uint64_t offset = address - (*allocation)->base;
  const uint8_t *written = (*allocation)->written.get() + offset;
  const uint8_t *missing = std::find(written, written + bytes.size(), 0);
  if (missing != written + bytes.size())
    return llvm::createStringError("byte " + llvm::Twine(offset + (missing - written)) + " of '" + (*allocation)->name +
                                   "' was never written");
  std::copy_n((*allocation)->bytes.get() + offset, bytes.size(), bytes.begin());
  return llvm::Error::success();
}

DeviceMemory::Allocation &DeviceMemory::variables(const Program &program) {
  std::unique_ptr<Allocation> &slot = variablesByProgram[program.id];
  if (slot)
    return *slot;
  slot = std::make_unique<Allocation>();
  slot->name = program.name;
  slot->base = variableWindow;
  slot->size = program.variableBytes;
  slot->bytes = std::make_unique<uint8_t[]>(slot->size);
  slot->written = std::make_unique<uint8_t[]>(slot->size);
  std::fill_n(slot->written.get(), slot->size, 1);
  for (const Variable &variable : program.variables)
    llvm::copy(variable.initial, slot->bytes.get() + (variable.address - variableWindow));
  return *slot;
}
