//===- StandaloneMain.cpp - runs a fuzz target without libFuzzer ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
//
// replay-NAME [-seconds=N] [-flips=N] [-truncations] FILE-or-FOLDER...
//
// Gives each file to the target; then, as asked: each beginning of each file, N random flips of one bit (shared out
// among the files), and random changes for N seconds. The seed is fixed. Ends with the number of executions; a crash
// leaves the input in crash-NAME. Sanitizers are those that the target is built with, none in a release build.
//
//===----------------------------------------------------------------------------===//
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                                                unsigned seed);

static std::mt19937 generator(20240607);
static uint64_t executions = 0;
/// What is being run, for the handler of crashes.
static const std::string *running = nullptr;
static std::string crashFile;

static size_t below(size_t bound) { return bound ? generator() % bound : 0; }

/// libFuzzer's, for custom mutators: one small change of bytes.
extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize) {
  if (!size)
    return 0;
  switch (below(4)) {
  case 0:
    data[below(size)] ^= 1 << below(8);
    return size;
  case 1:
    data[below(size)] = generator();
    return size;
  case 2: { // take bytes out
    size_t at = below(size), count = std::min(size - at, 1 + below(8));
    std::memmove(data + at, data + at + count, size - at - count);
    return size - count;
  }
  default: { // copy bytes
    size_t from = below(size), count = std::min({size - from, 1 + below(16), maxSize - size}), to = below(size);
    std::vector<uint8_t> piece(data + from, data + from + count);
    std::memmove(data + to + count, data + to, size - to);
    std::copy(piece.begin(), piece.end(), data + to);
    return size + count;
  }
  }
}

static void onCrash(int signal) {
  int file = ::open(crashFile.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && running) {
    (void)!::write(file, running->data(), running->size());
    ::close(file);
  }
  static const char message[] = "crash: the input is in the file crash-*\n";
  (void)!::write(STDERR_FILENO, message, sizeof(message) - 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

static void execute(const std::string &input) {
  running = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(input.data()), input.size());
  ++executions;
}

static void collect(llvm::StringRef path, std::vector<std::string> &inputs) {
  std::error_code code;
  if (llvm::sys::fs::is_directory(path)) {
    std::vector<std::string> entries;
    for (llvm::sys::fs::directory_iterator it(path, code), end; it != end && !code; it.increment(code))
      entries.push_back(it->path());
    llvm::sort(entries);
    for (const std::string &entry : entries)
      collect(entry, inputs);
    return;
  }
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    llvm::errs() << path << ": " << buffer.getError().message() << '\n';
    std::exit(1);
  }
  inputs.push_back((*buffer)->getBuffer().str());
}

static void truncate(const std::vector<std::string> &inputs) {
  for (const std::string &input : inputs)
    for (size_t length = 0; length < input.size(); ++length)
      execute(input.substr(0, length));
}

static void flipBits(const std::vector<std::string> &inputs, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string changed = inputs[i % inputs.size()];
    if (!changed.empty())
      changed[below(changed.size())] ^= 1 << below(8);
    execute(changed);
  }
}

static void mutate(const std::vector<std::string> &inputs, unsigned seconds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) {
    const std::string &original = inputs[below(inputs.size())];
    std::string changed = original;
    size_t maxSize = original.size() + 4096;
    changed.resize(maxSize);
    auto *data = reinterpret_cast<uint8_t *>(changed.data());
    size_t size = original.size();
    for (size_t i = 0, steps = 1 + below(6); i < steps; ++i)
      size = LLVMFuzzerCustomMutator ? LLVMFuzzerCustomMutator(data, size, maxSize, generator())
                                     : LLVMFuzzerMutate(data, size, maxSize);
    changed.resize(size);
    execute(changed);
  }
}

int main(int argc, char **argv) {
  unsigned seconds = 0;
  uint64_t flips = 0;
  bool truncates = false;
  std::vector<std::string> inputs;
  for (llvm::StringRef argument : llvm::ArrayRef(argv + 1, argc - 1)) {
    llvm::StringRef value = argument;
    if (argument == "-truncations")
      truncates = true;
    else if (value.consume_front("-seconds=") ? !value.getAsInteger(10, seconds)
                                              : value.consume_front("-flips=") && !value.getAsInteger(10, flips))
      continue;
    else if (argument.starts_with("-")) {
      llvm::errs() << "error: unknown argument " << argument << '\n';
      return 1;
    } else
      collect(argument, inputs);
  }
  if (inputs.empty()) {
    llvm::errs() << "error: no inputs\n";
    return 1;
  }
  crashFile = ("crash-" + llvm::sys::path::filename(argv[0])).str();
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP})
    std::signal(signal, onCrash);
  if (LLVMFuzzerInitialize)
    LLVMFuzzerInitialize(&argc, &argv);
  for (const std::string &input : inputs)
    execute(input);
  if (truncates)
    truncate(inputs);
  if (flips)
    flipBits(inputs, flips);
  if (seconds)
    mutate(inputs, seconds);
  llvm::outs() << executions << " executions\n";
  return 0;
}
