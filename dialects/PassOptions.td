//===- PassOptions.td - options of passes ----------------------------------*- tablegen -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_PASS_OPTIONS
#define QUANTOPT_PASS_OPTIONS
include "mlir/Pass/PassBase.td"

/// An option whose help and documentation name its default.
class DefaultOption<string variable, string argument, string type, string value, string text>
    : Option<variable, argument, type, value, text # " (default: " # value # ")">;

#endif
