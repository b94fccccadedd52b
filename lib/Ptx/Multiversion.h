//===- Multiversion.h - one function compiled for several processors ---------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_MULTIVERSION_H
#define QUANTOPT_LIB_PTX_MULTIVERSION_H

/// Only for functions whose result does not depend on the width of vectors: integers, or floating-point lanes that are
/// independent of each other. Contraction is off in the whole build.
#if defined(__x86_64__)
#define QUANTOPT_PTX_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QUANTOPT_PTX_MULTIVERSION
#endif

#endif // QUANTOPT_LIB_PTX_MULTIVERSION_H
