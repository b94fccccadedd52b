//===- Vectorized.h - the same loop compiled for several instruction sets ===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_INTERP_COMPUTE_VECTORIZED_H
#define QUANTOPT_LIB_INTERP_COMPUTE_VECTORIZED_H

/// Compiles a function once per instruction set and picks one at load time. Only for loops whose elements do not depend
/// on each other, so that the width of the vectors cannot show in the bits.
#if defined(__x86_64__) && defined(__linux__)
#define QUANTOPT_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QUANTOPT_VECTORIZED
#endif

/// Before a loop whose iterations use equal indices only: it may become vector code although it may run in place.
#if defined(__clang__)
#define QUANTOPT_INDEPENDENT_ITERATIONS _Pragma("clang loop vectorize(assume_safety)")
#else
#define QUANTOPT_INDEPENDENT_ITERATIONS _Pragma("GCC ivdep")
#endif

#endif // QUANTOPT_LIB_INTERP_COMPUTE_VECTORIZED_H
