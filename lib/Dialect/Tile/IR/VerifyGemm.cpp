//===- VerifyGemm.cpp - matrix products that architectures execute --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Detail.h"
#include "mlir/IR/TypeUtilities.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantopt;
using namespace quantopt::tile;
using numerics::Layout;

//===----------------------------------------------------------------------------===//
// Configurations
//===----------------------------------------------------------------------------===//

static constexpr int64_t maxThreads = 1024, maxRegisters = 255;

LogicalResult GemmAttr::verify(function_ref<InFlightDiagnostic()> emitError, Arch arch, int64_t bm, int64_t bn,
                               int64_t bk, int64_t wm, int64_t wn, int64_t stages, int64_t splitK, Mma mma) {
  if (wm < 8 || wm % 8 || wn < 16 || wn % 16 || bm < wm || bm % wm || bn < wn || bn % wn) // C1
    return emitError() << "expected warps of a multiple of 8 by a multiple of 16 to divide the block, got " << wm
                       << " by " << wn << " in " << bm << " by " << bn;
  if (bk < 32 || !llvm::isPowerOf2_64(bk)) // C1
    return emitError() << "expected bk to be a power of two of at least 32, got " << bk;
  if (stages < 1 || splitK < 1) // C1
    return emitError() << "expected at least one stage and one part of the contraction, got " << stages << " and "
                       << splitK;
  int64_t warps = bm / wm * (bn / wn) * splitK, threads = mma == Mma::WgmmaS8 ? 128 * (warps + 1) : 32 * warps;
  if (!llvm::isPowerOf2_64(warps) || threads > maxThreads) // C3
    return emitError() << "expected a power of two of warps and at most " << maxThreads << " threads, got " << warps
                       << " and " << threads;
  const Architecture &gpu = getArchitecture(arch);
  if (mma == Mma::S4 && !gpu.s4) // C4
    return emitError() << gpu.target << " has no INT4 tensor cores: use s8";
  if (mma == Mma::WgmmaS8 && (!gpu.hasWgmma || wn % 64)) // C4
    return emitError() << "wgmma_s8 needs sm_90a and consumers of a multiple of 64 channels, got " << gpu.target
                       << " and " << wn;
  if (!gpu.hasCpAsync && stages > 2) // C5
    return emitError() << gpu.target << " has no asynchronous copies, so there are 2 stages at most, got " << stages;
  return success();
}

//===----------------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------------===//

static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

/// As many elements as the vector of channels has, whole or filled to blocks of 16, times `groups`.
static bool holdsChannels(Value value, int64_t n, int64_t groups = 1) {
  RankedTensorType type = typeOf(value);
  return type.hasStaticShape() &&
         llvm::is_contained({n * groups, Layout::getPaddedRows(n) * groups}, type.getNumElements());
}

static LogicalResult verifyInput(Operation *op, const GemmOperands &operands) {
  RankedTensorType input = typeOf(operands.input), result = typeOf(op->getResult(0));
  Type element = input.getElementType();
  bool takes4Bits = isa<GemmW4A4Op, GemmDecodeOp>(op), takes8Bits = isa<GemmW4A8Op, GemmW8A8Op, GemmDecodeOp>(op);
  bool takesFloats = isa<GemmW4A16Op, GemmF16Op, GemmDecodeOp>(op);
  if (!(takes4Bits && element.isSignlessInteger(4)) && !(takes8Bits && element.isSignlessInteger(8)) &&
      !(takesFloats && isHalf(element))) // C6
    return op->emitOpError() << "does not take an input of " << element;
  if (input.getRank() < 1 || result.getRank() != input.getRank() || input.isDynamicDim(input.getRank() - 1) ||
      result.isDynamicDim(result.getRank() - 1) ||
      failed(verifyCompatibleShape(input.getShape().drop_back(), result.getShape().drop_back()))) // C6
    return op->emitOpError() << "expected an input and a result of the same rows and of known columns, got " << input
                             << " and " << result;
  if (!isHalf(result.getElementType()) && !result.getElementType().isF32()) // C6
    return op->emitOpError() << "expected a result of f32, f16 or bf16, got " << result;
  if (isHalf(element) != !operands.inputScale) // C6
    return op->emitOpError() << "expected a scale of the input for codes, and none for floats";
  if (!operands.inputScale)
    return success();
  RankedTensorType scale = typeOf(operands.inputScale);
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = 1;
  if (!scale.getElementType().isF32() || failed(verifyCompatibleShape(scale.getShape(), shape))) // C6
    return op->emitOpError() << "expected one f32 scale per row of the input, got " << scale;
  return success();
}

static LogicalResult verifyWeight(Operation *op, const GemmOperands &operands, const GemmShape &shape) {
  RankedTensorType weight = typeOf(operands.weight), input = typeOf(operands.input);
  if (isa<GemmF16Op>(op) || isa<FloatType>(weight.getElementType())) {
    if (weight.getShape() != ArrayRef<int64_t>{shape.n, shape.k} || weight.getElementType() != input.getElementType() ||
        operands.weightScale) // C7
      return op->emitOpError() << "expected a weight [" << shape.n << ", " << shape.k << "] of "
                               << input.getElementType() << " without scales, got " << weight;
    if (shape.k % 8) // C8
      return op->emitOpError() << "expected rows of a multiple of 8 floats, so that they begin at 16 bytes, got "
                               << shape.k;
    return success();
  }
  int64_t bytesOf4Bits = Layout(Layout::Order::S4).getByteSize(shape.n, shape.k);
  int64_t expected =
      isa<GemmW8A8Op>(op) || (isa<GemmDecodeOp>(op) && shape.weightBits == 8) ? 2 * bytesOf4Bits : bytesOf4Bits;
  if (!weight.getElementType().isUnsignedInteger(8) || !weight.hasStaticShape() ||
      weight.getNumElements() != expected) // C7
    return op->emitOpError() << "expected a weight of " << expected << " bytes (ui8) in fragment order for " << shape.n
                             << " by " << shape.k << " codes, got " << weight;
  if (shape.inputBits == 16 && shape.k % 8) // C8
    return op->emitOpError() << "expected rows of a multiple of 8 floats, so that they begin at 16 bytes, got "
                             << shape.k;
  return success();
}

/// Equal groups along the contraction, of whole steps of instructions.
static LogicalResult verifyGroups(Operation *op, const GemmShape &shape, int64_t bk) {
  if (shape.groups == 1)
    return success();
  int64_t size = shape.k / shape.groups, step = shape.weightBits == 8 ? 32 : 64;
  if (shape.inputBits == 16)
    step = 16;
  if (shape.k % shape.groups || size % step || (size % bk && bk % size)) // C9
    return op->emitOpError() << "expected equal groups of a multiple of " << step
                             << " that divide bk or are divided by it, got " << shape.groups << " of " << shape.k
                             << " with bk = " << bk;
  return success();
}

static LogicalResult verifyScales(Operation *op, const GemmOperands &operands, const GemmShape &shape) {
  bool isFloat = shape.inputBits == 16;
  if (Value scale = operands.weightScale) {
    Type element = typeOf(scale).getElementType();
    bool fits = isFloat ? isHalf(element) || element.isF32() : element.isF32();
    if (!fits || !holdsChannels(scale, shape.n, isFloat ? shape.groups : 1)) // C7
      return op->emitOpError() << "expected " << (isFloat ? "scales per channel and group" : "an f32 scale per channel")
                               << ", whole or filled to blocks of 16 channels, got " << scale.getType();
  } else if (shape.weightBits != 16) { // C7
    return op->emitOpError() << "expected scales of the weight";
  }
  if (Value scales = operands.groupScales)
    if (isFloat || !typeOf(scales).getElementType().isUnsignedInteger(8) ||
        !holdsChannels(scales, shape.n, shape.groups)) // C9
      return op->emitOpError() << "expected integer group scales (ui8) per channel, for codes on both sides, got "
                               << scales.getType();
  if (Value bias = operands.bias)
    if (!typeOf(bias).getElementType().isF32() || !holdsChannels(bias, shape.n)) // C7
      return op->emitOpError() << "expected an f32 bias per channel, got " << bias.getType();
  if (Value residual = operands.residual)
    if (typeOf(residual).getElementType() != typeOf(op->getResult(0)).getElementType() ||
        failed(verifyCompatibleShape(residual.getType(), op->getResult(0).getType()))) // C7
      return op->emitOpError() << "expected a residual like the result, got " << residual.getType();
  return verifyGroups(op, shape, operands.config.getBk());
}

//===----------------------------------------------------------------------------===//
// What the architecture executes
//===----------------------------------------------------------------------------===//

static LogicalResult verifyInstruction(Operation *op, const GemmShape &shape, GemmAttr config) {
  const Architecture &gpu = getArchitecture(config.getArch());
  if (shape.inputBits == 4 && !gpu.s4) // C4
    return op->emitOpError() << gpu.target
                             << " has no INT4 tensor cores: keep 4-bit activations in i8 (tile.gemm_w4a8)";
  if (shape.inputBits == 4 && shape.weightBits != 4) // C4
    return op->emitOpError() << "expected 4-bit weights for 4-bit activations";
  Mma derived = shape.inputBits == 16 ? Mma::F16 : shape.inputBits == 4 ? Mma::S4 : Mma::S8;
  if (shape.mma != derived && !(derived == Mma::S8 && shape.mma == Mma::WgmmaS8)) // C4
    return op->emitOpError() << "multiplies by " << stringifyMma(derived) << ", not by " << stringifyMma(shape.mma);
  const MmaShape &mma = derived == Mma::S4 ? gpu.s4 : derived == Mma::S8 ? gpu.s8 : gpu.f16;
  bool isDecode = isa<GemmDecodeOp>(op); // weights are the rows of the instruction there
  int64_t rows = isDecode ? 8 : 16, step = shape.weightBits == 8 ? 32 : 64;
  if (config.getWm() % rows || config.getBk() % step) // C10
    return op->emitOpError() << "expected warps of a multiple of " << rows << " rows, and bk a multiple of " << step
                             << ", for m" << mma.m << 'n' << mma.n << 'k' << mma.k << ", got " << config.getWm()
                             << " and " << config.getBk();
  return success();
}

/// Consumers take tiles of 128 columns and all of their rows at once, with registers to spare beside the sums.
static LogicalResult verifyWarpGroups(Operation *op, const GemmShape &shape, GemmAttr config) {
  constexpr int64_t maxRows = 256, maxChannels = 512, maxSums = 128, others = 40;
  int64_t consumers = config.getWarps(), sums = config.getWm() * config.getWn() / 128;
  int64_t registers = std::min(maxRegisters, getArchitecture(config.getArch()).registersPerSm / config.getThreads());
  if (consumers == 2)
    registers = 232;                            // the producer gives away what it does not need
  if (!isa<GemmW4A8Op>(op) || shape.groups > 1) // C22
    return op->emitOpError("expected 4-bit weights without groups, which wgmma_s8 is for");
  if (config.getBk() != 128 || config.getWm() % 16 || config.getBm() > maxRows || config.getBn() > maxChannels ||
      sums > maxSums || sums + others > registers) // C22
    return op->emitOpError() << "expected bk = 128, at most " << maxRows << " rows, a multiple of 16 per consumer, at "
                             << "most " << maxChannels << " channels, and "
                             << "at most " << std::min(maxSums, registers - others)
                             << " sums a thread, got bk = " << config.getBk() << ", " << config.getBm() << " rows, "
                             << config.getBn() << " channels, " << config.getWm() << " per consumer and " << sums
                             << " sums";
  return success();
}

/// Registers of a thread: sums (twice with group scales), the fragments of this step and the next, addresses.
static int64_t estimateRegisters(const GemmShape &shape, GemmAttr config) {
  int64_t sums = config.getWm() * config.getWn() / 32 * (shape.groups > 1 && shape.inputBits != 16 ? 2 : 1);
  int64_t step = shape.weightBits == 8 ? 32 : shape.weightBits == 16 ? 16 : 64;
  int64_t fragments = (config.getWm() * shape.inputBits + config.getWn() * shape.weightBits) * step / 32 / 32;
  return sums + 2 * fragments + 24;
}

static LogicalResult verifyResources(Operation *op, const GemmShape &shape, GemmAttr config) {
  const Architecture &gpu = getArchitecture(config.getArch());
  Launch launch = cast<KernelOpInterface>(op).getLaunch();
  if (launch.dynamicSharedBytes > gpu.sharedPerBlock) // C11
    return op->emitOpError() << "needs " << launch.dynamicSharedBytes << " bytes of shared memory; a block has "
                             << gpu.sharedPerBlock << " on " << gpu.target;
  if (shape.mma == Mma::WgmmaS8)
    return verifyWarpGroups(op, shape, config);
  if (isa<GemmDecodeOp>(op))
    return success();
  int64_t limit = std::min(maxRegisters, gpu.registersPerSm / launch.threads / 8 * 8);
  if (int64_t needed = estimateRegisters(shape, config); needed > limit) // C12
    return op->emitOpError() << "needs about " << needed << " registers a thread; " << launch.threads
                             << " threads have " << limit << " each: take smaller warp tiles";
  return success();
}

/// Sums of products stay below 2^31. 4-bit weights that become 8-bit are multiplied by 16, which kernels take out of a
/// group's sum before it is scaled.
static LogicalResult verifySums(Operation *op, const GemmShape &shape) {
  if (shape.mma == Mma::F16)
    return success();
  bool isScaled = shape.groups > 1;
  int64_t weight = shape.weightBits == 4 && (isScaled || shape.mma == Mma::S4) ? 8 : 128;
  int64_t greatest = (shape.mma == Mma::S4 ? 8 : 128) * weight * shape.k * (isScaled ? 255 : 1);
  if (greatest >= int64_t(1) << 31) // C13
    return op->emitOpError() << "sums of " << shape.k << " products may reach " << greatest
                             << ", which is beyond 32 bits";
  return success();
}

static LogicalResult verifyForm(Operation *op, const GemmShape &shape, GemmAttr config) {
  if (!isa<GemmDecodeOp>(op)) {
    bool isPipelined = config.getSplitK() == 1 && config.getStages() >= 2;
    return isPipelined ? success()
                       : op->emitOpError("expected at least 2 stages, and a contraction that is not split"); // C14
  }
  int64_t blocks = shape.getPaddedK() / 64;
  if (!llvm::is_contained({8, 16, 32, 64}, config.getBm()) || config.getWm() != config.getBm() ||
      config.getStages() != 1 || config.getSplitK() > std::max<int64_t>(1, blocks)) // C14
    return op->emitOpError() << "expected warps of all of 8, 16, 32 or 64 rows, 1 stage, and at most " << blocks
                             << " parts of the contraction";
  return success();
}

LogicalResult quantopt::tile::verifyBfloats(Operation *op, Arch arch) {
  auto isBfloat = [](Value value) { return typeOf(value).getElementType().isBF16(); };
  if (arch == Arch::sm_75 && (llvm::any_of(op->getOperands(), isBfloat) || llvm::any_of(op->getResults(), isBfloat)))
    return op->emitOpError() << "expected f16 or f32: " << stringifyArch(arch) << " has no bf16";
  return success();
}

LogicalResult quantopt::tile::verifyGemm(Operation *op) {
  GemmOperands operands = getGemmOperands(op);
  if (failed(verifyInput(op, operands)))
    return failure();
  GemmShape shape = getGemmShape(op);
  return success(succeeded(verifyWeight(op, operands, shape)) && succeeded(verifyScales(op, operands, shape)) &&
                 succeeded(verifyInstruction(op, shape, operands.config)) &&
                 succeeded(verifyForm(op, shape, operands.config)) &&
                 succeeded(verifyResources(op, shape, operands.config)) && succeeded(verifySums(op, shape)) &&
                 succeeded(verifyBfloats(op, operands.config.getArch())));
}
