//===- Layout.cpp - weights in the order in which tensor cores take them ------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Numerics/Layout.h"
#include "llvm/ADT/STLExtras.h"
#include <cassert>
#include <cstring>
#include <vector>

using namespace quantopt::numerics;

static constexpr llvm::StringLiteral orderNames[] = {"m16n8k64.s4", "m16n8k32.s8x4", "m16n8k16.f16x4", "m16n8k32.s8"};

std::optional<Layout> Layout::parse(llvm::StringRef name) {
  auto [order, permutation] = name.split(':');
  for (auto [index, candidate] : llvm::enumerate(orderNames)) {
    if (order != candidate)
      continue;
    if (!name.contains(':'))
      return Layout(Order(index));
    auto [slow, fast] = permutation.split('x');
    int64_t slowSize, fastSize;
    if (slow.getAsInteger(10, slowSize) || fast.getAsInteger(10, fastSize) || slowSize < 1 || fastSize < 1)
      return std::nullopt;
    return Layout(Order(index), slowSize, fastSize);
  }
  return std::nullopt;
}

std::string Layout::getName() const {
  std::string name = orderNames[unsigned(order)].str();
  return slow ? name + ":" + std::to_string(slow) + "x" + std::to_string(fast) : name;
}

namespace {
/// A code within a block: its lane and register, and the lowest of its bits in the register.
struct Place {
  int64_t lane, reg, bit;
};
} // namespace

static Place placeInBlock(Layout::Order order, int64_t row, int64_t k) {
  int64_t g = row % 8, upper = row / 8;
  switch (order) {
  case Layout::Order::S4:
    return {4 * g + k / 8 % 4, 2 * upper + k / 32, 4 * (k % 8)};
  case Layout::Order::S8x4:
    return {4 * g + k / 4 % 4, upper + 2 * (k / 16 % 2), 4 * (2 * (k % 4) + k / 32)};
  case Layout::Order::F16x4:
    return {4 * g + k / 2 % 4, k / 16, 4 * (upper + 2 * (k / 8 % 2) + 4 * (k % 2))};
  case Layout::Order::S8:
    return {4 * g + k / 4 % 4, 2 * upper + k / 16, 8 * (k % 4)};
  }
  llvm_unreachable("covered switch");
}

Layout::Position Layout::locate(int64_t row, int64_t column, int64_t columns) const {
  column = getPosition(column);
  int64_t width = getBlockColumns(), blocksPerRow = getPaddedColumns(columns) / width;
  Place place = placeInBlock(order, row % blockRows, column % width);
  int64_t block = row / blockRows * blocksPerRow + column / width;
  return {block * 512 + place.lane * 16 + place.reg * 4 + place.bit / 8, unsigned(place.bit % 8)};
}

namespace {
/// What locate() computes, for whole matrices: places within a block and where the block of a column begins, tabulated.
class Locator {
public:
  Locator(const Layout &layout, int64_t columns)
      : rowBytes(layout.getByteSize(Layout::blockRows, columns)), columns(columns), width(layout.getBlockColumns()),
        places(Layout::blockRows * width), positions(columns) {
    for (int64_t row = 0; row < Layout::blockRows; ++row)
      for (int64_t k = 0; k < width; ++k)
        places[row * width + k] = Layout(layout.getOrder()).locate(row, k, width);
    for (int64_t column = 0; column < columns; ++column)
      positions[column] = layout.getPosition(column);
  }
  /// Calls use(index, position) for every code of a matrix of that many rows.
  template <typename Use> void forEach(int64_t rows, Use use) const {
    for (int64_t row = 0; row < rows; ++row) {
      const Layout::Position *places = this->places.data() + row % Layout::blockRows * width;
      int64_t block = row / Layout::blockRows * rowBytes;
      for (int64_t column = 0; column < columns; ++column) {
        Layout::Position place = places[positions[column] % width];
        use(row * columns + column, block + positions[column] / width * 512 + place.byte, place.shift);
      }
    }
  }

private:
  int64_t rowBytes, columns, width;
  std::vector<Layout::Position> places;
  std::vector<int64_t> positions;
};
} // namespace

void Layout::pack(const int8_t *codes, int64_t rows, int64_t columns, uint8_t *bytes) const {
  assert(fits(columns) && "the permutation is of another size");
  std::memset(bytes, order == Order::F16x4 ? 0x88 : 0, getByteSize(rows, columns));
  unsigned mask = (1u << getBits()) - 1, offset = order == Order::F16x4 ? 8 : 0;
  Locator(*this, columns).forEach(rows, [&](int64_t index, int64_t at, unsigned shift) {
    unsigned stored = (unsigned(codes[index]) + offset) & mask;
    bytes[at] = uint8_t((bytes[at] & ~(mask << shift)) | stored << shift);
  });
}

void Layout::unpack(const uint8_t *bytes, int64_t rows, int64_t columns, int8_t *codes) const {
  assert(fits(columns) && "the permutation is of another size");
  int bits = getBits(), offset = order == Order::F16x4 ? 8 : 0;
  Locator(*this, columns).forEach(rows, [&](int64_t index, int64_t at, unsigned shift) {
    int stored = bytes[at] >> shift & ((1 << bits) - 1);
    int wrapped = offset || stored < 1 << (bits - 1) ? stored - offset : stored - (1 << bits);
    codes[index] = int8_t(wrapped);
  });
}
