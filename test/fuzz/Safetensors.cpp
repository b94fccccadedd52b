//===- Safetensors.cpp - fuzzes headers of safetensors files --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/Safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  auto file = quantopt::parseSafetensors(bytes, "fuzzed");
  if (!file) {
    llvm::consumeError(file.takeError());
    return 0;
  }
  // What is accepted lies inside of the file.
  for (const quantopt::TensorInFile &tensor : file->tensors)
    if (tensor.offset > size || tensor.length > size - tensor.offset)
      __builtin_trap();
  return 0;
}
