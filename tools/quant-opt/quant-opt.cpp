//===- quant-opt.cpp - the compiler driver ------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// mlir-opt for this project's dialects and passes, which takes .onnx files as well: they are imported in a context of
// their own and handed on as bytecode, so every flag of mlir-opt works on them.
//
//===----------------------------------------------------------------------------===//
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/InitAllPasses.h"
#include "quantopt/Onnx/Import.h"
#include "quantopt/Pipelines/Explain.h"
#include "quantopt/Pipelines/VerifyNumerics.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include <sys/mman.h>

using namespace mlir;
using namespace quantopt;

#ifdef QUANTOPT_INCLUDE_TESTS
void registerTestMutatePass();
#endif

/// Imports the model and serialises the module. Null after diagnostics.
static std::unique_ptr<llvm::MemoryBuffer> importAsBytecode(StringRef path, StringRef irPath) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler diagnostics(sources, &context);
  ImportOptions options;
  options.irPath = irPath.str();
  OwningOpRef<ModuleOp> module = importOnnx(path, context, options);
  if (!module)
    return nullptr;
  std::string bytecode;
  llvm::raw_string_ostream stream(bytecode);
  if (failed(writeBytecodeToFile(*module, stream)))
    return nullptr;
  return llvm::MemoryBuffer::getMemBufferCopy(bytecode, path);
}

static std::unique_ptr<llvm::MemoryBuffer> openInput(StringRef path, StringRef irPath) {
  if (path.ends_with(".onnx"))
    return importAsBytecode(path, irPath);
  allowInput(path);
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(path, &error);
  if (!buffer)
    llvm::errs() << "error: " << error << '\n';
  return buffer;
}

/// Whether the pipeline ends in an emission pass, whose file is then the result.
static bool emitsFile(const MlirOptMainConfig &config, DialectRegistry &registry) {
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  PassManager pipeline(&context);
  if (failed(config.setupPassPipeline(pipeline)) || pipeline.empty())
    return false;
  Pass &last = *std::prev(pipeline.end());
  return last.getArgument().starts_with("emit-");
}

/// Gives back the pages of shared libraries' code that loading them has touched: 30 MB, a third of what a process of
/// LLVM has at its start. Code that runs is mapped again as it is reached. Does nothing where /proc is not as on Linux.
static void dropTouchedCode() {
  auto maps = llvm::MemoryBuffer::getFileAsStream("/proc/self/maps");
  if (!maps)
    return;
  for (StringRef line : llvm::split((*maps)->getBuffer(), '\n')) {
    auto [range, rest] = line.split(' ');
    auto [begin, end] = range.split('-');
    uint64_t first, last;
    bool isCode = rest.starts_with("r-xp") && rest.contains(".so");
    if (isCode && !begin.getAsInteger(16, first) && !end.getAsInteger(16, last))
      (void)madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
  }
}

namespace {
enum class ExplainFormat { None, Text, Json };
} // namespace

/// Explains the one model that the command line names, in place of running passes. Comes before all registration, which
/// would take most of the memory that an explanation needs. Nothing where --explain is not asked for; else the exit
/// status.
static std::optional<int> explainIfAsked(int argc, char **argv) {
  ExplainFormat format = ExplainFormat::None;
  SmallVector<StringRef> paths;
  for (StringRef argument : ArrayRef(argv, argc).drop_front()) {
    StringRef option = argument.ltrim('-');
    if (argument.starts_with("-") && (option == "explain" || option == "explain=text"))
      format = ExplainFormat::Text;
    else if (argument.starts_with("-") && option == "explain=json")
      format = ExplainFormat::Json;
    else
      paths.push_back(argument);
  }
  if (format == ExplainFormat::None)
    return std::nullopt;
  dropTouchedCode();
  if (paths.size() != 1 || !paths[0].ends_with(".onnx")) {
    llvm::errs() << "error: --explain expects one .onnx file and no other option, but --explain=json\n";
    return 1;
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  return succeeded(explainModel(paths[0], context, format == ExplainFormat::Json, llvm::outs())) ? 0 : 1;
}

/// The configuration with every function-preserving pass proved by running what it rewrites.
static MlirOptMainConfig withNumericVerification(const MlirOptMainConfig &config) {
  MlirOptMainConfig verifying = config;
  verifying.setPassPipelineSetupFn([config](PassManager &pm) {
    if (failed(config.setupPassPipeline(pm)))
      return failure();
    enableNumericVerification(pm);
    return success();
  });
  return verifying;
}

/// The configuration with the passes that compute weights told to say first what that takes.
static MlirOptMainConfig withPlan(const MlirOptMainConfig &config) {
  MlirOptMainConfig planning = config;
  planning.setPassPipelineSetupFn([config](PassManager &pm) {
    if (failed(config.setupPassPipeline(pm)))
      return failure();
    auto report = [](const Twine &message) {
      llvm::errs() << "error: " << message << '\n';
      return failure();
    };
    for (Pass &pass : pm.getPasses())
      if (llvm::is_contained({"emit-bundle", "emit-onnx", "param-materialize"}, pass.getArgument()) &&
          failed(pass.initializeOptions("plan=true", report)))
        return failure();
    return success();
  });
  return planning;
}

/// An error about a module would print all of a model behind it; `--mlir-print-op-on-diagnostic` still asks for that.
static void leaveOpsOutOfDiagnostics() {
  llvm::cl::Option *option = llvm::cl::getRegisteredOptions().lookup("mlir-print-op-on-diagnostic");
  if (option && !option->getNumOccurrences())
    option->addOccurrence(0, option->ArgStr, "false");
}

/// Leaves what LLVM's libraries have registered by now to --help-hidden: --help is about passes and models.
static void hideOptionsOfLibraries() {
  for (auto &entry : llvm::cl::getRegisteredOptions()) {
    StringRef category = entry.second->Categories.front()->getName();
    if (category != "Generic Options" && category != inputCategory().getName()) // --help, --version; the project's
      entry.second->setHiddenFlag(llvm::cl::Hidden);
  }
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (std::optional<int> status = explainIfAsked(argc, argv))
    return *status;
  llvm::cl::SetVersionPrinter(
      [](raw_ostream &os) { os << "quantopt " QUANTOPT_VERSION "\nLLVM " LLVM_VERSION_STRING "\n"; });
  hideOptionsOfLibraries();
  llvm::cl::opt<bool> verifyNumerics(
      "verify-numerics", llvm::cl::desc("Run functions in f64 before and after each pass that may not change what they "
                                        "compute, and fail where results differ"));
  llvm::cl::opt<bool> plan("plan", llvm::cl::desc("Print sizes, memory and an estimate of the time on stderr before "
                                                  "weights are computed"));
  llvm::cl::opt<std::string> explainOption(
      "explain", llvm::cl::ValueOptional, llvm::cl::value_desc("json"),
      llvm::cl::desc(
          "Say what the model is and what can be done with it: exporter, architecture, parameters, nodes that "
          "are not recognised, rotations; as text or JSON, in place of running passes"));
  registerAllPasses();
#ifdef QUANTOPT_INCLUDE_TESTS
  registerTestMutatePass();
#endif
  DialectRegistry registry;
  registerAllDialects(registry);

  auto [inputPath, outputPath] =
      registerAndParseCLIOptions(argc, argv, "quantopt: rewrites and quantizes models (.onnx or .mlir)\n", registry);
  leaveOpsOutOfDiagnostics();
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects()) {
    llvm::interleaveComma(registry.getDialectNames(), llvm::outs() << "Available Dialects: ");
    llvm::outs() << '\n';
    return 0;
  }
  if (config.shouldListPasses()) {
    printRegisteredPasses();
    return 0;
  }

  bool isOutputGiven = llvm::cl::getRegisteredOptions().lookup("o")->getNumOccurrences() > 0;
  if (!isOutputGiven && emitsFile(config, registry))
    outputPath = "/dev/null";

  if (plan)
    config = withPlan(config);
  if (verifyNumerics)
    config = withNumericVerification(config);
  std::unique_ptr<llvm::MemoryBuffer> input = openInput(inputPath, isOutputGiven ? outputPath : "-");
  if (!input)
    return 1;
  std::string error;
  std::unique_ptr<llvm::ToolOutputFile> output = openOutputFile(outputPath, &error);
  if (!output) {
    llvm::errs() << "error: " << error << '\n';
    return 1;
  }
  if (failed(MlirOptMain(output->os(), std::move(input), registry, config)))
    return 1;
  output->keep();
  return 0;
}
