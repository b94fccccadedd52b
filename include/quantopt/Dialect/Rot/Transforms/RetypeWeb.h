//===- RetypeWeb.h - a web put into its new basis ------------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ROT_TRANSFORMS_RETYPEWEB_H
#define QUANTOPT_DIALECT_ROT_TRANSFORMS_RETYPEWEB_H

#include "quantopt/Dialect/Rot/Analysis/Web.h"

namespace quantopt::rot {

/// Gives every member of the web its new type, and the function the signature that its state then has. Conversions go
/// in front of every use of a weight (others may read the same weight), behind a value that comes in the standard
/// basis, and behind one that comes in the new basis and has readers outside of the web.
void retypeWeb(const Web &web);

} // namespace quantopt::rot

#endif // QUANTOPT_DIALECT_ROT_TRANSFORMS_RETYPEWEB_H
