//===- ToyBundle.cpp - a bundle small enough to compute by hand ---------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "gtest/gtest.h"

using namespace quantopt;
using namespace quantopt::runtime;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

static std::string readText(const llvm::Twine &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(bool(buffer)) << path.str();
  return buffer ? (*buffer)->getBuffer().str() : "";
}

std::vector<float> quantopt::runtime::toyLogits(llvm::ArrayRef<int64_t> ids) {
  std::vector<float> logits;
  uint32_t sum = 0;
  for (size_t t = 0; t < ids.size(); ++t) {
    uint32_t value = uint32_t(7 * ids[t] * ids[t] + 3);
    sum += uint32_t(t + 1) * value;
    uint32_t scaled = (sum + value) * 5 + 1;
    for (uint32_t v = 0; v < toyVocabulary; ++v)
      logits.push_back(float(((scaled + 3 * v) * 1103515245u + 12345u) >> 16 & 255));
  }
  return logits;
}

ToyBundle::ToyBundle(llvm::StringRef layout) {
  EXPECT_FALSE(fs::createUniqueDirectory("toy-bundle", folder));
  std::string source = (QUANTOPT_TEST_INPUTS "/toy-bundles/" + layout).str();
  std::error_code code;
  for (fs::directory_iterator it(source, code), end; it != end && !code; it.increment(code))
    fs::copy_file(it->path(), folder + "/" + llvm::sys::path::filename(it->path()));
  EXPECT_FALSE(code) << source;
}

ToyBundle::~ToyBundle() { fs::remove_directories(folder); }

std::string ToyBundle::read(llvm::StringRef file) const { return readText(folder + "/" + file); }

void ToyBundle::write(llvm::StringRef file, llvm::StringRef text) const {
  std::error_code code;
  llvm::raw_fd_ostream stream((folder + "/" + file).str(), code);
  ASSERT_FALSE(code);
  stream << text;
}

void ToyBundle::remove(llvm::StringRef file) const { fs::remove(folder + "/" + file); }

void ToyBundle::edit(llvm::StringRef file, llvm::StringRef from, llvm::StringRef to) const {
  std::string text = read(file);
  size_t found = text.find(from);
  ASSERT_NE(found, std::string::npos) << from.str();
  text.replace(found, from.size(), to);
  write(file, text);
  if (file == "plan.json")
    return;
  json::Value plan = llvm::cantFail(json::parse(read("plan.json")));
  llvm::SHA256 hash;
  hash.update(text);
  (*plan.getAsObject()->getObject("files"))[file] =
      json::Object{{"bytes", int64_t(text.size())}, {"sha256", llvm::toHex(hash.final(), /*LowerCase=*/true)}};
  write("plan.json", llvm::formatv("{0}", plan).str());
}

static llvm::Expected<std::unique_ptr<Model>> tryLoad(llvm::StringRef path) {
  auto bundle = Bundle::open(path);
  if (!bundle)
    return bundle.takeError();
  return Model::load(std::move(*bundle), createInterpreterBackend(1));
}

std::unique_ptr<Model> ToyBundle::load() const {
  auto model = tryLoad(path());
  if (model)
    return std::move(*model);
  ADD_FAILURE() << llvm::toString(model.takeError());
  return nullptr;
}

std::string ToyBundle::error() const {
  auto model = tryLoad(path());
  return model ? "" : llvm::toString(model.takeError());
}

std::string quantopt::runtime::toyPlan(llvm::StringRef layout) {
  return readText(QUANTOPT_TEST_INPUTS "/toy-bundles/" + layout + "/plan.json");
}

json::Value &quantopt::runtime::jsonAt(json::Value &root, llvm::StringRef path) {
  json::Value *value = &root;
  llvm::SmallVector<llvm::StringRef> parts;
  path.split(parts, '.');
  for (llvm::StringRef part : parts) {
    auto [key, indices] = part.split('[');
    // Names of files have dots, too: they are written with commas.
    std::string name = key.str();
    std::replace(name.begin(), name.end(), ',', '.');
    if (llvm::StringRef(name).consume_front("+"))
      return (*value->getAsObject())[name.substr(1)] = nullptr;
    if (!name.empty())
      value = value->getAsObject()->get(name);
    while (!indices.empty()) {
      auto [index, rest] = indices.split(']');
      unsigned number = 0;
      EXPECT_FALSE(index.getAsInteger(10, number)) << path.str();
      value = &(*value->getAsArray())[number];
      rest.consume_front("[");
      indices = rest;
    }
    EXPECT_NE(value, nullptr) << path.str();
  }
  return *value;
}
