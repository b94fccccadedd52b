//===- MemoryBudget.h - a limit on bytes held at a time --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_SUPPORT_MEMORYBUDGET_H
#define QUANTOPT_SUPPORT_MEMORYBUDGET_H

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace quantopt {

/// Admits holders of memory as long as their bytes fit in the limit, in the order in which they asked. One that asks
/// for more than the whole limit is admitted when nobody else holds anything, so that every request succeeds in the
/// end. A thread must not ask again while it holds.
class MemoryBudget {
public:
  explicit MemoryBudget(uint64_t limit) : limit(limit) {}

  /// Waits until the bytes are free.
  void acquire(uint64_t bytes);
  void release(uint64_t bytes);
  /// Greatest sum held so far.
  uint64_t peak() const;

private:
  const uint64_t limit;
  uint64_t held = 0, greatest = 0, nextTicket = 0, served = 0;
  mutable std::mutex mutex;
  std::condition_variable changed;
};

/// Holds bytes of a budget for a scope.
class MemoryReservation {
public:
  MemoryReservation(MemoryBudget &budget, uint64_t bytes) : budget(budget), bytes(bytes) { budget.acquire(bytes); }
  ~MemoryReservation() { budget.release(bytes); }
  MemoryReservation(const MemoryReservation &) = delete;
  MemoryReservation &operator=(const MemoryReservation &) = delete;

private:
  MemoryBudget &budget;
  uint64_t bytes;
};

} // namespace quantopt

#endif // QUANTOPT_SUPPORT_MEMORYBUDGET_H
