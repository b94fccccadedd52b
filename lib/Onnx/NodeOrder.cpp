//===- NodeOrder.cpp - nodes of a graph, values before their uses ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "NodeOrder.h"
#include "GraphView.h"
#include "llvm/ADT/StringMap.h"
#include <queue>

using namespace llvm;
using namespace quantopt;

std::vector<size_t> quantopt::orderNodes(ArrayRef<NodeSkeleton> nodes, function_ref<bool(StringRef)> isGiven) {
  StringMap<size_t> producers;
  for (auto [i, node] : enumerate(nodes))
    for (const std::string &output : node.proto.output())
      if (!output.empty())
        producers.try_emplace(output, i);
  std::vector<unsigned> waitsFor(nodes.size(), 0);
  std::vector<SmallVector<size_t, 2>> users(nodes.size());
  for (auto [i, node] : enumerate(nodes)) {
    std::vector<std::string> inputs(node.proto.input().begin(), node.proto.input().end());
    append_range(inputs, capturesOf(node.proto));
    for (const std::string &input : inputs) {
      auto producer = producers.find(input);
      if (producer == producers.end() || isGiven(input))
        continue;
      users[producer->second].push_back(i);
      ++waitsFor[i];
    }
  }
  // The first node that is ready comes next: the file's own order if it is a valid one.
  std::priority_queue<size_t, std::vector<size_t>, std::greater<size_t>> ready;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (waitsFor[i] == 0)
      ready.push(i);
  std::vector<size_t> order;
  while (!ready.empty()) {
    size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (size_t user : users[next])
      if (--waitsFor[user] == 0)
        ready.push(user);
  }
  return order;
}
