//===- OnnxBytes.cpp - fuzzes ONNX files ----------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ImportModel.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  quantopt::importFuzzedModel({reinterpret_cast<const char *>(data), size});
  return 0;
}
