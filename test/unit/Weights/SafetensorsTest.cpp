//===- SafetensorsTest.cpp - files of named tensors -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/Safetensors.h"
#include "TemporaryFolder.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"
#include <thread>

using namespace quantopt;

static std::string message(llvm::Error error) { return llvm::toString(std::move(error)); }

/// Every byte `fill`.
static Tensor filled(const TensorEntry &entry, uint8_t fill) {
  Tensor tensor(entry.dtype, entry.shape);
  std::fill_n(tensor.mutableRaw(), tensor.sizeInBytes(), char(fill));
  return tensor;
}

static std::string fileOf(llvm::StringRef header, llvm::StringRef data) {
  std::string bytes(8, 0);
  llvm::support::endian::write64le(bytes.data(), header.size());
  return (bytes + header + data).str();
}

TEST(SafetensorsTest, ReadsBackWhatManyThreadsWrote) {
  TemporaryFolder folder;
  std::vector<TensorEntry> entries = {{"flag", DType::Bool, {3}},     {"bytes", DType::U8, {5}},
                                      {"codes", DType::I8, {16, 64}}, {"half", DType::F16, {3, 7}},
                                      {"brain", DType::BF16, {1}},    {"scale", DType::F32, {5}},
                                      {"scalar", DType::F64, {}},     {"empty", DType::F32, {0, 4}},
                                      {"ids", DType::I64, {2}},       {"größe", DType::I32, {16}}};
  auto layout = layoutSafetensors(entries, {{"format", "pt"}, {"note", "\"quoted\"\n"}});
  ASSERT_TRUE(bool(layout));
  auto writer = createSafetensors(folder.file("w.safetensors"), *layout);
  ASSERT_TRUE(bool(writer));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < entries.size(); ++i)
    threads.emplace_back([&, i] { EXPECT_FALSE((*writer)->write(layout->offsets[i], 0, filled(entries[i], i + 1))); });
  for (std::thread &thread : threads)
    thread.join();
  ASSERT_FALSE((*writer)->commit());
  ASSERT_EQ(folder.list(), std::vector<std::string>{"w.safetensors"});

  auto file = readSafetensors(folder.file("w.safetensors"));
  ASSERT_TRUE(bool(file)) << message(file.takeError());
  EXPECT_EQ(file->metadata, (SafetensorsMetadata{{"format", "pt"}, {"note", "\"quoted\"\n"}}));
  ASSERT_EQ(file->tensors.size(), entries.size());
  WeightStore store;
  for (const TensorInFile &tensor : file->tensors) {
    size_t number = llvm::find_if(entries, [&](auto &entry) { return entry.name == tensor.name; }) - entries.begin();
    ASSERT_LT(number, entries.size());
    EXPECT_EQ(tensor.shape, entries[number].shape);
    EXPECT_EQ(tensor.offset, layout->offsets[number]);
    EXPECT_EQ(tensor.offset % bytesInMemory(tensor.dtype), 0u) << tensor.name;
    EXPECT_TRUE(tensor.length % 64 || tensor.offset % 64 == 0) << tensor.name;
    auto values = store.read(tensor);
    ASSERT_TRUE(bool(values)) << message(values.takeError());
    Tensor expected = filled(entries[number], number + 1);
    EXPECT_EQ(llvm::StringRef(values->raw(), values->sizeInBytes()),
              llvm::StringRef(expected.raw(), expected.sizeInBytes()));
  }
}

TEST(SafetensorsTest, BeginsAsTheFormatSays) {
  auto layout = layoutSafetensors({{"a", DType::U8, {2, 3}}});
  ASSERT_TRUE(bool(layout));
  EXPECT_EQ(llvm::support::endian::read64le(layout->header.data()), 4088u);
  EXPECT_EQ(llvm::StringRef(layout->header).drop_front(8).rtrim(' '),
            R"({"a":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]}})");
  EXPECT_EQ(layout->offsets, std::vector<uint64_t>{4096});
  EXPECT_EQ(layout->size, 4102u);
}

TEST(SafetensorsTest, HoldsNoTensors) {
  TemporaryFolder folder;
  auto layout = layoutSafetensors({});
  auto writer = createSafetensors(folder.file("w"), *layout);
  ASSERT_TRUE(bool(writer));
  ASSERT_FALSE((*writer)->commit());
  auto file = readSafetensors(folder.file("w"));
  ASSERT_TRUE(bool(file)) << message(file.takeError());
  EXPECT_TRUE(file->tensors.empty() && file->metadata.empty());
}

TEST(SafetensorsTest, RefusesWhatTheFormatLacks) {
  EXPECT_EQ(message(layoutSafetensors({{"w", DType::I4, {2}}}).takeError()),
            "tensor 'w' has elements of type i4, which safetensors files lack; pack them into bytes");
  EXPECT_EQ(message(layoutSafetensors({{"w", DType::U8, {2}}, {"w", DType::U8, {2}}}).takeError()),
            "two tensors of a safetensors file have the name 'w'");
  EXPECT_EQ(message(layoutSafetensors({{"__metadata__", DType::U8, {2}}}).takeError()),
            "'__metadata__' cannot be the name of a tensor in a safetensors file");
}

TEST(SafetensorsTest, RefusesFilesThatAreNotOne) {
  TemporaryFolder folder;
  auto error = [&](llvm::StringRef bytes) { return message(readSafetensors(folder.write("w", bytes)).takeError()); };
  std::string name = "'" + folder.file("w") + "'";
  EXPECT_EQ(error("short"), name + " is not a safetensors file: its first eight bytes are not the length of a header");
  EXPECT_EQ(error(fileOf("[]", "")), "the header of the safetensors file " + name + " is not an object");
  EXPECT_EQ(error(fileOf(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "1234567")),
            "the safetensors file " + name + " has 69 bytes, expected 70; it is truncated or not one");
  EXPECT_EQ(error(fileOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "123")),
            "tensor 'a' of the safetensors file " + name + " begins at byte 62, expected 61");
  for (const char *entry : {R"({"dtype":"U7","shape":[2],"data_offsets":[0,2]})", R"({"dtype":"U8","shape":[2]})",
                            R"({"dtype":"U8","shape":[2],"data_offsets":[0,3]})", "3"})
    EXPECT_EQ(error(fileOf((R"({"a":)" + llvm::Twine(entry) + "}").str(), "12")),
              "tensor 'a' of the safetensors file " + name +
                  ": expected a dtype, a shape and two data_offsets that fit them");
}
