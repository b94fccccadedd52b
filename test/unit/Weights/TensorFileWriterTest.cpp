//===- TensorFileWriterTest.cpp - files of tensors -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/TensorFileWriter.h"
#include "TemporaryFolder.h"
#include "quantopt/Weights/WeightStore.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace quantopt;

static std::unique_ptr<TensorFileWriter> create(llvm::StringRef path) {
  auto writer = TensorFileWriter::create(path);
  EXPECT_TRUE(bool(writer));
  return std::move(*writer);
}

TEST(TensorFileWriterTest, PlacesTensorsAtPages) {
  TemporaryFolder folder;
  auto writer = create(folder.file("f.bin"));
  EXPECT_EQ(writer->reserve(DType::I4, 5), 0u);
  EXPECT_EQ(writer->size(), 3u);
  EXPECT_EQ(writer->reserve(DType::F32, 1024), 4096u);
  EXPECT_EQ(writer->reserve(DType::F32, 0), 8192u);
  EXPECT_EQ(writer->reserve(DType::I64, 1), 8192u);
}

TEST(TensorFileWriterTest, PacksTheFirstCodeIntoTheLowNibble) {
  TemporaryFolder folder;
  auto writer = create(folder.file("f.bin"));
  uint64_t offset = writer->reserve(DType::I4, 5);
  // In two parts, the second one first.
  ASSERT_FALSE(writer->write(offset, 2, Tensor::from<int8_t>(DType::I4, {3}, {-8, 7, -1})));
  ASSERT_FALSE(writer->write(offset, 0, Tensor::from<int8_t>(DType::I4, {2}, {1, -2})));
  ASSERT_FALSE(writer->commit());
  auto bytes = llvm::MemoryBuffer::getFile(folder.file("f.bin"));
  ASSERT_TRUE(bool(bytes));
  EXPECT_EQ((*bytes)->getBuffer(), llvm::StringRef("\xe1\x78\x0f", 3));
}

TEST(TensorFileWriterTest, ReadsBackWhatManyThreadsWrote) {
  TemporaryFolder folder;
  auto writer = create(folder.file("f.bin"));
  constexpr int64_t tensors = 16, elements = 5000;
  std::vector<uint64_t> offsets;
  for (int64_t i = 0; i < tensors; ++i)
    offsets.push_back(writer->reserve(DType::I32, elements));
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < tensors; ++i)
    threads.emplace_back([&, i] {
      std::vector<int32_t> values(elements, i);
      EXPECT_FALSE(writer->write(offsets[i], 0, Tensor::from<int32_t>(DType::I32, {elements}, values)));
    });
  for (std::thread &thread : threads)
    thread.join();
  ASSERT_FALSE(writer->commit());
  WeightStore store;
  for (int64_t i = 0; i < tensors; ++i) {
    auto tensor = store.read({"t", folder.file("f.bin"), offsets[i], elements * 4, DType::I32, {elements}});
    ASSERT_TRUE(bool(tensor));
    EXPECT_EQ(tensor->data<int32_t>().vec(), std::vector<int32_t>(elements, i));
  }
}

TEST(TensorFileWriterTest, LeavesNothingWithoutCommit) {
  TemporaryFolder folder;
  {
    auto writer = create(folder.file("f.bin"));
    writer->reserve(DType::I8, 1);
    ASSERT_FALSE(writer->write(0, 0, Tensor::zeros(DType::I8, {1})));
    ASSERT_EQ(folder.list().size(), 1u);
    EXPECT_NE(folder.list()[0], "f.bin");
  }
  EXPECT_TRUE(folder.list().empty());
}

TEST(TensorFileWriterTest, KeepsTheOldFileWithoutCommit) {
  TemporaryFolder folder;
  folder.write("f.bin", "old");
  create(folder.file("f.bin"));
  EXPECT_EQ((*llvm::MemoryBuffer::getFile(folder.file("f.bin")))->getBuffer(), "old");
}

TEST(TensorFileWriterTest, LeavesNothingWhenInterrupted) {
  for (int signal : {SIGINT, SIGTERM}) {
    TemporaryFolder folder;
    pid_t child = ::fork();
    if (!child) {
      // Shells let background jobs ignore SIGINT; LLVM's handlers, which earlier tests installed, restore that.
      llvm::sys::unregisterHandlers();
      ::signal(signal, SIG_DFL);
      auto writer = TensorFileWriter::create(folder.file("f.bin"));
      ::raise(signal);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(folder.list().empty());
  }
}

TEST(TensorFileWriterTest, NamesTheFileThatCannotBeWritten) {
  TemporaryFolder folder;
  auto writer = TensorFileWriter::create(folder.file("no/such/f.bin"));
  ASSERT_FALSE(bool(writer));
  EXPECT_EQ(llvm::toString(writer.takeError()),
            "cannot write the weights file '" + folder.file("no/such/f.bin") + "': No such file or directory");
}
