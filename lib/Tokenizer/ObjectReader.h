//===- ObjectReader.h - fields of a JSON object, each accounted for ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_TOKENIZER_OBJECTREADER_H
#define QUANTOPT_LIB_TOKENIZER_OBJECTREADER_H

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace quantopt::tokenizer {

/// Reads an object's fields. The first thing wrong is kept; `finish` reports it, or else a field that nobody asked for.
/// A field that is null counts as absent.
class ObjectReader {
public:
  /// `where` names the object in messages: "pre_tokenizer.pretokenizers[1]".
  ObjectReader(const llvm::json::Object &object, llvm::StringRef where) : object(object), where(where) {}

  /// These expect the field.
  llvm::StringRef string(llvm::StringRef key);
  bool boolean(llvm::StringRef key);
  /// Not negative, at most `limit`.
  uint32_t integer(llvm::StringRef key, uint32_t limit);
  const llvm::json::Object &objectOf(llvm::StringRef key);
  const llvm::json::Array &array(llvm::StringRef key);
  /// One of `values`.
  llvm::StringRef choice(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> values);

  /// These need not be there.
  llvm::StringRef string(llvm::StringRef key, llvm::StringRef absent) { return has(key) ? string(key) : absent; }
  bool boolean(llvm::StringRef key, bool absent) { return has(key) ? boolean(key) : absent; }

  bool has(llvm::StringRef key);
  /// For fields that change nothing here.
  void ignore(llvm::StringRef key) { used.insert(key); }
  /// For fields that must be null, false, zero or empty.
  void refuse(llvm::StringRef key);

  std::string pathOf(llvm::StringRef key) const { return where.empty() ? key.str() : where + "." + key.str(); }
  llvm::Error finish() const;

private:
  const llvm::json::Value *find(llvm::StringRef key);
  void fail(llvm::StringRef key, const llvm::Twine &why);

  const llvm::json::Object &object;
  std::string where;
  llvm::StringSet<> used;
  std::string message;
};

} // namespace quantopt::tokenizer

#endif // QUANTOPT_LIB_TOKENIZER_OBJECTREADER_H
