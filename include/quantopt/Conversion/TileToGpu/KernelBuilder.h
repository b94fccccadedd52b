//===- KernelBuilder.h - writes the body of a GPU kernel ------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_CONVERSION_TILETOGPU_KERNELBUILDER_H
#define QUANTOPT_CONVERSION_TILETOGPU_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include <array>

// The NVVM dialect's header takes as long to read as all others of a kernel together.
namespace mlir::NVVM {
enum class MMATypes : uint32_t;
enum class ShflKind : uint32_t;
} // namespace mlir::NVVM

namespace quantopt {

/// Of a kernel: how many of its first pointers lead to tensor maps among the parameters. Conversions between dialects
/// would lose the attributes of parameters that say so to LLVM; who translates the kernel sets them.
inline constexpr llvm::StringLiteral tensorMapsAttrName = "tensor_maps";
inline constexpr int64_t tensorMapBytes = 128, tensorMapAlignment = 64;

/// What a kernel is called and how it is launched.
struct KernelSignature {
  std::string name;
  /// Global pointers among the parameters; the number of rows, u32, comes last.
  unsigned pointers = 0;
  /// Threads of a block; the x dimension alone.
  unsigned threads = 0;
  /// The first of these pointers lead to tensor maps among the parameters (128 bytes each, CUtensorMap).
  unsigned tensorMaps = 0;
  /// Blocks that are to be resident on one multiprocessor: bounds the registers that ptxas gives a thread.
  unsigned minBlocks = 1;
};

/// An operand: a value, or a constant of the other operand's type (i32 or f32 where both are constants).
class Operand {
public:
  Operand(mlir::Value value) : value(value) {}
  template <typename T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Operand(T constant) : constant(static_cast<double>(constant)), isFloat(std::is_floating_point_v<T>) {}

  /// The value, or null for a constant.
  mlir::Value value;
  double constant = 0;
  bool isFloat = false;
};

/// Registers of one lane that hold its part of a matrix: 32 bits each (f32 where they are sums of floats).
using Fragment = llvm::SmallVector<mlir::Value>;

/// Writes one kernel: a `gpu.func` in a `gpu.module`, in scalar i32 and f32 arithmetic, `!llvm.ptr` pointers (address
/// space 1 for global memory, 3 for shared) and short vectors. There are no memrefs and no `index` values. Constants
/// are folded as they are written. All methods put ops at the current insertion point; loop and branch bodies are
/// written by callbacks. Arithmetic works on scalars and on vectors (f16x2 as vector<2xf16>); float operations round
/// each on its own, in the order written.
///
///   KernelBuilder k(module, loc, {"scale_rows", /*pointers=*/2, /*threads=*/128});
///   Value row = k.blockX();
///   k.ifThen(k.lessS(row, k.rows()), [&] {
///     Value in = k.element(k.rowPointer(k.pointer(0), row, 512), k.mul(k.threadX(), 4));
///     ...
///   });
///   k.finish();
class KernelBuilder {
public:
  /// Starts the kernel at the end of `module`.
  KernelBuilder(mlir::gpu::GPUModuleOp module, mlir::Location loc, const KernelSignature &signature);
  /// Ends the kernel.
  void finish();

  mlir::OpBuilder &builder() { return b; }
  mlir::Location location() const { return loc; }
  mlir::gpu::GPUFuncOp function() { return func; }

  //===--- Types ---===//
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type i16() { return b.getI16Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Type f16() { return b.getF16Type(); }
  mlir::Type bf16() { return b.getBF16Type(); }
  mlir::Type f32() { return b.getF32Type(); }
  mlir::VectorType vectorOf(int64_t length, mlir::Type element) { return mlir::VectorType::get({length}, element); }

  //===--- Parameters and indices (i32) ---===//
  /// Global pointer parameter `number`, 16-byte aligned.
  mlir::Value pointer(unsigned number);
  /// The last parameter: the number of rows.
  mlir::Value rows();
  mlir::Value threadX();
  mlir::Value blockX();
  mlir::Value blockY();
  mlir::Value blockZ();
  /// Thread within its warp, 0..31, and warp within the block.
  mlir::Value lane();
  mlir::Value warp();

  //===--- Constants ---===//
  mlir::Value constantI32(int32_t value);
  mlir::Value constantI64(int64_t value);
  mlir::Value constantF32(float value);
  /// `value` in `type`: an integer, float or vector (all elements alike) type.
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value zero(mlir::Type type) { return constant(type, 0); }
  mlir::Value boolean(bool value);

  //===--- Arithmetic: integers or floats by the type of the operands ---===//
  mlir::Value add(Operand x, Operand y);
  mlir::Value sub(Operand x, Operand y);
  mlir::Value mul(Operand x, Operand y);
  /// Floats: correctly rounded, by a subroutine of ~20 instructions; see reciprocalApprox().
  mlir::Value div(Operand x, Operand y);
  /// x·y + z, rounded once (floats).
  mlir::Value fma(Operand x, Operand y, Operand z);
  /// Signed, or of floats: the other operand where one is NaN.
  mlir::Value min(Operand x, Operand y);
  mlir::Value max(Operand x, Operand y);
  mlir::Value abs(Operand x);
  mlir::Value neg(Operand x);
  /// Unsigned integers. Powers of two become shifts and masks.
  mlir::Value divU(Operand x, Operand y);
  mlir::Value remU(Operand x, Operand y);
  mlir::Value shl(Operand x, Operand y);
  mlir::Value shrU(Operand x, Operand y);
  mlir::Value shrS(Operand x, Operand y);
  mlir::Value bitAnd(Operand x, Operand y);
  mlir::Value bitOr(Operand x, Operand y);
  mlir::Value bitXor(Operand x, Operand y);

  //===--- Comparisons (i1); floats: false where one is NaN, except notEqual ---===//
  mlir::Value equal(Operand x, Operand y);
  mlir::Value notEqual(Operand x, Operand y);
  mlir::Value lessS(Operand x, Operand y);
  mlir::Value lessU(Operand x, Operand y);
  mlir::Value lessEqualS(Operand x, Operand y);
  mlir::Value greaterS(Operand x, Operand y) { return lessS(y, x); }
  mlir::Value greaterEqualS(Operand x, Operand y) { return lessEqualS(y, x); }
  mlir::Value select(mlir::Value condition, Operand x, Operand y);

  //===--- Conversions ---===//
  /// i32 to f32, rounded to nearest even.
  mlir::Value toFloat(mlir::Value x);
  /// f32 to i32, rounded to nearest even, saturated; NaN becomes 0.
  mlir::Value roundToInt(mlir::Value x);
  /// Between f32, f16 and bf16 (scalars or vectors), rounded to nearest even. The same type: x itself.
  mlir::Value convertFloat(mlir::Value x, mlir::Type element);
  mlir::Value extendS(mlir::Value x, mlir::Type type);
  mlir::Value extendU(mlir::Value x, mlir::Type type);
  mlir::Value truncate(mlir::Value x, mlir::Type type);
  /// The same bits as another type of the same width; vectors count as a whole.
  mlir::Value bitcast(mlir::Value x, mlir::Type type);

  //===--- Vectors ---===//
  mlir::Value element(mlir::Value vector, int64_t position);
  Fragment elements(mlir::Value vector);
  mlir::Value vector(llvm::ArrayRef<mlir::Value> elements);

  //===--- Control flow ---===//
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then);
  /// Values of one branch or the other; both give values of the same types.
  llvm::SmallVector<mlir::Value> ifElse(mlir::Value condition,
                                        llvm::function_ref<llvm::SmallVector<mlir::Value>()> then,
                                        llvm::function_ref<llvm::SmallVector<mlir::Value>()> otherwise);
  /// for (i = lower; i < upper; i += step), signed i32, step > 0. `body` gets i and the carried values, and gives the
  /// next ones. Returns the last ones.
  llvm::SmallVector<mlir::Value>
  loop(Operand lower, Operand upper, Operand step, mlir::ValueRange carried,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  void loop(Operand lower, Operand upper, Operand step, llvm::function_ref<void(mlir::Value)> body);

  //===--- Memory ---===//
  /// `pointer` + `bytes` (i32, signed, or i64).
  mlir::Value address(mlir::Value pointer, Operand bytes);
  /// `pointer` + row · bytesPerRow, the product in 64 bits.
  mlir::Value rowPointer(mlir::Value pointer, mlir::Value row, int64_t bytesPerRow);
  /// The block's dynamic shared memory, 128-byte aligned, from byte `offset` on.
  mlir::Value shared(Operand offset);
  /// A scalar or a vector at an address that is a multiple of `alignment` bytes. One instruction where the alignment is
  /// the size of the type (up to 16 bytes).
  mlir::Value load(mlir::Type type, mlir::Value pointer, unsigned alignment);
  void store(mlir::Value value, mlir::Value pointer, unsigned alignment);
  /// A load where `condition` holds, `otherwise` elsewhere.
  mlir::Value loadIf(mlir::Value condition, mlir::Type type, mlir::Value pointer, unsigned alignment,
                     mlir::Value otherwise);
  void storeIf(mlir::Value condition, mlir::Value value, mlir::Value pointer, unsigned alignment);
  /// Four i32 of global memory that this kernel reads once and nobody writes: they do not stay in L1.
  Fragment loadStreaming(mlir::Value pointer);

  //===--- Synchronization and asynchronous copies (sm_80+) ---===//
  void barrier();
  void syncWarp();
  /// 16 bytes from global to shared memory, both 16-byte aligned, not through L1. With `sourceBytes` (i32, 0..16) only
  /// that many are read and the rest is filled with zeros; nothing is read for 0.
  void copyAsync(mlir::Value shared, mlir::Value global, mlir::Value sourceBytes = {});
  void copyAsyncCommit();
  /// Waits until at most `pending` of this thread's latest groups are under way.
  void copyAsyncWait(unsigned pending);

  //===--- Matrices. Sums in, sums out: 4 per lane ---===//
  /// ldmatrix.x4: four 8 × 16-byte matrices; the lane's address is that of row lane % 8 of matrix lane / 8. Transposed:
  /// as matrices of 16-bit elements.
  Fragment loadMatrix4(mlir::Value shared, bool isTransposed = false);
  /// m16n8k64 s4·s4 + s32: 4, 2 and 4 registers (sm_80 to sm_89).
  Fragment mmaS4(const Fragment &a, const Fragment &b, const Fragment &c);
  /// The same product by m8n8k32, of which there are four (sm_75).
  Fragment mmaS4Turing(const Fragment &a, const Fragment &b, const Fragment &c);
  /// m16n8k32 s8·s8 + s32: 4, 2 and 4 registers (sm_80+).
  Fragment mmaS8(const Fragment &a, const Fragment &b, const Fragment &c);
  /// The same product by m8n8k16, of which there are four (sm_75).
  Fragment mmaS8Turing(const Fragment &a, const Fragment &b, const Fragment &c);
  /// m16n8k16 of f16 or bf16 (`element`) with f32 sums: 4, 2 and 4 registers; a and b are i32 with two values each.
  Fragment mmaFloat(mlir::Type element, const Fragment &a, const Fragment &b, const Fragment &c);
  /// The same product of f16 by two m16n8k8 (sm_75).
  Fragment mmaF16Turing(const Fragment &a, const Fragment &b, const Fragment &c);

  //===--- Between lanes ---===//
  /// The value of lane (lane ^ mask); any 32-bit type.
  mlir::Value shuffleXor(mlir::Value x, unsigned mask);
  /// The value of lane `source` (0..31).
  mlir::Value shuffleFrom(mlir::Value x, Operand source);
  using Combine = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;
  /// Combines x over groups of `width` neighbouring lanes (a power of two); every lane gets the result. The order is
  /// that of a butterfly: masks width/2, ..., 2, 1.
  mlir::Value warpReduce(mlir::Value x, Combine combine, unsigned width = 32);
  /// Combines x over `warps` warps whose first is a multiple of `warps`; every thread gets the result: that of each
  /// warp's warpReduce(), in the order of warps. Uses `warps` · 4 bytes per group of warps in shared memory at byte
  /// `scratch`, with a barrier before they are read; a further one is due before they are written again. All threads
  /// of the block take part.
  mlir::Value blockReduce(mlir::Value x, Combine combine, unsigned warps, Operand scratch);
  mlir::Value blockSum(mlir::Value x, unsigned warps, Operand scratch);
  mlir::Value blockMax(mlir::Value x, unsigned warps, Operand scratch);

  //===--- Leaves in inline PTX ---===//
  /// One instruction without side effects: identical ones are merged.
  mlir::Value pureAsm(mlir::Type result, llvm::StringRef text, llvm::StringRef constraints, mlir::ValueRange operands);
  /// 2^x, 1/sqrt(x), 1/x, sqrt(x): f32 approximations of the hardware (errors up to 2 ulp; PTX ISA).
  mlir::Value exp2Approx(mlir::Value x);
  /// The same in one instruction: subnormal numbers and results are 0.
  mlir::Value exp2Flushed(mlir::Value x);
  mlir::Value rsqrtApprox(mlir::Value x);
  mlir::Value reciprocalApprox(mlir::Value x);
  mlir::Value sqrtApprox(mlir::Value x);
  /// Eight i32, saturated to [-8, 7], in the nibbles of one i32, the first in the lowest.
  mlir::Value packS4(llvm::ArrayRef<mlir::Value> values);
  /// Four i32, saturated to [-128, 127], in the bytes of one i32, the first in the lowest.
  mlir::Value packS8(llvm::ArrayRef<mlir::Value> values);
  /// Signed nibbles as bytes times 16: those in the low nibbles of every byte, and those in the high ones. The factor
  /// spares the sign extension (Kernels take it out of the sum exactly).
  std::array<mlir::Value, 2> unpackS4Times16(mlir::Value codes);
  /// The four pairs of codes in nibbles p and p + 4, p = 0..3, each stored as code + 8, as pairs of f16 or bf16
  /// (`element`) in i32: the A fragment of m16n8k16 out of the layout m16n8k16.f16x4. Exact.
  Fragment unpackOffset4(mlir::Value codes, mlir::Type element);
  /// lop3.b32 with the truth table `table` (0xF0, 0xCC, 0xAA are x, y, z).
  mlir::Value lop3(Operand x, Operand y, Operand z, uint8_t table);
  /// prmt.b32: byte i of the result is byte (selector >> 4·i) & 7 of x (0 to 3) and y (4 to 7).
  mlir::Value permuteBytes(Operand x, Operand y, uint16_t selector);

private:
  mlir::Value materialize(const Operand &operand, mlir::Type type);
  /// Both operands as values of one type.
  std::pair<mlir::Value, mlir::Value> unify(const Operand &x, const Operand &y);
  template <typename IntegerOp, typename FloatOp> mlir::Value arithmetic(const Operand &x, const Operand &y);
  template <typename IntegerOp> mlir::Value integer(const Operand &x, const Operand &y);
  template <typename IdOp> mlir::Value special(unsigned upperBound);
  mlir::Value compare(mlir::arith::CmpIPredicate integers, mlir::arith::CmpFPredicate floats, const Operand &x,
                      const Operand &y);
  mlir::Value floatIntrinsic(llvm::StringRef name, mlir::ValueRange operands);
  mlir::Value shuffle(mlir::Value x, mlir::Value lane, mlir::NVVM::ShflKind kind);
  Fragment unpackStruct(mlir::Value value);
  Fragment mma(mlir::Type sum, llvm::ArrayRef<int64_t> shape, mlir::ValueRange a, mlir::ValueRange b,
               mlir::ValueRange c, std::optional<mlir::NVVM::MMATypes> type);

  mlir::gpu::GPUModuleOp module;
  mlir::Location loc;
  mlir::OpBuilder b;
  mlir::gpu::GPUFuncOp func;
  unsigned threads;
};

} // namespace quantopt

#endif // QUANTOPT_CONVERSION_TILETOGPU_KERNELBUILDER_H
