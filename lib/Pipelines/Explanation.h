//===- Explanation.h - facts about a model ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PIPELINES_EXPLANATION_H
#define QUANTOPT_LIB_PIPELINES_EXPLANATION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/Support/JSON.h"
#include <map>

namespace quantopt::explain {

/// One thing that is known.
struct Fact {
  /// In JSON, and with spaces for underscores in text.
  std::string key;
  llvm::json::Value value;
  /// What text says.
  std::string text;
};

/// Nodes of one operator.
struct NodeGroup {
  std::string operatorName;
  std::vector<std::string> nodes;
  /// What is the matter with them.
  std::string why;
};

struct Explanation {
  std::vector<Fact> file, model;
  /// Ops of dialect llm and how many there are; operators of nodes that only compute masks, positions and sizes.
  std::map<std::string, unsigned> layers, helpers;
  /// Nodes on the way from tokens to results that are no layers; nodes that lib/Interp cannot execute.
  std::vector<NodeGroup> unrecognised, unsupported;
  std::vector<Fact> rotations;

  static void add(std::vector<Fact> &facts, llvm::StringRef key, llvm::json::Value value, std::string text) {
    facts.push_back({key.str(), std::move(value), std::move(text)});
  }
  static void add(std::vector<Fact> &facts, llvm::StringRef key, std::string text) {
    facts.push_back({key.str(), text, text});
  }
  static void add(std::vector<Fact> &facts, llvm::StringRef key, int64_t number) {
    facts.push_back({key.str(), number, std::to_string(number)});
  }
};

/// The operator of a node as text shows it: "MatMul", "com.microsoft::MatMulNBits".
std::string operatorOf(onnx::NodeOpInterface node);

// ExplainFile.cpp: of a module as it was imported.
void explainFile(mlir::ModuleOp module, mlir::func::FuncOp function, Explanation &explanation);
// ExplainModel.cpp: after recognition.
void explainModel(mlir::func::FuncOp function, Explanation &explanation);
// ExplainRope.cpp: after recognition. Frequencies and scaling of positions, and the window of masks, found by executing
// the part of the graph that computes them. `ropeScaling` is a guess: "", "linear", "llama3", "yarn", "longrope".
void explainPositions(mlir::func::FuncOp function, Explanation &explanation, std::string &ropeScaling, bool &hasWindow);
// ExplainNodes.cpp: before recognition, after it, and a pipeline of rotations that changes the module.
void explainUnsupported(mlir::func::FuncOp function, Explanation &explanation);
void explainNodes(mlir::func::FuncOp function, Explanation &explanation);
void explainRotations(mlir::ModuleOp module, Explanation &explanation);
// ExplainReport.cpp
void printText(const Explanation &explanation, llvm::StringRef path, llvm::raw_ostream &stream);
void printJson(const Explanation &explanation, llvm::StringRef path, llvm::raw_ostream &stream);

} // namespace quantopt::explain

#endif // QUANTOPT_LIB_PIPELINES_EXPLANATION_H
