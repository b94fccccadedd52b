//===- Embedding.cpp - rows of a table, by token id -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "RowKernels.h"
#include "RowScan.h"
#include "quantopt/Dialect/Support/TensorType.h"

using namespace mlir;
using namespace quantopt;

void quantopt::buildEmbedding(gpu::GPUModuleOp module, tile::EmbeddingOp op) {
  tile::RowsAttr config = op.getConfig();
  KernelBuilder k(module, op.getLoc(), {op.getKernelName(), /*pointers=*/3, unsigned(config.getThreads())});
  Type from = typeOf(op.getTable()).getElementType(), to = typeOf(op.getResult()).getElementType();
  int64_t columns = lastSize(op.getTable()), tableRows = typeOf(op.getTable()).getDimSize(0);
  RowScan scan(k, config, columns, from);
  int64_t width = scan.getWidth(), fromBytes = from.getIntOrFloatBitWidth() / 8,
          toBytes = to.getIntOrFloatBitWidth() / 8;

  Type idType = typeOf(op.getIds()).getElementType();
  int64_t idBytes = idType.getIntOrFloatBitWidth() / 8;
  Value id = k.load(idType, k.rowPointer(k.pointer(0), scan.getRow(), idBytes), idBytes);
  // Unsigned, so that negative ids are outside as well.
  Value isInside = k.lessU(id, tableRows);
  Value safeId = k.select(isInside, id, k.constant(idType, 0));
  Value source = k.rowPointer(k.pointer(1), idBytes == 8 ? k.truncate(safeId, k.i32()) : safeId, columns * fromBytes);
  Value target = k.rowPointer(k.pointer(2), scan.getRow(), columns * toBytes);
  k.ifThen(scan.rowExists(), [&] {
    k.loop(scan.getThread(), scan.getVectorsOfRow(), config.getThreads() / config.getRows(), [&](Value vector) {
      Value values =
          k.load(k.vectorOf(width, from), k.address(source, k.mul(vector, width * fromBytes)), width * fromBytes);
      Value converted = k.convertFloat(values, to);
      Value result = k.select(isInside, converted, k.zero(converted.getType()));
      k.store(result, k.address(target, k.mul(vector, width * toBytes)), std::min<int64_t>(16, width * toBytes));
    });
  });
  k.finish();
}
