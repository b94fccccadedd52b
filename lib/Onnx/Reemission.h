//===- Reemission.h - what of a model is as it was --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_ONNX_REEMISSION_H
#define QUANTOPT_LIB_ONNX_REEMISSION_H

#include "GraphWriter.h"
#include "Source.h"

namespace quantopt {

/// Writes the model and graph of a module as changes of the file it was imported from. Each part of the file is
/// imported again and compared with the IR; equal ones are copied with all they hold.
class Reemission {
public:
  Reemission(mlir::ModuleOp module, const Source &source, GraphWriter &writer, WeightExporter &weights)
      : module(module), context(module.getContext()), source(source), writer(writer), weights(weights) {}

  /// Opens the file that `onnx.source` names and checks that it is still the one.
  static mlir::FailureOr<std::unique_ptr<Source>> openSource(mlir::ModuleOp module);

  /// The records of GraphProto.
  mlir::FailureOr<MessageBytes> graph();
  /// The records of ModelProto around `graph`, with `addedFunctions` at the end. `header` is the model's header as the
  /// IR has it, without graph; it is written where the IR differs from the file.
  mlir::FailureOr<MessageBytes> model(MessageBytes graph, const ::onnx::ModelProto &header,
                                      MessageBytes addedFunctions);

  /// Warns of data files that the copied references name and that are not beside the output.
  void warnOfMissingData(llvm::StringRef outputPath);

private:
  /// One node that is written.
  struct Node {
    onnx::NodeOpInterface op;
    std::optional<uint64_t> index;
    bool isCopied = false;
    MessageBytes bytes;
  };
  /// What stands in the place of the records of one field: the i-th in that of the i-th record.
  struct Slots {
    std::vector<MessageBytes> slots;
    MessageBytes &at(size_t i) { return slots[std::min(i, slots.size() - 1)]; }
    MessageBytes &last() { return slots.back(); }
  };

  MessageBytes copy(const Record &record) const;
  mlir::LogicalResult fail(llvm::Error error) { return module.emitError() << llvm::toString(std::move(error)); }

  mlir::FailureOr<std::vector<Node>> nodes();
  /// Whether the ops are what import makes of a call of a model-local function: `body`.
  bool isUnchangedBody(llvm::ArrayRef<onnx::NodeOpInterface> ops, llvm::ArrayRef<::onnx::NodeProto> body) const;
  mlir::FailureOr<Node> node(onnx::NodeOpInterface op, std::optional<uint64_t> index, llvm::ArrayRef<Record> records);
  bool isUnchanged(onnx::NodeOpInterface op, const ::onnx::NodeProto &original, mlir::DictionaryAttr attributes) const;
  bool isSorted(llvm::ArrayRef<Node *> order) const;
  mlir::FailureOr<Slots> nodeSlots();

  mlir::FailureOr<Slots> initializerSlots(MessageBytes &added);
  mlir::FailureOr<bool> isUnchanged(param::GlobalOp global, const TensorSkeleton &original);
  bool isUnchangedConstant(onnx::NodeOpInterface constant, const TensorSkeleton &original) const;

  mlir::FailureOr<Slots> valueInfoSlots(uint32_t field);

  mlir::ModuleOp module;
  mlir::MLIRContext *context;
  const Source &source;
  GraphWriter &writer;
  WeightExporter &weights;
  /// Parameters in the source file, by the offset of their bytes.
  llvm::DenseMap<uint64_t, param::GlobalOp> inlineParameters;
  /// Parameters that node attributes name; they are no initializers.
  llvm::StringSet<> attributeTensors;
  /// Values of nodes that have changed or gone: what the file says of their types no longer holds.
  llvm::StringSet<> staleValues;
  /// Locations of external data that copied initializers refer to.
  llvm::StringSet<> locations;
};

} // namespace quantopt

#endif // QUANTOPT_LIB_ONNX_REEMISSION_H
