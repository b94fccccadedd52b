//===- JsonScope.h - reads JSON, and says where it is wrong ----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_RUNTIME_JSONSCOPE_H
#define QUANTOPT_LIB_RUNTIME_JSONSCOPE_H

#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <string>
#include <vector>

namespace quantopt::runtime {

/// A value in a JSON text together with its path. What is not as expected is noted in `error`, the first time only,
/// and read as zero or nothing: code that reads needs no branches, and looks at `error` in the end.
class JsonScope {
public:
  JsonScope(const llvm::json::Value *value, std::string path, std::string &error)
      : value(value), path(std::move(path)), error(error) {}

  bool hasFailed() const { return !error.empty(); }
  void fail(const llvm::Twine &what) const {
    if (error.empty())
      error = (path.empty() ? what : path + ": " + what).str();
  }

  bool isNull() const { return !value || value->getAsNull(); }

  /// A field that must be there.
  JsonScope field(llvm::StringRef key) const {
    JsonScope found = get(key);
    if (!found.value)
      fail("expected an object with '" + key + "'");
    return found;
  }
  /// A field that may be missing.
  std::optional<JsonScope> optionalField(llvm::StringRef key) const {
    JsonScope found = get(key);
    return found.value ? std::optional(found) : std::nullopt;
  }

  std::vector<JsonScope> elements() const {
    std::vector<JsonScope> scopes;
    const llvm::json::Array *array = value ? value->getAsArray() : nullptr;
    if (!array)
      fail("expected an array");
    for (size_t i = 0; array && i < array->size(); ++i)
      scopes.emplace_back(&(*array)[i], path + "[" + std::to_string(i) + "]", error);
    return scopes;
  }

  /// The fields of an object, by name.
  std::vector<std::pair<std::string, JsonScope>> fields() const {
    std::vector<std::pair<std::string, JsonScope>> scopes;
    const llvm::json::Object *object = value ? value->getAsObject() : nullptr;
    if (!object)
      fail("expected an object");
    else
      for (const auto &[key, entry] : *object)
        scopes.emplace_back(key.str(), JsonScope(&entry, join(key.str()), error));
    return scopes;
  }

  std::string string() const {
    std::optional<llvm::StringRef> text = value ? value->getAsString() : std::nullopt;
    if (!text)
      fail("expected a string");
    return text.value_or("").str();
  }

  bool boolean() const {
    std::optional<bool> flag = value ? value->getAsBoolean() : std::nullopt;
    if (!flag)
      fail("expected true or false");
    return flag.value_or(false);
  }

  /// An integer of [least, most]; `least` where it is none.
  uint64_t integer(uint64_t least, uint64_t most) const {
    std::optional<uint64_t> number = value ? value->getAsUINT64() : std::nullopt;
    if (number && *number >= least && *number <= most)
      return *number;
    fail("expected an integer from " + llvm::Twine(least) + " to " + llvm::Twine(most));
    return least;
  }

private:
  std::string join(llvm::StringRef key) const { return path.empty() ? key.str() : (path + "." + key).str(); }
  JsonScope get(llvm::StringRef key) const {
    const llvm::json::Object *object = value ? value->getAsObject() : nullptr;
    return JsonScope(object ? object->get(key) : nullptr, join(key), error);
  }

  const llvm::json::Value *value;
  std::string path;
  std::string &error;
};

} // namespace quantopt::runtime

#endif // QUANTOPT_LIB_RUNTIME_JSONSCOPE_H
