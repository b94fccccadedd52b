//===- Dce.cpp - param-dce -------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Param/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace quantopt {
#define GEN_PASS_DEF_PARAMDCEPASS
#include "param/ParamPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;

namespace {
/// Symbols that the attributes and types of an op and of all ops within it name.
class References {
public:
  References() {
    walker.addWalk([this](SymbolRefAttr reference) { names.insert(reference.getRootReference()); });
  }
  void add(Operation *op) {
    op->walk([this](Operation *nested) {
      walker.walk(nested->getAttrDictionary());
      for (Type type : nested->getResultTypes())
        walker.walk(type);
      for (Region &region : nested->getRegions())
        for (Block &block : region)
          for (Type type : block.getArgumentTypes())
            walker.walk(type);
    });
  }

  llvm::SetVector<StringAttr> names;

private:
  AttrTypeWalker walker;
};

struct DcePass : quantopt::impl::ParamDcePassBase<DcePass> {
  void runOnOperation() override {
    References used;
    for (Operation &op : *getOperation().getBody())
      if (!isa<GlobalOp, DerivedOp, FileOp>(op))
        used.add(&op);
    SymbolTable symbols(getOperation());
    for (size_t i = 0; i < used.names.size(); ++i)
      if (Operation *symbol = symbols.lookup(used.names[i]); isa_and_nonnull<GlobalOp, DerivedOp>(symbol))
        used.add(symbol);
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<GlobalOp, DerivedOp, FileOp>(op) && !used.names.contains(SymbolTable::getSymbolName(&op)))
        op.erase();
  }
};
} // namespace
