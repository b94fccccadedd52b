//===- Main.cpp - checks and times kernels on a GPU ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Bounds.h"
#include "Cases.h"
#include "Comparison.h"
#include "Cublas.h"
#include "GpuRun.h"
#include "Operands.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace quantopt;
using namespace quantopt::benchmark;
using kerneltest::Kernel;

static llvm::cl::opt<std::string> output("output", llvm::cl::desc("JSON file to write"),
                                         llvm::cl::init("gpu-benchmark.json"));
static llvm::cl::opt<std::string> filter("filter", llvm::cl::desc("Only kernels whose name contains this"));
static llvm::cl::opt<std::string> archOption("arch", llvm::cl::desc("Architecture; that of the GPU where left out"));
static llvm::cl::opt<bool> checkOnly("check-only", llvm::cl::desc("Time nothing"));

static constexpr unsigned repetitions = 21;

/// The architecture whose kernels a device runs at their best.
static std::string architectureOf(unsigned computeCapability) {
  switch (computeCapability) {
  case 75:
  case 80:
  case 86:
  case 87:
  case 89:
    return "sm_" + std::to_string(computeCapability);
  default:
    return "sm_" + std::to_string(computeCapability) + "a";
  }
}

/// Largest differences allowed where instructions are approximate: codes by one step in few places, floats by a few
/// units in the last place of the greatest.
static std::string compareApproximately(const Tensor &actual, const Tensor &expected) {
  constexpr double codesThatMayDiffer = 1e-3, relative = 1e-5;
  std::vector<double> a = kerneltest::toDoubles(actual), b = kerneltest::toDoubles(expected);
  if (!isFloat(actual.dtype())) {
    int64_t different = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      if (std::fabs(a[i] - b[i]) > 1)
        return kerneltest::compareExact(actual, expected);
      different += a[i] != b[i];
    }
    return double(different) <= codesThatMayDiffer * double(a.size()) + 1 ? ""
                                                                          : kerneltest::compareExact(actual, expected);
  }
  double greatest = 0;
  for (double value : b)
    greatest = std::fmax(greatest, std::fabs(value));
  Tensor reference = Tensor::from<double>(DType::F64, expected.shape(), b);
  double step = actual.dtype() == DType::F32 ? relative : actual.dtype() == DType::F16 ? 1e-3 : 8e-3;
  return kerneltest::compareWithin(actual, reference, [&](int64_t) { return step * greatest; });
}

static std::vector<Tensor> operandsOf(const KernelCase &test, const Kernel &kernel) {
  return test.operands ? test.operands() : kerneltest::randomOperands(kernel, test.rows, 1);
}

/// Runs a case on the interpreter and, where there is one, on the device. Returns what is wrong, or "".
static std::string check(const KernelCase &test, llvm::StringRef arch, runtime::Device *device) {
  auto kernel = Kernel::select(test.text, arch, test.maxRows);
  if (!kernel)
    return llvm::toString(kernel.takeError());
  std::vector<Tensor> operands = operandsOf(test, **kernel);
  auto expected = (*kernel)->run(operands, test.rows);
  if (!expected)
    return llvm::toString(expected.takeError());
  if (!device)
    return "";
  auto run = GpuRun::prepare(*device, **kernel, operands, test.rows);
  if (!run)
    return llvm::toString(run.takeError());
  if (llvm::Error error = run->launch())
    return llvm::toString(std::move(error));
  auto actual = run->results();
  if (!actual)
    return llvm::toString(actual.takeError());
  for (size_t i = 0; i < actual->size(); ++i) {
    const Tensor &a = (*actual)[i], &b = expected->results[i];
    std::string problem = test.isExact ? kerneltest::compareExact(a, b) : compareApproximately(a, b);
    if (!problem.empty())
      return "result " + std::to_string(i) + ": " + problem;
  }
  return "";
}

/// Checks all cases of an architecture; false if one fails.
static bool checkAll(llvm::StringRef arch, runtime::Device *device, llvm::json::Array &report) {
  bool allRight = true;
  for (const KernelCase &test : checkedCases(arch)) {
    if (!llvm::StringRef(test.name).contains(filter))
      continue;
    std::string problem = check(test, arch, device);
    allRight &= problem.empty();
    // Without a device nothing is compared: the interpreter found no fault.
    const char *verdict = !problem.empty() ? "WRONG   " : device ? "same    " : "strict  ";
    llvm::outs() << verdict << arch << ' ' << test.name << (problem.empty() ? "" : ": " + problem) << '\n';
    llvm::outs().flush();
    report.push_back(llvm::json::Object{{"arch", arch}, {"name", test.name}, {"problem", problem}});
  }
  return allRight;
}

namespace {
/// What this device reaches at best.
struct MeasuredBounds {
  double copyBandwidth = 0, mmaPeak = 0, wgmmaPeak = 0;
  double matrixPeak() const { return std::max(mmaPeak, wgmmaPeak); }
};
} // namespace

static llvm::Expected<MeasuredBounds> measureBounds(runtime::Device &device) {
  MeasuredBounds bounds;
  auto bandwidth = measureCopyBandwidth(device);
  if (!bandwidth)
    return bandwidth.takeError();
  bounds.copyBandwidth = *bandwidth;
  if (device.properties().computeCapability >= 80) {
    auto peak = measureMmaPeak(device);
    if (!peak)
      return peak.takeError();
    bounds.mmaPeak = *peak;
  }
  if (device.properties().computeCapability == 90) {
    auto peak = measureWgmmaPeak(device);
    if (!peak)
      return peak.takeError();
    bounds.wgmmaPeak = *peak;
  }
  return bounds;
}

/// Seconds of cuBLAS for the same product in f16, with cold caches.
static llvm::Expected<double> timeHalf(runtime::Device &device, const Cublas &cublas, const KernelCase &test,
                                       runtime::Buffer &scratch) {
  auto x = device.allocate(2 * test.rows * test.inner), w = device.allocate(2 * test.outputs * test.inner),
       y = device.allocate(2 * test.rows * test.outputs);
  for (auto *buffer : {&x, &w, &y}) {
    if (!*buffer)
      return buffer->takeError();
    // 0x3c3c: about 1.06 in f16.
    if (llvm::Error error = (*buffer)->fill(0x3c))
      return error;
  }
  return medianSeconds(device, &scratch, repetitions, [&] {
    return cublas.multiplyHalf(int(test.rows), int(test.outputs), int(test.inner), x->address(), w->address(),
                               y->address());
  });
}

/// One line of the table: how long a kernel takes and how long it would at the measured bounds.
static llvm::Expected<llvm::json::Object> timeCase(llvm::StringRef arch, runtime::Device &device,
                                                   const MeasuredBounds &bounds, const Cublas *cublas,
                                                   const KernelCase &test, runtime::Buffer &scratch) {
  auto kernel = Kernel::select(test.text, arch, test.maxRows);
  if (!kernel)
    return kernel.takeError();
  auto run = GpuRun::prepare(device, **kernel, operandsOf(test, **kernel), test.rows);
  if (!run)
    return run.takeError();
  auto seconds = medianSeconds(device, &scratch, repetitions, [&] { return run->launch(); });
  if (!seconds)
    return seconds.takeError();
  tile::Cost cost = (*kernel)->op().getCost(test.rows);
  double bytes = test.bytes ? test.bytes : double(cost.bytesRead + cost.bytesWritten);
  double operations = test.operations ? test.operations : double(cost.operations);
  double memorySeconds = bytes / bounds.copyBandwidth;
  // The measured peak is that of s8; f16 has half of it and s4 twice.
  double perOperation = cost.mma == tile::Mma::F16 ? 2 : cost.mma == tile::Mma::S4 ? 0.5 : 1;
  double matrixSeconds = bounds.matrixPeak() ? operations * perOperation / bounds.matrixPeak() : 0;
  double bound = std::max(memorySeconds, matrixSeconds);
  llvm::json::Object line{{"name", test.name},
                          {"kernel", (*kernel)->name()},
                          {"rows", test.rows},
                          {"seconds", *seconds},
                          {"bytes", bytes},
                          {"operations", operations},
                          {"bound", memorySeconds >= matrixSeconds ? "memory" : "matrix"},
                          {"bound_seconds", bound},
                          {"fraction", bound / *seconds}};
  if (const std::optional<AttentionSizes> &sizes = test.attention)
    line["attention"] =
        llvm::json::Object{{"batch", sizes->batch}, {"tokens", sizes->tokens},    {"context", sizes->context},
                           {"heads", sizes->heads}, {"kv_heads", sizes->kvHeads}, {"head_dim", sizes->headDim}};
  if (cublas && test.outputs) {
    auto half = timeHalf(device, *cublas, test, scratch);
    if (!half)
      return half.takeError();
    line["cublas_f16_seconds"] = *half;
  }
  return line;
}

/// Without a device: whether the kernels that would be timed can at least be built.
static bool buildTimed(llvm::StringRef arch) {
  bool allBuilt = true;
  for (const KernelCase &test : timedCases(arch)) {
    if (!llvm::StringRef(test.name).contains(filter))
      continue;
    auto kernel = Kernel::select(test.text, arch, test.maxRows);
    if (kernel)
      continue;
    llvm::errs() << "error: " << test.name << ": " << llvm::toString(kernel.takeError()) << '\n';
    allBuilt = false;
  }
  return allBuilt;
}

static bool timeAll(llvm::StringRef arch, runtime::Device &device, llvm::json::Object &report) {
  auto bounds = measureBounds(device);
  if (!bounds) {
    llvm::errs() << "error: measuring bounds: " << llvm::toString(bounds.takeError()) << '\n';
    return false;
  }
  report["bounds"] = llvm::json::Object{{"copy_bytes_per_second", bounds->copyBandwidth},
                                        {"mma_s8_operations_per_second", bounds->mmaPeak},
                                        {"wgmma_s8_operations_per_second", bounds->wgmmaPeak}};
  std::unique_ptr<Cublas> cublas;
  if (auto opened = Cublas::open())
    cublas = std::move(*opened);
  else
    report["cublas"] = "not timed: " + llvm::toString(opened.takeError());
  auto scratch = device.allocate(std::max<uint64_t>(4 * device.properties().l2Bytes, 64 << 20));
  if (!scratch) {
    llvm::errs() << "error: " << llvm::toString(scratch.takeError()) << '\n';
    return false;
  }
  bool allTimed = true;
  llvm::json::Array lines;
  for (const KernelCase &test : timedCases(arch)) {
    if (!llvm::StringRef(test.name).contains(filter))
      continue;
    auto line = timeCase(arch, device, *bounds, cublas.get(), test, *scratch);
    if (!line) {
      llvm::errs() << "error: " << test.name << ": " << llvm::toString(line.takeError()) << '\n';
      allTimed = false;
      continue;
    }
    llvm::outs() << "timed  " << test.name << '\n';
    llvm::outs().flush();
    lines.push_back(std::move(*line));
  }
  report["timings"] = std::move(lines);
  return allTimed;
}

static llvm::json::Object describe(const runtime::DeviceProperties &gpu) {
  return llvm::json::Object{{"name", gpu.name},
                            {"compute_capability", gpu.computeCapability},
                            {"multiprocessors", gpu.multiprocessors},
                            {"memory_bytes", int64_t(gpu.memoryBytes)},
                            {"driver", gpu.driverVersion}};
}

static bool writeReport(llvm::json::Object report) {
  std::error_code error;
  llvm::raw_fd_ostream file(output, error);
  if (error) {
    llvm::errs() << "error: " << output << ": " << error.message() << '\n';
    return false;
  }
  file << llvm::formatv("{0:2}", llvm::json::Value(std::move(report))) << '\n';
  return true;
}

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv,
                                    "Checks every kernel against the PTX interpreter and times it on a GPU.\n");
  std::unique_ptr<runtime::Device> device;
  std::string whyNot;
  if (auto opened = runtime::Device::open())
    device = std::move(*opened);
  else
    whyNot = llvm::toString(opened.takeError());

  llvm::json::Object report;
  std::string arch = archOption;
  if (device)
    report["gpu"] = describe(device->properties());
  if (arch.empty())
    arch = device ? architectureOf(device->properties().computeCapability) : "sm_80";
  report["arch"] = arch;

  llvm::json::Array checks;
  bool success = checkAll(arch, device.get(), checks);
  // Where INT4 matrix instructions are emulated they are still right.
  if (device && device->properties().computeCapability >= 90)
    success &= checkAll("sm_80", device.get(), checks);
  report["checks"] = std::move(checks);
  if (!device) {
    success &= buildTimed(arch);
    report["timings"] = "not timed: " + whyNot;
  } else if (checkOnly) {
    report["timings"] = "not timed: --check-only";
  } else {
    success &= timeAll(arch, *device, report);
  }
  return writeReport(std::move(report)) && success ? 0 : 1;
}
