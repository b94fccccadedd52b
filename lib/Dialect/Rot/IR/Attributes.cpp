//===- Attributes.cpp - transforms and bases ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quantopt/Dialect/Rot/IR/Rot.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt::rot;

/// dims ::= (`_` | attribute) (`,` ...)*
/// `_` is stored as a unit attribute: AttrTypeReplacer miscounts null elements of an array parameter.
static ParseResult parseDims(AsmParser &parser, SmallVector<Attribute> &dims) {
  return parser.parseCommaSeparatedList([&]() -> ParseResult {
    if (succeeded(parser.parseOptionalKeyword("_")))
      return dims.push_back(parser.getBuilder().getUnitAttr()), success();
    return parser.parseAttribute(dims.emplace_back());
  });
}
static void printDims(AsmPrinter &printer, ArrayRef<Attribute> dims) {
  llvm::interleaveComma(dims, printer, [&](Attribute t) {
    if (isa<UnitAttr>(t))
      printer << '_';
    else
      printer.printAttribute(t);
  });
}

/// factors ::= (integer | attribute) (`,` ...)*; an integer is the identity of that size.
static ParseResult parseFactors(AsmParser &parser, SmallVector<Attribute> &factors) {
  return parser.parseCommaSeparatedList([&]() -> ParseResult {
    int64_t size;
    OptionalParseResult integer = parser.parseOptionalInteger(size);
    if (!integer.has_value())
      return parser.parseAttribute(factors.emplace_back());
    factors.push_back(parser.getBuilder().getI64IntegerAttr(size));
    return *integer;
  });
}
static void printFactors(AsmPrinter &printer, ArrayRef<Attribute> factors) {
  llvm::interleaveComma(factors, printer, [&](Attribute f) {
    if (auto size = dyn_cast<IntegerAttr>(f))
      printer << size.getInt();
    else
      printer.printAttribute(f);
  });
}

#include "rot/RotAttrsEnums.cpp.inc"
#include "rot/RotInterfacesAttr.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "rot/RotAttrs.cpp.inc"

int64_t quantopt::rot::sizeOf(Attribute factor) {
  if (auto size = dyn_cast<IntegerAttr>(factor))
    return size.getInt();
  return cast<TransformInterface>(factor).getSize();
}

int64_t VariantAttr::getSize() const { return sizeOf(getLeaf()); }
bool VariantAttr::isOrthogonal() const { return cast<TransformInterface>(getLeaf()).isOrthogonal(); }
bool VariantAttr::isSymmetric() const { return isDiagonal(); }
bool VariantAttr::isDiagonal() const { return cast<TransformInterface>(getLeaf()).isDiagonal(); }
LogicalResult VariantAttr::verify(function_ref<InFlightDiagnostic()> emitError, Attribute leaf, VariantKind kind) {
  auto transform = dyn_cast<TransformInterface>(leaf);
  if (!transform || isa<VariantAttr, KronAttr, ChainAttr>(leaf))
    return emitError() << "expected a leaf transform, got " << leaf;
  if ((transform.isOrthogonal() || transform.isSymmetric()) && kind != VariantKind::Inverse)
    return emitError() << "not in normal form: write this variant of " << leaf << " as itself or its inverse"; // C3
  return success();
}

static bool allOf(ArrayRef<Attribute> factors, bool (TransformInterface::*property)() const) {
  return llvm::all_of(factors,
                      [&](Attribute f) { return isa<IntegerAttr>(f) || (cast<TransformInterface>(f).*property)(); });
}
static LogicalResult verifyFactors(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> factors) {
  if (factors.size() < 2)
    return emitError() << "expected two factors or more";
  for (Attribute factor : factors)
    if (!isa<IntegerAttr, TransformInterface>(factor))
      return emitError() << "expected a transform, got " << factor;
  return success();
}

int64_t KronAttr::getSize() const {
  int64_t size = 1;
  for (Attribute factor : getFactors())
    size *= sizeOf(factor);
  return size;
}
bool KronAttr::isOrthogonal() const { return allOf(getFactors(), &TransformInterface::isOrthogonal); }
bool KronAttr::isSymmetric() const { return allOf(getFactors(), &TransformInterface::isSymmetric); }
bool KronAttr::isDiagonal() const { return allOf(getFactors(), &TransformInterface::isDiagonal); }
LogicalResult KronAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> factors) {
  if (failed(verifyFactors(emitError, factors)))
    return failure();
  auto isIdentity = [](Attribute factor) { return isa<IntegerAttr>(factor); };
  for (Attribute factor : factors)
    if (isa<KronAttr>(factor) || (isIdentity(factor) && sizeOf(factor) < 2)) // C3
      return emitError() << "not in normal form: " << factor << " is no factor of its own";
  int64_t size = 1;
  for (Attribute factor : factors)
    if (llvm::MulOverflow(size, sizeOf(factor), size))
      return emitError() << "the product of the sizes is more than 63 bits hold";
  for (auto [first, second] : llvm::zip(factors, factors.drop_front()))
    if (isIdentity(first) && isIdentity(second)) // C3
      return emitError() << "not in normal form: identities of sizes " << sizeOf(first) << " and " << sizeOf(second)
                         << " are one of size " << sizeOf(first) * sizeOf(second);
  return success();
}

int64_t ChainAttr::getSize() const { return sizeOf(getFactors()[0]); }
bool ChainAttr::isOrthogonal() const { return allOf(getFactors(), &TransformInterface::isOrthogonal); }
bool ChainAttr::isSymmetric() const { return isDiagonal(); }
bool ChainAttr::isDiagonal() const { return allOf(getFactors(), &TransformInterface::isDiagonal); }
LogicalResult ChainAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> factors) {
  if (failed(verifyFactors(emitError, factors)))
    return failure();
  for (auto [first, second] : llvm::zip(factors, factors.drop_front())) {
    if (isa<IntegerAttr>(first) || isa<IntegerAttr>(second))
      return emitError() << "an identity has no place in a product";
    if (sizeOf(first) != sizeOf(second))
      return emitError() << "factors of sizes " << sizeOf(first) << " and " << sizeOf(second)
                         << " cannot be multiplied";
    if (inverse(first) == second) // C3
      return emitError() << "not in normal form: " << first << " cancels with its neighbour";
    if (isa<ChainAttr>(first) || isa<ChainAttr>(second) || haveSameFactorSizes(first, second)) // C3
      return emitError() << "not in normal form: " << first << " and " << second << " can be multiplied";
  }
  return success();
}

LogicalResult BasisAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Attribute> dims) {
  if (llvm::all_of(dims, llvm::IsaPred<UnitAttr>))
    return emitError() << "the standard basis is written by leaving the encoding out"; // C2
  for (Attribute t : dims)
    if (!isa<UnitAttr, TransformInterface>(t))
      return emitError() << "expected a transform or `_`, got " << t;
  return success();
}

LogicalResult BasisAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                        function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getDims().size()) // C1
    return emitError() << "basis of rank " << getDims().size() << " on a tensor of rank " << shape.size();
  for (auto [dim, pair] : llvm::enumerate(llvm::zip_equal(getDims(), shape))) {
    auto [t, size] = pair;
    if (!isa<UnitAttr>(t) && sizeOf(t) != size) // C1
      return emitError() << "dimension " << dim << " has size " << size << ", but its basis " << t << " has size "
                         << sizeOf(t);
  }
  return success();
}

Transform quantopt::rot::getBasis(Type type, int64_t dim) {
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (!ranked)
    return {};
  auto basis = dyn_cast_or_null<BasisAttr>(ranked.getEncoding());
  return basis && !isa<UnitAttr>(basis.getDims()[dim]) ? basis.getDims()[dim] : Transform();
}
RankedTensorType quantopt::rot::inStandardBasis(RankedTensorType type) {
  return isa_and_nonnull<BasisAttr>(type.getEncoding()) ? type.cloneWithEncoding({}) : type;
}
RankedTensorType quantopt::rot::withBasis(RankedTensorType type, int64_t dim, Transform t) {
  SmallVector<Attribute> dims(type.getRank(), UnitAttr::get(type.getContext()));
  if (auto basis = dyn_cast_or_null<BasisAttr>(type.getEncoding()))
    llvm::copy(basis.getDims(), dims.begin());
  dims[dim] = t ? t : UnitAttr::get(type.getContext());
  bool isStandard = llvm::all_of(dims, llvm::IsaPred<UnitAttr>);
  SmallVector<int64_t> shape(type.getShape());
  if (t && type.isDynamicDim(dim))
    shape[dim] = sizeOf(t);
  return RankedTensorType::get(shape, type.getElementType(),
                               isStandard ? Attribute() : BasisAttr::get(type.getContext(), dims));
}

LogicalResult HadamardAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t size, int64_t seed) {
  if (size < 1 || seed < 0) // C4
    return emitError() << "expected a positive size and a seed that is not negative, got " << size << " and " << seed;
  return success();
}

void RotDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "rot/RotAttrs.cpp.inc"
      >();
}
