//===- Attention.cpp - ops of the tile dialect over a cache -------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Attention.h"
#include "Kernels.h"
#include "quantopt/Dialect/Tile/IR/Tile.h"
#include "quantopt/Interp/Compute/Broadcast.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "quantopt/Interp/Tile/Oracle.h"
#include <cmath>
#include <limits>

using namespace quantopt;
using namespace quantopt::interp;
using numerics::KvLayout;

namespace {

/// One row of `sequences`.
struct Sequence {
  int64_t past, start, tokens;
  int64_t end() const { return past + tokens; }
};

/// The sequences of a launch, and where their tokens lie in caches.
class Sequences {
public:
  /// `rows` tokens in all. Errors: sequences whose tokens are not the rows, or lie outside of the caches.
  static llvm::Expected<Sequences> make(const Tensor &sequences, const Tensor &pages, int64_t rows, int64_t pageTokens,
                                        int64_t cachePages);

  int64_t count() const { return all.size(); }
  const Sequence &operator[](int64_t b) const { return all[b]; }
  /// New tokens of each sequence.
  int64_t tokens() const { return all.empty() ? 0 : all[0].tokens; }
  int64_t page(int64_t b, int64_t index) const { return table.empty() ? b : table[b * columns + index / pageTokens]; }

private:
  llvm::Error check(int64_t rows, int64_t cachePages) const;

  llvm::SmallVector<Sequence> all;
  llvm::ArrayRef<int32_t> table;
  int64_t columns = 0, pageTokens = 0;
};

} // namespace

llvm::Expected<Sequences> Sequences::make(const Tensor &sequences, const Tensor &pages, int64_t rows,
                                          int64_t pageTokens, int64_t cachePages) {
  Sequences result;
  result.pageTokens = pageTokens;
  llvm::ArrayRef<int32_t> numbers = sequences.data<int32_t>();
  for (int64_t b = 0; b < sequences.dim(0); ++b)
    result.all.push_back({numbers[4 * b], numbers[4 * b + 1], numbers[4 * b + 2]});
  if (pages) {
    result.table = pages.data<int32_t>();
    result.columns = pages.dim(1);
    if (pages.dim(0) != result.count())
      return compute::makeError("a table of pages for " + llvm::Twine(pages.dim(0)) + " of " +
                                llvm::Twine(result.count()) + " sequences");
  }
  if (llvm::Error error = result.check(rows, cachePages))
    return error;
  return result;
}

llvm::Error Sequences::check(int64_t rows, int64_t cachePages) const {
  if (tokens() * count() != rows)
    return compute::makeError(llvm::Twine(rows) + " rows are not those of " + llvm::Twine(count()) + " sequences of " +
                              llvm::Twine(tokens()) + " tokens");
  for (auto [b, sequence] : llvm::enumerate(all)) {
    std::string place = "sequence " + std::to_string(b);
    if (sequence.tokens != tokens() || sequence.past < 0 || sequence.start < 0)
      return compute::makeError(place + " is not as long as the others, or begins before the cache");
    int64_t capacity = table.empty() ? pageTokens : columns * pageTokens;
    if (sequence.end() > capacity)
      return compute::makeError(place + " has " + llvm::Twine(sequence.end()) + " tokens, but pages for " +
                                llvm::Twine(capacity));
    for (int64_t index = 0; index < sequence.end(); index += pageTokens)
      if (int64_t number = page(b, index); number < 0 || number >= cachePages)
        return compute::makeError(place + " lies in page " + llvm::Twine(number) + " of a cache of " +
                                  llvm::Twine(cachePages));
  }
  return llvm::Error::success();
}

/// Sequences of an op with `rows` rows and a cache.
template <typename OpTy> static llvm::Expected<Sequences> readSequences(KernelContext &context, OpTy op, int64_t rows) {
  auto tensorOf = [&](mlir::Value value) -> Tensor {
    for (mlir::OpOperand &operand : op->getOpOperands())
      if (value && operand.get() == value)
        return context.operand(operand.getOperandNumber());
    return Tensor();
  };
  return Sequences::make(tensorOf(op.getSequences()), tensorOf(op.getPages()), rows,
                         op.getCache().getLayout().pageTokens, tensorOf(op.getKeyCache()).dim(0));
}

static int64_t countRows(const Tensor &tensor) { return compute::product(tensor.shape().drop_back()); }

/// Calls body(T()) with the type of elements of a float tensor.
template <typename Body> static auto dispatch(const Tensor &tensor, Body body) {
  return tensor.dtype() == DType::F64 ? body(double()) : body(float());
}

//===----------------------------------------------------------------------------===//
// rope_append
//===----------------------------------------------------------------------------===//

/// Heads [rows, heads, 1, d] of queries or keys: rope, then the transform.
static llvm::Expected<Tensor> rotate(KernelContext &context, tile::RopeAppendOp op, const Tensor &heads,
                                     const compute::RotaryTables &tables) {
  llvm::Expected<Tensor> turned = compute::rotary(heads, tables);
  return turned ? transformRows(context, *turned, op.getHadamard()) : std::move(turned);
}

/// A copy of the cache with the rows [rows, heads, 1, d] of the sequences' new tokens.
static Tensor append(const Tensor &cache, const KvLayout &layout, const Sequences &sequences, const Tensor &rows) {
  Tensor result = cache.clone();
  uint8_t *blocks = result.mutableData<uint8_t>().data();
  int64_t heads = cache.dim(1), tokens = sequences.tokens();
  dispatch(rows, [&](auto tag) {
    using T = decltype(tag);
    const T *elements = rows.data<T>().data();
    // One task for each row and head: none writes what another one does, for a byte holds elements of one row.
    compute::parallelFor(rows.dim(0) * heads, [&](int64_t task) {
      int64_t b = task / heads / tokens, index = sequences[b].past + task / heads % tokens;
      uint8_t *block = blocks + layout.blockOffset(sequences.page(b, index), task % heads, heads);
      layout.writeRow(elements + task * layout.headDim, index % layout.pageTokens, block);
    });
  });
  return result;
}

/// Queries, keys and values before they are rounded.
static llvm::Expected<RowsToAppend> computeRows(KernelContext &context, tile::RopeAppendOp op,
                                                const Sequences &sequences) {
  int64_t rows = countRows(context.operand(0)), depth = op.getCache().getHeadDim();
  compute::RotaryTables tables{widen(context.operand(3)), widen(context.operand(4)), {}};
  for (int64_t row = 0; row < rows; ++row) {
    const Sequence &sequence = sequences[row / sequences.tokens()];
    tables.positions.push_back(std::max<int64_t>(0, sequence.past + row % sequences.tokens() - sequence.start));
  }
  auto headsOf = [&](unsigned number) {
    Tensor wide = widen(context.operand(number));
    return wide.reshaped({rows, wide.dim(-1) / depth, 1, depth});
  };
  llvm::Expected<Tensor> query = rotate(context, op, headsOf(0), tables);
  if (!query)
    return query.takeError();
  llvm::Expected<Tensor> key = rotate(context, op, headsOf(1), tables);
  if (!key)
    return key.takeError();
  return RowsToAppend{*query, *key, headsOf(2)};
}

llvm::Expected<RowsToAppend> interp::rowsToAppend(KernelContext &context) {
  auto op = llvm::cast<tile::RopeAppendOp>(context.op());
  llvm::Expected<Sequences> sequences = readSequences(context, op, countRows(context.operand(0)));
  if (!sequences)
    return sequences.takeError();
  return computeRows(context, op, *sequences);
}

static llvm::Expected<Tensors> ropeAppend(KernelContext &context) {
  auto op = llvm::cast<tile::RopeAppendOp>(context.op());
  KvLayout layout = op.getCache().getLayout();
  unsigned keyCache = op.getPages() ? 7 : 6;
  const Tensor &query = context.operand(0);
  llvm::Expected<Sequences> sequences = readSequences(context, op, countRows(query));
  if (!sequences)
    return sequences.takeError();
  llvm::Expected<RowsToAppend> rows = computeRows(context, op, *sequences);
  if (!rows)
    return rows.takeError();
  return Tensors{convert(rows->query.reshaped(query.shape()), *context.resultType(0)),
                 append(context.operand(keyCache), layout, *sequences, rows->key),
                 append(context.operand(keyCache + 1), layout, *sequences, rows->value)};
}

//===----------------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------------===//

/// Tokens [0, end) of sequence `b` of a cache: [1, heads, end, d] in `type`.
static Tensor readCache(const Tensor &cache, const KvLayout &layout, const Sequences &sequences, int64_t b,
                        DType type) {
  int64_t heads = cache.dim(1), end = sequences[b].end();
  Tensor rows(type, {1, heads, end, layout.headDim});
  const uint8_t *blocks = cache.data<uint8_t>().data();
  dispatch(rows, [&](auto tag) {
    using T = decltype(tag);
    T *elements = rows.mutableData<T>().data();
    compute::parallelForRanges(heads * end, 64, [&](int64_t begin, int64_t last) {
      for (int64_t i = begin; i < last; ++i) {
        int64_t head = i / end, index = i % end;
        layout.readRow(blocks + layout.blockOffset(sequences.page(b, index), head, heads), index % layout.pageTokens,
                       elements + i * layout.headDim);
      }
    });
  });
  return rows;
}

/// The first index that a token at `index` attends to.
static int64_t firstAllowed(const Sequence &sequence, int64_t window, int64_t index) {
  return std::max(sequence.start, window ? index - window + 1 : 0);
}

/// [1, 1, S, end]: 0 where a token attends to an index, -inf elsewhere.
static Tensor makeMask(const Sequence &sequence, int64_t window, DType type) {
  Tensor mask(type, {1, 1, sequence.tokens, sequence.end()});
  dispatch(mask, [&](auto tag) {
    using T = decltype(tag);
    T *value = mask.mutableData<T>().data();
    for (int64_t s = 0; s < sequence.tokens; ++s)
      for (int64_t t = 0; t < sequence.end(); ++t) {
        int64_t index = sequence.past + s;
        bool isAllowed = t <= index && t >= firstAllowed(sequence, window, index);
        *value++ = isAllowed ? T(0) : -std::numeric_limits<T>::infinity();
      }
  });
  return mask;
}

namespace {
/// What an attention op reads.
struct Inputs {
  Tensor query, keys, values;
  Sequences sequences;
  KvLayout layout;
  int64_t heads;
};
} // namespace

template <typename OpTy> static llvm::Expected<Inputs> readInputs(KernelContext &context, OpTy op) {
  unsigned keyCache = op.getPages() ? 3 : 2;
  Tensor query = widen(context.operand(0));
  llvm::Expected<Sequences> sequences = readSequences(context, op, countRows(query));
  if (!sequences)
    return sequences.takeError();
  KvLayout layout = op.getCache().getLayout();
  return Inputs{query,  context.operand(keyCache),     context.operand(keyCache + 1), std::move(*sequences),
                layout, query.dim(-1) / layout.headDim};
}

/// Rows [first, first + count) of a tensor seen as rows.
static const char *rowsAt(const Tensor &tensor, int64_t first) {
  return tensor.raw() + first * tensor.dim(-1) * bytesInMemory(tensor.dtype());
}

/// [S, heads·d] to [1, heads, S, d], or back with `merges`.
static Tensor permuteHeads(const char *from, DType type, int64_t tokens, int64_t heads, int64_t depth, bool merges) {
  Tensor result(type, {1, heads, tokens, depth});
  int64_t bytes = depth * bytesInMemory(type);
  for (int64_t s = 0; s < tokens; ++s)
    for (int64_t h = 0; h < heads; ++h) {
      int64_t row = s * heads + h, column = h * tokens + s;
      std::memcpy(result.mutableRaw() + (merges ? row : column) * bytes, from + (merges ? column : row) * bytes, bytes);
    }
  return result;
}

static llvm::Expected<Tensors> attention(KernelContext &context) {
  auto op = llvm::cast<tile::AttentionOp>(context.op());
  llvm::Expected<Inputs> inputs = readInputs(context, op);
  if (!inputs)
    return inputs.takeError();
  DType type = inputs->query.dtype();
  int64_t tokens = inputs->sequences.tokens(), depth = inputs->layout.headDim;
  compute::AttentionOptions options;
  options.scale = op.getScale().convertToDouble();
  options.softcap = op.getSoftcap().convertToDouble();
  options.zeroMaskedRows = true;
  Tensor result(type, inputs->query.shape());
  for (int64_t b = 0; b < inputs->sequences.count(); ++b) {
    Tensor q = permuteHeads(rowsAt(inputs->query, b * tokens), type, tokens, inputs->heads, depth, false);
    llvm::Expected<Tensor> o =
        compute::attention(q, readCache(inputs->keys, inputs->layout, inputs->sequences, b, type),
                           readCache(inputs->values, inputs->layout, inputs->sequences, b, type),
                           makeMask(inputs->sequences[b], op.getWindow(), type), options);
    if (!o)
      return o.takeError();
    Tensor merged = permuteHeads(o->raw(), type, tokens, inputs->heads, depth, true);
    std::memcpy(const_cast<char *>(rowsAt(result, b * tokens)), merged.raw(), merged.sizeInBytes());
  }
  return Tensors{convert(result, *context.resultType(0))};
}

namespace {
/// One head and part of attention_decode.
template <typename T> struct Part {
  const T *query, *keys, *values;
  int64_t depth, begin, end;
  double scale, softcap;

  /// Writes {m, l, o[d]}.
  void compute(T *out) const {
    T greatest = -std::numeric_limits<T>::infinity();
    llvm::SmallVector<T> scores;
    for (int64_t t = begin; t < end; ++t) {
      T sum = 0;
      for (int64_t i = 0; i < depth; ++i)
        sum += query[i] * keys[t * depth + i];
      sum *= T(scale);
      if (softcap)
        sum = T(softcap) * T(std::tanh(double(sum / T(softcap))));
      scores.push_back(sum * T(1.4426950408889634));
      greatest = std::max(greatest, scores.back());
    }
    std::fill_n(out, depth + 2, T(0));
    out[0] = greatest;
    for (int64_t t = begin; t < end; ++t) {
      T weight = T(std::exp2(double(scores[t - begin] - greatest)));
      out[1] += weight;
      for (int64_t i = 0; i < depth; ++i)
        out[2 + i] += weight * values[t * depth + i];
    }
  }
};
} // namespace

static llvm::Expected<Tensors> attentionDecode(KernelContext &context) {
  auto op = llvm::cast<tile::AttentionDecodeOp>(context.op());
  llvm::Expected<Inputs> inputs = readInputs(context, op);
  if (!inputs)
    return inputs.takeError();
  if (inputs->sequences.tokens() > 1)
    return compute::makeError("expected one token of each sequence, got " + llvm::Twine(inputs->sequences.tokens()));
  if (!op.getConfig())
    return unsupported("without a configuration nothing says how the context is divided");
  int64_t splits = op.getConfig()->getSplits(), step = 16 * op.getConfig()->getWarps();
  int64_t depth = inputs->layout.headDim, heads = inputs->heads, kvHeads = inputs->keys.dim(1);
  compute::Shape shape(inputs->query.shape());
  shape.back() = heads * splits * (depth + 2);
  Tensor result(inputs->query.dtype(), shape);
  for (int64_t b = 0; b < inputs->sequences.count(); ++b) {
    const Sequence &sequence = inputs->sequences[b];
    Tensor keys = readCache(inputs->keys, inputs->layout, inputs->sequences, b, result.dtype());
    Tensor values = readCache(inputs->values, inputs->layout, inputs->sequences, b, result.dtype());
    int64_t length = sequence.end(), steps = llvm::divideCeil(length, step);
    int64_t partLength = llvm::divideCeil(steps, splits) * step;
    int64_t first = firstAllowed(sequence, op.getWindow(), sequence.past);
    dispatch(result, [&](auto tag) {
      using T = decltype(tag);
      T *out = result.mutableData<T>().data() + b * result.dim(-1);
      compute::parallelFor(heads * splits, [&](int64_t task) {
        int64_t head = task / splits, kvOffset = head / (heads / kvHeads) * length * depth;
        int64_t begin = task % splits * partLength;
        Part<T> part{inputs->query.template data<T>().data() + (b * heads + head) * depth,
                     keys.data<T>().data() + kvOffset,
                     values.data<T>().data() + kvOffset,
                     depth,
                     std::max(first, begin),
                     std::min(length, begin + partLength),
                     op.getScale().convertToDouble(),
                     op.getSoftcap().convertToDouble()};
        part.compute(out + task * (depth + 2));
      });
    });
  }
  return Tensors{convert(result, *context.resultType(0))};
}

/// One head: the parts {m, l, o[d]} as o.
template <typename T> static void combine(const T *parts, int64_t splits, int64_t depth, T *out) {
  T greatest = -std::numeric_limits<T>::infinity(), sum = 0;
  for (int64_t p = 0; p < splits; ++p)
    greatest = std::max(greatest, parts[p * (depth + 2)]);
  std::fill_n(out, depth, T(0));
  if (greatest == -std::numeric_limits<T>::infinity())
    return;
  for (int64_t p = 0; p < splits; ++p) {
    const T *part = parts + p * (depth + 2);
    T factor = T(std::exp2(double(part[0] - greatest)));
    sum += factor * part[1];
    for (int64_t i = 0; i < depth; ++i)
      out[i] += factor * part[2 + i];
  }
  for (int64_t i = 0; i < depth; ++i)
    out[i] /= sum;
}

static llvm::Expected<Tensors> attentionCombine(KernelContext &context) {
  auto op = llvm::cast<tile::AttentionCombineOp>(context.op());
  Tensor parts = widen(context.operand(0));
  auto type = llvm::cast<mlir::RankedTensorType>(op.getResult().getType());
  int64_t splits = op.getSplits(), columns = type.getShape().back();
  int64_t heads = (parts.dim(-1) / splits - columns) / 2, size = columns / heads;
  compute::Shape shape(parts.shape());
  shape.back() = columns;
  Tensor result(parts.dtype(), shape);
  dispatch(parts, [&](auto tag) {
    using T = decltype(tag);
    const T *from = parts.data<T>().data();
    T *to = result.mutableData<T>().data();
    compute::parallelFor(countRows(parts) * heads,
                         [&](int64_t i) { combine(from + i * splits * (size + 2), splits, size, to + i * size); });
  });
  return Tensors{convert(result, *context.resultType(0))};
}

void interp::registerTileAttention(KernelRegistry &registry) {
  registry.add<tile::RopeAppendOp>(ropeAppend);
  registry.add<tile::AttentionOp>(attention);
  registry.add<tile::AttentionDecodeOp>(attentionDecode);
  registry.add<tile::AttentionCombineOp>(attentionCombine);
}
