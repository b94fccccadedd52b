//===- BundlePlan.h - plan.json, read and validated ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_RUNTIME_BUNDLEPLAN_H
#define QUANTOPT_RUNTIME_BUNDLEPLAN_H

#include "quantopt/Numerics/KvLayout.h"
#include "quantopt/Support/DType.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace quantopt::runtime {

// plan.json, version 2, as lib/Target/PTX/plan.schema.json documents it. Names of buffers, caches, kernels and weights
// are resolved to indices here, so that nothing that runs looks anything up.

struct PlannedFile {
  uint64_t bytes = 0;
  std::string sha256; ///< 64 lower-case hexadecimal digits.
};

struct PlannedModel {
  /// Most tokens of a sequence, left padding counted in.
  uint32_t maxContext = 0;
  uint32_t vocabulary = 0;
  bool isPaged = false;
};

/// Keys or values of one layer: pages of `pageBytes` bytes, each of `layout.pageTokens` tokens of all heads.
struct PlannedCache {
  std::string name;
  uint32_t heads = 0;
  numerics::KvLayout layout;
  uint64_t pageBytes = 0, tokenBytes = 0;
};

struct PlannedKernelArgument {
  enum class Kind { Input, Weight, Result, State };
  /// A box of a rank 2 tensor map over the array in place of a pointer to it; all sizes but boxRows are bytes.
  struct Map {
    uint64_t rowBytes = 0;
    uint32_t boxBytes = 0, boxRows = 0;
    unsigned swizzleBytes = 0;
  };
  std::string name;
  Kind kind = Kind::Input;
  DType dtype = DType::F32;
  /// Of inputs and results.
  uint64_t rowBytes = 0;
  /// Of weights: the fewest bytes that the array may have.
  uint64_t minimumBytes = 0;
  std::optional<Map> map;
};

struct PlannedKernel {
  /// What the number of blocks in y counts: ceil(rows / y), B·ceil(S / y), or B, for B sequences of S new tokens each.
  enum class GridRows { Rows, SequenceRows, Sequences };
  std::string name;
  unsigned block = 0, dynamicSharedBytes = 0, gridX = 0;
  GridRows gridRows = GridRows::Rows;
  uint32_t rowsPerBlock = 1;
  /// Blocks in y for that many rows: the tokens of `sequences` sequences, `newTokens` each.
  uint64_t gridY(uint64_t rows, uint64_t sequences, uint64_t newTokens) const;
  /// Without the last one, which is the number of rows (u32).
  std::vector<PlannedKernelArgument> arguments;
};

/// An array of a phase that kernels read and write, at arena + offset·R where the arena was made for R rows.
struct PlannedBuffer {
  std::string name;
  DType dtype = DType::F32;
  uint64_t rowBytes = 0;
  /// In bytes per row. Inputs and outputs of the phase have none: who runs it owns them.
  std::optional<uint64_t> offset;
};

struct PlannedLaunch {
  struct Operand {
    enum class Kind { Buffer, Weight, Cache };
    Kind kind;
    /// In PlannedPhase::buffers, BundlePlan::weights, or BundlePlan::caches.
    unsigned index;
  };
  unsigned kernel = 0; ///< In BundlePlan::kernels.
  std::string node, role;
  /// One for each argument of the kernel.
  llvm::SmallVector<Operand, 8> operands;
};

struct PlannedPhase {
  std::string name;
  /// Whether it is for one new token of every sequence: "decode", or "decode_64" beside it for more sequences.
  bool decodes() const { return name == "decode" || llvm::StringRef(name).starts_with("decode_"); }
  /// The most rows of a step, if there is a limit.
  std::optional<uint32_t> maxRows;
  uint64_t arenaRowBytes = 0;
  /// The first launch from which on all work row by row; the number of launches if there is none.
  unsigned tail = 0;
  std::vector<PlannedBuffer> buffers;
  /// Buffers by what they are to the step form: "ids", "sequences", "pages"; "logits".
  std::map<std::string, unsigned> inputs, outputs;
  std::vector<PlannedLaunch> launches;
};

struct UnloweredOps {
  std::string op;
  uint64_t count = 0;
};

struct BundlePlan {
  std::string arch, ptxVersion;
  std::map<std::string, PlannedFile> files;
  std::optional<PlannedModel> model;
  std::vector<PlannedCache> caches;
  std::vector<PlannedKernel> kernels;
  std::vector<PlannedPhase> phases;
  /// Names of tensors of weights.safetensors.
  std::vector<std::string> weights;
  std::vector<UnloweredOps> unlowered;

  /// Reads the text of plan.json. Errors say where in it ("plan.json: phases[0].launches[3].kernel: ...") and what was
  /// expected: text that is no JSON, another version, references that lead nowhere, sizes that do not fit each other.
  static llvm::Expected<BundlePlan> parse(llvm::StringRef text);

  /// Whether this is a plan that generates tokens. Errors list ops without kernels, or name what is missing or
  /// contradicts itself: phases, inputs and outputs, arrays that are read before they are written or overwritten while
  /// they are needed, tails that are none.
  llvm::Error checkRunnable() const;

  const PlannedPhase *findPhase(llvm::StringRef name) const;
  /// The phase that decodes that many sequences with the least waste: of those called "decode" or "decode_...", the one
  /// with the smallest max_rows that suffices; "prefill" where none does.
  const PlannedPhase *findDecodePhase(uint32_t sequences) const;

  /// Tokens in a page of every cache; 0 without caches.
  uint32_t pageTokens() const;
  /// Columns of the page table: those of the phases' input "pages" where their number is known, else as many as the
  /// longest context has pages.
  uint32_t pagesPerSequence() const;
  /// What all caches take for one token.
  uint64_t cacheTokenBytes() const;
  /// Bytes per row of an arena that serves every phase.
  uint64_t arenaRowBytes() const;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_RUNTIME_BUNDLEPLAN_H
