//===- Cublas.cpp - matrix products of cuBLAS, where it is installed -------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Cublas.h"
#include "llvm/Support/DynamicLibrary.h"

using namespace quantopt::benchmark;

// Values of cublasOperation_t, cudaDataType_t, cublasComputeType_t and cublasGemmAlgo_t.
static constexpr int notTransposed = 0, transposed = 1, typeF16 = 2, computeF32 = 68, defaultAlgorithm = -1;

static llvm::Error check(int status, const char *function) {
  if (status == 0)
    return llvm::Error::success();
  return llvm::createStringError("%s: status %d", function, status);
}

llvm::Expected<std::unique_ptr<Cublas>> Cublas::open() {
  llvm::sys::DynamicLibrary library;
  for (const char *name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"})
    if (!library.isValid())
      library = llvm::sys::DynamicLibrary::getPermanentLibrary(name);
  if (!library.isValid())
    return llvm::createStringError("no cuBLAS (libcublas.so.11 to 13)");
  auto create = reinterpret_cast<int (*)(void **)>(library.getAddressOfSymbol("cublasCreate_v2"));
  std::unique_ptr<Cublas> cublas(new Cublas);
  cublas->destroy = reinterpret_cast<decltype(cublas->destroy)>(library.getAddressOfSymbol("cublasDestroy_v2"));
  cublas->gemmEx = reinterpret_cast<decltype(cublas->gemmEx)>(library.getAddressOfSymbol("cublasGemmEx"));
  if (!create || !cublas->destroy || !cublas->gemmEx)
    return llvm::createStringError("this cuBLAS lacks cublasCreate_v2, cublasDestroy_v2 or cublasGemmEx");
  if (auto error = check(create(&cublas->handle), "cublasCreate"))
    return error;
  return cublas;
}

Cublas::~Cublas() {
  if (handle)
    destroy(handle);
}

llvm::Error Cublas::multiplyHalf(int m, int n, int k, uint64_t x, uint64_t w, uint64_t y) const {
  // Column-major cuBLAS sees the transposes: yᵀ = w·xᵀ.
  float one = 1, zero = 0;
  auto pointer = [](uint64_t address) { return reinterpret_cast<void *>(address); };
  return check(gemmEx(handle, transposed, notTransposed, n, m, k, &one, pointer(w), typeF16, k, pointer(x), typeF16, k,
                      &zero, pointer(y), typeF16, n, computeF32, defaultAlgorithm),
               "cublasGemmEx");
}
