//===- Mutate.cpp - a pass that makes one mistake -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// `test-mutate` claims to preserve functions and breaks one thing, as a faulty pass would: verifiers or the numeric
// proof must notice. Mistakes that keep types consistent lie about the data of a stored weight, for nothing else can.
//
//===----------------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "quantopt/Dialect/Llm/IR/Llm.h"
#include "quantopt/Pipelines/VerifyNumerics.h"

using namespace mlir;
using namespace quantopt;

namespace {
/// A weight of a layer: what the layer reads, and the parameter behind it.
struct LayerWeight {
  OpOperand *use = nullptr;
  param::LoadOp load;
  /// Ops from the layer's weight down to the load.
  SmallVector<Operation *> chain;
};

LayerWeight findWeight(Operation *layer) {
  LayerWeight weight;
  weight.use = &layer->getOpOperand(1); // of llm.linear and of llm.embedding
  Operation *op = weight.use->get().getDefiningOp();
  while (op && !isa<param::LoadOp>(op)) {
    weight.chain.push_back(op);
    op = op->getOperand(0).getDefiningOp();
  }
  weight.load = cast<param::LoadOp>(op);
  return weight;
}

struct TestMutatePass : PassWrapper<TestMutatePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestMutatePass)
  TestMutatePass() = default;
  TestMutatePass(const TestMutatePass &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "test-mutate"; }
  StringRef getDescription() const override { return "Break one thing that rotations depend on"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<llm::LlmDialect, param::ParamDialect, rot::RotDialect>();
  }

  Option<std::string> kind{*this, "kind", llvm::cl::desc("What to break")};
  Option<std::string> role{*this, "role", llvm::cl::desc("llm.role of the layer, or llm.state of the argument")};
  Option<int64_t> dim{*this, "dim", llvm::cl::desc("Dimension of the weight"), llvm::cl::init(0)};

  void runOnOperation() override {
    if (kind != "none" && !mutate()) {
      getOperation().emitError() << "found nothing to break: " << kind << " of " << role;
      signalPassFailure();
    }
  }

  bool mutate() {
    if (kind == "state-basis")
      return makeArgumentStandard();
    Operation *layer = nullptr;
    getOperation().walk([&](Operation *op) {
      if (auto name = op->getAttrOfType<StringAttr>(llm::roleAttrName); name && name.getValue() == role)
        layer = op;
    });
    if (!layer)
      return false;
    if (kind == "drop-weight-convert")
      return dropWeightOp<rot::ConvertOp>(layer);
    if (kind == "drop-norm-scale")
      return dropWeightOp<param::ScaleOp>(layer);
    if (kind == "drop-input-convert")
      return dropConvert(layer->getOpOperand(0));
    if (kind == "drop-query-convert")
      return dropAttentionConvert(0);
    if (kind == "drop-key-convert")
      return dropAttentionConvert(1);
    if (kind == "skip-rotation")
      return lieAboutStoredBasis(layer, [](rot::Transform target) { return target; });
    if (kind == "skip-signs")
      return lieAboutStoredBasis(layer, [](rot::Transform target) -> rot::Transform {
        auto signedHadamard = dyn_cast_or_null<rot::HadamardAttr>(target);
        if (!signedHadamard || signedHadamard.getSeed() == 0)
          return {};
        auto plain = rot::HadamardAttr::get(target.getContext(), signedHadamard.getSize(), 0);
        return rot::compose(target, rot::inverse(plain));
      });
    return false;
  }

  /// A weight expression without one of its ops. Dropping a conversion leaves a type that does not fit.
  template <typename Op> bool dropWeightOp(Operation *layer) {
    for (Operation *op : findWeight(layer).chain)
      if (isa<Op>(op)) {
        op->getResult(0).replaceAllUsesWith(op->getOperand(0));
        return true;
      }
    return false;
  }

  bool dropConvert(OpOperand &use) {
    auto convert = use.get().getDefiningOp<rot::ConvertOp>();
    if (convert)
      use.set(convert.getInput());
    return !!convert;
  }

  /// The conversion of the first attention's queries, or of the keys that it appends to the cache.
  bool dropAttentionConvert(unsigned operand) {
    llm::AttentionOp first;
    getOperation().walk([&](llm::AttentionOp attention) {
      first = attention;
      return WalkResult::interrupt();
    });
    if (!first)
      return false;
    if (operand == 0)
      return dropConvert(first->getOpOperand(0));
    auto append = first.getKey().getDefiningOp<llm::KvAppendOp>();
    return append && dropConvert(append->getOpOperand(1));
  }

  /// Past in another basis than present.
  bool makeArgumentStandard() {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments()) {
        auto state = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), llm::stateAttrName);
        if (!state || state.getValue() != role)
          continue;
        SmallVector<Type> types(function.getArgumentTypes());
        types[argument.getArgNumber()] = rot::inStandardBasis(cast<RankedTensorType>(argument.getType()));
        if (types[argument.getArgNumber()] == argument.getType())
          return false;
        argument.setType(types[argument.getArgNumber()]);
        function.setFunctionType(FunctionType::get(&getContext(), types, function.getResultTypes()));
        return true;
      }
    return false;
  }

  /// Says that the bytes in the file are in a basis already, so that the layer's conversion does less than it should.
  bool lieAboutStoredBasis(Operation *layer, llvm::function_ref<rot::Transform(rot::Transform)> basisOf) {
    LayerWeight weight = findWeight(layer);
    rot::Transform stored = basisOf(rot::getBasis(weight.use->get(), dim));
    auto global = SymbolTable::lookupNearestSymbolFrom<param::GlobalOp>(weight.load, weight.load.getParamAttr());
    if (!stored || !global)
      return false;
    int64_t storedDim = dim;
    for (Operation *op : weight.chain)
      if (isa<param::TransposeOp>(op))
        storedDim = 1 - storedDim;
    // Others may read the parameter as it is: the lie is about a copy of it.
    auto copy = cast<param::GlobalOp>(global->clone());
    copy.setSymName((global.getSymName() + ".mutated").str());
    copy.setType(rot::withBasis(cast<RankedTensorType>(global.getType()), storedDim, stored));
    OpBuilder(global).insert(copy);
    OpBuilder builder(layer);
    Value value = param::LoadOp::create(builder, layer->getLoc(), copy.getType(), copy.getSymName()).getResult(0);
    bool isConverted = false;
    for (Operation *op : llvm::reverse(weight.chain)) {
      Operation *clone = builder.clone(*op);
      clone->setOperand(0, value);
      value = clone->getResult(0);
      isConverted |= isa<rot::ConvertOp>(op);
      if (isa<param::TransposeOp>(op))
        storedDim = 1 - storedDim;
      if (!isConverted)
        value.setType(rot::withBasis(cast<RankedTensorType>(value.getType()), storedDim, stored));
    }
    weight.use->set(value);
    return true;
  }
};
} // namespace

void registerTestMutatePass() {
  PassRegistration<TestMutatePass>();
  declareFunctionPreserving("test-mutate");
}
