//===- HopperBuilder.cpp - what sm_90a does asynchronously ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "HopperBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace quantopt;

Value HopperBuilder::alignedShared(int64_t alignment) {
  Value start = k.shared(0);
  Value address = LLVM::PtrToIntOp::create(b, loc, k.i32(), start);
  Value aligned = k.bitAnd(k.add(address, alignment - 1), -alignment);
  return LLVM::IntToPtrOp::create(b, loc, start.getType(), aligned);
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

void HopperBuilder::initBarrier(Value barrier, int64_t arrivals) {
  NVVM::MBarrierInitOp::create(b, loc, barrier, k.constantI32(arrivals), /*predicate=*/Value());
}
void HopperBuilder::fenceBarriers() { NVVM::FenceMbarrierInitOp::create(b, loc); }
void HopperBuilder::arrive(Value barrier) {
  NVVM::MBarrierArriveOp::create(b, loc, k.i64(), barrier, /*count=*/Value());
}
void HopperBuilder::arriveExpecting(Value barrier, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(b, loc, Type(), barrier, k.constantI32(bytes), NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false, /*predicate=*/Value());
}
void HopperBuilder::wait(Value barrier, Value parity) {
  constexpr int32_t nanoseconds = 10'000'000; // a hint: how long one try may suspend the thread
  NVVM::MBarrierTryWaitParityOp::create(b, loc, barrier, parity, k.constantI32(nanoseconds));
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void HopperBuilder::copyBox(Value shared, Value map, Value column, Value row, Value barrier) {
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(b, loc, shared, map, ValueRange{column, row}, barrier, {},
                                                         Value(), Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/true,
                                                         NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
}
void HopperBuilder::copyBytes(Value shared, Value global, int64_t bytes, Value barrier) {
  NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(b, loc, shared, global, barrier, k.constantI32(bytes), Value(),
                                                   Value());
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void HopperBuilder::setRegisters(int64_t count, bool isIncrease) {
  auto action = isIncrease ? NVVM::SetMaxRegisterAction::increase : NVVM::SetMaxRegisterAction::decrease;
  NVVM::SetMaxRegisterOp::create(b, loc, count, action);
}

Value HopperBuilder::describeRows(Value rows) {
  // PTX ISA, "Matrix-descriptor Format": address, offset of the next 8 rows and swizzle; all in units of 16 bytes.
  constexpr int64_t eightRows = 1024 / 16, swizzle128 = 1, ignoredOffset = 1;
  constexpr int64_t layout = swizzle128 << 62 | eightRows << 32 | ignoredOffset << 16;
  Value address = LLVM::PtrToIntOp::create(b, loc, k.i32(), rows);
  Value units = k.bitAnd(k.shrU(address, 4), 0x3FFF);
  return k.bitOr(k.extendU(units, k.i64()), k.constantI64(layout));
}

Fragment HopperBuilder::tiedAsm(const Twine &text, const Fragment &tied, ArrayRef<Value> inputs,
                                StringRef inputConstraints) {
  SmallVector<std::string> constraints(tied.size(), "=r");
  if (!inputs.empty())
    constraints.push_back(inputConstraints.str());
  for (size_t i = 0; i < tied.size(); ++i)
    constraints.push_back(std::to_string(i));
  SmallVector<Value> operands(inputs);
  operands.append(tied);
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(tied.size(), k.i32()));
  Value result =
      LLVM::InlineAsmOp::create(b, loc, type, operands, text.str(), llvm::join(constraints, ","),
                                /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
          .getRes();
  Fragment values;
  for (size_t i = 0; i < tied.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(b, loc, result, i));
  return values;
}

/// The registers go through the instruction, so that nothing computes them after it.
Fragment HopperBuilder::fenceProducts(const Fragment &registers) {
  return tiedAsm("wgmma.fence.sync.aligned;", registers, {}, "");
}

Fragment HopperBuilder::multiplyS8(const Fragment &weights, Value rows, const Fragment &sums) {
  size_t count = sums.size();
  std::string registers;
  for (size_t i = 0; i < count; ++i)
    registers += (i ? ", $" : "$") + std::to_string(i);
  std::string text = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(2 * count) + "k32.s32.s8.s8 {" + registers +
                     "}, {$" + std::to_string(count) + ", $" + std::to_string(count + 1) + ", $" +
                     std::to_string(count + 2) + ", $" + std::to_string(count + 3) + "}, $" +
                     std::to_string(count + 4) + ", 1;";
  SmallVector<Value> inputs(weights);
  inputs.push_back(rows);
  return tiedAsm(text, sums, inputs, "r,r,r,r,l");
}

void HopperBuilder::commitProducts() { NVVM::WgmmaGroupSyncAlignedOp::create(b, loc); }

/// Here nothing reads them before it.
Fragment HopperBuilder::waitProducts(const Fragment &sums) {
  return tiedAsm("wgmma.wait_group.sync.aligned 0;", sums, {}, "");
}
