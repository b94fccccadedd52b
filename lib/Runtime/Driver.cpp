//===- Driver.cpp - running PTX on a GPU -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Driver.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/MathExtras.h"
#include <deque>

using namespace quantopt::runtime;

static constexpr const char *driverLibrary = "libcuda.so.1";

// Handles of the driver are pointers, its status and enumerations are int, device pointers are 64 bit.
namespace quantopt::runtime {
struct DriverFunctions {
  int (*init)(unsigned flags);
  int (*driverGetVersion)(int *version);
  int (*getErrorName)(int status, const char **text);
  int (*getErrorString)(int status, const char **text);
  int (*deviceGetCount)(int *count);
  int (*deviceGet)(int *device, int ordinal);
  int (*deviceGetName)(char *name, int size, int device);
  int (*deviceGetAttribute)(int *value, int attribute, int device);
  int (*deviceTotalMem)(size_t *bytes, int device);
  int (*devicePrimaryCtxRetain)(void **context, int device);
  int (*devicePrimaryCtxRelease)(int device);
  int (*ctxSetCurrent)(void *context);
  int (*ctxSynchronize)();
  int (*memAlloc)(uint64_t *address, size_t bytes);
  int (*memFree)(uint64_t address);
  int (*memcpyHtoD)(uint64_t destination, const void *source, size_t bytes);
  int (*memGetInfo)(size_t *free, size_t *total);
  int (*memcpyHtoDAsync)(uint64_t destination, const void *source, size_t bytes, void *stream);
  int (*memcpyDtoH)(void *destination, uint64_t source, size_t bytes);
  int (*memcpyDtoDAsync)(uint64_t destination, uint64_t source, size_t bytes, void *stream);
  int (*memsetD8)(uint64_t address, unsigned char value, size_t count);
  int (*moduleLoadDataEx)(void **module, const void *image, unsigned count, int *options, void **values);
  int (*moduleUnload)(void *module);
  int (*moduleGetFunction)(void **function, void *module, const char *name);
  int (*funcSetAttribute)(void *function, int attribute, int value);
  int (*launchKernel)(void *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                      unsigned blockZ, unsigned sharedBytes, void *stream, void **arguments, void **extra);
  /// Null in drivers before CUDA 12.0.
  int (*tensorMapEncodeTiled)(void *map, int type, uint32_t rank, void *address, const uint64_t *sizes,
                              const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                              int interleave, int swizzle, int promotion, int outside);
  int (*streamCreate)(void **stream, unsigned flags);
  int (*streamDestroy)(void *stream);
  int (*streamBeginCapture)(void *stream, int mode);
  int (*streamEndCapture)(void *stream, void **graph);
  /// Null in drivers before CUDA 11.4.
  int (*graphInstantiate)(void **executable, void *graph, unsigned long long flags);
  int (*graphDestroy)(void *graph);
  int (*graphExecDestroy)(void *executable);
  int (*graphLaunch)(void *executable, void *stream);
  int (*eventCreate)(void **event, unsigned flags);
  int (*eventDestroy)(void *event);
  int (*eventRecord)(void *event, void *stream);
  int (*eventSynchronize)(void *event);
  int (*eventElapsedTime)(float *milliseconds, void *begin, void *end);

  static llvm::Expected<std::unique_ptr<DriverFunctions>> find();
  /// Success, or an error of the driver's function `name`.
  llvm::Error check(int status, llvm::StringRef name) const;
};
} // namespace quantopt::runtime

// Values of the driver API's enumerations (CUdevice_attribute, CUfunction_attribute, CUjit_option).
static constexpr int attributeMultiprocessors = 16, attributeL2Bytes = 38;
static constexpr int attributeCapabilityMajor = 75, attributeCapabilityMinor = 76;
static constexpr int functionMaxDynamicSharedBytes = 8;
static constexpr int jitErrorLogBuffer = 5, jitErrorLogBytes = 6;
/// More dynamic shared memory than this has to be asked for.
static constexpr unsigned defaultSharedBytes = 48 * 1024;

static llvm::Error makeError(const llvm::Twine &message) { return llvm::createStringError(message); }

llvm::Expected<std::unique_ptr<DriverFunctions>> DriverFunctions::find() {
  std::string reason;
  llvm::sys::DynamicLibrary library = llvm::sys::DynamicLibrary::getPermanentLibrary(driverLibrary, &reason);
  if (!library.isValid())
    return makeError("no CUDA driver: " + reason);
  auto functions = std::make_unique<DriverFunctions>();
  std::string missing;
  auto bind = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.getAddressOfSymbol(name));
    if (!function && missing.empty())
      missing = name;
  };
  bind(functions->init, "cuInit");
  bind(functions->driverGetVersion, "cuDriverGetVersion");
  bind(functions->getErrorName, "cuGetErrorName");
  bind(functions->getErrorString, "cuGetErrorString");
  bind(functions->deviceGetCount, "cuDeviceGetCount");
  bind(functions->deviceGet, "cuDeviceGet");
  bind(functions->deviceGetName, "cuDeviceGetName");
  bind(functions->deviceGetAttribute, "cuDeviceGetAttribute");
  bind(functions->deviceTotalMem, "cuDeviceTotalMem_v2");
  bind(functions->devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  bind(functions->devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  bind(functions->ctxSetCurrent, "cuCtxSetCurrent");
  bind(functions->ctxSynchronize, "cuCtxSynchronize");
  bind(functions->memAlloc, "cuMemAlloc_v2");
  bind(functions->memFree, "cuMemFree_v2");
  bind(functions->memcpyHtoD, "cuMemcpyHtoD_v2");
  bind(functions->memGetInfo, "cuMemGetInfo_v2");
  bind(functions->memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
  bind(functions->memcpyDtoH, "cuMemcpyDtoH_v2");
  bind(functions->memcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
  bind(functions->memsetD8, "cuMemsetD8_v2");
  bind(functions->moduleLoadDataEx, "cuModuleLoadDataEx");
  bind(functions->moduleUnload, "cuModuleUnload");
  bind(functions->moduleGetFunction, "cuModuleGetFunction");
  bind(functions->funcSetAttribute, "cuFuncSetAttribute");
  bind(functions->launchKernel, "cuLaunchKernel");
  bind(functions->streamCreate, "cuStreamCreate");
  bind(functions->streamDestroy, "cuStreamDestroy_v2");
  bind(functions->streamBeginCapture, "cuStreamBeginCapture_v2");
  bind(functions->streamEndCapture, "cuStreamEndCapture");
  bind(functions->graphDestroy, "cuGraphDestroy");
  bind(functions->graphExecDestroy, "cuGraphExecDestroy");
  bind(functions->graphLaunch, "cuGraphLaunch");
  bind(functions->eventCreate, "cuEventCreate");
  bind(functions->eventDestroy, "cuEventDestroy_v2");
  bind(functions->eventRecord, "cuEventRecord");
  bind(functions->eventSynchronize, "cuEventSynchronize");
  bind(functions->eventElapsedTime, "cuEventElapsedTime");
  auto bindNewer = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.getAddressOfSymbol(name));
  };
  bindNewer(functions->tensorMapEncodeTiled, "cuTensorMapEncodeTiled");
  bindNewer(functions->graphInstantiate, "cuGraphInstantiateWithFlags");
  if (!missing.empty())
    return makeError(llvm::Twine(driverLibrary) + " is too old: it lacks " + missing);
  return functions;
}

llvm::Error DriverFunctions::check(int status, llvm::StringRef name) const {
  if (status == 0)
    return llvm::Error::success();
  const char *code = nullptr, *explanation = nullptr;
  getErrorName(status, &code);
  getErrorString(status, &explanation);
  return makeError(name + ": " + (code ? code : "status " + llvm::Twine(status)) + ": " +
                   (explanation ? explanation : "unknown to this driver"));
}

Buffer::~Buffer() {
  if (start)
    functions->memFree(start);
}

llvm::Error Buffer::write(llvm::ArrayRef<char> source) {
  assert(source.size() <= bytes && "more than the buffer holds");
  return functions->check(functions->memcpyHtoD(start, source.data(), source.size()), "cuMemcpyHtoD");
}

llvm::Error Buffer::read(llvm::MutableArrayRef<char> destination) const {
  assert(destination.size() <= bytes && "more than the buffer holds");
  return functions->check(functions->memcpyDtoH(destination.data(), start, destination.size()), "cuMemcpyDtoH");
}

llvm::Error Buffer::fill(uint8_t value) {
  return functions->check(functions->memsetD8(start, value, bytes), "cuMemsetD8");
}

LoadedModule::~LoadedModule() {
  if (handle)
    functions->moduleUnload(handle);
}

llvm::Expected<std::unique_ptr<Device>> Device::open(int ordinal) {
  auto functions = DriverFunctions::find();
  if (!functions)
    return functions.takeError();
  std::unique_ptr<Device> device(new Device);
  device->functions = std::move(*functions);
  const DriverFunctions &driver = *device->functions;
  if (auto error = driver.check(driver.init(0), "cuInit"))
    return error;
  int count = 0;
  if (auto error = driver.check(driver.deviceGetCount(&count), "cuDeviceGetCount"))
    return error;
  if (ordinal >= count)
    return makeError("no GPU number " + llvm::Twine(ordinal) + ": the driver finds " + llvm::Twine(count));
  if (auto error = driver.check(driver.deviceGet(&device->device, ordinal), "cuDeviceGet"))
    return error;
  if (auto error =
          driver.check(driver.devicePrimaryCtxRetain(&device->context, device->device), "cuDevicePrimaryCtxRetain"))
    return error;
  if (auto error = device->makeCurrent())
    return error;
  if (auto error = driver.check(driver.streamCreate(&device->stream, 0), "cuStreamCreate"))
    return error;
  for (void **event : {&device->begin, &device->end})
    if (auto error = driver.check(driver.eventCreate(event, 0), "cuEventCreate"))
      return error;
  if (auto error = device->readProperties())
    return error;
  return device;
}

Device::~Device() {
  for (void *event : {begin, end})
    if (event)
      functions->eventDestroy(event);
  if (stream)
    functions->streamDestroy(stream);
  if (context)
    functions->devicePrimaryCtxRelease(device);
}

llvm::Error Device::readProperties() {
  std::array<char, 256> name = {};
  if (auto error = functions->check(functions->deviceGetName(name.data(), name.size(), device), "cuDeviceGetName"))
    return error;
  size_t memory = 0;
  if (auto error = functions->check(functions->deviceTotalMem(&memory, device), "cuDeviceTotalMem"))
    return error;
  int version = 0;
  if (auto error = functions->check(functions->driverGetVersion(&version), "cuDriverGetVersion"))
    return error;
  std::array<int, 4> attributes = {attributeCapabilityMajor, attributeCapabilityMinor, attributeMultiprocessors,
                                   attributeL2Bytes};
  for (int &attribute : attributes) {
    int value = 0;
    if (auto error = functions->check(functions->deviceGetAttribute(&value, attribute, device), "cuDeviceGetAttribute"))
      return error;
    attribute = value;
  }
  deviceProperties.name = name.data();
  deviceProperties.computeCapability = 10 * attributes[0] + attributes[1];
  deviceProperties.multiprocessors = attributes[2];
  deviceProperties.l2Bytes = attributes[3];
  deviceProperties.memoryBytes = memory;
  deviceProperties.driverVersion = version;
  return llvm::Error::success();
}

llvm::Error Device::makeCurrent() const {
  return functions->check(functions->ctxSetCurrent(context), "cuCtxSetCurrent");
}

llvm::Expected<Buffer> Device::allocate(uint64_t bytes) {
  Buffer buffer;
  if (auto error = functions->check(functions->memAlloc(&buffer.start, std::max<uint64_t>(bytes, 1)), "cuMemAlloc"))
    return error;
  buffer.functions = functions.get();
  buffer.bytes = bytes;
  return buffer;
}

llvm::Error Device::copy(uint64_t destination, uint64_t source, uint64_t bytes) {
  return functions->check(functions->memcpyDtoDAsync(destination, source, bytes, stream), "cuMemcpyDtoDAsync");
}

llvm::Error Device::write(uint64_t address, llvm::ArrayRef<char> source) {
  return functions->check(functions->memcpyHtoDAsync(address, source.data(), source.size(), stream),
                          "cuMemcpyHtoDAsync");
}

llvm::Error Device::read(uint64_t address, llvm::MutableArrayRef<char> destination) {
  // The default stream waits for ours.
  return functions->check(functions->memcpyDtoH(destination.data(), address, destination.size()), "cuMemcpyDtoH");
}

llvm::Expected<uint64_t> Device::freeBytes() const {
  size_t free = 0, total = 0;
  if (auto error = functions->check(functions->memGetInfo(&free, &total), "cuMemGetInfo"))
    return error;
  return free;
}

llvm::Expected<LoadedModule> Device::load(llvm::StringRef ptx) {
  std::string text = ptx.str();
  std::array<char, 4096> log = {};
  std::array<int, 2> options = {jitErrorLogBuffer, jitErrorLogBytes};
  std::array<void *, 2> values = {log.data(), reinterpret_cast<void *>(log.size())};
  LoadedModule module;
  module.functions = functions.get();
  int status = functions->moduleLoadDataEx(&module.handle, text.c_str(), 2, options.data(), values.data());
  if (auto error = functions->check(status, "cuModuleLoadDataEx"))
    return makeError(llvm::toString(std::move(error)) + (log[0] ? "\n" + llvm::Twine(log.data()) : llvm::Twine()));
  return module;
}

namespace {
/// CUtensorMap.
struct alignas(64) EncodedTensorMap {
  std::array<uint8_t, 128> bytes;
};
} // namespace

static llvm::Expected<EncodedTensorMap> encode(const DriverFunctions &functions, const TensorMap &map) {
  if (!functions.tensorMapEncodeTiled)
    return makeError(llvm::Twine(driverLibrary) + " is too old: it lacks cuTensorMapEncodeTiled");
  constexpr int typeUint8 = 0, noInterleave = 0, promotionTo256Bytes = 3, zerosOutside = 0;
  // CUtensorMapSwizzle: none, 32, 64 and 128 bytes.
  int swizzle = map.swizzleBytes ? int(llvm::Log2_32(map.swizzleBytes)) - 4 : 0;
  std::array<uint64_t, 2> sizes = {map.rowBytes, map.rows};
  std::array<uint32_t, 2> box = {map.boxBytes, map.boxRows}, elementStrides = {1, 1};
  EncodedTensorMap encoded;
  int status = functions.tensorMapEncodeTiled(
      encoded.bytes.data(), typeUint8, sizes.size(), reinterpret_cast<void *>(map.address), sizes.data(), &map.rowBytes,
      box.data(), elementStrides.data(), noInterleave, swizzle, promotionTo256Bytes, zerosOutside);
  if (auto error = functions.check(status, "cuTensorMapEncodeTiled"))
    return std::move(error);
  return encoded;
}

llvm::Expected<void *> Device::prepare(const LoadedModule &module, const std::string &kernel,
                                       unsigned dynamicSharedBytes) {
  void *&function = module.kernels[kernel];
  if (!function)
    if (auto error = functions->check(functions->moduleGetFunction(&function, module.handle, kernel.c_str()),
                                      "cuModuleGetFunction"))
      return makeError(llvm::toString(std::move(error)) + ": " + kernel);
  if (dynamicSharedBytes > defaultSharedBytes)
    if (auto error = functions->check(
            functions->funcSetAttribute(function, functionMaxDynamicSharedBytes, int(dynamicSharedBytes)),
            "cuFuncSetAttribute"))
      return makeError(llvm::toString(std::move(error)) + ": " + kernel);
  return function;
}

llvm::Error Device::launch(const LoadedModule &module, const KernelLaunch &launch) {
  auto function = prepare(module, launch.kernel, launch.dynamicSharedBytes);
  if (!function)
    return function.takeError();
  llvm::SmallVector<void *, 12> arguments;
  std::deque<EncodedTensorMap> maps;
  for (const KernelLaunch::Argument &argument : launch.arguments) {
    if (!argument.map) {
      arguments.push_back(const_cast<uint64_t *>(&argument.bits));
      continue;
    }
    auto encoded = encode(*functions, *argument.map);
    if (!encoded)
      return makeError(llvm::toString(encoded.takeError()) + ": " + launch.kernel);
    arguments.push_back(&maps.emplace_back(*encoded));
  }
  const auto &[gridX, gridY, gridZ] = launch.grid;
  const auto &[blockX, blockY, blockZ] = launch.block;
  int status = functions->launchKernel(*function, gridX, gridY, gridZ, blockX, blockY, blockZ,
                                       launch.dynamicSharedBytes, stream, arguments.data(), nullptr);
  if (auto error = functions->check(status, "cuLaunchKernel"))
    return makeError(llvm::toString(std::move(error)) + ": " + launch.kernel);
  return llvm::Error::success();
}

LaunchGraph::~LaunchGraph() {
  if (handle)
    functions->graphExecDestroy(handle);
}

llvm::Expected<LaunchGraph> Device::capture(llvm::function_ref<llvm::Error()> work) {
  constexpr int captureOfThread = 1;
  if (!functions->graphInstantiate)
    return makeError(llvm::Twine(driverLibrary) + " is too old: it lacks cuGraphInstantiateWithFlags");
  if (auto error = functions->check(functions->streamBeginCapture(stream, captureOfThread), "cuStreamBeginCapture"))
    return error;
  llvm::Error failure = work();
  void *graph = nullptr;
  int status = functions->streamEndCapture(stream, &graph);
  LaunchGraph captured;
  captured.functions = functions.get();
  if (!failure)
    failure = functions->check(status, "cuStreamEndCapture");
  if (!failure)
    failure = functions->check(functions->graphInstantiate(&captured.handle, graph, 0), "cuGraphInstantiate");
  if (graph)
    functions->graphDestroy(graph);
  if (failure)
    return failure;
  return captured;
}

llvm::Error Device::launch(const LaunchGraph &graph) {
  return functions->check(functions->graphLaunch(graph.handle, stream), "cuGraphLaunch");
}

llvm::Error Device::synchronize() { return functions->check(functions->ctxSynchronize(), "cuCtxSynchronize"); }

llvm::Expected<double> Device::time(llvm::function_ref<llvm::Error()> work) {
  if (auto error = functions->check(functions->eventRecord(begin, stream), "cuEventRecord"))
    return error;
  if (auto error = work())
    return error;
  if (auto error = functions->check(functions->eventRecord(end, stream), "cuEventRecord"))
    return error;
  if (auto error = functions->check(functions->eventSynchronize(end), "cuEventSynchronize"))
    return error;
  float milliseconds = 0;
  if (auto error = functions->check(functions->eventElapsedTime(&milliseconds, begin, end), "cuEventElapsedTime"))
    return error;
  return milliseconds * 1e-3;
}
