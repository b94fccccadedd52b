//===- Materialize.cpp - param-materialize ---------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Units.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Weights/Safetensors.h"
#include "quantopt/Weights/StreamingExecutor.h"
#include "quantopt/Weights/TensorFileWriter.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace quantopt {
#define GEN_PASS_DEF_PARAMMATERIALIZEPASS
#include "param/ParamPasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;
using namespace quantopt::param;
namespace path = llvm::sys::path;

/// The output replaces what had its name: that must not be a file the remaining parameters lie in.
static LogicalResult checkOutput(ModuleOp module, const WeightEvaluator &evaluator, StringRef output) {
  if (output.empty())
    return emitError(module.getLoc(), "param-materialize: no output file is given; add output=FILE");
  for (auto global : module.getOps<GlobalOp>())
    if (llvm::sys::fs::equivalent(evaluator.locate(global).path, output))
      return emitError(module.getLoc()) << "param-materialize: cannot write '" << output << "': parameter "
                                        << global.getSymName() << " lies in it; choose another output";
  return success();
}

/// `output` as param.file has it: relative where it lies below the folder that relative paths start from.
static std::string pathInModule(StringRef output, StringRef folder) {
  auto normalize = [](StringRef given) {
    llvm::SmallString<256> result(given.empty() ? "." : given);
    llvm::sys::fs::make_absolute(result);
    path::remove_dots(result, /*remove_dot_dot=*/true);
    return result;
  };
  llvm::SmallString<256> file = normalize(output), base = normalize(folder);
  StringRef rest = file;
  if (rest.consume_front(base) && rest.consume_front("/"))
    return rest.str();
  return std::string(file);
}

namespace {
/// A value of a derived parameter, in the file.
struct Stored {
  Value value;
  uint64_t offset;
  int64_t elementsPerRow;
};
} // namespace

/// Where a parameter of several values becomes several: "<name>.codes", ...
static std::string nameOf(DerivedOp derived, Value value, unsigned number) {
  std::string name = derived.getSymName().str();
  if (derived.getYieldedTypes().size() == 1)
    return name;
  auto result = cast<OpResult>(value);
  auto op = dyn_cast<WeightOpInterface>(result.getOwner());
  bool isYieldOfOneOp = llvm::all_of(derived.getBody().front().getTerminator()->getOperands(),
                                     [&](Value other) { return other.getDefiningOp() == result.getOwner(); });
  return name + "." + (op && isYieldOfOneOp ? op.getResultRole(result.getResultNumber()) : std::to_string(number));
}

static std::vector<TensorEntry> makeEntries(ArrayRef<Unit> units) {
  std::vector<TensorEntry> entries;
  for (const Unit &unit : units)
    for (auto [number, value] : llvm::enumerate(unit.values)) {
      auto type = cast<RankedTensorType>(value.getType());
      entries.push_back(
          {nameOf(unit.derived, value, number), *getDType(type.getElementType()), llvm::to_vector<4>(type.getShape())});
    }
  return entries;
}

/// A writer with room for the entries, and where each of them goes.
static llvm::Expected<std::unique_ptr<TensorFileWriter>> openOutput(ArrayRef<TensorEntry> entries, StringRef output,
                                                                    std::vector<uint64_t> &offsets) {
  if (path::extension(output) == ".safetensors") {
    llvm::Expected<SafetensorsLayout> layout = layoutSafetensors(entries);
    if (!layout)
      return layout.takeError();
    offsets = layout->offsets;
    return createSafetensors(output, *layout);
  }
  auto writer = TensorFileWriter::create(output);
  if (writer)
    for (const TensorEntry &entry : entries)
      offsets.push_back((*writer)->reserve(entry.dtype, ShapedType::getNumElements(entry.shape)));
  return writer;
}

static std::vector<SmallVector<Stored>> makePlaces(ArrayRef<Unit> units, ArrayRef<uint64_t> offsets) {
  std::vector<SmallVector<Stored>> places;
  for (const Unit &unit : units) {
    SmallVector<Stored> &unitPlaces = places.emplace_back();
    for (Value value : unit.values) {
      auto type = cast<RankedTensorType>(value.getType());
      int64_t rows = type.getRank() ? type.getDimSize(0) : 1;
      unitPlaces.push_back({value, offsets.front(), rows ? type.getNumElements() / rows : 0});
      offsets = offsets.drop_front();
    }
  }
  return places;
}

static llvm::Error runChunk(const Unit &unit, const Chunk &chunk, ArrayRef<Stored> places,
                            const WeightEvaluator &evaluator, TensorFileWriter &writer) {
  auto inContext = [&](llvm::Error error) {
    DerivedOp derived = unit.derived;
    return llvm::createStringError("cannot compute parameter '" + derived.getSymName() +
                                   "': " + llvm::toString(std::move(error)));
  };
  llvm::Expected<SmallVector<Tensor>> tensors = chunk.isWhole
                                                    ? evaluator.evaluateAll(unit.values)
                                                    : evaluator.evaluateRows(unit.values, chunk.begin, chunk.count);
  if (!tensors)
    return inContext(tensors.takeError());
  for (auto [place, tensor] : llvm::zip_equal(places, *tensors))
    if (llvm::Error error = writer.write(place.offset, chunk.begin * place.elementsPerRow, tensor))
      return inContext(std::move(error));
  return llvm::Error::success();
}

static llvm::Error runAll(ArrayRef<Unit> units, ArrayRef<SmallVector<Stored>> places, const WeightEvaluator &evaluator,
                          TensorFileWriter &writer, const MaterializeOptions &options, unsigned threads) {
  std::vector<StreamingUnit> work;
  for (auto [unit, unitPlaces] : llvm::zip_equal(units, places))
    for (const Chunk &chunk : unit.chunks)
      work.push_back({DerivedOp(unit.derived).getSymName().str(), chunk.cost.peakBytes, chunk.cost.peakBytes,
                      [&unit = unit, &chunk, &unitPlaces = unitPlaces, &evaluator, &writer] {
                        return runChunk(unit, chunk, unitPlaces, evaluator, writer);
                      }});
  StreamingOptions streaming;
  streaming.threads = threads;
  streaming.maxMemory = options.maxMemory;
  streaming.progressTitle = options.showProgress ? "computing weights" : "";
  return runUnits(work, streaming);
}

/// Puts globals of the written file in the place of the derived parameters.
static void replaceByGlobals(ModuleOp module, ArrayRef<Unit> units, ArrayRef<SmallVector<Stored>> places,
                             StringRef pathOfFile) {
  SymbolTable symbols(module);
  DerivedOp first = units.front().derived;
  OpBuilder builder(first);
  StringAttr fileName =
      symbols.insert(FileOp::create(builder, module.getLoc(), path::filename(pathOfFile), pathOfFile));
  llvm::DenseMap<StringAttr, SmallVector<StringAttr>> names;
  for (auto [unit, unitPlaces] : llvm::zip_equal(units, places)) {
    DerivedOp derived = unit.derived;
    SmallVector<StringAttr> &newNames = names[derived.getSymNameAttr()];
    SmallVector<GlobalOp> globals;
    builder.setInsertionPoint(derived);
    for (auto [number, place] : llvm::enumerate(unitPlaces)) {
      auto type = cast<RankedTensorType>(place.value.getType());
      uint64_t length = bytesInFile(*getDType(type.getElementType()), type.getNumElements());
      globals.push_back(GlobalOp::create(builder, derived.getLoc(), nameOf(derived, place.value, number), type,
                                         fileName.getValue(), place.offset, length));
    }
    symbols.erase(derived);
    for (GlobalOp global : globals)
      newNames.push_back(symbols.insert(global));
  }
  module.walk([&](LoadOp load) {
    auto found = names.find(load.getParamAttr().getAttr());
    if (found == names.end() || found->second.size() == 1)
      return;
    builder.setInsertionPoint(load);
    for (auto [name, result] : llvm::zip_equal(found->second, load.getResults()))
      result.replaceAllUsesWith(LoadOp::create(builder, load.getLoc(), result.getType(), name.getValue()).getResult(0));
    load.erase();
  });
}

LogicalResult quantopt::param::materialize(ModuleOp module, const MaterializeOptions &options) {
  if (module.getOps<DerivedOp>().empty())
    return success();
  WeightStore store;
  WeightEvaluator evaluator(module, store);
  FailureOr<std::vector<Unit>> units = makeUnits(module, evaluator, options);
  if (failed(units) || failed(checkOutput(module, evaluator, options.output)))
    return failure();
  std::vector<uint64_t> offsets;
  auto writer = openOutput(makeEntries(*units), options.output, offsets);
  if (!writer)
    return emitError(module.getLoc(), llvm::toString(writer.takeError()));
  std::vector<SmallVector<Stored>> places = makePlaces(*units, offsets);
  // Transforms are attributes, and a context without threads has no locks around them.
  unsigned threads = module.getContext()->isMultithreadingEnabled() ? options.threads : 1;
  if (llvm::Error error = runAll(*units, places, evaluator, **writer, options, threads))
    return emitError(module.getLoc(), llvm::toString(std::move(error)));
  if (llvm::Error error = (*writer)->commit())
    return emitError(module.getLoc(), llvm::toString(std::move(error)));
  replaceByGlobals(module, *units, places, pathInModule(options.output, evaluator.getFolder()));
  return success();
}

namespace {
struct MaterializePass : quantopt::impl::ParamMaterializePassBase<MaterializePass> {
  using ParamMaterializePassBase::ParamMaterializePassBase;
  void runOnOperation() override {
    MaterializeOptions options;
    options.output = output;
    options.threads = threads;
    options.maxMemory = maxMemory << 20;
    if (plan)
      llvm::errs() << planModule(getOperation(), options);
    if (failed(materialize(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace
