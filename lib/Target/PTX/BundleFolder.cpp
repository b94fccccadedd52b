//===- BundleFolder.cpp - a folder that appears when it is complete ---------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "BundleFolder.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace quantopt;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// Bytes hashed at a time.
static constexpr size_t pieceSize = 1 << 20;

static Error fileError(const llvm::Twine &what, llvm::StringRef file, std::error_code code) {
  return llvm::createStringError(code, what + " '" + file + "': " + code.message());
}

static Expected<std::vector<std::string>> listFolder(llvm::StringRef folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; it != end && !code; it.increment(code))
    names.push_back(path::filename(it->path()).str());
  if (code)
    return fileError("cannot read the folder", folder, code);
  llvm::sort(names);
  return names;
}

static Error checkReplaceable(llvm::StringRef output, llvm::StringRef mark) {
  if (!fs::exists(output))
    return Error::success();
  if (fs::is_directory(output)) {
    Expected<std::vector<std::string>> names = listFolder(output);
    if (!names)
      return names.takeError();
    if (names->empty() || llvm::is_contained(*names, mark))
      return Error::success();
  }
  return llvm::createStringError("cannot write '" + output + "': it exists and is not a bundle, for it has no " + mark +
                                 "; choose another folder, or remove it");
}

Expected<std::unique_ptr<BundleFolder>> BundleFolder::create(llvm::StringRef output, llvm::StringRef mark) {
  if (Error error = checkReplaceable(output, mark))
    return std::move(error);
  std::unique_ptr<BundleFolder> folder(new BundleFolder);
  folder->output = output.rtrim('/').str();
  llvm::StringRef parent = path::parent_path(folder->output);
  std::error_code code =
      parent.empty() ? std::error_code() : fs::create_directories(parent, /*IgnoreExisting=*/true, fs::all_all);
  for (int attempt = 0; !code && attempt < 100; ++attempt) {
    llvm::SmallString<256> name;
    fs::createUniquePath(folder->output + ".%%%%%%.tmp", name, /*MakeAbsolute=*/false);
    code = fs::create_directory(name, /*IgnoreExisting=*/false, fs::all_all);
    if (!code) {
      folder->temporary = name;
      return folder;
    }
    if (code == std::errc::file_exists)
      code.clear();
  }
  return fileError("cannot make the folder", folder->output, code);
}

BundleFolder::~BundleFolder() {
  if (!temporary.empty())
    fs::remove_directories(temporary);
}

std::string BundleFolder::file(llvm::StringRef name) const { return (temporary + "/" + name).str(); }

Error BundleFolder::write(llvm::StringRef name, llvm::StringRef text) const {
  std::error_code code;
  llvm::raw_fd_ostream stream(file(name), code);
  stream << text;
  stream.close();
  if (!code)
    code = stream.error();
  stream.clear_error();
  return code ? fileError("cannot write", file(name), code) : Error::success();
}

Expected<std::vector<std::string>> BundleFolder::list() const { return listFolder(temporary); }

Error BundleFolder::commit() {
  llvm::SmallString<256> old;
  if (fs::exists(output)) {
    old = temporary;
    old += ".old";
    if (std::error_code code = fs::rename(output, old))
      return fileError("cannot replace", output, code);
  }
  if (std::error_code code = fs::rename(temporary, output)) {
    if (!old.empty())
      fs::rename(old, output);
    return fileError("cannot give its name to", output, code);
  }
  temporary.clear();
  if (!old.empty())
    fs::remove_directories(old);
  return Error::success();
}

Expected<FileDigest> quantopt::digestFile(llvm::StringRef file) {
  Expected<fs::file_t> handle = fs::openNativeFileForRead(file);
  if (!handle)
    return handle.takeError();
  llvm::SHA256 hash;
  FileDigest digest{0, ""};
  std::vector<char> piece(pieceSize);
  while (true) {
    Expected<size_t> got = fs::readNativeFile(*handle, piece);
    if (!got || !*got) {
      (void)fs::closeFile(*handle);
      if (!got)
        return got.takeError();
      break;
    }
    hash.update(llvm::StringRef(piece.data(), *got));
    digest.bytes += *got;
  }
  digest.sha256 = llvm::toHex(hash.final(), /*LowerCase=*/true);
  return digest;
}
