//===- Rot.h - bases of tensor dimensions --------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_DIALECT_ROT_IR_ROT_H
#define QUANTOPT_DIALECT_ROT_IR_ROT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quantopt/Numerics/LinearMap.h"
#include "quantopt/Support/Tensor.h"
#include "llvm/Support/Error.h"

namespace quantopt::rot {

/// A transform is an attribute implementing TransformInterface; null is the identity. Two transforms are equal when
/// the attributes are: the functions below keep every composite in normal form (Rationale C3).
using Transform = mlir::Attribute;
/// Size of a factor of a composite: a transform, or an integer for the identity.
int64_t sizeOf(mlir::Attribute factor);
Transform inverse(Transform t);
Transform transpose(Transform t);
inline Transform dual(Transform t) { return inverse(transpose(t)); }
/// a · b, freely reduced; Kronecker products over the same split are multiplied factor by factor.
Transform compose(Transform a, Transform b);
/// Whether both are Kronecker products whose factors have the same sizes, one by one: their product is one as well.
bool haveSameFactorSizes(Transform a, Transform b);
/// I_blocks ⊗ t.
Transform blockDiagonal(int64_t blocks, Transform t, mlir::MLIRContext *context);
/// t' with t = I_blocks ⊗ t', or failure.
mlir::FailureOr<Transform> peelBlocks(Transform t, int64_t blocks);

/// Gives the values of a parameter that a transform names: f64, [n] for a diagonal, [n, n] for a matrix.
using ParameterReader = llvm::function_ref<llvm::Expected<Tensor>(mlir::FlatSymbolRefAttr)>;
/// A reader for modules whose transforms name no parameter: every request is an error.
llvm::Expected<Tensor> readNoParameter(mlir::FlatSymbolRefAttr name);

/// One dimension of a value within a tie. It is in basis I_blocks ⊗ T (or its dual), T being the tie's transform.
struct BasisSlot {
  mlir::Value value;
  int64_t dim;
  int64_t blocks = 1;
  bool isDual = false;
};
/// Which transforms an op computes correctly in.
enum class Accepts { Any, Orthogonal, Diagonal, Standard };
/// Dimensions that share one transform.
struct BasisTie {
  Accepts accepts;
  llvm::SmallVector<BasisSlot, 3> slots;
  bool admits(Transform t) const;
};
/// Ties of every dimension of `input` with the same dimension of `result`, except those of `standardDims`.
llvm::SmallVector<BasisTie> tieAllDims(mlir::Value input, mlir::Value result,
                                       llvm::ArrayRef<int64_t> standardDims = {});
mlir::LogicalResult verifyBasisTies(mlir::Operation *op);

/// The transform of a dimension, null when standard (or not a ranked tensor).
Transform getBasis(mlir::Type type, int64_t dim);
inline Transform getBasis(mlir::Value value, int64_t dim) { return getBasis(value.getType(), dim); }
/// `type` with dimension `dim` in basis `t`, and of the size of `t` where it was dynamic.
mlir::RankedTensorType withBasis(mlir::RankedTensorType type, int64_t dim, Transform t);
/// `type` with everything in the standard basis.
mlir::RankedTensorType inStandardBasis(mlir::RankedTensorType type);
/// The tie's transform as seen from a slot that is in basis `t`, and back.
mlir::FailureOr<Transform> fromSlot(const BasisSlot &slot, Transform t);
Transform toSlot(const BasisSlot &slot, Transform t, mlir::MLIRContext *context);

/// Changes the bases of `data` (f32 or f64, in place, of any size along the other dimensions) from those of `source` to
/// those of `target`: rows v become v·source⁻¹·target along every dimension whose basis differs.
llvm::Error applyConversion(Tensor &data, mlir::RankedTensorType source, mlir::RankedTensorType target,
                            ParameterReader read);

} // namespace quantopt::rot

#include "rot/RotAttrsEnums.h.inc"
#include "rot/RotInterfacesAttr.h.inc"
#include "rot/RotInterfacesOp.h.inc"
#include "rot/RotOpsDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "rot/RotAttrs.h.inc"
#define GET_OP_CLASSES
#include "rot/RotOps.h.inc"

#endif // QUANTOPT_DIALECT_ROT_IR_ROT_H
