//===- RotConvert.cpp - rot.convert as part of a weight expression --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/IR/Param.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// Changing the basis of dimension d needs all of it: whole fibres go in, whole fibres come out.
struct ConvertModel : param::WeightOpInterface::ExternalModel<ConvertModel, rot::ConvertOp> {
  SmallVector<TensorSlice> getOperandSlices(Operation *op, TensorSlice &result) const {
    auto convert = cast<rot::ConvertOp>(op);
    for (int64_t dim = 0, rank = convert.getType().getRank(); dim < rank; ++dim)
      if (rot::getBasis(convert.getInput(), dim) != rot::getBasis(convert.getResult(), dim)) {
        result.offsets[dim] = 0;
        result.sizes[dim] = convert.getType().getDimSize(dim);
      }
    return {result};
  }

  llvm::Expected<SmallVector<Tensor>> evaluate(Operation *op, ArrayRef<Tensor> operands, const TensorSlice &,
                                               rot::ParameterReader read) const {
    auto convert = cast<rot::ConvertOp>(op);
    Tensor result = operands[0].clone();
    if (llvm::Error error = rot::applyConversion(result, convert.getInput().getType(), convert.getType(), read))
      return std::move(error);
    return SmallVector<Tensor>{result};
  }

  std::string getRole(Operation *) const { return "rotated"; }
};
} // namespace

void quantopt::param::registerRotConvertExternalModel(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, rot::RotDialect *) { rot::ConvertOp::attachInterface<ConvertModel>(*context); });
}
