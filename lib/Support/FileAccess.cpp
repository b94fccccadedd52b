//===- FileAccess.cpp - which files a file may name -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Support/FileAccess.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace quantopt;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;
namespace path = llvm::sys::path;

/// As many as the kernel follows.
static constexpr unsigned maxLinks = 40;

llvm::cl::OptionCategory &quantopt::inputCategory() {
  static llvm::cl::OptionCategory category("Reading files from elsewhere");
  return category;
}

static llvm::cl::list<std::string> externalRoots(
    "external-root", llvm::cl::value_desc("DIR"), llvm::cl::CommaSeparated, llvm::cl::cat(inputCategory()),
    llvm::cl::desc("models may refer to files below these folders too, besides their own: blobs/ of a Hugging Face "
                   "cache, files with hard links (also: QUANTOPT_EXTERNAL_ROOT=DIR:DIR)"));

static Error failWith(StringRef file, const Twine &why) {
  return llvm::createStringError("'" + file + "' cannot be read: " + why);
}
static Error failWithCode(StringRef file, int code) { return failWith(file, std::strerror(code)); }

//===----------------------------------------------------------------------------===//
// Open files
//===----------------------------------------------------------------------------===//

ReadableFile::~ReadableFile() {
  if (handle >= 0)
    ::close(handle);
}

Error ReadableFile::read(uint64_t offset, llvm::MutableArrayRef<char> bytes) const {
  while (!bytes.empty()) {
    ssize_t got = ::pread(handle, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return llvm::createStringError(got ? std::strerror(errno) : "the file has become shorter");
    offset += got;
    bytes = bytes.drop_front(got);
  }
  return Error::success();
}

Expected<std::unique_ptr<llvm::MemoryBuffer>> ReadableFile::map(StringRef name) const {
  auto buffer = llvm::MemoryBuffer::getOpenFile(handle, name, length, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return failWith(name, buffer.getError().message());
  return std::move(*buffer);
}

/// Opens `name` in an open folder for reading if it is a regular file. A FIFO does not make it wait.
static Expected<ReadableFile> openRegular(int folder, StringRef name, StringRef file, int flags, bool mayHaveLinks) {
  int descriptor = ::openat(folder, name.str().c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
  if (descriptor < 0)
    return failWithCode(file, errno);
  struct stat status;
  int failed = ::fstat(descriptor, &status);
  ReadableFile opened(descriptor, failed ? 0 : status.st_size);
  if (failed)
    return failWithCode(file, errno);
  if (!S_ISREG(status.st_mode))
    return failWith(file, "it is not a regular file");
  if (status.st_nlink > 1 && !mayHaveLinks)
    return failWith(file, "it has " + Twine(status.st_nlink) +
                              " names (hard links), so it may belong to somebody else; --external-root with its "
                              "folder allows that");
  return opened;
}

Expected<ReadableFile> quantopt::openNamedFile(StringRef path) {
  struct stat status;
  if (::stat(path.str().c_str(), &status))
    return failWithCode(path, errno);
  if (!S_ISREG(status.st_mode)) // before opening, which can have effects on a device
    return failWith(path, "it is not a regular file");
  return openRegular(AT_FDCWD, path, path, 0, /*mayHaveLinks=*/true);
}

//===----------------------------------------------------------------------------===//
// What may be read
//===----------------------------------------------------------------------------===//

namespace {
/// A folder whose files may be read.
struct Root {
  /// Absolute, without dots: as named, and with links resolved.
  std::string named, real;
  bool isExternal;

  /// `path` relative to this folder, if it is inside.
  std::optional<std::string> relative(StringRef path) const {
    for (StringRef folder : {StringRef(named), StringRef(real)}) {
      StringRef rest = path;
      if (rest.consume_front(folder) && (rest.empty() || rest.front() == '/' || folder == "/"))
        return rest.ltrim('/').str();
    }
    return std::nullopt;
  }
};

struct Allowed {
  std::mutex mutex;
  std::vector<Root> roots;
  llvm::StringSet<> files;
  bool hasReadEnvironment = false;
};
} // namespace

static Allowed &allowed() {
  static Allowed instance;
  return instance;
}

/// Absolute and without dots. What lies behind links is not looked at.
static std::string normalize(StringRef file) {
  llvm::SmallString<256> result(file);
  if (llvm::sys::fs::make_absolute(result))
    return file.str();
  path::remove_dots(result, /*remove_dot_dot=*/true);
  return result.str().str();
}

static Root makeRoot(StringRef folder, bool isExternal) {
  llvm::SmallString<256> real;
  std::string named = normalize(folder.empty() ? "." : folder);
  if (llvm::sys::fs::real_path(named, real))
    real = named;
  return {named, real.str().str(), isExternal};
}

static void add(Root root) {
  std::lock_guard<std::mutex> lock(allowed().mutex);
  bool isKnown = llvm::any_of(allowed().roots, [&](const Root &known) {
    return known.named == root.named && known.isExternal == root.isExternal;
  });
  if (!isKnown)
    allowed().roots.push_back(std::move(root));
}

void quantopt::allowExternalRoot(StringRef folder) { add(makeRoot(folder, /*isExternal=*/true)); }

void quantopt::allowFile(StringRef path) {
  std::lock_guard<std::mutex> lock(allowed().mutex);
  allowed().files.insert(normalize(path));
}

void quantopt::allowInput(StringRef path) {
  add(makeRoot(path::parent_path(path), /*isExternal=*/false));
  allowFile(path);
}

/// The folders of the command line and the environment are taken when first asked for.
static std::vector<Root> allowedRoots() {
  bool isFirst;
  {
    std::lock_guard<std::mutex> lock(allowed().mutex);
    isFirst = !std::exchange(allowed().hasReadEnvironment, true);
  }
  if (isFirst) {
    std::string environment = llvm::sys::Process::GetEnv("QUANTOPT_EXTERNAL_ROOT").value_or("");
    llvm::SmallVector<StringRef> folders(externalRoots.begin(), externalRoots.end());
    StringRef(environment).split(folders, ':', -1, /*KeepEmpty=*/false);
    for (StringRef folder : folders)
      allowExternalRoot(folder);
  }
  std::lock_guard<std::mutex> lock(allowed().mutex);
  return allowed().roots;
}

//===----------------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------------===//

namespace {
/// Walks to a file. `roots` begins with the folder that the walk begins in.
class Walk {
public:
  Walk(std::vector<Root> roots, StringRef file) : roots(std::move(roots)), file(file.str()) {}
  ~Walk() {
    for (auto &[name, descriptor] : folders)
      ::close(descriptor);
  }

  Expected<ReadableFile> run(StringRef path) {
    if (Error error = enter(roots.front()))
      return std::move(error);
    prepend(path);
    while (!left.empty()) {
      std::string name = std::move(left.front());
      left.pop_front();
      auto opened = step(name);
      if (!opened)
        return opened.takeError();
      if (*opened)
        return std::move(**opened);
    }
    return failWith(file, "it is not a regular file");
  }

private:
  void prepend(StringRef path) {
    llvm::SmallVector<StringRef> names;
    path.split(names, '/', -1, /*KeepEmpty=*/false);
    llvm::erase(names, ".");
    for (StringRef name : llvm::reverse(names))
      left.push_front(name.str());
  }

  Error enter(const Root &root) {
    for (auto &[name, descriptor] : folders)
      ::close(descriptor);
    folders.clear();
    current = &root;
    int descriptor = ::open(root.real.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
      return failWithCode(root.named, errno);
    folders.emplace_back(root.real, descriptor);
    return Error::success();
  }

  /// Goes on at an absolute path, in a folder that may be read.
  Error jump(StringRef target) {
    std::string absolute = normalize(target);
    for (const Root &root : roots)
      if (std::optional<std::string> inside = root.relative(absolute)) {
        prepend(*inside);
        return enter(root);
      }
    return failWith(file, "it leads out of '" + roots.front().named + "', to '" + absolute +
                              "'; --external-root=" + path::parent_path(absolute) + " allows that");
  }

  /// Where the walk is, as a path without links.
  std::string here() const {
    llvm::SmallString<256> result;
    for (const auto &[name, descriptor] : folders)
      path::append(result, name);
    return result.str().str();
  }

  Error follow(int link) {
    char target[PATH_MAX];
    ssize_t length = ::readlinkat(link, "", target, sizeof(target));
    if (length < 0)
      return failWithCode(file, errno);
    if (++links > maxLinks)
      return failWith(file, "there are too many links on the way");
    StringRef text(target, length);
    if (!text.starts_with("/")) {
      prepend(text);
      return Error::success();
    }
    std::string rest = llvm::join(left, "/");
    left.clear();
    return jump((text + "/" + rest).str());
  }

  /// One component: the file, or nothing if there is more to go.
  Expected<std::optional<ReadableFile>> step(const std::string &name) {
    if (name == "..") {
      if (folders.size() > 1) {
        ::close(folders.back().second);
        folders.pop_back();
        return std::nullopt;
      }
      std::string target = here() + "/../" + llvm::join(left, "/");
      left.clear();
      if (Error error = jump(target))
        return std::move(error);
      return std::nullopt;
    }
    int folder = folders.back().second;
    int descriptor = ::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
      return failWithCode(file, errno);
    struct stat status;
    if (::fstat(descriptor, &status)) {
      ::close(descriptor);
      return failWithCode(file, errno);
    }
    if (S_ISDIR(status.st_mode)) {
      folders.emplace_back(name, descriptor);
      return std::nullopt;
    }
    if (S_ISLNK(status.st_mode)) {
      Error error = follow(descriptor);
      ::close(descriptor);
      if (error)
        return std::move(error);
      return std::nullopt;
    }
    ::close(descriptor);
    if (!left.empty())
      return failWithCode(file, ENOTDIR);
    if (!S_ISREG(status.st_mode))
      return failWith(file, "it is not a regular file");
    auto opened = openRegular(folder, name, file, O_NOFOLLOW, current->isExternal);
    if (!opened)
      return opened.takeError();
    return std::optional<ReadableFile>(std::move(*opened));
  }

  std::vector<Root> roots;
  const Root *current = nullptr;
  std::string file;
  std::deque<std::string> left;
  /// From the root on.
  std::vector<std::pair<std::string, int>> folders;
  unsigned links = 0;
};
} // namespace

/// The folders that a link may lead to from `start`.
static std::vector<Root> rootsFrom(Root start) {
  std::vector<Root> roots{std::move(start)};
  for (Root &root : allowedRoots())
    if (root.isExternal)
      roots.push_back(std::move(root));
  return roots;
}

Expected<ReadableFile> quantopt::openBelow(StringRef folder, StringRef path) {
  llvm::SmallString<256> file(folder);
  path::append(file, path);
  if (path.contains('\0') || path.starts_with("/"))
    return failWith(file, "expected a path relative to '" + folder + "'");
  std::vector<Root> roots = rootsFrom(makeRoot(folder, /*isExternal=*/false));
  // Naming the folder itself as an external root makes it one.
  roots.front().isExternal = llvm::any_of(llvm::ArrayRef(roots).drop_front(),
                                          [&](const Root &root) { return bool(root.relative(roots[0].real)); });
  return Walk(std::move(roots), file).run(path);
}

Expected<ReadableFile> quantopt::openReferenced(StringRef path) {
  if (path.contains('\0'))
    return failWith(path, "its name contains a NUL character");
  std::string absolute = normalize(path);
  std::vector<Root> roots = allowedRoots();
  {
    std::lock_guard<std::mutex> lock(allowed().mutex);
    if (allowed().files.contains(absolute))
      return openNamedFile(absolute);
  }
  const Root *best = nullptr;
  for (const Root &root : roots)
    if (root.relative(absolute) &&
        (!best || std::pair(root.named.size(), root.isExternal) > std::pair(best->named.size(), best->isExternal)))
      best = &root;
  if (!best)
    return failWith(path, "it is outside of the folders of the files that were named; --external-root=" +
                              path::parent_path(absolute) + " allows that");
  Root start = *best;
  start.isExternal =
      llvm::any_of(roots, [&](const Root &root) { return root.isExternal && root.relative(absolute).has_value(); });
  std::string relative = *start.relative(absolute);
  return Walk(rootsFrom(std::move(start)), path).run(relative);
}

Expected<std::unique_ptr<llvm::MemoryBuffer>> quantopt::mapReferenced(StringRef path) {
  Expected<ReadableFile> file = openReferenced(path);
  if (!file)
    return file.takeError();
  return file->map(path);
}
