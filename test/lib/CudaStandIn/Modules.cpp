//===- Modules.cpp - the stand-in's modules and launches -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "StandIn.h"
#include "quantopt/Ptx/TensorMap.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace standin;
namespace ptx = quantopt::ptx;

/// Options 5 and 6: the buffer for the compiler's messages, and its size.
STAND_IN_API cuModuleLoadDataEx(void **result, const void *image, unsigned count, int *options, void **values) {
  auto parsed = ptx::parseModule(static_cast<const char *>(image), "module");
  if (!parsed) {
    std::string message = llvm::toString(parsed.takeError());
    if (count == 2 && options[0] == 5 && options[1] == 6)
      std::strncpy(static_cast<char *>(values[0]), message.c_str(), reinterpret_cast<size_t>(values[1]) - 1);
    return InvalidPtx;
  }
  auto module = std::make_unique<Module>();
  module->module = std::move(*parsed);
  for (ptx::KernelInfo &info : module->module->kernels())
    module->kernels[info.name] = std::make_unique<Kernel>(Kernel{module.get(), info});
  *result = module.release();
  return Success;
}

STAND_IN_API cuModuleUnload(void *module) {
  flush();
  delete static_cast<Module *>(module);
  return Success;
}

STAND_IN_API cuModuleGetFunction(void **function, void *module, const char *name) {
  auto &kernels = static_cast<Module *>(module)->kernels;
  auto found = kernels.find(name);
  if (found == kernels.end())
    return NotFound;
  *function = found->second.get();
  return Success;
}

/// Attribute 8: the most dynamic shared memory.
STAND_IN_API cuFuncSetAttribute(void *function, int attribute, int value) {
  if (attribute != 8)
    return InvalidValue;
  static_cast<Kernel *>(function)->maxDynamicSharedBytes = unsigned(value);
  return Success;
}

STAND_IN_API cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                            unsigned blockY, unsigned blockZ, unsigned sharedBytes, void *, void **arguments, void **) {
  Kernel *kernel = static_cast<Kernel *>(function);
  if (sharedBytes > kernel->maxDynamicSharedBytes)
    return InvalidValue;
  ptx::Launch launch;
  launch.kernel = kernel->info.name;
  launch.grid = {gridX, gridY, gridZ};
  launch.block = {blockX, blockY, blockZ};
  launch.dynamicSharedBytes = sharedBytes;
  for (auto [i, parameter] : llvm::enumerate(kernel->info.parameters)) {
    const uint8_t *bytes = static_cast<const uint8_t *>(arguments[i]);
    launch.arguments.push_back({{bytes, bytes + parameter.size}});
  }
  return enqueue([kernel, launch] {
    ++state().launches;
    llvm::Error error = ptx::launch(*kernel->module->module, state().memory, launch).takeError();
    if (!error)
      return Success;
    llvm::errs() << "stand-in: " << llvm::toString(std::move(error)) << '\n';
    return LaunchFailed;
  });
}

/// Of bytes, in rows.
STAND_IN_API cuTensorMapEncodeTiled(void *result, int type, uint32_t rank, void *address, const uint64_t *sizes,
                                    const uint64_t *strides, const uint32_t *box, const uint32_t *, int, int swizzle,
                                    int, int) {
  if (type != 0 || rank != 2)
    return InvalidValue;
  ptx::TensorMap map;
  map.address = reinterpret_cast<uint64_t>(address);
  map.sizes = {uint32_t(sizes[0]), uint32_t(sizes[1])};
  map.strides = {strides[0]};
  map.box = {box[0], box[1]};
  map.swizzle = ptx::TensorSwizzle(swizzle);
  llvm::Expected<ptx::EncodedTensorMap> encoded = ptx::encodeTensorMap(map);
  if (!encoded) {
    llvm::consumeError(encoded.takeError());
    return InvalidValue;
  }
  llvm::copy(*encoded, static_cast<uint8_t *>(result));
  return Success;
}
