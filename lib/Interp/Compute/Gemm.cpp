//===- Gemm.cpp - matrix products whose bits depend on nothing but the operands -===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// The usual scheme: the left matrix is packed into panels of 12 rows, blocks of the right one into panels of 128 bytes
// of columns, and a register tile of 12 rows by one panel runs over a block of k. The tile is written once, on vectors
// of a width chosen at run time; what it computes for one element is the same chain of fused multiply-adds at every
// width.
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Interp/Compute/Gemm.h"
#include "quantopt/Interp/Compute/Parallel.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <iterator>
#include <memory>
#include <new>

using namespace quantopt;
using namespace quantopt::compute;

namespace {

constexpr int64_t panelRows = 12;
constexpr int64_t panelBytes = 128;
template <typename T> constexpr int64_t panelColumns = panelBytes / sizeof(T);
/// Length of a block along k: a panel of the right matrix then fits the first-level cache.
constexpr int64_t blockDepth = 256;
/// Panels of columns that one task computes.
constexpr int64_t panelsPerTask = 4;
/// Multiplications below which a product stays on the calling thread.
constexpr int64_t minimumParallelWork = 1 << 19;

/// What a register tile reads and writes. `a` holds `rows` values for each k, `b` one row of a panel for each k.
template <typename T> struct Tile {
  int64_t depth;
  const T *a;
  const T *b;
  int64_t bStride;
  T *c;
  int64_t cStride;
  bool accumulate;
};
template <typename T> using TileFunction = void (*)(const Tile<T> &);

/// Rows by Vectors accumulators for the columns [first, first + Vectors · width).
template <typename T, int VectorBytes, int Rows, int Vectors>
[[gnu::always_inline]] inline void multiplyRegisters(const Tile<T> &tile, int rowsInPanel, int row, int column) {
  typedef T Vector __attribute__((vector_size(VectorBytes), aligned(alignof(T)), may_alias));
  constexpr int width = VectorBytes / sizeof(T);
  Vector sums[Rows][Vectors];
  T *c = tile.c + row * tile.cStride + column;
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      sums[i][j] = tile.accumulate ? *reinterpret_cast<const Vector *>(c + i * tile.cStride + j * width) : Vector{};
  const T *a = tile.a + row;
  const T *b = tile.b + column;
  for (int64_t k = 0; k < tile.depth; ++k, a += rowsInPanel, b += tile.bStride) {
    Vector right[Vectors];
    for (int j = 0; j < Vectors; ++j)
      right[j] = *reinterpret_cast<const Vector *>(b + j * width);
    for (int i = 0; i < Rows; ++i) {
      Vector left = a[i] - Vector{};
      for (int j = 0; j < Vectors; ++j)
        sums[i][j] = __builtin_elementwise_fma(left, right[j], sums[i][j]);
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      *reinterpret_cast<Vector *>(c + i * tile.cStride + j * width) = sums[i][j];
}

/// A whole tile of Rows rows, in steps of RowStep rows and Vectors vectors that the registers hold.
template <typename T, int VectorBytes, int Rows, int RowStep, int Vectors>
[[gnu::always_inline]] inline void multiplyTile(const Tile<T> &tile) {
  constexpr int step = VectorBytes / sizeof(T) * Vectors;
  constexpr int rowStep = Rows < RowStep ? Rows : RowStep;
  for (int column = 0; column < panelColumns<T>; column += step)
    for (int row = 0; row < Rows; row += rowStep)
      multiplyRegisters<T, VectorBytes, rowStep, Vectors>(tile, Rows, row, column);
}

#if defined(__x86_64__)
template <typename T, int Rows> __attribute__((target("avx512f,avx512vl,fma"))) void tileAvx512(const Tile<T> &tile) {
  multiplyTile<T, 64, Rows, 12, 2>(tile);
}
template <typename T, int Rows> __attribute__((target("avx2,fma"))) void tileAvx2(const Tile<T> &tile) {
  multiplyTile<T, 32, Rows, 4, 2>(tile);
}
#endif
template <typename T, int Rows> void tileAny(const Tile<T> &tile) { multiplyTile<T, 16, Rows, 4, 2>(tile); }

template <typename T, int Rows> TileFunction<T> chooseTile() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    return tileAvx512<T, Rows>;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return tileAvx2<T, Rows>;
#endif
  return tileAny<T, Rows>;
}

/// Heights of a panel of rows; the last panel takes the smallest that holds what is left.
constexpr int64_t heights[] = {1, 2, 4, 8, 12};

template <typename T> TileFunction<T> tileOfHeight(int64_t height) {
  static const TileFunction<T> functions[] = {chooseTile<T, 1>(), chooseTile<T, 2>(), chooseTile<T, 4>(),
                                              chooseTile<T, 8>(), chooseTile<T, 12>()};
  for (size_t i = 0; i < std::size(heights); ++i)
    if (heights[i] == height)
      return functions[i];
  return nullptr;
}

int64_t heightFor(int64_t rows) {
  for (int64_t height : heights)
    if (rows <= height)
      return height;
  return panelRows;
}

template <typename T> struct AlignedBuffer {
  explicit AlignedBuffer(int64_t count)
      : data(static_cast<T *>(::operator new(std::max<int64_t>(count, 1) * sizeof(T), std::align_val_t{64}))) {}
  ~AlignedBuffer() { ::operator delete(data, std::align_val_t{64}); }
  AlignedBuffer(const AlignedBuffer &) = delete;
  T *data;
};

/// `rows` rows of `a` from `row` on as one panel of Height rows: for each k, Height values; rows that are not there are
/// zero.
template <typename T, int Height> void packPanel(MatrixView<T> a, int64_t row, int64_t rows, int64_t k, T *panel) {
  static constexpr T zero = 0;
  const T *sources[Height];
  int64_t steps[Height];
  for (int i = 0; i < Height; ++i) {
    sources[i] = i < rows ? a.at(row + i, 0) : &zero;
    steps[i] = i < rows ? a.columnStride : 0;
  }
  for (int64_t j = 0; j < k; ++j, panel += Height)
    for (int i = 0; i < Height; ++i)
      panel[i] = sources[i][j * steps[i]];
}

template <typename T> void packRows(MatrixView<T> a, int64_t row, int64_t rows, int64_t height, int64_t k, T *panel) {
  switch (height) {
  case 1:
    return packPanel<T, 1>(a, row, rows, k, panel);
  case 2:
    return packPanel<T, 2>(a, row, rows, k, panel);
  case 4:
    return packPanel<T, 4>(a, row, rows, k, panel);
  case 8:
    return packPanel<T, 8>(a, row, rows, k, panel);
  default:
    return packPanel<T, panelRows>(a, row, rows, k, panel);
  }
}

/// One panel of columns [column, column + columns) of `b`, k in [0, depth); columns beyond are zero.
template <typename T, typename B> void packColumns(MatrixView<B> b, int64_t columns, int64_t depth, T *panel) {
  constexpr int64_t width = panelColumns<T>;
  if (columns < width)
    std::fill(panel, panel + depth * width, T(0));
  if (b.columnStride == 1) {
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t j = 0; j < columns; ++j)
        panel[k * width + j] = T(b.data[k * b.rowStride + j]);
    return;
  }
  // Eight columns at a time: the stores of one k then share cache lines.
  for (int64_t first = 0; first < columns; first += 8)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t j = first, end = std::min(columns, first + 8); j < end; ++j)
        panel[k * width + j] = T(*b.at(k, j));
}

/// The left matrix in panels.
template <typename T> class PackedRows {
public:
  PackedRows(MatrixView<T> a, int64_t m, int64_t k) : m(m), k(k), buffer(llvm::alignTo(m, panelRows) * k) {
    parallelForRanges(count(), 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        packRows(a, i * panelRows, rows(i), height(i), k, buffer.data + i * panelRows * k);
    });
  }
  int64_t count() const { return llvm::divideCeil(m, panelRows); }
  int64_t rows(int64_t panel) const { return std::min(panelRows, m - panel * panelRows); }
  int64_t height(int64_t panel) const { return heightFor(rows(panel)); }
  const T *at(int64_t panel, int64_t depth) const {
    return buffer.data + panel * panelRows * k + depth * height(panel);
  }

private:
  int64_t m, k;
  AlignedBuffer<T> buffer;
};

template <typename T> struct Output {
  T *data;
  int64_t rowStride;
};

/// One panel of rows times one panel of columns over one block of k. Tiles that stick out go through a local copy.
template <typename T>
void multiplyPanel(const PackedRows<T> &a, int64_t panel, int64_t from, int64_t depth, const T *b, int64_t bStride,
                   int64_t columns, Output<T> c, bool accumulate) {
  int64_t height = a.height(panel), rows = a.rows(panel);
  T *corner = c.data + panel * panelRows * c.rowStride;
  Tile<T> tile{depth, a.at(panel, from), b, bStride, corner, c.rowStride, accumulate};
  TileFunction<T> multiply = tileOfHeight<T>(height);
  if (rows == height && columns == panelColumns<T>)
    return multiply(tile);
  alignas(64) T local[panelRows * panelColumns<T>] = {};
  tile.c = local;
  tile.cStride = panelColumns<T>;
  if (accumulate)
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(corner + i * c.rowStride, columns, local + i * panelColumns<T>);
  multiply(tile);
  for (int64_t i = 0; i < rows; ++i)
    std::copy_n(local + i * panelColumns<T>, columns, corner + i * c.rowStride);
}

} // namespace

template <typename T, typename B>
void compute::gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<B> b, T *c, int64_t rowStride,
                   bool accumulate) {
  if (m == 0 || n == 0)
    return;
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i)
      std::fill_n(c + i * rowStride, n, T(0));
    return;
  }
  PackedRows<T> left(a, m, k);
  constexpr int64_t width = panelColumns<T>;
  // Few rows read each column once: packing columns that lie side by side already would only cost.
  const bool columnsInPlace = std::is_same_v<T, B> && b.columnStride == 1 && left.count() <= 2;
  int64_t columnTasks = llvm::divideCeil(n, width * panelsPerTask);
  // A narrow result is cut along the rows too, so that every thread gets work.
  int64_t rowTasks = columnTasks >= 8 ? 1 : std::min<int64_t>(left.count(), llvm::divideCeil(8, columnTasks));
  int64_t panelsPerRowTask = llvm::divideCeil(left.count(), rowTasks);
  auto runTask = [&](int64_t task) {
    int64_t firstColumn = task / rowTasks * width * panelsPerTask;
    int64_t endColumn = std::min(n, firstColumn + width * panelsPerTask);
    int64_t firstPanel = task % rowTasks * panelsPerRowTask;
    int64_t endPanel = std::min(left.count(), firstPanel + panelsPerRowTask);
    if (firstPanel >= endPanel)
      return;
    alignas(64) T packed[blockDepth * panelColumns<T>];
    for (int64_t from = 0; from < k; from += blockDepth) {
      int64_t depth = std::min(blockDepth, k - from);
      for (int64_t column = firstColumn; column < endColumn; column += width) {
        int64_t columns = std::min(width, endColumn - column);
        MatrixView<B> block{b.at(from, column), b.rowStride, b.columnStride};
        const T *right = packed;
        int64_t rightStride = width;
        if constexpr (std::is_same_v<T, B>)
          if (columnsInPlace && columns == width) {
            right = block.data;
            rightStride = b.rowStride;
          }
        if (right == packed)
          packColumns<T, B>(block, columns, depth, packed);
        for (int64_t panel = firstPanel; panel < endPanel; ++panel)
          multiplyPanel<T>(left, panel, from, depth, right, rightStride, columns, {c + column, rowStride},
                           accumulate || from > 0);
      }
    }
  };
  // Waking the other threads costs more than a small product.
  if (m * n * k < minimumParallelWork) {
    for (int64_t task = 0; task < columnTasks * rowTasks; ++task)
      runTask(task);
    return;
  }
  parallelFor(columnTasks * rowTasks, runTask);
}

template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<float>, MatrixView<float>, float *, int64_t, bool);
template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<float>, MatrixView<int8_t>, float *, int64_t, bool);
template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<float>, MatrixView<uint8_t>, float *, int64_t, bool);
template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<double>, MatrixView<double>, double *, int64_t, bool);
template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<double>, MatrixView<int8_t>, double *, int64_t, bool);
template void compute::gemm(int64_t, int64_t, int64_t, MatrixView<double>, MatrixView<uint8_t>, double *, int64_t,
                            bool);
