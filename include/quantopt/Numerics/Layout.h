//===- Layout.h - weights in the order in which tensor cores take them --------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_NUMERICS_LAYOUT_H
#define QUANTOPT_NUMERICS_LAYOUT_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace quantopt::numerics {

/// How codes [N, K] of a weight lie in memory: in *fragment order*, so that a lane of a warp finds in 16 consecutive
/// bytes the four 32-bit registers that `mma.sync` takes from it (PTX ISA, "Matrix Fragments for mma"). Kernel
/// builders and the weight packer share this value; nothing else knows the order.
///
/// Memory is blocks [ceil(N/16)][Kpad/blockColumns][lane 0..31][16 bytes]; Kpad is K rounded up to 64, and codes of 0
/// fill both dimensions. With g = lane / 4 and t = lane % 4, register r of a lane holds
///
/// | name | r of a lane | codes |
/// |---|---|---|
/// | m16n8k64.s4 | row g + 8(r/2), k = 32(r%2) + 8t + i | nibble i, i = 0..7, low first |
/// | m16n8k32.s8 | row g + 8(r/2), k = 16(r%2) + 4t + j | byte j |
/// | m16n8k32.s8x4 | row g + 8(r%2), k = 32h + 16(r/2) + 4t + j | nibble 2j + h, j = 0..3: low nibbles are one
/// fragment of k32, high nibbles the next |
/// | m16n8k16.f16x4 | row g + 8(p%2), k = 16r + 8(p/2) + 2t + h | nibble p + 4h, p = 0..3:
/// `(w >> 4p) & 0x000f000f` is a pair; code + 8 is stored |
///
/// The two first are taken as they lie: {r0, r1} and {r2, r3} are two B fragments (16 tokens by 8 channels),
/// neighbours, because an instruction takes B from an aligned pair of registers; {r0, r2, r1, r3} is the A fragment (16
/// channels by 8 tokens). Those of m16n8k64.s4 are also four fragments of m8n8k32 (sm_75). The others become A
/// fragments in the order of registers, of which {r0, r2} and {r1, r3} are two B fragments.
///
/// A name may end in `:AxB` (A·B = K): the contraction is permuted, because the kernel that wrote the other operand
/// left it so. What logically is column a·B + b lies at column b·A + a.
class Layout {
public:
  enum class Order { S4, S8x4, F16x4, S8 };

  Layout(Order order) : order(order) {}
  Layout(Order order, int64_t slow, int64_t fast) : order(order), slow(slow), fast(fast) {}
  /// The layout of that name; nothing for other names.
  static std::optional<Layout> parse(llvm::StringRef name);
  std::string getName() const;

  Order getOrder() const { return order; }
  unsigned getBits() const { return order == Order::S8 ? 8 : 4; }
  /// Rows and columns of a block: 512 bytes.
  static constexpr int64_t blockRows = 16;
  int64_t getBlockColumns() const { return order == Order::S8 ? 32 : 64; }
  static int64_t getRowBlocks(int64_t rows) { return (rows + blockRows - 1) / blockRows; }
  static int64_t getPaddedRows(int64_t rows) { return getRowBlocks(rows) * blockRows; }
  static int64_t getPaddedColumns(int64_t columns) { return (columns + 63) / 64 * 64; }
  int64_t getByteSize(int64_t rows, int64_t columns) const {
    return getPaddedRows(rows) * getPaddedColumns(columns) * getBits() / 8;
  }
  /// Whether a permutation fits a contraction of that size; layouts without one fit all.
  bool fits(int64_t columns) const { return !slow || slow * fast == columns; }
  /// Where a column is within its row.
  int64_t getPosition(int64_t column) const { return slow ? column % fast * slow + column / fast : column; }

  /// Where code (row, column) of a matrix with `columns` columns lies.
  struct Position {
    int64_t byte;
    unsigned shift; ///< Of its lowest bit within the byte: 0 or 4.
  };
  Position locate(int64_t row, int64_t column, int64_t columns) const;

  /// Packs signed codes [rows, columns], row-major, to getByteSize(rows, columns) bytes. Requires fits(columns).
  /// Rows of a multiple of 16 on are packed independently of those before.
  void pack(const int8_t *codes, int64_t rows, int64_t columns, uint8_t *bytes) const;
  /// The inverse of `pack`.
  void unpack(const uint8_t *bytes, int64_t rows, int64_t columns, int8_t *codes) const;

  bool operator==(const Layout &other) const {
    return order == other.order && slow == other.slow && fast == other.fast;
  }

private:
  Order order;
  int64_t slow = 0, fast = 0; ///< The permutation's A and B; 0: none.
};

} // namespace quantopt::numerics

#endif // QUANTOPT_NUMERICS_LAYOUT_H
