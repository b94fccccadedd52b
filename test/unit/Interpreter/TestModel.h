//===- TestModel.h - IR of tests, with weights in a temporary file ------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_TEST_UNIT_INTERPRETER_TESTMODEL_H
#define QUANTOPT_TEST_UNIT_INTERPRETER_TESTMODEL_H

#include "TestTensors.h"
#include "mlir/Parser/Parser.h"
#include "quantopt/InitAllDialects.h"
#include "quantopt/Interp/Interpreter.h"
#include "quantopt/Support/FileAccess.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

namespace quantopt {

/// A module from its text. "FILE" in the text is a file that holds `weights`, f32.
class TestModel {
public:
  explicit TestModel(std::string text, const Tensor &weights = Tensor()) {
    if (weights) {
      int descriptor;
      EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("interpreter-test", "bin", descriptor, file));
      llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
      stream.write(weights.raw(), weights.sizeInBytes());
      allowFile(file);
      if (size_t at = text.find("FILE"); at != std::string::npos)
        text.replace(at, 4, std::string(file));
    }
    registerAllDialects(dialects);
    context.appendDialectRegistry(dialects);
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(bool(module));
    if (module)
      evaluator = std::make_unique<param::WeightEvaluator>(*module, store);
  }
  ~TestModel() {
    if (!file.empty())
      llvm::sys::fs::remove(file);
  }

  mlir::ModuleOp get() { return *module; }

  interp::Interpreter interpreter(interp::InterpreterOptions options = {}) {
    return interp::Interpreter(module->lookupSymbol<mlir::func::FuncOp>("main"), evaluator.get(), options);
  }
  llvm::SmallVector<Tensor> run(llvm::ArrayRef<Tensor> inputs, interp::InterpreterOptions options = {}) {
    auto results = interpreter(options).run(inputs);
    if (results)
      return std::move(*results);
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  std::string errorOfRun(llvm::ArrayRef<Tensor> inputs) { return errorOf(interpreter().run(inputs)); }

private:
  mlir::DialectRegistry dialects;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::SmallString<64> file;
  WeightStore store;
  std::unique_ptr<param::WeightEvaluator> evaluator;
};

} // namespace quantopt

#endif // QUANTOPT_TEST_UNIT_INTERPRETER_TESTMODEL_H
