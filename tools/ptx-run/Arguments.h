//===- Arguments.h - kernel arguments of the command line ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TOOLS_PTXRUN_ARGUMENTS_H
#define QUANTOPT_TOOLS_PTXRUN_ARGUMENTS_H

#include "quantopt/Ptx/Interpreter.h"
#include "quantopt/Support/Tensor.h"

namespace quantopt::ptxrun {

/// A buffer whose contents are written to a file after the launch.
struct Output {
  uint64_t address = 0;
  Tensor tensor;
  std::string file;
};

/// Makes the argument that `text` describes: in:FILE, out:TYPE[SHAPE]:FILE, inout:FILE:FILE,
/// map:SWIZZLE[BOX]:FILE (a tensor map of the file's array, for cp.async.bulk.tensor), TYPE:VALUE. Buffers are
/// allocated in `memory`, named by their place among the arguments.
llvm::Expected<ptx::Argument> makeArgument(llvm::StringRef text, unsigned index, ptx::DeviceMemory &memory,
                                           std::vector<Output> &outputs);

/// "4", "4,2" or "4,2,1".
llvm::Expected<ptx::Dim3> parseDimensions(llvm::StringRef text);

/// Reads a buffer back and writes its file.
llvm::Error writeOutput(Output &output, const ptx::DeviceMemory &memory);

} // namespace quantopt::ptxrun

#endif // QUANTOPT_TOOLS_PTXRUN_ARGUMENTS_H
