//===- Counters.cpp - what a launch did ----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Ptx/Counters.h"
#include "llvm/Support/Format.h"

using namespace quantopt::ptx;

void Counters::Traffic::add(const Traffic &other) {
  requests += other.requests;
  bytes += other.bytes;
  sectors += other.sectors;
}

void Counters::merge(const Counters &other) {
  for (const auto &[opcode, count] : other.instructions)
    instructions[opcode] += count;
  warpInstructions += other.warpInstructions;
  matrixInstructions += other.matrixInstructions;
  sharedRequests += other.sharedRequests;
  sharedCycles += other.sharedCycles;
  sharedConflicts += other.sharedConflicts;
  globalLoads.add(other.globalLoads);
  globalStores.add(other.globalStores);
  for (const auto &[number, line] : other.lines) {
    Line &sum = lines[number];
    sum.instruction = line.instruction;
    sum.executions += line.executions;
    sum.sharedCycles += line.sharedCycles;
    sum.sharedConflicts += line.sharedConflicts;
    sum.globalRequests += line.globalRequests;
    sum.globalSectors += line.globalSectors;
  }
}

static llvm::json::Object toJson(const Counters::Traffic &traffic) {
  return llvm::json::Object{{"requests", traffic.requests}, {"bytes", traffic.bytes}, {"sectors", traffic.sectors}};
}

llvm::json::Value Counters::toJson() const {
  llvm::json::Object mix;
  for (const auto &[opcode, count] : instructions)
    mix[opcode] = count;
  llvm::json::Array byLine;
  for (const auto &[number, line] : lines)
    byLine.push_back(llvm::json::Object{{"line", number},
                                        {"instruction", line.instruction},
                                        {"executions", line.executions},
                                        {"shared_cycles", line.sharedCycles},
                                        {"shared_conflicts", line.sharedConflicts},
                                        {"global_requests", line.globalRequests},
                                        {"global_sectors", line.globalSectors}});
  return llvm::json::Object{
      {"warp_instructions", warpInstructions},
      {"matrix_instructions", matrixInstructions},
      {"instructions", std::move(mix)},
      {"shared",
       llvm::json::Object{{"requests", sharedRequests}, {"cycles", sharedCycles}, {"conflicts", sharedConflicts}}},
      {"global_loads", ::toJson(globalLoads)},
      {"global_stores", ::toJson(globalStores)},
      {"lines", std::move(byLine)}};
}

void Counters::print(llvm::raw_ostream &os) const {
  auto print = [&](llvm::StringRef name, uint64_t value) {
    os << llvm::format("%14llu  ", static_cast<unsigned long long>(value)) << name << "\n";
  };
  print("warp instructions", warpInstructions);
  print("matrix instructions", matrixInstructions);
  print("shared requests", sharedRequests);
  print("shared cycles", sharedCycles);
  print("bank conflicts", sharedConflicts);
  print("global load requests", globalLoads.requests);
  print("global load bytes", globalLoads.bytes);
  print("global load sectors", globalLoads.sectors);
  print("global store requests", globalStores.requests);
  print("global store bytes", globalStores.bytes);
  print("global store sectors", globalStores.sectors);
  std::vector<std::pair<uint64_t, llvm::StringRef>> mix;
  for (const auto &[opcode, count] : instructions)
    mix.emplace_back(count, opcode);
  llvm::sort(mix,
             [](const auto &a, const auto &b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  os << "instruction mix\n";
  for (const auto &[count, opcode] : mix)
    print(opcode, count);
}
