//===- ExportWeights.h - parameters as initializers -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_EXPORTWEIGHTS_H
#define QUANTOPT_LIB_ONNX_EXPORTWEIGHTS_H

#include "Output.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "onnx-ml.pb.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <optional>

namespace quantopt {

/// Whether two paths name the same file, as far as the paths say.
bool isSamePath(llvm::StringRef a, llvm::StringRef b);

/// Where the bytes of parameters lie, and where they shall lie beside the model that is written.
class WeightExporter {
public:
  WeightExporter(mlir::ModuleOp module, llvm::StringRef outputPath);

  mlir::Operation *lookup(llvm::StringRef symbol) { return symbols.lookup(symbol); }
  /// The file of a parameter, its path resolved.
  llvm::StringRef pathOf(param::GlobalOp global) const;
  static Span rangeOf(param::GlobalOp global) {
    return {uint64_t(global.getOffset()), uint64_t(global.getOffset() + global.getLength())};
  }

  /// The initializer of a parameter. Its bytes are referred to where they lie, copied into the message or into the data
  /// file.
  llvm::Expected<MessageBytes> initializer(param::GlobalOp global);
  /// The tensor with its bytes, for attributes.
  llvm::Expected<::onnx::TensorProto> tensor(mlir::SymbolRefAttr symbol);

  /// Whether an initializer of this name is written.
  bool isParameter(llvm::StringRef name) const { return parameterNames.contains(name); }

  /// Completes the data file, if one was begun.
  llvm::Error commit();

private:
  ::onnx::TensorProto describe(param::GlobalOp global) const;
  /// The path below the output's folder; nothing when it is elsewhere or an ONNX model.
  std::optional<std::string> locationOf(llvm::StringRef path) const;
  llvm::Expected<Span> copyToDataFile(param::GlobalOp global);

  mlir::SymbolTable symbols;
  std::string outputPath;
  llvm::StringMap<std::string> paths;
  llvm::StringSet<> parameterNames;
  /// Bytes that may still be put into the model: protobuf reads at most 2 GiB.
  uint64_t inlineBudget = uint64_t(1) << 30;
  std::string dataPath;
  std::optional<OutputFile> dataFile;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_EXPORTWEIGHTS_H
