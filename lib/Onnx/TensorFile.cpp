//===- TensorFile.cpp - tensors in files of their own -------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Onnx/TensorFile.h"
#include "Convert.h"

using namespace quantopt;

llvm::Expected<mlir::DenseElementsAttr> quantopt::readTensorFile(llvm::StringRef path, mlir::MLIRContext &context) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return llvm::createStringError(path + ": " + file.getError().message());
  ::onnx::TensorProto tensor;
  if (!tensor.ParseFromArray((*file)->getBufferStart(), (*file)->getBufferSize()) || !tensor.has_data_type())
    return llvm::createStringError(path + " is not a tensor");
  llvm::Expected<mlir::DenseElementsAttr> elements = importElements(tensor, std::nullopt, &context);
  if (!elements)
    return llvm::createStringError(path + ": " + llvm::toString(elements.takeError()));
  return elements;
}
