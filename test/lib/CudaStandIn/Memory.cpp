//===- Memory.cpp - the stand-in's device and its memory -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "StandIn.h"
#include <cstdlib>
#include <cstring>

using namespace standin;

State &standin::state() {
  static State theState;
  return theState;
}

uint64_t standin::numberFromEnvironment(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

static uint64_t capability() { return numberFromEnvironment("CUDA_STAND_IN_CAPABILITY", 80); }
static uint64_t totalBytes() { return numberFromEnvironment("CUDA_STAND_IN_MEMORY", uint64_t(1) << 40); }

//===----------------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------------===//

STAND_IN_API cuInit(unsigned) { return Success; }
STAND_IN_API cuDriverGetVersion(int *version) { return *version = 13000, Success; }
STAND_IN_API cuDeviceGetCount(int *count) { return *count = 1, Success; }
STAND_IN_API cuDeviceGet(int *device, int) { return *device = 0, Success; }
STAND_IN_API cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = totalBytes(), Success; }
STAND_IN_API cuDeviceGetName(char *name, int size, int) {
  std::strncpy(name, "Stand-in", size_t(size));
  return Success;
}
STAND_IN_API cuDeviceGetAttribute(int *value, int attribute, int) {
  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR; the others do not matter.
  *value = attribute == 75 ? int(capability() / 10) : attribute == 76 ? int(capability() % 10) : 1;
  return Success;
}

static int context;
STAND_IN_API cuDevicePrimaryCtxRetain(void **result, int) { return *result = &context, Success; }
STAND_IN_API cuDevicePrimaryCtxRelease_v2(int) {
  // The next one begins anew.
  state().failure = Success;
  state().queue.clear();
  return Success;
}
STAND_IN_API cuCtxSetCurrent(void *wanted) { return current = wanted, Success; }

thread_local void *standin::current = nullptr;

STAND_IN_API cuGetErrorName(int status, const char **text) {
  *text = status == OutOfMemory          ? "CUDA_ERROR_OUT_OF_MEMORY"
          : status == InvalidPtx         ? "CUDA_ERROR_INVALID_PTX"
          : status == NotFound           ? "CUDA_ERROR_NOT_FOUND"
          : status == LaunchFailed       ? "CUDA_ERROR_LAUNCH_FAILED"
          : status == CaptureUnsupported ? "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
                                         : "CUDA_ERROR_INVALID_VALUE";
  return Success;
}
STAND_IN_API cuGetErrorString(int, const char **text) { return *text = "says the stand-in", Success; }

//===----------------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------------===//

STAND_IN_API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  State &s = state();
  if (!current)
    return InvalidContext;
  if (bytes > totalBytes() - s.allocatedBytes)
    return OutOfMemory;
  *address = s.memory.allocate(bytes, "device memory " + std::to_string(s.allocations.size()));
  s.allocations[*address] = bytes;
  s.allocatedBytes += bytes;
  return Success;
}

STAND_IN_API cuMemFree_v2(uint64_t address) {
  State &s = state();
  flush();
  auto found = s.allocations.find(address);
  if (found == s.allocations.end())
    return InvalidValue;
  s.allocatedBytes -= found->second;
  s.allocations.erase(found);
  s.memory.release(address);
  return Success;
}

STAND_IN_API cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = totalBytes();
  *free = *total - state().allocatedBytes;
  return Success;
}

static Status statusOf(llvm::Error error) {
  if (!error)
    return Success;
  llvm::errs() << "stand-in: " << llvm::toString(std::move(error)) << '\n';
  return InvalidValue;
}

static Status write(uint64_t destination, const void *source, size_t bytes) {
  return statusOf(state().memory.write(destination, llvm::ArrayRef(static_cast<const char *>(source), bytes)));
}

STAND_IN_API cuMemcpyHtoD_v2(uint64_t destination, const void *source, size_t bytes) {
  if (Status status = flush())
    return status;
  return write(destination, source, bytes);
}

STAND_IN_API cuMemcpyHtoDAsync_v2(uint64_t destination, const void *source, size_t bytes, void *) {
  return enqueue([=] { return write(destination, source, bytes); });
}

STAND_IN_API cuMemcpyDtoH_v2(void *destination, uint64_t source, size_t bytes) {
  if (Status status = flush())
    return status;
  return statusOf(state().memory.read(source, llvm::MutableArrayRef(static_cast<char *>(destination), bytes)));
}

STAND_IN_API cuMemcpyDtoDAsync_v2(uint64_t destination, uint64_t source, size_t bytes, void *) {
  return enqueue([=] {
    std::vector<char> copy(bytes);
    if (Status status = statusOf(state().memory.read(source, llvm::MutableArrayRef(copy))))
      return status;
    return write(destination, copy.data(), bytes);
  });
}

STAND_IN_API cuMemsetD8_v2(uint64_t address, unsigned char value, size_t count) {
  if (Status status = flush())
    return status;
  return write(address, std::vector<unsigned char>(count, value).data(), count);
}
