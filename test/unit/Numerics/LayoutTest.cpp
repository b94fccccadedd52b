//===- LayoutTest.cpp - weights in the order in which tensor cores take them --------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Layout.h"
#include "gtest/gtest.h"
#include <vector>

using namespace quantopt::numerics;

namespace {
struct Shape {
  int64_t rows, columns;
};
constexpr Shape shapes[] = {{16, 64}, {192, 576}, {1, 1}, {17, 65}, {200, 1000}, {40, 96}};

std::vector<int8_t> makeCodes(Shape shape, unsigned bits) {
  std::vector<int8_t> codes(shape.rows * shape.columns);
  int range = 1 << bits;
  for (size_t i = 0; i < codes.size(); ++i)
    codes[i] = int8_t(int((i * 2654435761u >> 7) % range) - range / 2);
  return codes;
}

/// Row and column, within a fragment, of element i of A that a lane holds: the formulas of the PTX ISA, "Matrix
/// Fragments for mma", word by word.
struct Element {
  int64_t row, column;
};
Element m16n8k64S4(int64_t lane, int64_t i) {
  int64_t group = lane >> 2, thread = lane % 4;
  bool isUpper = !(i < 8 || (i >= 16 && i < 24));
  return {isUpper ? group + 8 : group, i < 16 ? thread * 8 + (i & 7) : thread * 8 + (i & 7) + 32};
}
Element m16n8k32S8(int64_t lane, int64_t i) {
  int64_t group = lane >> 2, thread = lane % 4;
  bool isUpper = !(i < 4 || (i >= 8 && i < 12));
  return {isUpper ? group + 8 : group, i < 8 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16};
}
Element m16n8k16F16(int64_t lane, int64_t i) {
  int64_t group = lane >> 2, thread = lane % 4;
  bool isUpper = !(i < 2 || (i >= 4 && i < 6));
  return {isUpper ? group + 8 : group, i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8};
}

/// Packed codes as kernels see them, block by block.
class Packed {
public:
  Packed(Layout layout, Shape shape)
      : shape(shape), columnBlocks(Layout::getPaddedColumns(shape.columns) / layout.getBlockColumns()),
        codes(makeCodes(shape, layout.getBits())), bytes(layout.getByteSize(shape.rows, shape.columns)) {
    layout.pack(codes.data(), shape.rows, shape.columns, bytes.data());
  }
  uint32_t reg(int64_t rowBlock, int64_t columnBlock, int64_t lane, int64_t number) const {
    const uint8_t *p = &bytes[((rowBlock * columnBlocks + columnBlock) * 32 + lane) * 16 + number * 4];
    return p[0] | p[1] << 8 | p[2] << 16 | uint32_t(p[3]) << 24;
  }
  int code(int64_t row, int64_t column) const {
    return row < shape.rows && column < shape.columns ? codes[row * shape.columns + column] : 0;
  }
  template <typename Check> void forEachLane(Check check) const {
    for (int64_t rowBlock = 0; rowBlock < (shape.rows + 15) / 16; ++rowBlock)
      for (int64_t columnBlock = 0; columnBlock < columnBlocks; ++columnBlock)
        for (int64_t lane = 0; lane < 32; ++lane)
          check(rowBlock, columnBlock, lane);
  }

  Shape shape;
  int64_t columnBlocks;
  std::vector<int8_t> codes;
  std::vector<uint8_t> bytes;
};

int signedNibble(uint32_t word, int64_t number) { return int32_t(word << (28 - 4 * number)) >> 28; }
} // namespace

TEST(Layout, NamesRoundTrip) {
  for (const char *name :
       {"m16n8k64.s4", "m16n8k32.s8x4", "m16n8k16.f16x4", "m16n8k32.s8", "m16n8k64.s4:18x32", "m16n8k32.s8:1x64"}) {
    std::optional<Layout> layout = Layout::parse(name);
    ASSERT_TRUE(layout) << name;
    EXPECT_EQ(layout->getName(), name);
    EXPECT_EQ(*Layout::parse(layout->getName()), *layout);
  }
  for (const char *name : {"", "m16n8k64", "m16n8k64.s4:", "m16n8k64.s4:18", "m16n8k64.s4:0x32", "m16n8k64.s4:ax2"})
    EXPECT_FALSE(Layout::parse(name)) << name;
}

TEST(Layout, RoundTrip) {
  for (Layout::Order order : {Layout::Order::S4, Layout::Order::S8x4, Layout::Order::F16x4, Layout::Order::S8})
    for (Shape shape : shapes) {
      Packed packed(order, shape);
      std::vector<int8_t> codes(packed.codes.size());
      Layout(order).unpack(packed.bytes.data(), shape.rows, shape.columns, codes.data());
      EXPECT_EQ(codes, packed.codes) << Layout(order).getName() << ' ' << shape.rows << 'x' << shape.columns;
    }
}

/// Where register `number` of A lies among those of m16n8k64.s4 and m16n8k32.s8: pairs of B are neighbours.
constexpr int64_t registerOfA[] = {0, 2, 1, 3};

// Every register is what mma takes as A: rows of the weight as M.
TEST(Layout, S4IsTheFragment) {
  for (Shape shape : shapes) {
    Packed packed(Layout::Order::S4, shape);
    packed.forEachLane([&](int64_t rowBlock, int64_t columnBlock, int64_t lane) {
      for (int64_t i = 0; i < 32; ++i) {
        Element e = m16n8k64S4(lane, i);
        EXPECT_EQ(signedNibble(packed.reg(rowBlock, columnBlock, lane, registerOfA[i / 8]), i % 8),
                  packed.code(rowBlock * 16 + e.row, columnBlock * 64 + e.column));
      }
    });
  }
}

TEST(Layout, S8IsTheFragment) {
  for (Shape shape : shapes) {
    Packed packed(Layout::Order::S8, shape);
    packed.forEachLane([&](int64_t rowBlock, int64_t columnBlock, int64_t lane) {
      for (int64_t i = 0; i < 16; ++i) {
        Element e = m16n8k32S8(lane, i);
        EXPECT_EQ(int8_t(packed.reg(rowBlock, columnBlock, lane, registerOfA[i / 4]) >> 8 * (i % 4)),
                  packed.code(rowBlock * 16 + e.row, columnBlock * 32 + e.column));
      }
    });
  }
}

// (w << 4) & 0xf0f0f0f0 and w & 0xf0f0f0f0 are two fragments of s8, times 16.
TEST(Layout, S8x4BecomesTwoFragments) {
  for (Shape shape : shapes) {
    Packed packed(Layout::Order::S8x4, shape);
    packed.forEachLane([&](int64_t rowBlock, int64_t columnBlock, int64_t lane) {
      for (int64_t i = 0; i < 16; ++i) {
        Element e = m16n8k32S8(lane, i);
        uint32_t word = packed.reg(rowBlock, columnBlock, lane, i / 4);
        for (int64_t half = 0; half < 2; ++half) {
          uint32_t bytes = (half ? word : word << 4) & 0xf0f0f0f0;
          EXPECT_EQ(int8_t(bytes >> 8 * (i % 4)),
                    16 * packed.code(rowBlock * 16 + e.row, columnBlock * 64 + 32 * half + e.column));
        }
      }
    });
  }
}

// (w >> 4p) & 0x000f000f is the pair p of A of f16, with 8 added; register r is the r-th step of k16.
TEST(Layout, F16x4BecomesPairs) {
  for (Shape shape : shapes) {
    Packed packed(Layout::Order::F16x4, shape);
    packed.forEachLane([&](int64_t rowBlock, int64_t columnBlock, int64_t lane) {
      for (int64_t step = 0; step < 4; ++step)
        for (int64_t i = 0; i < 8; ++i) {
          Element e = m16n8k16F16(lane, i);
          uint32_t pair = packed.reg(rowBlock, columnBlock, lane, step) >> 4 * (i / 2) & 0x000f000f;
          EXPECT_EQ(int(pair >> 16 * (i % 2) & 15) - 8,
                    packed.code(rowBlock * 16 + e.row, columnBlock * 64 + 16 * step + e.column));
        }
    });
  }
}

// Column a·B + b lies where column b·A + a would.
TEST(Layout, Permutation) {
  constexpr int64_t slow = 18, fast = 32, rows = 33, columns = slow * fast;
  Layout plain(Layout::Order::S4), permuted(Layout::Order::S4, slow, fast);
  EXPECT_TRUE(permuted.fits(columns));
  EXPECT_FALSE(permuted.fits(columns + 1));
  std::vector<int8_t> codes = makeCodes({rows, columns}, 4), moved(codes.size()), back(codes.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t a = 0; a < slow; ++a)
      for (int64_t b = 0; b < fast; ++b)
        moved[row * columns + b * slow + a] = codes[row * columns + a * fast + b];
  std::vector<uint8_t> expected(plain.getByteSize(rows, columns)), found(expected.size());
  plain.pack(moved.data(), rows, columns, expected.data());
  permuted.pack(codes.data(), rows, columns, found.data());
  EXPECT_EQ(found, expected);
  permuted.unpack(found.data(), rows, columns, back.data());
  EXPECT_EQ(back, codes);
}

// The packer streams: 16 rows at a time give the same bytes.
TEST(Layout, BlocksOfRowsAreIndependent) {
  constexpr Shape shape{40, 96};
  for (Layout::Order order : {Layout::Order::S4, Layout::Order::S8x4, Layout::Order::F16x4, Layout::Order::S8}) {
    Layout layout(order);
    Packed whole(order, shape);
    std::vector<uint8_t> pieces;
    for (int64_t row = 0; row < shape.rows; row += Layout::blockRows) {
      int64_t count = std::min(Layout::blockRows, shape.rows - row);
      std::vector<uint8_t> piece(layout.getByteSize(count, shape.columns));
      layout.pack(&whole.codes[row * shape.columns], count, shape.columns, piece.data());
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(pieces, whole.bytes) << layout.getName();
  }
}
