//===- Backend.cpp - what runs kernels ----------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Backend.h"
#include "llvm/ADT/Twine.h"

using namespace quantopt;
using namespace quantopt::runtime;

Backend::~Backend() = default;
Backend::Recording::~Recording() = default;

static std::string version(unsigned capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

llvm::Error runtime::checkCapability(llvm::StringRef arch, unsigned capability, llvm::StringRef device) {
  llvm::StringRef digits = arch;
  unsigned wanted = 0;
  if (!digits.consume_front("sm_"))
    return llvm::createStringError("'" + arch + "' is no architecture");
  bool isExact = digits.consume_back("a");
  if (digits.getAsInteger(10, wanted))
    return llvm::createStringError("'" + arch + "' is no architecture");
  if (isExact ? capability == wanted : capability >= wanted)
    return llvm::Error::success();
  return llvm::createStringError("the bundle's kernels are for " + arch + " and run on compute capability " +
                                 version(wanted) + (isExact ? " alone" : " or later") + "; " + device + " has " +
                                 version(capability) + ": emit a bundle for another arch");
}

llvm::Expected<std::unique_ptr<Backend>> runtime::createBackend(llvm::StringRef device, unsigned threads) {
  if (device == "interpreter")
    return createInterpreterBackend(threads);
  llvm::StringRef number = device;
  int ordinal = 0;
  if (number.consume_front("cuda") &&
      (number.empty() || (number.consume_front(":") && !number.getAsInteger(10, ordinal) && ordinal >= 0)))
    return createCudaBackend(ordinal);
  return llvm::createStringError("unknown device '" + device + "': expected 'cuda', 'cuda:N' or 'interpreter'");
}
