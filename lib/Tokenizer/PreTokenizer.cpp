//===- PreTokenizer.cpp - how a text is cut into words ---------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "PreTokenizer.h"
#include "Pattern.h"
#include "Unicode.h"

using namespace quantopt;
using namespace quantopt::tokenizer;
namespace json = llvm::json;

/// GPT-2's words.
static constexpr llvm::StringLiteral byteLevelWords =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

//===----------------------------------------------------------------------------===//
// What becomes of matches
//===----------------------------------------------------------------------------===//

namespace {

/// What becomes of matches and of what is between them.
enum class Behavior { Removed, Isolated, Contiguous, MergedWithPrevious, MergedWithNext };

constexpr llvm::StringRef behaviorNames[] = {"Removed", "Isolated", "Contiguous", "MergedWithPrevious",
                                             "MergedWithNext"};

using Spans = llvm::SmallVector<Span>;

} // namespace

/// The reader keeps the error where there is none of that name.
static Behavior parseBehavior(ObjectReader &reader) {
  const llvm::StringRef *name = llvm::find(behaviorNames, reader.choice("behavior", behaviorNames));
  return name == std::end(behaviorNames) ? Behavior::Isolated : Behavior(name - behaviorNames);
}

/// Joins neighbours of the same kind.
static Spans joinRuns(llvm::ArrayRef<Span> spans) {
  Spans joined;
  for (Span span : spans)
    if (!joined.empty() && joined.back().isMatch == span.isMatch)
      joined.back().end = span.end;
    else
      joined.push_back(span);
  return joined;
}

/// Joins a match with what comes before it, unless that is a match as well.
static Spans joinWithPrevious(llvm::ArrayRef<Span> spans) {
  Spans joined;
  bool isAfterMatch = false;
  for (Span span : spans) {
    if (span.isMatch && !isAfterMatch && !joined.empty())
      joined.back().end = span.end;
    else
      joined.push_back(span);
    isAfterMatch = span.isMatch;
  }
  return joined;
}

/// Joins a match with what comes after it, unless that is a match as well.
static Spans joinWithNext(llvm::ArrayRef<Span> spans) {
  Spans joined;
  for (size_t i = 0; i < spans.size(); ++i) {
    Span span = spans[i];
    if (span.isMatch && i + 1 < spans.size() && !spans[i + 1].isMatch)
      span.end = spans[++i].end;
    joined.push_back(span);
  }
  return joined;
}

static llvm::Error emit(Piece piece, Spans spans, Behavior behavior, PreTokenizer::Sink sink) {
  if (behavior == Behavior::Contiguous)
    spans = joinRuns(spans);
  else if (behavior == Behavior::MergedWithPrevious)
    spans = joinWithPrevious(spans);
  else if (behavior == Behavior::MergedWithNext)
    spans = joinWithNext(spans);
  for (Span span : spans) {
    if (behavior == Behavior::Removed && span.isMatch)
      continue;
    if (llvm::Error error = sink({piece.text.slice(span.begin, span.end), piece.isFirst && span.begin == 0}))
      return error;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------------===//

namespace {

class PreTokenizerSequence : public PreTokenizer {
public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> members) : members(std::move(members)) {}
  llvm::Error split(Piece piece, Sink sink) const override { return splitFrom(0, piece, sink); }

private:
  llvm::Error splitFrom(size_t first, Piece piece, Sink sink) const {
    if (first == members.size())
      return sink(piece);
    return members[first]->split(piece, [&](Piece part) { return splitFrom(first + 1, part, sink); });
  }

  std::vector<std::unique_ptr<PreTokenizer>> members;
};

class Split : public PreTokenizer {
public:
  Split(Regex pattern, Behavior behavior, bool isInverted)
      : pattern(std::move(pattern)), behavior(behavior), isInverted(isInverted) {}
  llvm::Error split(Piece piece, Sink sink) const override {
    Spans spans;
    if (llvm::Error error = pattern.split(piece.text, spans))
      return error;
    if (isInverted)
      for (Span &span : spans)
        span.isMatch = !span.isMatch;
    return emit(piece, std::move(spans), behavior, sink);
  }

private:
  Regex pattern;
  Behavior behavior;
  bool isInverted;
};

/// Every character of a class is a match.
class SplitAtClass : public PreTokenizer {
public:
  SplitAtClass(bool (*isMatch)(char32_t), Behavior behavior) : isMatch(isMatch), behavior(behavior) {}
  llvm::Error split(Piece piece, Sink sink) const override {
    Spans spans;
    for (size_t at = 0; at < piece.text.size();) {
      Utf8Start start = startOfUtf8(piece.text.substr(at));
      bool matches = isMatch(start.character);
      if (!matches && !spans.empty() && !spans.back().isMatch)
        spans.back().end += start.length;
      else
        spans.push_back({at, at + start.length, matches});
      at += start.length;
    }
    return emit(piece, std::move(spans), behavior, sink);
  }

private:
  bool (*isMatch)(char32_t);
  Behavior behavior;
};

/// Spells bytes in the byte-level alphabet.
class ByteLevel : public PreTokenizer {
public:
  ByteLevel(std::optional<Regex> words, bool addsPrefixSpace)
      : words(std::move(words)), addsPrefixSpace(addsPrefixSpace) {}
  llvm::Error split(Piece piece, Sink sink) const override {
    std::string prefixed;
    if (addsPrefixSpace && !piece.text.starts_with(" ")) {
      prefixed = " " + piece.text.str();
      piece.text = prefixed;
    }
    Spans spans;
    if (!words)
      spans.push_back({0, piece.text.size(), true});
    else if (llvm::Error error = words->split(piece.text, spans))
      return error;
    std::string spelled;
    return emit(piece, std::move(spans), Behavior::Isolated, [&](Piece word) {
      spelled.clear();
      for (unsigned char byte : word.text)
        spelled += byteLevelAlphabet()[byte];
      return sink({spelled, word.isFirst});
    });
  }

private:
  std::optional<Regex> words;
  bool addsPrefixSpace;
};

/// Spells spaces as `replacement` (U+2581, as SentencePiece does), and may put one at the beginning.
class Metaspace : public PreTokenizer {
public:
  Metaspace(Regex space, llvm::StringRef replacement, std::optional<Regex> words, llvm::StringRef scheme)
      : space(std::move(space)), replacement(replacement), words(std::move(words)), isAlways(scheme == "always"),
        isFirst(scheme == "first") {}
  llvm::Error split(Piece piece, Sink sink) const override {
    llvm::Expected<std::string> text = replaceMatches(space, piece.text, replacement);
    if (!text)
      return text.takeError();
    if ((isAlways || (isFirst && piece.isFirst)) && !llvm::StringRef(*text).starts_with(replacement))
      text->insert(0, replacement);
    Piece spelled{*text, piece.isFirst};
    if (!words)
      return sink(spelled);
    Spans spans;
    if (llvm::Error error = words->split(*text, spans))
      return error;
    return emit(spelled, std::move(spans), Behavior::MergedWithNext, sink);
  }

private:
  Regex space;
  std::string replacement;
  std::optional<Regex> words;
  bool isAlways, isFirst;
};

} // namespace

//===----------------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------------===//

using Parsed = llvm::Expected<std::unique_ptr<PreTokenizer>>;

static Parsed parseSequence(ObjectReader &reader) {
  auto members = parseMembers<PreTokenizer>(reader, "pretokenizers");
  if (!members)
    return members.takeError();
  return std::make_unique<PreTokenizerSequence>(std::move(*members));
}

static Parsed parseSplit(ObjectReader &reader) {
  Behavior behavior = parseBehavior(reader);
  bool isInverted = reader.boolean("invert");
  llvm::Expected<Regex> pattern = parsePattern(reader, "pattern");
  if (!pattern)
    return pattern.takeError();
  return std::make_unique<Split>(std::move(*pattern), behavior, isInverted);
}

static Parsed parseDigits(ObjectReader &reader) {
  Behavior behavior = reader.boolean("individual_digits", false) ? Behavior::Isolated : Behavior::Contiguous;
  return std::make_unique<SplitAtClass>(isNumeric, behavior);
}

static Parsed parsePunctuation(ObjectReader &reader) {
  Behavior behavior = reader.has("behavior") ? parseBehavior(reader) : Behavior::Isolated;
  return std::make_unique<SplitAtClass>(isPunctuation, behavior);
}

static Parsed parseWhitespaceSplit(ObjectReader &) {
  return std::make_unique<SplitAtClass>(isWhiteSpace, Behavior::Removed);
}

static Parsed parseByteLevel(ObjectReader &reader) {
  reader.ignore("trim_offsets");
  bool addsPrefixSpace = reader.boolean("add_prefix_space", true);
  std::optional<Regex> words;
  if (reader.boolean("use_regex", true)) {
    llvm::Expected<Regex> regex = Regex::compile(byteLevelWords);
    if (!regex)
      return regex.takeError();
    words = std::move(*regex);
  }
  return std::make_unique<ByteLevel>(std::move(words), addsPrefixSpace);
}

static Parsed parseMetaspace(ObjectReader &reader) {
  llvm::StringRef replacement = reader.string("replacement");
  llvm::StringRef scheme = reader.choice("prepend_scheme", {"first", "always", "never"});
  llvm::Expected<Regex> space = Regex::literal(" ");
  if (!space)
    return space.takeError();
  std::optional<Regex> words;
  if (reader.boolean("split", true)) {
    llvm::Expected<Regex> regex = Regex::literal(replacement);
    if (!regex)
      return llvm::createStringError(reader.pathOf("replacement") + ": " + llvm::toString(regex.takeError()));
    words = std::move(*regex);
  }
  return std::make_unique<Metaspace>(std::move(*space), replacement, std::move(words), scheme);
}

Parsed PreTokenizer::parse(const json::Object &object, llvm::StringRef where) {
  static constexpr std::pair<llvm::StringRef, Parsed (*)(ObjectReader &)> kinds[] = {
      {"Sequence", parseSequence},
      {"Split", parseSplit},
      {"Digits", parseDigits},
      {"Punctuation", parsePunctuation},
      {"WhitespaceSplit", parseWhitespaceSplit},
      {"ByteLevel", parseByteLevel},
      {"Metaspace", parseMetaspace}};
  ObjectReader reader(object, where);
  llvm::StringRef type = reader.choice("type", llvm::to_vector(llvm::make_first_range(kinds)));
  for (const auto &[name, parseKind] : kinds)
    if (name == type)
      return finishing(parseKind(reader), reader);
  return reader.finish();
}
