//===- MemoryBudget.cpp - a limit on bytes held at a time ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/MemoryBudget.h"
#include <algorithm>
#include <cassert>

using namespace quantopt;

void MemoryBudget::acquire(uint64_t bytes) {
  std::unique_lock<std::mutex> lock(mutex);
  uint64_t ticket = nextTicket++;
  changed.wait(lock, [&] {
    bool fits = bytes <= limit && held <= limit - bytes;
    return ticket == served && (fits || held == 0);
  });
  ++served;
  held += bytes;
  greatest = std::max(greatest, held);
  changed.notify_all();
}

void MemoryBudget::release(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  assert(bytes <= held);
  held -= bytes;
  changed.notify_all();
}

uint64_t MemoryBudget::peak() const {
  std::lock_guard<std::mutex> lock(mutex);
  return greatest;
}
