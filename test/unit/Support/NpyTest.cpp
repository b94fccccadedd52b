//===- NpyTest.cpp - NumPy's file format for arrays ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/Npy.h"
#include "quantopt/Support/Half.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <cstring>

using namespace quantopt;

namespace {

/// A file that is removed at the end.
struct TemporaryFile {
  llvm::SmallString<64> path;
  explicit TemporaryFile(llvm::StringRef bytes = "") {
    int descriptor;
    EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("npy-test", "npy", descriptor, path));
    llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << bytes;
  }
  ~TemporaryFile() { llvm::sys::fs::remove(path); }
};

} // namespace

static Tensor roundTrip(const Tensor &tensor) {
  TemporaryFile file;
  EXPECT_FALSE(bool(writeNpy(file.path, tensor)));
  llvm::Expected<Tensor> read = readNpy(file.path);
  if (read)
    return *read;
  ADD_FAILURE() << llvm::toString(read.takeError());
  return Tensor(DType::F32, {});
}

static std::string errorOf(llvm::StringRef bytes) {
  TemporaryFile file(bytes);
  llvm::Expected<Tensor> read = readNpy(file.path);
  if (read)
    return "no error";
  std::string message = llvm::toString(read.takeError());
  return message.substr(file.path.size());
}

TEST(Npy, RoundTrips) {
  Tensor matrix = Tensor::from<float>(DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor copy = roundTrip(matrix);
  EXPECT_EQ(copy.shape(), matrix.shape());
  EXPECT_EQ(copy.data<float>(), matrix.data<float>());
  EXPECT_EQ(roundTrip(Tensor::from<int64_t>(DType::I64, {}, {7})).rank(), 0);
  EXPECT_EQ(roundTrip(Tensor(DType::Bool, {0, 4})).dim(1), 4);
  Tensor codes = roundTrip(Tensor::from<int8_t>(DType::I4, {2}, {-8, 7}));
  EXPECT_EQ(codes.dtype(), DType::I8);
  EXPECT_EQ(codes.data<int8_t>()[0], -8);
  EXPECT_EQ(roundTrip(Tensor::from<uint16_t>(DType::BF16, {1}, {floatToBfloat(1.5f)})).data<float>()[0], 1.5f);
}

static std::string withHeader(std::string header, llvm::StringRef payload) {
  std::string bytes = "\x93NUMPY";
  bytes += '\x01';
  bytes += '\x00';
  bytes += char(header.size());
  bytes += '\x00';
  return bytes + header + payload.str();
}

TEST(Npy, ReadsWhatNumpyWrites) {
  TemporaryFile file(
      withHeader("{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }  \n", llvm::StringRef("\1\0\2\0\3\0", 6)));
  llvm::Expected<Tensor> read = readNpy(file.path);
  ASSERT_TRUE(bool(read));
  EXPECT_EQ(read->data<int16_t>().vec(), (std::vector<int16_t>{1, 2, 3}));
}

TEST(Npy, SaysWhatIsWrong) {
  EXPECT_EQ(errorOf("hello, this is no array"), ": is not a NumPy array");
  EXPECT_EQ(errorOf(withHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }\n", "1234")),
            ": is stored column by column; expected row by row");
  EXPECT_EQ(errorOf(withHeader("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1), }\n", "1234")),
            ": has elements of type '>f4', which cannot be read");
  EXPECT_EQ(errorOf(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "1234")),
            ": has 4 bytes of elements, expected 8");
  EXPECT_EQ(errorOf(withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }\n", "1234")),
            ": has no shape that can be read");
}
