//===- Launcher.cpp - one launch of a plan -----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Launcher.h"
#include "quantopt/Support/Packing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::interp;
using namespace quantopt::runtime;
using Kind = PlannedKernelArgument::Kind;
using OperandKind = PlannedLaunch::Operand::Kind;

llvm::Expected<std::unique_ptr<Launcher>> Launcher::create(const Bundle &bundle, Backend &backend) {
  std::unique_ptr<Launcher> launcher(new Launcher(bundle, backend));
  if (llvm::Error error = launcher->load())
    return std::move(error);
  return launcher;
}

Launcher::~Launcher() {
  if (!weightAddresses.empty())
    backend.release(weightAddresses.front());
}

llvm::Error Launcher::load() {
  const BundlePlan &plan = bundle.plan();
  if (llvm::Error error = backend.checkArchitecture(plan.arch))
    return error;
  std::vector<Backend::KernelUse> kernels;
  for (const PlannedKernel &kernel : plan.kernels)
    kernels.push_back({kernel.name, kernel.dynamicSharedBytes, unsigned(kernel.arguments.size()) + 1});
  if (llvm::Error error = backend.load(bundle.kernels(), kernels))
    return error;
  std::vector<Backend::Request> requests;
  for (auto [i, name] : llvm::enumerate(plan.weights))
    requests.push_back({name, bundle.weight(i).size()});
  llvm::Expected<std::vector<uint64_t>> allocated = backend.allocate("weights", requests);
  if (!allocated)
    return allocated.takeError();
  weightAddresses = std::move(*allocated);
  for (auto [i, address] : llvm::enumerate(weightAddresses))
    if (llvm::Error error = backend.write(address, bundle.weight(i)))
      return error;
  return backend.synchronize();
}

//===----------------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------------===//

static bool isCodes(DType type) { return type == DType::I4 || type == DType::I8; }

/// A tensor as kernels see it: rows of codes packed and filled with zeros to `rowBytes`.
static std::vector<char> encode(const Tensor &tensor, uint64_t rowBytes) {
  if (!isCodes(tensor.dtype()))
    return {tensor.raw(), tensor.raw() + tensor.sizeInBytes()};
  int64_t columns = tensor.dim(-1), rows = tensor.numElements() / columns;
  std::vector<char> bytes(rows * rowBytes);
  for (int64_t row = 0; row < rows; ++row) {
    const int8_t *codes = tensor.data<int8_t>().data() + row * columns;
    char *target = bytes.data() + row * rowBytes;
    if (tensor.dtype() == DType::I4)
      packFourBit(codes, 0, columns, reinterpret_cast<uint8_t *>(target));
    else
      std::memcpy(target, codes, columns);
  }
  return bytes;
}

/// Undoes encode().
static llvm::Expected<Tensor> decode(const std::vector<char> &bytes, const Tensor &like, uint64_t rowBytes) {
  Tensor tensor(like.dtype(), like.shape());
  if (!isCodes(like.dtype())) {
    std::memcpy(tensor.mutableRaw(), bytes.data(), tensor.sizeInBytes());
    return tensor;
  }
  int64_t columns = tensor.dim(-1), rows = tensor.numElements() / columns;
  int64_t padded = like.dtype() == DType::I4 ? 2 * rowBytes : rowBytes;
  std::vector<int8_t> codes(padded);
  for (int64_t row = 0; row < rows; ++row) {
    const char *source = bytes.data() + row * rowBytes;
    if (like.dtype() == DType::I4)
      unpackFourBit(reinterpret_cast<const uint8_t *>(source), 0, padded, codes.data());
    else
      std::memcpy(codes.data(), source, padded);
    if (llvm::any_of(llvm::ArrayRef(codes).drop_front(columns), [](int8_t code) { return code != 0; }))
      return llvm::createStringError("row " + llvm::Twine(row) + " is not zero in its padding");
    std::memcpy(tensor.mutableRaw() + row * columns, codes.data(), columns);
  }
  return tensor;
}

llvm::Expected<std::vector<Launcher::Array>> Launcher::describe(const PlannedPhase &phase, const PlannedLaunch &launch,
                                                                tile::KernelOpInterface op,
                                                                llvm::ArrayRef<Tensor> operands,
                                                                LaunchSize size) const {
  const PlannedKernel &kernel = bundle.plan().kernels[launch.kernel];
  unsigned results = 0;
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    results += !op.getAliasedOperand(i);
  if (kernel.arguments.size() != operands.size() + results)
    return llvm::createStringError("the op has " + llvm::Twine(operands.size() + results) +
                                   " arguments, the kernel has " + llvm::Twine(kernel.arguments.size()));
  std::vector<Array> arrays;
  for (auto [i, argument] : llvm::enumerate(kernel.arguments)) {
    Array array{&argument, launch.operands[i], {}};
    bool isWeight = array.operand.kind == OperandKind::Weight, isResult = argument.kind == Kind::Result;
    if (isResult != (i >= operands.size()) || (!isResult && isWeight != !operands[i]))
      return llvm::createStringError("argument '" + argument.name + "' is something else in the plan");
    if (isWeight) {
      array.bytes = bundle.weight(array.operand.index).size();
    } else if (isResult) {
      array.bytes = phase.buffers[array.operand.index].rowBytes * size.rows();
    } else {
      array.contents = encode(operands[i], argument.rowBytes);
      array.bytes = array.contents.size();
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

llvm::Error Launcher::place(const PlannedPhase &phase, std::vector<Array> &arrays, LaunchSize size) {
  // Arrays by their place in the arena; the others come first.
  struct Placed {
    Array *array;
    std::optional<uint64_t> offset;
    uint64_t end = 0;
  };
  std::vector<Placed> placed;
  for (Array &array : arrays) {
    Placed place{&array, std::nullopt};
    if (array.operand.kind == OperandKind::Weight) {
      array.address = weightAddresses[array.operand.index];
      continue;
    }
    if (array.operand.kind == OperandKind::Buffer)
      if ((place.offset = phase.buffers[array.operand.index].offset))
        place.end = *place.offset * size.rows() + array.bytes;
    placed.push_back(place);
  }
  llvm::sort(placed, [](const Placed &a, const Placed &b) {
    return std::pair(a.offset, a.array) < std::pair(b.offset, b.array);
  });
  std::vector<Backend::Request> requests;
  std::vector<std::pair<unsigned, uint64_t>> places; // a request, and the bytes before it
  uint64_t begin = 0, end = 0;
  for (const Placed &place : placed) {
    uint64_t first = place.offset ? *place.offset * size.rows() : 0;
    if (place.offset && first < end) {
      end = std::max(end, place.end);
      requests.back().bytes = end - begin;
    } else {
      requests.push_back({place.array->argument->name, place.array->bytes});
      begin = first;
      end = place.end;
    }
    places.push_back({unsigned(requests.size() - 1), first - begin});
  }
  llvm::Expected<std::vector<uint64_t>> allocated = backend.allocate("operands of a launch", requests);
  if (!allocated)
    return allocated.takeError();
  addresses = std::move(*allocated);
  for (auto [place, where] : llvm::zip_equal(placed, places))
    place.array->address = addresses[where.first] + where.second;
  return llvm::Error::success();
}

llvm::Error Launcher::write(const std::vector<Array> &arrays) {
  for (const Array &array : arrays)
    if (!array.contents.empty())
      if (llvm::Error error = backend.write(array.address, array.contents))
        return error;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------===//

llvm::Error Launcher::launch(const PlannedKernel &kernel, const std::vector<Array> &arrays, LaunchSize size) {
  KernelLaunch call;
  call.kernel = kernel.name;
  call.grid = {kernel.gridX, unsigned(kernel.gridY(size.rows(), size.sequences, size.newTokens)), 1};
  call.block = {kernel.block, 1, 1};
  call.dynamicSharedBytes = kernel.dynamicSharedBytes;
  for (const Array &array : arrays) {
    KernelLaunch::Argument value{array.address};
    if (const auto &map = array.argument->map)
      value.map = {array.address, map->rowBytes, array.bytes / map->rowBytes,
                   map->boxBytes, map->boxRows,  map->swizzleBytes};
    call.arguments.push_back(value);
  }
  call.arguments.push_back({uint64_t(size.rows())});
  if (llvm::Error error = backend.launch(call))
    return error;
  return backend.synchronize();
}

llvm::Expected<Tensor> Launcher::read(const Array &array, const Tensor &like) {
  std::vector<char> bytes(array.bytes);
  uint64_t rowBytes = array.argument->rowBytes;
  if (!isCodes(like.dtype()) && like.sizeInBytes() != bytes.size())
    return llvm::createStringError("the op gives " + llvm::Twine(like.sizeInBytes()) + " bytes, the plan has " +
                                   llvm::Twine(bytes.size()));
  if (llvm::Error error = backend.read(array.address, bytes))
    return error;
  return decode(bytes, like, rowBytes);
}

llvm::Expected<llvm::SmallVector<Tensor>> Launcher::run(const PlannedPhase &phase, const PlannedLaunch &planned,
                                                        tile::KernelOpInterface op, llvm::ArrayRef<Tensor> operands,
                                                        llvm::ArrayRef<Tensor> expected, LaunchSize size) {
  llvm::Expected<std::vector<Array>> arrays = describe(phase, planned, op, operands, size);
  if (!arrays)
    return arrays.takeError();
  if (llvm::Error error = place(phase, *arrays, size))
    return error;
  llvm::SmallVector<Tensor> results;
  llvm::Error error = write(*arrays);
  if (!error)
    error = launch(bundle.plan().kernels[planned.kernel], *arrays, size);
  unsigned next = operands.size();
  for (unsigned i = 0; i < op->getNumResults() && !error; ++i) {
    std::optional<unsigned> aliased = op.getAliasedOperand(i);
    unsigned number = aliased ? *aliased : next++;
    llvm::Expected<Tensor> result = read((*arrays)[number], expected[i]);
    if (result)
      results.push_back(std::move(*result));
    else
      error = llvm::createStringError("result " + llvm::Twine(i) + ": " + llvm::toString(result.takeError()));
  }
  backend.release(addresses.front());
  if (error)
    return error;
  return results;
}
