//===- TensorFile.cpp - values in files and attributes of their own -----===//
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

/// A SequenceProto has fields of the numbers of a TensorProto's, and its tensors are where that has a segment, which no
/// test data has; an empty one lacks the element that a scalar would have.
static bool isSequence(const ::onnx::TensorProto &tensor) {
  bool isEmpty = tensor.dims().empty() && tensor.raw_data().empty() && tensor.string_data().empty() &&
                 tensor.float_data().empty() && tensor.int32_data().empty() && tensor.int64_data().empty() &&
                 tensor.double_data().empty() && tensor.uint64_data().empty();
  constexpr int tensorElements = 1;
  return tensor.has_segment() || (isEmpty && tensor.data_type() == tensorElements);
}

/// SequenceProto (onnx-data.proto): elem_type, and tensors where that is TENSOR.
static llvm::Expected<Tensor> readSequence(llvm::StringRef bytes, mlir::MLIRContext &context) {
  constexpr uint32_t tensorValues = 3, firstOther = 4;
  auto records = scanMessage(bytes, {0, bytes.size()}, "a sequence");
  if (!records)
    return records.takeError();
  llvm::SmallVector<Tensor> elements;
  for (const Record &record : *records) {
    if (record.field >= firstOther)
      return llvm::createStringError("is a sequence of something else than tensors");
    if (record.field != tensorValues)
      continue;
    ::onnx::TensorProto proto;
    if (!proto.ParseFromArray(bytes.data() + record.payload.begin, record.payload.size()))
      return llvm::createStringError("is neither a tensor nor a sequence of tensors");
    llvm::Expected<Tensor> element = importTensor(proto, &context);
    if (!element)
      return element;
    elements.push_back(std::move(*element));
  }
  return Tensor::sequence(elements);
}

llvm::Expected<Tensor> quantopt::readValueFile(llvm::StringRef path, mlir::MLIRContext &context) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return llvm::createStringError(path + ": " + file.getError().message());
  llvm::StringRef bytes = (*file)->getBuffer();
  if (bytes.empty())
    return Tensor();
  ::onnx::TensorProto tensor;
  bool isTensor = tensor.ParseFromArray(bytes.data(), bytes.size()) && tensor.has_data_type() && !isSequence(tensor);
  llvm::Expected<Tensor> value = isTensor ? importTensor(tensor, &context) : readSequence(bytes, context);
  if (!value)
    return llvm::createStringError(path + ": " + llvm::toString(value.takeError()));
  return value;
}

llvm::Expected<Tensor> quantopt::readTensorAttribute(onnx::ProtoAttr attribute) {
  ::onnx::AttributeProto proto;
  if (!proto.ParseFromArray(attribute.getBytes().data(), attribute.getBytes().size()) || !proto.has_t())
    return llvm::createStringError("the attribute is not a tensor");
  return importTensor(proto.t(), attribute.getContext());
}
