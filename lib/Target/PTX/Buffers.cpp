//===- Buffers.cpp - places of activations in one arena ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Buffers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;

/// Kernels read rows by 16 bytes.
static constexpr int64_t placeAlignment = 16;

namespace {
/// A place and all arrays that follow each other in it, from the first op that writes one to the last that reads one.
struct Place {
  int64_t rowBytes, begin, end;
  int64_t offset = 0;

  bool livesBeside(const Place &other) const { return begin <= other.end && other.begin <= end; }
};
} // namespace

/// The lowest offset where `place` meets none of `taken`, which are in the order of their offsets.
static int64_t findOffset(const Place &place, llvm::ArrayRef<const Place *> taken) {
  int64_t offset = 0;
  for (const Place *other : taken) {
    if (!place.livesBeside(*other))
      continue;
    if (offset + place.rowBytes <= other->offset)
      break;
    offset = std::max(offset, other->offset + other->rowBytes);
  }
  return offset;
}

BufferPlan quantopt::planBuffers(llvm::ArrayRef<BufferRequest> requests) {
  BufferPlan plan;
  llvm::SmallVector<Place> places;
  llvm::SmallVector<size_t> placeOf;
  for (const BufferRequest &request : requests) {
    const BufferRequest *residual = request.residual ? &requests[*request.residual] : nullptr;
    bool isInPlace = residual && residual->end == request.begin && residual->rowBytes == request.rowBytes;
    plan.isInPlace.push_back(isInPlace);
    if (isInPlace) {
      placeOf.push_back(placeOf[*request.residual]);
      places[placeOf.back()].end = request.end;
      continue;
    }
    placeOf.push_back(places.size());
    places.push_back({int64_t(llvm::alignTo(request.rowBytes, placeAlignment)), request.begin, request.end});
  }

  llvm::SmallVector<Place *> order = llvm::to_vector(llvm::make_pointer_range(places));
  // Of two that are as large the first: pointers follow the order of requests.
  llvm::sort(order, [](const Place *a, const Place *b) {
    return a->rowBytes != b->rowBytes ? a->rowBytes > b->rowBytes : a < b;
  });
  llvm::SmallVector<const Place *> taken;
  for (Place *place : order) {
    place->offset = findOffset(*place, taken);
    auto higher = llvm::upper_bound(taken, place, [](const Place *a, const Place *b) { return a->offset < b->offset; });
    taken.insert(higher, place);
    plan.rowBytes = std::max(plan.rowBytes, place->offset + place->rowBytes);
  }
  for (size_t place : placeOf)
    plan.offsets.push_back(places[place].offset);
  return plan;
}
