//===- KvLower.cpp - llm-kv-lower ---------------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/KvLower/KvLower.h"
#include "AttentionBlock.h"
#include "StepTables.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "quantopt/Dialect/Support/NodeName.h"
#include "quantopt/Dialect/Support/TensorType.h"
#include "quantopt/Interp/Verify/Verification.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

namespace quantopt {
#define GEN_PASS_DEF_KVLOWERPASS
#include "tile/TilePasses.h.inc"
} // namespace quantopt

using namespace mlir;
using namespace quantopt;

namespace {
struct Options {
  bool isPaged;
  int64_t page, context;
  int64_t pageTokens() const { return isPaged ? page : context; }
};

/// Rewrites one function.
class Lowering {
public:
  Lowering(func::FuncOp function, const Options &options)
      : function(function), options(options), builder(function.getContext()), tables(function) {}

  LogicalResult run() {
    SmallVector<AttentionBlock> blocks;
    for (auto attention : function.front().getOps<llm::AttentionOp>()) {
      FailureOr<AttentionBlock> block = matchAttentionBlock(attention);
      if (failed(block))
        return failure();
      blocks.push_back(*block);
    }
    // All that can fail comes before anything is changed.
    for (AttentionBlock &block : blocks)
      if (failed(prepare(block)))
        return failure();
    oldArguments = function.getNumArguments();
    if (failed(addInputs()))
      return failure();
    for (AttentionBlock &block : blocks)
      lower(block);
    return finish();
  }

private:
  struct Prepared {
    tile::CacheAttr cache;
    DenseElementsAttr cos, sin;
    int64_t window;
  };

  /// The memory of a cache, at first what the function is given and then what it returns.
  struct Cache {
    std::string state;
    Value memory;
  };

  /// What the block's tables and mask say; the same values are evaluated once.
  LogicalResult prepare(AttentionBlock &block) {
    int64_t headDim = lastSize(block.attention.getQuery());
    FailureOr<tile::CacheAttr> keys = block.keyQuantizer.makeCache(headDim, options.pageTokens(), block.keyExtension);
    FailureOr<tile::CacheAttr> values =
        block.valueQuantizer.makeCache(headDim, options.pageTokens(), block.valueExtension);
    if (failed(keys) || failed(values))
      return failure();
    if (*keys != *values)
      return block.attention.emitError() << nodePrefix(block.attention)
                                         << "llm-kv-lower: expected keys and values quantized alike, got " << *keys
                                         << " and " << *values;
    FailureOr<DenseElementsAttr> cos = table(block.cos), sin = table(block.sin);
    FailureOr<int64_t> window = windowOf(block.attention.getMask());
    if (failed(cos) || failed(sin) || failed(window))
      return failure();
    for (Operation *extension : {block.keyExtension, block.valueExtension})
      if (auto write = dyn_cast<llm::KvWriteOp>(extension))
        if (checkedIndices.insert(write.getIndex()).second && failed(tables.checkWriteIndex(write.getIndex())))
          return failure();
    prepared[block.attention] = {*keys, *cos, *sin, *window};
    return success();
  }

  FailureOr<DenseElementsAttr> table(Value value) {
    // Unsqueezed anew in every layer, it is still one table.
    Value source = value;
    while (auto unsqueeze = source.getDefiningOp<onnx::UnsqueezeOp>())
      source = unsqueeze->getOperand(0);
    auto known = positionTables.find(source);
    if (known != positionTables.end())
      return known->second;
    FailureOr<DenseElementsAttr> made = tables.makePositionTable(value, options.context);
    if (succeeded(made))
      positionTables[source] = *made;
    return made;
  }

  FailureOr<int64_t> windowOf(Value mask) {
    auto known = windows.find(mask);
    if (known != windows.end())
      return known->second;
    FailureOr<int64_t> window = tables.findWindow(mask, options.context);
    if (succeeded(window))
      windows[mask] = *window;
    return window;
  }

  DictionaryAttr named(StringRef attribute, StringRef name) {
    return builder.getDictionaryAttr(builder.getNamedAttr(attribute, builder.getStringAttr(name)));
  }

  Value addArgument(ArrayRef<int64_t> shape, Type element, DictionaryAttr attributes) {
    unsigned position = function.getNumArguments();
    (void)function.insertArgument(position, RankedTensorType::get(shape, element), attributes, function.getLoc());
    return function.getArgument(position);
  }

  /// Token ids stay what they are; sequences and pages are new.
  LogicalResult addInputs() {
    SmallVector<interp::InputRole> roles = interp::findInputRoles(function);
    if (llvm::count(roles, interp::InputRole::TokenIds) != 1)
      return function.emitError() << "llm-kv-lower: expected one argument with token ids in '" << function.getName()
                                  << "'";
    unsigned ids = llvm::find(roles, interp::InputRole::TokenIds) - roles.begin();
    function.setArgAttr(ids, llm::inputAttrName, builder.getStringAttr("ids"));
    int64_t dynamic = ShapedType::kDynamic;
    sequences = addArgument({dynamic, 4}, builder.getI32Type(), named(llm::inputAttrName, "sequences"));
    if (options.isPaged)
      pages = addArgument({dynamic, int64_t(llvm::divideCeil(options.context, options.page))}, builder.getI32Type(),
                          named(llm::inputAttrName, "pages"));
    return success();
  }

  Value parameter(StringRef name, DenseElementsAttr value) {
    Value &constant = parameters[value];
    if (constant)
      return constant;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&function.front());
    std::string unique = name.str() + (numTables[name]++ ? "." + std::to_string(numTables[name]) : "");
    return constant = param::ConstantOp::create(builder, function.getLoc(), unique, value);
  }

  /// The memory that takes the place of a cache: an argument, and a result where the function returns the cache.
  Value addCache(Operation *extension, tile::CacheAttr cache, const Twine &name) {
    auto old = cast<BlockArgument>(extension->getOperand(0));
    auto state = function.getArgAttrOfType<StringAttr>(old.getArgNumber(), llm::stateAttrName);
    std::string text = state ? state.str() : name.str();
    int64_t heads = typeOf(old).getDimSize(1);
    Value memory = addArgument({ShapedType::kDynamic, heads, cache.getLayout().blockBytes()},
                               builder.getIntegerType(8, /*isSigned=*/false), named(llm::stateAttrName, text));
    caches.push_back({text, memory});
    return memory;
  }

  void lower(AttentionBlock &block) {
    const Prepared &known = prepared[block.attention];
    std::string layer = "layers." + std::to_string(numLayers++);
    Value keys = addCache(block.keyExtension, known.cache, layer + ".key");
    Value values = addCache(block.valueExtension, known.cache, layer + ".value");
    Value cos = parameter("rope.cos", known.cos), sin = parameter("rope.sin", known.sin);

    builder.setInsertionPoint(block.attention);
    Location location = block.attention.getLoc();
    auto halfQuery = RankedTensorType::get(typeOf(block.query).getShape(), builder.getF16Type());
    if (block.transform) {
      int64_t heads = lastSize(block.query) / known.cache.getHeadDim();
      halfQuery = rot::withBasis(halfQuery, halfQuery.getRank() - 1,
                                 rot::blockDiagonal(heads, block.transform, builder.getContext()));
    }
    auto append = tile::RopeAppendOp::create(builder, location, TypeRange{halfQuery, keys.getType(), values.getType()},
                                             block.query, block.key, block.value, cos, sin, sequences, pages, keys,
                                             values, block.transform, known.cache, tile::RowsAttr(), SymbolRefAttr());
    append->setDiscardableAttr(llm::roleAttrName, builder.getStringAttr(layer + ".rope_append"));
    auto attention = tile::AttentionOp::create(
        builder, location, block.merged.getType(), append.getResult(), sequences, pages, append.getNewKeyCache(),
        append.getNewValueCache(), block.attention.getScaleAttr(), builder.getI64IntegerAttr(known.window),
        block.attention.getSoftcapAttr(), known.cache, tile::AttentionAttr(), SymbolRefAttr());
    attention->setDiscardableAttr(llm::roleAttrName, builder.getStringAttr(layer + ".attention"));
    block.merged.replaceAllUsesWith(attention.getResult());
    caches[caches.size() - 2].memory = append.getNewKeyCache();
    caches.back().memory = append.getNewValueCache();
  }

  /// Results: what is no cache, then all caches. What only the old form read goes.
  LogicalResult finish() {
    Operation *terminator = function.front().getTerminator();
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> attributes;
    for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
      if (llm::isCacheExtension(value.getDefiningOp()))
        continue;
      results.push_back(value);
      attributes.push_back(function.getResultAttrDict(i));
    }
    for (const Cache &cache : caches) {
      results.push_back(cache.memory);
      attributes.push_back(named(llm::stateAttrName, cache.state));
    }
    terminator->setOperands(results);
    function.removeResAttrsAttr();
    function.setFunctionType(
        builder.getFunctionType(function.front().getArgumentTypes(), TypeRange(ValueRange(results))));
    for (auto [i, attribute] : llvm::enumerate(attributes))
      if (attribute)
        function.setResultAttrs(i, attribute);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (&op != terminator && op.use_empty() && isMemoryEffectFree(&op))
        op.erase();
    for (unsigned i = oldArguments; i-- > 0;) {
      if (function.getArgAttr(i, llm::inputAttrName))
        continue;
      if (!function.getArgument(i).use_empty())
        return (*function.getArgument(i).user_begin())->emitError()
               << nodePrefix(*function.getArgument(i).user_begin())
               << "llm-kv-lower: still reads a mask, positions or a cache of the graph";
      (void)function.eraseArgument(i);
    }
    return success();
  }

  func::FuncOp function;
  const Options &options;
  OpBuilder builder;
  StepTables tables;
  unsigned oldArguments = 0, numLayers = 0;
  Value sequences, pages;
  llvm::DenseMap<Operation *, Prepared> prepared;
  llvm::DenseMap<Value, DenseElementsAttr> positionTables;
  llvm::DenseMap<Value, int64_t> windows;
  /// Where llm.kv_write writes, known to be behind the past.
  llvm::DenseSet<Value> checkedIndices;
  llvm::DenseMap<Attribute, Value> parameters;
  llvm::StringMap<unsigned> numTables;
  SmallVector<Cache> caches;
};

struct KvLowerPass : quantopt::impl::KvLowerPassBase<KvLowerPass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    Location unknown = UnknownLoc::get(context);
    if (layout != "contiguous" && layout != "paged")
      return emitError(unknown) << "llm-kv-lower: expected layout to be contiguous or paged, got '" << layout << "'";
    for (auto [name, value] : {std::pair("page", int64_t(page)), {"max-context", int64_t(maxContext)}})
      if (value < 16 || value % 16)
        return emitError(unknown) << "llm-kv-lower: expected " << name << " to be a multiple of 16, got " << value;
    options = {layout == "paged", page, maxContext};
    return success();
  }

  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (function.isDeclaration())
        continue;
      for (auto mixed : function.front().getOps<llm::MixedAttentionOp>()) {
        mixed.emitError()
            << nodePrefix(mixed)
            << "llm-kv-lower: kernels read codes only; use q-kv-cache without sinks, residual and keys=channel";
        return signalPassFailure();
      }
      if (function.front().getOps<llm::AttentionOp>().empty())
        continue;
      if (failed(Lowering(function, options).run()))
        return signalPassFailure();
    }
  }

  Options options;
};
} // namespace
