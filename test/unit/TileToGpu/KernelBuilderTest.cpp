//===- KernelBuilderTest.cpp - kernels written by hand, as PTX ------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "quantopt/Target/PTX/Translate.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// A module with one kernel, written by the callback.
struct KernelTest : testing::Test {
  KernelTest() {
    DialectRegistry registry;
    registerPtxTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    OpBuilder b(&context);
    module = gpu::GPUModuleOp::create(b, b.getUnknownLoc(), "kernels");
  }

  std::string translate(const KernelSignature &signature, llvm::function_ref<void(KernelBuilder &)> body,
                        StringRef arch = "sm_80") {
    KernelBuilder k(*module, UnknownLoc::get(&context), signature);
    body(k);
    k.finish();
    EXPECT_TRUE(succeeded(verify(*module)));
    FailureOr<std::string> text = translateToPtx(*module, arch);
    EXPECT_TRUE(succeeded(text));
    return succeeded(text) ? *text : std::string();
  }

  MLIRContext context;
  OwningOpRef<gpu::GPUModuleOp> module;
};

bool contains(const std::string &text, StringRef part) {
  bool found = StringRef(text).contains(part);
  if (!found)
    llvm::errs() << "no '" << part << "' in\n" << text;
  return found;
}
} // namespace

TEST_F(KernelTest, entryAndParameters) {
  std::string text = translate({"scale", 2, 128}, [](KernelBuilder &k) {
    Value row = k.blockX();
    k.ifThen(k.lessS(row, k.rows()), [&] {
      Value offset = k.mul(k.threadX(), 16);
      auto type = k.vectorOf(4, k.f32());
      Value x = k.load(type, k.address(k.rowPointer(k.pointer(0), row, 2048), offset), 16);
      k.store(k.add(k.mul(x, 3.0), 1.0), k.address(k.rowPointer(k.pointer(1), row, 2048), offset), 16);
    });
  });
  EXPECT_TRUE(contains(text, ".visible .entry scale("));
  EXPECT_TRUE(contains(text, ".maxntid 128"));
  EXPECT_TRUE(contains(text, "ld.global.v4.b32"));
  EXPECT_TRUE(contains(text, "st.global.v4.b32"));
  // Rounded one by one: ptxas may not contract these.
  EXPECT_TRUE(contains(text, "mul.rn.f32") && contains(text, "add.rn.f32"));
  EXPECT_FALSE(StringRef(text).contains("fma"));
  EXPECT_FALSE(StringRef(text).contains(".extern .func"));
}

TEST_F(KernelTest, reductionThroughSharedMemory) {
  std::string text = translate({"sum", 2, 128}, [](KernelBuilder &k) {
    Value x = k.load(k.f32(), k.address(k.pointer(0), k.mul(k.threadX(), 4)), 4);
    Value sum = k.blockSum(x, 4, 0);
    k.storeIf(k.equal(k.threadX(), 0), sum, k.pointer(1), 4);
  });
  EXPECT_TRUE(contains(text, ".extern .shared .align 128 .b8 dynamic_shared[]"));
  EXPECT_TRUE(contains(text, "shfl.sync.bfly.b32"));
  EXPECT_TRUE(contains(text, "bar.sync"));
}

TEST_F(KernelTest, matricesAndCopies) {
  std::string text = translate({"product", 2, 32}, [](KernelBuilder &k) {
    Value slot = k.shared(k.mul(k.threadX(), 16));
    k.copyAsync(slot, k.address(k.pointer(0), k.mul(k.threadX(), 16)), k.select(k.lessS(k.threadX(), k.rows()), 16, 0));
    k.copyAsyncCommit();
    k.copyAsyncWait(0);
    k.barrier();
    Fragment sum(4, k.zero(k.i32())), none = sum;
    SmallVector<Value> last = k.loop(0, k.rows(), 1, sum, [&](Value, ValueRange carried) {
      Fragment a = k.loadMatrix4(slot);
      return SmallVector<Value>(k.mmaS4(a, {a[0], a[1]}, Fragment(carried)));
    });
    Fragment bytes = k.mmaS8(last, {last[0], last[1]}, none);
    Fragment floats(4, k.constantF32(0));
    Fragment halves = k.mmaFloat(k.f16(), last, {last[0], last[1]}, floats);
    Value packed = k.packS4({bytes[0], bytes[1], bytes[2], bytes[3], last[0], last[1], last[2], last[3]});
    k.store(k.add(packed, k.roundToInt(halves[0])), k.address(k.pointer(1), k.mul(k.threadX(), 4)), 4);
  });
  EXPECT_TRUE(contains(text, "cp.async.cg.shared.global"));
  EXPECT_TRUE(contains(text, "ldmatrix.sync.aligned.m8n8.x4.shared.b16"));
  EXPECT_TRUE(contains(text, "mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32"));
  EXPECT_TRUE(contains(text, "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"));
  EXPECT_TRUE(contains(text, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"));
  EXPECT_TRUE(contains(text, "cvt.pack.sat.s4.s32.b32"));
  EXPECT_TRUE(contains(text, "cvt.rni.s32.f32"));
}

TEST_F(KernelTest, turingProduct) {
  std::string text = translate(
      {"product", 1, 32},
      [](KernelBuilder &k) {
        Value out = k.address(k.pointer(0), k.mul(k.threadX(), 16));
        Fragment x = k.elements(k.load(k.vectorOf(4, k.i32()), out, 16));
        k.store(k.vector(k.mmaS4Turing(x, {x[0], x[1]}, x)), out, 16);
      },
      "sm_75");
  EXPECT_TRUE(contains(text, "mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32"));
}

TEST_F(KernelTest, branchesGiveValues) {
  std::string text = translate({"branches", 2, 32}, [](KernelBuilder &k) {
    Value x = k.loadIf(k.lessS(k.threadX(), k.rows()), k.f32(), k.address(k.pointer(0), k.mul(k.threadX(), 4)), 4,
                       k.constantF32(0));
    Value y = k.fma(k.exp2Approx(x), k.abs(k.rsqrtApprox(x)), k.shuffleFrom(x, 0));
    k.store(k.convertFloat(y, k.bf16()), k.address(k.pointer(1), k.mul(k.threadX(), 2)), 2);
  });
  EXPECT_TRUE(contains(text, "ex2.approx.f32"));
  EXPECT_TRUE(contains(text, "fma.rn.f32"));
  EXPECT_TRUE(contains(text, "cvt.rn.bf16.f32"));
}

TEST_F(KernelTest, unknownArchitecture) {
  ScopedDiagnosticHandler handler(&context, [](Diagnostic &diagnostic) {
    EXPECT_EQ(diagnostic.str().substr(0, 35), "no PTX for the architecture 'sm_42'");
    return success();
  });
  EXPECT_TRUE(failed(translateToPtx(*module, "sm_42")));
}

TEST_F(KernelTest, refusesWhatAnArchitectureDoesNotExecute) {
  auto body = [](KernelBuilder &k) {
    Value out = k.address(k.pointer(0), k.mul(k.threadX(), 16));
    Fragment x = k.elements(k.load(k.vectorOf(4, k.i32()), out, 16));
    k.store(k.vector(k.mmaS4(x, {x[0], x[1]}, x)), out, 16);
  };
  translate({"product", 1, 32}, body);
  for (StringRef arch : {"sm_75", "sm_90a", "sm_120a"}) {
    std::string message;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
    EXPECT_TRUE(failed(translateToPtx(*module, arch)));
    EXPECT_TRUE(contains(message, (arch + " does not execute mma").str()));
  }
}

TEST_F(KernelTest, refusesCallsOfLibraries) {
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  auto type = LLVM::LLVMFunctionType::get(b.getF32Type(), {b.getF32Type()});
  auto function = LLVM::LLVMFuncOp::create(b, b.getUnknownLoc(), "__nv_sinf", type);
  KernelBuilder k(*module, b.getUnknownLoc(), {"sine", 1, 32});
  Value x = k.load(k.f32(), k.pointer(0), 4);
  k.store(LLVM::CallOp::create(k.builder(), k.location(), function, x).getResult(), k.pointer(0), 4);
  k.finish();
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
  EXPECT_TRUE(failed(translateToPtx(*module, "sm_80")));
  EXPECT_TRUE(contains(message, "kernel calls '__nv_sinf'"));
}
