//===- GpuRun.cpp - a kernel of the harness on a GPU -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "GpuRun.h"

using namespace quantopt;
using namespace quantopt::benchmark;

/// What results hold before a kernel writes them: easily told from what it would write.
static constexpr uint8_t unwritten = 0xa5;

llvm::Expected<GpuRun> GpuRun::prepare(runtime::Device &device, const kerneltest::Kernel &kernel,
                                       llvm::ArrayRef<Tensor> operands, int64_t rows) {
  GpuRun run;
  run.device = &device;
  run.kernel = &kernel;
  run.rows = rows;
  auto module = device.load(kernel.ptx());
  if (!module)
    return module.takeError();
  run.module = std::move(*module);

  runtime::KernelLaunch &launch = run.kernelLaunch;
  launch.kernel = kernel.name();
  auto [gridX, gridY] = kernel.grid(rows, operands);
  launch.grid = {gridX, gridY, 1};
  launch.block = {unsigned(kernel.op().getLaunch().threads), 1, 1};
  launch.dynamicSharedBytes = unsigned(kernel.op().getLaunch().dynamicSharedBytes);
  for (unsigned i = 0; i < kernel.numOperands(); ++i) {
    std::vector<char> bytes = kernel.encode(i, operands[i]);
    auto buffer = device.allocate(bytes.size());
    if (!buffer)
      return buffer.takeError();
    if (llvm::Error error = buffer->write(bytes))
      return error;
    runtime::KernelLaunch::Argument argument{buffer->address()};
    tile::KernelOpInterface op = kernel.op();
    if (std::optional<tile::TensorMapPlan> plan = op.getTensorMap(i))
      argument.map = {buffer->address(),        uint64_t(plan->rowBytes), uint64_t(rows),
                      uint32_t(plan->boxBytes), uint32_t(plan->boxRows),  unsigned(plan->swizzleBytes)};
    launch.arguments.push_back(argument);
    run.operandBuffers.push_back(std::move(*buffer));
    run.operandShapes.emplace_back(operands[i].shape());
  }
  for (unsigned i = 0; i < kernel.numResults(); ++i) {
    tile::KernelOpInterface op = kernel.op();
    if (op.getAliasedOperand(i))
      continue;
    auto buffer = device.allocate(kernel.resultBytes(i, rows));
    if (!buffer)
      return buffer.takeError();
    if (llvm::Error error = buffer->fill(unwritten))
      return error;
    launch.arguments.push_back({buffer->address()});
    run.resultBuffers.push_back(std::move(*buffer));
  }
  launch.arguments.push_back({uint64_t(rows)});
  return run;
}

llvm::Expected<std::vector<Tensor>> GpuRun::results() const {
  if (llvm::Error error = device->synchronize())
    return error;
  std::vector<Tensor> tensors;
  auto buffer = resultBuffers.begin();
  for (unsigned i = 0; i < kernel->numResults(); ++i) {
    tile::KernelOpInterface op = kernel->op();
    if (std::optional<unsigned> operand = op.getAliasedOperand(i)) {
      Tensor &changed = tensors.emplace_back(kernel->operandType(*operand), operandShapes[*operand]);
      if (llvm::Error error = operandBuffers[*operand].read({changed.mutableRaw(), changed.sizeInBytes()}))
        return error;
      continue;
    }
    std::vector<char> bytes(buffer->size());
    if (llvm::Error error = buffer->read(bytes))
      return error;
    ++buffer;
    auto tensor = kernel->decode(i, bytes, rows);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}
