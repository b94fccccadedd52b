//===- RowGather.cpp - rows of a weight that lookups need ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/RowGather.h"
#include "quantopt/Interp/Compute/Movement.h"
#include "quantopt/Interp/Compute/Types.h"

using namespace quantopt;
using namespace quantopt::interp;

llvm::Expected<Tensor> interp::gatherWeightRows(KernelContext &context, unsigned operand, const Tensor &indices) {
  int64_t count = context.weightShape(operand)[0];
  llvm::SmallVector<int64_t> positions = compute::toIntegers(indices);
  for (int64_t &position : positions) {
    if (position < -count || position >= count)
      return compute::makeError("index " + llvm::Twine(position) + " is outside a table of " + llvm::Twine(count) +
                                " rows");
    position += position < 0 ? count : 0;
  }
  llvm::SmallVector<int64_t> wanted(positions);
  llvm::sort(wanted);
  wanted.erase(llvm::unique(wanted), wanted.end());
  // Neighbouring rows are read together.
  llvm::SmallVector<Tensor> runs;
  for (size_t i = 0; i < wanted.size();) {
    size_t end = i + 1;
    while (end < wanted.size() && wanted[end] == wanted[end - 1] + 1)
      ++end;
    llvm::Expected<Tensor> rows = context.weightRows(operand, wanted[i], wanted[end - 1] + 1);
    if (!rows)
      return rows;
    runs.push_back(std::move(*rows));
    i = end;
  }
  if (runs.empty()) {
    llvm::Expected<Tensor> first = context.weightRows(operand, 0, std::min<int64_t>(count, 1));
    return first ? compute::gather(*first, indices, 0) : std::move(first);
  }
  llvm::Expected<Tensor> table = runs.size() == 1 ? runs[0] : compute::concat(runs, 0);
  if (!table)
    return table;
  for (int64_t &position : positions)
    position = llvm::lower_bound(wanted, position) - wanted.begin();
  return compute::gather(*table, Tensor::from<int64_t>(DType::I64, indices.shape(), positions), 0);
}
