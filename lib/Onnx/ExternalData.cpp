//===- ExternalData.cpp - tensors whose bytes are in other files --------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ExternalData.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantopt;

static Error errorIn(StringRef tensor, const Twine &why) { return createStringError("tensor '" + tensor + "' " + why); }

/// A location that could leave the model's folder is refused before any file is looked at.
static Error checkLocation(StringRef location, StringRef tensor) {
  if (location.empty())
    return errorIn(tensor, "has external data without a location");
  if (location.contains('\0'))
    return errorIn(tensor, "has an external location with a NUL character");
  if (sys::path::is_absolute(location) || location.starts_with("\\"))
    return errorIn(tensor, "has the absolute external location '" + location +
                               "'; expected a path relative to the model's folder");
  for (StringRef part : make_range(sys::path::begin(location), sys::path::end(location)))
    if (part == "..")
      return errorIn(tensor, "has the external location '" + location + "', which contains '..'");
  return Error::success();
}

Expected<ExternalData> quantopt::parseExternalData(const ::onnx::TensorProto &tensor) {
  ExternalData data;
  StringSet<> keys;
  for (const auto &entry : tensor.external_data()) {
    StringRef key = entry.key(), value = entry.value();
    if (!keys.insert(key).second)
      return errorIn(tensor.name(), "gives external data key '" + key + "' twice");
    uint64_t number = 0;
    bool isNumber = key == "offset" || key == "length";
    if (isNumber && value.getAsInteger(10, number))
      return errorIn(tensor.name(), "has the external data " + key + " '" + value + "', expected a number");
    if (key == "location")
      data.location = value.str();
    else if (key == "offset")
      data.offset = number;
    else if (key == "length")
      data.length = number;
    else if (key != "checksum")
      return errorIn(tensor.name(), "has the unknown external data key '" + key + "'");
  }
  if (Error error = checkLocation(data.location, tensor.name()))
    return std::move(error);
  return data;
}

ExternalFiles::ExternalFiles(StringRef modelPath) : folder(sys::path::parent_path(modelPath)) {
  if (folder.empty())
    folder = ".";
}

std::string ExternalFiles::pathOf(StringRef location) const {
  SmallString<256> path(folder);
  sys::path::append(path, location);
  sys::path::remove_dots(path);
  return path.str().str();
}

Expected<const ReadableFile *> ExternalFiles::open(StringRef location) {
  auto known = files.find(location);
  if (known != files.end())
    return &known->second;
  auto file = openBelow(folder, location);
  if (!file)
    return file.takeError();
  return &files.try_emplace(location, std::move(*file)).first->second;
}

Expected<std::string> ExternalFiles::read(StringRef location, Span range) {
  auto file = open(location);
  if (!file)
    return file.takeError();
  std::string bytes(range.size(), '\0');
  if (Error error = (*file)->read(range.begin, bytes))
    return std::move(error);
  return bytes;
}

Error ExternalFiles::check(const ExternalData &data, uint64_t expectedBytes, StringRef tensor) {
  if (data.length && *data.length != expectedBytes)
    return errorIn(tensor, "has " + Twine(*data.length) + " bytes of external data, but its type and dimensions take " +
                               Twine(expectedBytes));
  auto file = open(data.location);
  if (!file)
    return errorIn(tensor, "has external data: " + toString(file.takeError()));
  uint64_t size = (*file)->size();
  if (data.offset > size || expectedBytes > size - data.offset)
    return errorIn(tensor, "needs " + Twine(expectedBytes) + " bytes at offset " + Twine(data.offset) + " of '" +
                               pathOf(data.location) + "', which has " + Twine(size) + "; is the file complete?");
  if (expectedBytes)
    places.push_back({data.location, {data.offset, data.offset + expectedBytes}, tensor.str()});
  return Error::success();
}

Error ExternalFiles::checkOverlaps() {
  llvm::sort(places, [](const Place &a, const Place &b) {
    return std::tuple(StringRef(a.location), a.range.begin, -a.range.end) <
           std::tuple(StringRef(b.location), b.range.begin, -b.range.end);
  });
  // Those that contain the place at hand, from the largest on.
  std::vector<const Place *> around;
  for (const Place &place : places) {
    while (!around.empty() &&
           (around.back()->location != place.location || around.back()->range.end <= place.range.begin))
      around.pop_back();
    if (!around.empty() && around.back()->range.end < place.range.end)
      return errorIn(place.tensor, "begins at byte " + Twine(place.range.begin) + " of '" + place.location +
                                       "', inside of tensor '" + around.back()->tensor + "', and ends outside of it");
    around.push_back(&place);
  }
  return Error::success();
}
