//===- Web.h - dimensions that change basis together ---------------------------*- C++ -*-===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ROT_ANALYSIS_WEB_H
#define QUANTOPT_DIALECT_ROT_ANALYSIS_WEB_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

namespace quantopt::rot {

/// What `rot` cannot know of the dialects above it.
struct WebRules {
  /// Whether a value is computed before the model runs, so that converting it costs nothing.
  bool (*isWeight)(mlir::Value);
  /// Arguments and results of the function with equal values of this attribute belong to the model: they share a basis,
  /// and the signature changes. All others are an interface and stay standard.
  llvm::StringRef stateAttr;
};

/// The set of dimensions that have to change basis together, because ties of ops with BasisOpInterface join them. It
/// ends at weights, which are converted where the web reads them, and at ops that cannot take part: nonlinear ones,
/// unknown ones, the return. There a conversion has to stand.
class Web {
public:
  Web(mlir::func::FuncOp func, WebRules rules) : func(func), rules(rules) {}

  /// A dimension of a value that the web has in a new basis.
  struct Member {
    mlir::Value value;
    int64_t dim;
    Transform basis;
  };
  /// A weight that an op of the web reads.
  struct WeightUse {
    mlir::OpOperand *operand;
    int64_t dim;
    Transform basis;
  };
  /// An op outside of the web that writes a member (`isWriter`) or reads it; null for an argument of the function.
  struct Crossing {
    mlir::Operation *op;
    Member member;
    bool isWriter;
  };

  /// Adds dimension `dim` of `value` in basis `basis`, with everything that is tied to it. The IR is not changed. An
  /// error names the node at which one dimension would have to be in two bases.
  mlir::LogicalResult grow(mlir::Value value, int64_t dim, Transform basis);

  mlir::func::FuncOp getFunction() const { return func; }
  llvm::ArrayRef<Member> getMembers() const { return members; }
  llvm::ArrayRef<WeightUse> getWeightUses() const { return weights; }
  /// Whether `op` takes part in the web with that dimension of that operand or result.
  bool isInside(mlir::Operation *op, const Member &member) const {
    return inside.contains({op, member.value, member.dim});
  }
  /// Whether the value comes in its new basis, from an op of the web or from the model's state.
  bool isBornInside(const Member &member) const;
  /// Where conversions of members have to stand, in the order of the members.
  llvm::SmallVector<Crossing> getCrossings() const;

private:
  /// Makes a member, or checks that it already is one. `op` is what joins it to the web, null for the seed.
  mlir::LogicalResult add(const Member &member, mlir::Operation *op);
  /// Lets `op` take part if one of its ties covers the member and admits its basis.
  mlir::LogicalResult follow(mlir::Operation *op, const Member &member);
  mlir::LogicalResult join(mlir::Operation *op, const BasisTie &tie, Transform basis);
  mlir::LogicalResult followState(const Member &member);
  /// Adds the arguments and the results that are state `state`.
  mlir::LogicalResult addState(mlir::Attribute state, const Member &member);

  mlir::func::FuncOp func;
  WebRules rules;
  llvm::SmallVector<Member> members;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, Transform> basisOf;
  llvm::SmallVector<WeightUse> weights;
  llvm::DenseSet<std::tuple<mlir::Operation *, mlir::Value, int64_t>> inside;
};

} // namespace quantopt::rot

#endif // QUANTOPT_DIALECT_ROT_ANALYSIS_WEB_H
