//===- WeightStoreTest.cpp - slices of tensors in files --------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Weights/WeightStore.h"
#include "TemporaryFolder.h"

using namespace quantopt;

namespace {
/// f32 elements 0, 1, 2, ... behind three bytes, so that nothing is aligned.
struct WeightStoreTest : testing::Test {
  std::string writeCounting(uint64_t count) {
    std::string bytes = "abc";
    for (uint64_t i = 0; i < count; ++i) {
      float value = i;
      bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
    }
    return folder.write("counting.bin", bytes);
  }
  TensorInFile counting(llvm::ArrayRef<int64_t> shape) {
    uint64_t count = 1;
    for (int64_t dim : shape)
      count *= dim;
    return {"w", writeCounting(count), 3, count * 4, DType::F32, llvm::SmallVector<int64_t, 4>(shape)};
  }
  std::vector<float> floats(const TensorInFile &tensor, const TensorSlice &slice) {
    llvm::Expected<Tensor> result = store.readSlice(tensor, slice);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return {};
    }
    EXPECT_EQ(result->shape(), llvm::ArrayRef<int64_t>(slice.sizes));
    return result->data<float>().vec();
  }
  std::string failure(const TensorInFile &tensor, const TensorSlice &slice) {
    llvm::Expected<Tensor> result = store.readSlice(tensor, slice);
    return result ? "no error" : llvm::toString(result.takeError());
  }

  TemporaryFolder folder;
  WeightStore store;
};
} // namespace

TEST_F(WeightStoreTest, Rows) {
  EXPECT_EQ(floats(counting({5, 3}), {{1, 0}, {2, 3}}), (std::vector<float>{3, 4, 5, 6, 7, 8}));
}

TEST_F(WeightStoreTest, Columns) {
  EXPECT_EQ(floats(counting({4, 3}), {{0, 1}, {4, 1}}), (std::vector<float>{1, 4, 7, 10}));
}

TEST_F(WeightStoreTest, EverySliceOfThreeDimensions) {
  TensorInFile tensor = counting({3, 2, 4});
  for (int64_t a = 0; a < 3; ++a)
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t c = 0; c < 4; ++c)
        for (int64_t sizeA = 0; sizeA <= 3 - a; ++sizeA)
          for (int64_t sizeB = 0; sizeB <= 2 - b; ++sizeB)
            for (int64_t sizeC = 0; sizeC <= 4 - c; ++sizeC) {
              std::vector<float> expected;
              for (int64_t i = a; i < a + sizeA; ++i)
                for (int64_t j = b; j < b + sizeB; ++j)
                  for (int64_t k = c; k < c + sizeC; ++k)
                    expected.push_back((i * 2 + j) * 4 + k);
              ASSERT_EQ(floats(tensor, {{a, b, c}, {sizeA, sizeB, sizeC}}), expected);
            }
}

TEST_F(WeightStoreTest, Scalar) { EXPECT_EQ(floats(counting({}), {}), (std::vector<float>{0})); }

TEST_F(WeightStoreTest, FourBitRowsBeginningAtAnyNibble) {
  // 3 rows of 5: 0, 1, ..., 14 as unsigned, and as signed from 8 on negative.
  std::string path = folder.write("int4.bin", llvm::StringRef("\x10\x32\x54\x76\x98\xba\xdc\x0e", 8));
  for (int64_t begin = 0; begin < 3; ++begin)
    for (int64_t column = 0; column < 5; ++column) {
      TensorSlice slice{{begin, column}, {1, 5 - column}};
      llvm::Expected<Tensor> codes = store.readSlice({"u", path, 0, 8, DType::U4, {3, 5}}, slice);
      llvm::Expected<Tensor> isSigned = store.readSlice({"i", path, 0, 8, DType::I4, {3, 5}}, slice);
      ASSERT_TRUE(codes && isSigned);
      for (int64_t i = 0; i < 5 - column; ++i) {
        int64_t value = begin * 5 + column + i;
        EXPECT_EQ(codes->data<uint8_t>()[i], value);
        EXPECT_EQ(isSigned->data<int8_t>()[i], value < 8 ? value : value - 16);
      }
    }
}

TEST_F(WeightStoreTest, FourBitColumns) {
  std::string path = folder.write("int4.bin", llvm::StringRef("\x10\x32\x54\x76\x98\xba\xdc\x0e", 8));
  llvm::Expected<Tensor> codes = store.readSlice({"u", path, 0, 8, DType::U4, {3, 5}}, {{0, 2}, {3, 2}});
  ASSERT_TRUE(bool(codes));
  EXPECT_EQ(codes->data<uint8_t>().vec(), (std::vector<uint8_t>{2, 3, 7, 8, 12, 13}));
}

TEST_F(WeightStoreTest, MissingFile) {
  std::string path = folder.file("missing.bin");
  EXPECT_EQ(failure({"w", path, 0, 16, DType::F32, {4}}, {{0}, {4}}),
            "tensor 'w' (4xf32): '" + path + "' cannot be read: No such file or directory");
}

TEST_F(WeightStoreTest, TruncatedFile) {
  TensorInFile tensor = counting({4});
  tensor.shape = {5};
  tensor.length = 20;
  EXPECT_EQ(failure(tensor, {{0}, {1}}), "tensor 'w' (5xf32): expected its 20 bytes at offset 3 of '" + tensor.path +
                                             "', but the file ends after 19 bytes; it is truncated or belongs to "
                                             "another model");
}

TEST_F(WeightStoreTest, LengthOfAnotherType) {
  TensorInFile tensor = counting({2, 2});
  tensor.dtype = DType::F16;
  EXPECT_EQ(failure(tensor, {{0, 0}, {2, 2}}),
            "tensor 'w' (2x2xf16): its type needs 8 bytes, but 16 bytes of '" + tensor.path + "' are given for it");
}

TEST_F(WeightStoreTest, SliceOutsideOfTheTensor) {
  EXPECT_EQ(failure(counting({4, 3}), {{2, 0}, {3, 3}}),
            "tensor 'w' (4x3xf32): the slice at [2, 0] of size [3, 3] is not inside the tensor");
}
