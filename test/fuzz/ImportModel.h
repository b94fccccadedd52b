//===- ImportModel.h - what the fuzz targets of ONNX do -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_FUZZ_IMPORTMODEL_H
#define QUANTOPT_TEST_FUZZ_IMPORTMODEL_H

#include "llvm/ADT/StringRef.h"

namespace quantopt {

/// Imports a model, recognises its decoder and verifies both. The model's path is model.onnx in the folder of the
/// environment variable QUANTOPT_FUZZ_FOLDER, so that external data may exist.
void importFuzzedModel(llvm::StringRef bytes);

} // namespace quantopt

#endif // QUANTOPT_TEST_FUZZ_IMPORTMODEL_H
