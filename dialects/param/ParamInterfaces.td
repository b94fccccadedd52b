//===- ParamInterfaces.td - ops that weight expressions are made of -----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef PARAM_INTERFACES
#define PARAM_INTERFACES
include "mlir/IR/OpBase.td"

def Param_WeightOpInterface : OpInterface<"WeightOpInterface"> {
  let cppNamespace = "::quantopt::param";
  let description = [{
    An op that weight expressions may contain. It is evaluated on demand: to get a slice of its first result, the
    evaluator gets from it the slices of its operands that are needed, computes those, and calls `evaluate`. So a
    row-local expression over an embedding of any size costs a few rows of memory. Rationale C2.
  }];
  let methods = [
    InterfaceMethod<[{
      The slice of every operand that `evaluate` needs for `result`, a slice of result #0. It may be larger than
      what the slice depends on; then `result` is enlarged to what those operands give, and the evaluator cuts.
    }], "::llvm::SmallVector<::quantopt::TensorSlice>", "getOperandSlices",
        (ins "::quantopt::TensorSlice &":$result)>,
    InterfaceMethod<[{
      Slices of all results. `operands` are the slices asked for, floating-point ones in f64; floating-point results
      are f64 as well. Errors name the op's trouble (a transform that does not exist, a weight that is not finite).
    }], "::llvm::Expected<::llvm::SmallVector<::quantopt::Tensor>>", "evaluate",
        (ins "::llvm::ArrayRef<::quantopt::Tensor>":$operands, "const ::quantopt::TensorSlice &":$result,
             "::quantopt::rot::ParameterReader":$read)>,
    InterfaceMethod<"One word for what the op makes of a weight: the name of a derived parameter ends in it.",
        "std::string", "getRole", (ins), "", [{ return $_op->getName().stripDialect().str(); }]>,
    InterfaceMethod<"One word for a result, where there are several: the name of the stored parameter ends in it.",
        "std::string", "getResultRole", (ins "unsigned":$number), "", [{ return std::to_string(number); }]>,
    InterfaceMethod<[{
      Whether the result is larger than what it is made of, so that storing it would be a waste: the op stays with its
      reader, and what it reads is stored. Rationale C10.
    }], "bool", "isExpansion", (ins), "", [{ return false; }]>,
  ];
}
#endif
