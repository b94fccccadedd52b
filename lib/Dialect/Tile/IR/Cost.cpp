//===- Cost.cpp - names, launches and costs of kernels --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Detail.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Dialect/Tile/IR/RowPlan.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;

double Cost::getRooflineSeconds(Arch arch) const {
  const Architecture &gpu = getArchitecture(arch);
  double memory = double(bytesRead + bytesWritten) / (gpu.dramGBs * 1e9);
  double tops = mma == Mma::S4 ? gpu.s4Tops : mma == Mma::F16 ? gpu.f16Tops : gpu.s8Tops;
  return operations ? std::max(memory, double(operations) / (tops * 1e12)) : memory;
}

int64_t quantopt::tile::getBytes(int64_t count, Type element) {
  return llvm::divideCeil(count * element.getIntOrFloatBitWidth(), 8);
}

int64_t quantopt::tile::getStoredColumns(RankedTensorType type) {
  int64_t columns = type.getShape().back();
  unsigned bits = type.getElementTypeBitWidth();
  return bits == 4 || bits == 8 ? numerics::Layout::getPaddedColumns(columns) : columns;
}

/// Bytes of `rows` rows of an activation, or of a whole weight or vector of known size.
static int64_t getOperandBytes(Value value, int64_t rows) {
  RankedTensorType type = typeOf(value);
  if (type.hasStaticShape() && (type.getRank() == 1 || type.getElementType().isUnsignedInteger()))
    return getBytes(type.getNumElements(), type.getElementType());
  return getBytes(rows * getStoredColumns(type), type.getElementType());
}

/// As the IR prints it.
template <typename T> static std::string nameOf(T typeOrAttribute) {
  std::string name;
  llvm::raw_string_ostream(name) << typeOrAttribute;
  return name;
}

//===----------------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------------===//

std::string quantopt::tile::getGemmKernelName(Operation *op) {
  GemmOperands operands = getGemmOperands(op);
  GemmShape shape = getGemmShape(op);
  GemmAttr config = operands.config;
  std::string name;
  llvm::raw_string_ostream os(name);
  os << op->getName().stripDialect();
  if (isa<GemmDecodeOp>(op))
    os << "_w" << shape.weightBits << 'a' << shape.inputBits;
  os << "_n" << shape.n << "_k" << shape.k;
  if (shape.groups > 1)
    os << "_g" << shape.groups;
  if (shape.inputBits == 16)
    os << '_' << nameOf(typeOf(operands.input).getElementType());
  os << '_' << nameOf(typeOf(op->getResult(0)).getElementType());
  if (operands.bias)
    os << "_bias";
  if (operands.residual)
    os << "_residual";
  os << '_' << config.getBm() << 'x' << config.getBn() << 'x' << config.getBk() << '_' << config.getWm() << 'x'
     << config.getWn() << "_s" << config.getStages();
  if (config.getSplitK() > 1)
    os << "_split" << config.getSplitK();
  if (config.getMma() != Mma::Derived)
    os << '_' << stringifyMma(config.getMma());
  return name;
}

Launch quantopt::tile::getGemmLaunch(Operation *op) {
  GemmShape shape = getGemmShape(op);
  GemmAttr config = getGemmOperands(op).config;
  Launch launch;
  launch.threads = config.getThreads();
  launch.gridX = llvm::divideCeil(shape.n, config.getBn());
  launch.rowsPerBlock = config.getBm();
  // Decode kernels keep operands in registers and add up the sums of the parts of the contraction in shared memory.
  if (isa<GemmDecodeOp>(op))
    launch.dynamicSharedBytes = config.getSplitK() > 1 ? config.getSplitK() * config.getBm() * config.getBn() * 4 : 0;
  else
    launch.dynamicSharedBytes = config.getStages() * config.getBk() *
                                (config.getBm() * shape.inputBits + config.getBn() * shape.weightBits) / 8;
  if (config.getMma() == Mma::WgmmaS8) // swizzled tiles are aligned to 1024 bytes; two barriers a stage
    launch.dynamicSharedBytes += 1024 + 16 * config.getStages();
  return launch;
}

/// Kernels by wgmma read the input, their first operand, in whole tiles.
std::optional<TensorMapPlan> quantopt::tile::getGemmTensorMap(Operation *op, unsigned number) {
  GemmShape shape = getGemmShape(op);
  if (shape.mma != Mma::WgmmaS8 || number != 0)
    return std::nullopt;
  GemmAttr config = getGemmOperands(op).config;
  return TensorMapPlan{shape.getPaddedK(), config.getBk(), config.getBm(), /*swizzleBytes=*/128};
}

Cost quantopt::tile::getGemmCost(Operation *op, int64_t rows) {
  GemmShape shape = getGemmShape(op);
  GemmOperands operands = getGemmOperands(op);
  Cost cost;
  cost.mma = shape.mma;
  cost.operations = 2 * rows * shape.n * shape.k;
  cost.bytesWritten = getOperandBytes(op->getResult(0), rows);
  for (Value operand : op->getOperands()) {
    RankedTensorType type = typeOf(operand);
    bool isWeight = operand != operands.input && operand != operands.inputScale && operand != operands.residual;
    cost.bytesRead +=
        isWeight ? getBytes(type.getNumElements(), type.getElementType()) : getOperandBytes(operand, rows);
  }
  return cost;
}

//===----------------------------------------------------------------------------===//
// Kernels that work row by row
//===----------------------------------------------------------------------------===//

/// Of a kernel that reads rows in passing: where several warps share a row, they meet twice in shared memory, with a
/// value and an index each.
static Launch getRowsLaunch(RowsAttr config) {
  bool isExchanged = config.getThreads() / config.getRows() > 32;
  return {config.getThreads(), isExchanged ? config.getThreads() / 32 * 16 : 0, 1, config.getRows()};
}

/// Every operand is read once, every result written once.
Cost quantopt::tile::getRowsCost(Operation *op, int64_t rows) {
  Cost cost;
  for (Value operand : op->getOperands())
    cost.bytesRead += getOperandBytes(operand, rows);
  for (Value result : op->getResults())
    cost.bytesWritten += getOperandBytes(result, rows);
  return cost;
}

/// Of a kernel that keeps whole rows in registers.
static Launch getWholeRowsLaunch(Operation *op) {
  RowPlan plan = llvm::cantFail(getRowPlan(op), "verified with the op");
  return {plan.getThreads(), plan.sharedBytes, 1, plan.rowsPerBlock};
}

std::string quantopt::tile::nameRows(Operation *op, Value row, RowsAttr config) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << op->getName().stripDialect() << '_' << lastSize(row);
  for (Value value : op->getOperands())
    os << '_' << nameOf(typeOf(value).getElementType());
  os << "_to";
  for (Value value : op->getResults())
    os << '_' << nameOf(typeOf(value).getElementType());
  os << "_t" << config.getThreads();
  if (config.getRows() > 1)
    os << "_r" << config.getRows();
  return name;
}

/// A number as letters, digits and underscores: 0.9 is 0d9. Six digits where they are enough to tell it.
std::string quantopt::tile::nameNumber(const APFloat &value) {
  SmallString<24> text;
  value.toString(text, 6);
  if (APFloat(value.getSemantics(), text) != value) {
    text.clear();
    value.toString(text);
  }
  std::string name(text.begin(), text.end());
  for (char &c : name)
    c = c == '.' ? 'd' : c == '-' ? 'm' : c == '+' ? 'p' : c;
  return name;
}

std::string quantopt::tile::nameTransform(std::optional<Attribute> transform) {
  if (!transform)
    return "";
  if (auto hadamard = dyn_cast<rot::HadamardAttr>(*transform))
    return "_h" + std::to_string(hadamard.getSize()) + "_seed" + std::to_string(hadamard.getSeed());
  return "_x" + llvm::utohexstr(llvm::xxh3_64bits(nameOf(*transform)));
}

/// What a transform and a quantizer add to a name.
static std::string nameQuantizer(std::optional<Attribute> transform, const APFloat &clip, int64_t bits) {
  return "_b" + std::to_string(bits) + "_c" + nameNumber(clip) + nameTransform(transform);
}

std::string NormQuantOp::getKernelName() {
  return nameRows(*this, getInput(), getConfig()) + "_e" + nameNumber(getEpsilon()) +
         nameQuantizer(getHadamard(), getClip(), getBits());
}
std::string SwigluQuantOp::getKernelName() {
  return nameRows(*this, getGate(), getConfig()) + nameQuantizer(getHadamard(), getClip(), getBits());
}
std::string QuantOp::getKernelName() {
  return nameRows(*this, getInput(), getConfig()) + nameQuantizer(getHadamard(), getClip(), getBits());
}
std::string SwigluOp::getKernelName() { return nameRows(*this, getGate(), getConfig()) + nameTransform(getHadamard()); }
std::string NormOp::getKernelName() {
  return nameRows(*this, getInput(), getConfig()) + "_e" + nameNumber(getEpsilon());
}
std::string EmbeddingOp::getKernelName() {
  return nameRows(*this, getTable(), getConfig()) + "_v" + std::to_string(typeOf(getTable()).getDimSize(0));
}
std::string ArgMaxOp::getKernelName() { return nameRows(*this, getInput(), getConfig()); }
std::string TopKOp::getKernelName() {
  return nameRows(*this, getInput(), getConfig()) + "_k" + std::to_string(lastSize(getValues()));
}

Launch NormQuantOp::getLaunch() { return getWholeRowsLaunch(*this); }
Launch SwigluQuantOp::getLaunch() { return getWholeRowsLaunch(*this); }
Launch QuantOp::getLaunch() { return getWholeRowsLaunch(*this); }
/// Without a transform threads of a row exchange nothing.
Launch SwigluOp::getLaunch() {
  Launch launch = getWholeRowsLaunch(*this);
  if (!llvm::cantFail(getRowPlan(*this)).rowWords)
    launch.dynamicSharedBytes = 0;
  return launch;
}
Launch NormOp::getLaunch() { return getWholeRowsLaunch(*this); }
Launch EmbeddingOp::getLaunch() { return {getConfig().getThreads(), 0, 1, getConfig().getRows()}; }
Launch ArgMaxOp::getLaunch() { return getRowsLaunch(getConfig()); }
Launch TopKOp::getLaunch() { return getRowsLaunch(getConfig()); }

Cost NormQuantOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
Cost SwigluQuantOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
Cost QuantOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
Cost SwigluOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
Cost NormOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
/// One row of the table per id.
Cost EmbeddingOp::getCost(int64_t rows) {
  Cost cost;
  cost.bytesWritten = getOperandBytes(getResult(), rows);
  cost.bytesRead = getBytes(rows, typeOf(getIds()).getElementType()) +
                   getBytes(rows * lastSize(getTable()), typeOf(getTable()).getElementType());
  return cost;
}
Cost ArgMaxOp::getCost(int64_t rows) {
  return {getOperandBytes(getInput(), rows), getBytes(rows, typeOf(getResult()).getElementType())};
}
Cost TopKOp::getCost(int64_t rows) { return getRowsCost(*this, rows); }
