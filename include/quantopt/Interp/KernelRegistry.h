//===- KernelRegistry.h - what computes an op ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_INTERP_KERNELREGISTRY_H
#define QUANTOPT_INTERP_KERNELREGISTRY_H

#include "mlir/IR/Operation.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <functional>

namespace quantopt::interp {

class KernelContext;

/// The results of an op, in order; a null tensor for a result that nobody asked for.
using Tensors = llvm::SmallVector<Tensor, 1>;

/// Computes an op. Errors say what is wrong; the interpreter adds which op it was.
using Kernel = std::function<llvm::Expected<Tensors>(KernelContext &)>;

/// What the elements of a kernel's operands may be besides numbers: strings in the first operand or in all, strings and
/// tensors in all.
enum class Elements { Numbers, StringsFirst, Strings, Sequences };

struct KernelEntry {
  Kernel kernel;
  /// Operands that may be weights the kernel reads in pieces (KernelContext::weightRows). All others reach it as
  /// tensors.
  llvm::SmallVector<unsigned, 2> deferred = {};
  Elements elements = Elements::Numbers;
};

/// The kernels of the interpreter. Ops of ONNX nodes are known by their operator, "domain::Type", whether the dialect
/// has an op of their own or not; all others by their op.
class KernelRegistry {
public:
  template <typename OpType> void add(Kernel kernel, llvm::ArrayRef<unsigned> deferred = {}) {
    ops[OpType::getOperationName()] = KernelEntry{std::move(kernel), llvm::SmallVector<unsigned, 2>(deferred)};
  }
  void addNode(llvm::StringRef qualifiedType, Kernel kernel, llvm::ArrayRef<unsigned> deferred = {},
               Elements elements = Elements::Numbers) {
    nodes[qualifiedType] = KernelEntry{std::move(kernel), llvm::SmallVector<unsigned, 2>(deferred), elements};
  }
  /// The kernel of an op, or null.
  const KernelEntry *lookup(mlir::Operation *op) const;

  /// All kernels of the project.
  static const KernelRegistry &standard();

private:
  llvm::StringMap<KernelEntry> ops, nodes;
};

void registerOnnxKernels(KernelRegistry &registry);
void registerLlmKernels(KernelRegistry &registry);
void registerQKernels(KernelRegistry &registry);
void registerRotKernels(KernelRegistry &registry);
void registerTileKernels(KernelRegistry &registry);

} // namespace quantopt::interp

#endif // QUANTOPT_INTERP_KERNELREGISTRY_H
