//===- Translate.cpp - GPU kernels as PTX text ----------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Target/PTX/Translate.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "quantopt/Conversion/TileToGpu/KernelBuilder.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace quantopt;

void quantopt::registerPtxTranslation(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, gpu::GPUDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

namespace {
/// An architecture and the PTX version that its text is written in.
struct PtxTarget {
  llvm::StringLiteral chip;
  llvm::StringLiteral features;
};
} // namespace

/// PTX 8.0 is what a CUDA 12.0 driver reads; newer architectures take the first version that has them (and, from sm_90a
/// on, the forms of TMA that address one CTA, which came with 8.6).
static constexpr PtxTarget targets[] = {
    {"sm_75", "+ptx80"},   {"sm_80", "+ptx80"},  {"sm_86", "+ptx80"},   {"sm_87", "+ptx80"},   {"sm_89", "+ptx80"},
    {"sm_90", "+ptx80"},   {"sm_90a", "+ptx86"}, {"sm_100", "+ptx86"},  {"sm_100a", "+ptx86"}, {"sm_103a", "+ptx88"},
    {"sm_110a", "+ptx90"}, {"sm_120", "+ptx87"}, {"sm_120a", "+ptx87"},
};

/// The target machine for `arch`, with floating-point operations kept apart: a product and a sum become one fused
/// operation only where a kernel says so, on every machine alike.
static FailureOr<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(Operation *op, StringRef arch) {
  const PtxTarget *target = llvm::find_if(targets, [&](const PtxTarget &t) { return t.chip == arch; });
  if (target == std::end(targets))
    return op->emitError() << "no PTX for the architecture '" << arch << "'; known ones are "
                           << llvm::join(llvm::map_range(targets, [](const PtxTarget &t) { return t.chip.str(); }),
                                         ", ");
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return op->emitError() << "this LLVM has no NVPTX back end: " << message;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      triple, target->chip, target->features, options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Fails for instructions that the architecture does not execute: LLVM aborts selecting them, and ptxas emulates INT4
/// products by some 190 instructions from sm_90 on.
static LogicalResult checkInstructions(gpu::GPUModuleOp kernels, StringRef arch) {
  unsigned version = 0;
  arch.drop_front(3).consumeInteger(10, version);
  auto refuse = [&](Operation *op, StringRef what) {
    op->emitError() << arch << " does not execute " << what;
    return WalkResult::interrupt();
  };
  WalkResult result = kernels.walk([&](Operation *op) {
    if (isa<NVVM::CpAsyncOp>(op) && version < 80)
      return refuse(op, "cp.async");
    auto mma = dyn_cast<NVVM::MmaOp>(op);
    if (!mma)
      return WalkResult::advance();
    NVVM::MMATypes type = mma.getMultiplicandAPtxType().value_or(NVVM::MMATypes::f16);
    if (type == NVVM::MMATypes::s4 && version >= 90)
      return refuse(op, "mma of s4");
    bool isSmall = type == NVVM::MMATypes::f16 ? mma.getShape().getK() == 8 : mma.getShape().getM() == 8;
    if (version < 80 && !isSmall)
      return refuse(op, "mma of these shapes and types");
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Lowers the kernels in `module` to the LLVM and NVVM dialects, in place. The order matters: structured control flow
/// has to be gone before gpu ops are converted, because that conversion lowers branches too.
static LogicalResult lowerToLlvmDialect(ModuleOp module) {
  PassManager passes(module.getContext(), ModuleOp::getOperationName());
  OpPassManager &kernels = passes.nest<gpu::GPUModuleOp>();
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createLoopInvariantCodeMotionPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertGpuOpsToNVVMOps());
  kernels.addPass(createConvertVectorToLLVMPass());
  kernels.addPass(createArithToLLVMConversionPass());
  kernels.addPass(createUBToLLVMConversionPass());
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

/// LLVM's O3 pipeline, but loops stay loops: builders unroll where that pays.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions options;
  options.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, options);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

/// Marks parameters that are tensor maps: 128 bytes by value, which copies address where they are.
static void markTensorMaps(gpu::GPUModuleOp kernels) {
  OpBuilder b(kernels.getContext());
  for (auto kernel : kernels.getOps<LLVM::LLVMFuncOp>()) {
    auto count = kernel->getAttrOfType<IntegerAttr>(tensorMapsAttrName);
    for (int64_t i = 0; count && i < count.getInt(); ++i) {
      auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), tensorMapBytes);
      kernel.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
      kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(tensorMapAlignment));
      kernel.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    }
  }
}

/// Fails where `module` calls a function that it does not define: nothing would link it.
static LogicalResult checkNoExternalCalls(Operation *op, const llvm::Module &module) {
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty())
      return op->emitError() << "kernel calls '" << function.getName()
                             << "', which is no instruction: use the operations of KernelBuilder";
  return success();
}

FailureOr<std::string> quantopt::translateToPtx(gpu::GPUModuleOp kernels, StringRef arch) {
  FailureOr<std::unique_ptr<llvm::TargetMachine>> machine = makeTargetMachine(kernels, arch);
  if (failed(machine) || failed(checkInstructions(kernels, arch)))
    return failure();
  // In a module of its own: the conversions read the data layout of the module around the kernels.
  OwningOpRef<ModuleOp> wrapper(ModuleOp::create(kernels.getLoc()));
  gpu::GPUModuleOp lowered = kernels.clone();
  wrapper->push_back(lowered);
  if (failed(lowerToLlvmDialect(*wrapper)))
    return failure();
  markTensorMaps(lowered);

  llvm::LLVMContext context;
  std::string errors;
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo *info, void *text) {
        if (info->getSeverity() != llvm::DS_Error)
          return;
        llvm::raw_string_ostream stream(*static_cast<std::string *>(text));
        llvm::DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
      },
      &errors);
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(lowered, context, kernels.getName());
  if (!module)
    return kernels.emitError("kernels do not translate to LLVM IR");
  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  optimize(*module, **machine);
  if (failed(checkNoExternalCalls(kernels, *module)))
    return failure();

  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager codegen;
  if ((*machine)->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return kernels.emitError("the NVPTX back end does not write text");
  codegen.run(*module);
  if (!errors.empty())
    return kernels.emitError() << "generating PTX: " << errors;
  return text.str().str();
}
