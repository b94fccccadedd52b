//===- ObjectReader.cpp - fields of a JSON object, each accounted for ----------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ObjectReader.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantopt::tokenizer;
namespace json = llvm::json;

const json::Value *ObjectReader::find(llvm::StringRef key) {
  used.insert(key);
  const json::Value *value = object.get(key);
  return value && value->kind() != json::Value::Null ? value : nullptr;
}

void ObjectReader::fail(llvm::StringRef key, const llvm::Twine &why) {
  if (message.empty())
    message = pathOf(key) + ": " + why.str();
}

bool ObjectReader::has(llvm::StringRef key) { return find(key); }

llvm::StringRef ObjectReader::string(llvm::StringRef key) {
  const json::Value *value = find(key);
  std::optional<llvm::StringRef> text = value ? value->getAsString() : std::nullopt;
  if (!text)
    fail(key, "expected a string");
  return text.value_or("");
}

bool ObjectReader::boolean(llvm::StringRef key) {
  const json::Value *value = find(key);
  std::optional<bool> flag = value ? value->getAsBoolean() : std::nullopt;
  if (!flag)
    fail(key, "expected true or false");
  return flag.value_or(false);
}

uint32_t ObjectReader::integer(llvm::StringRef key, uint32_t limit) {
  const json::Value *value = find(key);
  std::optional<int64_t> number = value ? value->getAsInteger() : std::nullopt;
  if (number && *number >= 0 && *number <= limit)
    return *number;
  fail(key, "expected an integer from 0 to " + llvm::Twine(limit));
  return 0;
}

const json::Object &ObjectReader::objectOf(llvm::StringRef key) {
  static const json::Object none;
  const json::Value *value = find(key);
  if (value && value->getAsObject())
    return *value->getAsObject();
  fail(key, "expected an object");
  return none;
}

const json::Array &ObjectReader::array(llvm::StringRef key) {
  static const json::Array none;
  const json::Value *value = find(key);
  if (value && value->getAsArray())
    return *value->getAsArray();
  fail(key, "expected a list");
  return none;
}

llvm::StringRef ObjectReader::choice(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> values) {
  llvm::StringRef value = string(key);
  if (!llvm::is_contained(values, value))
    fail(key, "'" + value + "' is not supported; known are " + llvm::join(values, ", "));
  return value;
}

void ObjectReader::refuse(llvm::StringRef key) {
  const json::Value *value = find(key);
  if (!value || *value == json::Value(false) || *value == json::Value("") || *value == json::Value(0))
    return;
  fail(key, "is not supported, expected null");
}

llvm::Error ObjectReader::finish() const {
  if (!message.empty())
    return llvm::createStringError(message);
  for (const auto &field : object)
    if (!used.contains(field.first))
      return llvm::createStringError(pathOf(field.first) + ": unknown field");
  return llvm::Error::success();
}
