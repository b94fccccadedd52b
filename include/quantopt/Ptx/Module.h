//===- Module.h - PTX text, parsed and decoded ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PTX_MODULE_H
#define QUANTOPT_PTX_MODULE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace quantopt::ptx {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct KernelParameter {
  std::string name;
  /// In bytes, within the block of parameters.
  uint32_t offset = 0;
  uint32_t size = 0;
  /// Declared as an array of bytes.
  bool isBlob = false;
};

/// What a launch has to know about a kernel.
struct KernelInfo {
  std::string name;
  std::vector<KernelParameter> parameters;
  /// .reqntid, or zeros.
  Dim3 requiredBlock = {0, 0, 0};
  /// Product of .maxntid, or 0.
  uint64_t maximumThreads = 0;
  /// Bytes of shared variables of known size, gaps of alignment included.
  uint32_t staticSharedBytes = 0;
  /// Whether an `.extern .shared` array takes the dynamic shared memory.
  bool usesDynamicShared = false;
};

class Program;

/// PTX text whose every instruction has been checked and decoded.
class Module {
public:
  explicit Module(std::unique_ptr<Program> program);
  ~Module();

  llvm::StringRef name() const;
  /// 80 for `.target sm_80`.
  unsigned target() const;
  std::vector<KernelInfo> kernels() const;
  const Program &program() const { return *decoded; }

private:
  std::unique_ptr<Program> decoded;
};

/// Parses and decodes all of `text`; `name` is for messages. Errors name the line: text that is no PTX, an instruction
/// or modifier that the interpreter does not know, one that the target does not execute natively (4-bit mma from sm_90
/// on), local memory, calls and functions other than kernels.
llvm::Expected<std::unique_ptr<Module>> parseModule(llvm::StringRef text, llvm::StringRef name);

} // namespace quantopt::ptx

#endif // QUANTOPT_PTX_MODULE_H
