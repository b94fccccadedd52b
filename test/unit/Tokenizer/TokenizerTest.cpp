//===- TokenizerTest.cpp - text to token ids and back ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Tokenizer/Tokenizer.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <random>

using namespace quantopt;
namespace json = llvm::json;
using Ids = std::vector<uint32_t>;

static std::string textOf(const json::Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

/// Byte-level tokens of "low", "lower" and their parts, bytes of U+20AC, and a special token.
static json::Object tiny() {
  json::Value file = *json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 20, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": {"l": 0, "o": 1, "w": 2, "e": 3, "r": 4, "\u0120": 5, "lo": 6, "low": 7, "er": 8, "lower": 9,
                "\u0120low": 10, "\u00e2": 11, "\u0124": 12, "\u00ac": 13, "\u0120l": 14, "\u0120lo": 15},
      "merges": ["l o", ["lo", "w"], "e r", "low er", "\u0120 low"]}})");
  return std::move(*file.getAsObject());
}

static std::unique_ptr<Tokenizer> parse(json::Object file) {
  return llvm::cantFail(Tokenizer::parse(textOf(std::move(file))));
}

static std::string errorOf(llvm::StringRef text) {
  auto tokenizer = Tokenizer::parse(text);
  return tokenizer ? "" : llvm::toString(tokenizer.takeError());
}

static Ids encode(const Tokenizer &tokenizer, llvm::StringRef text, bool addSpecialTokens = true) {
  return llvm::cantFail(tokenizer.encode(text, addSpecialTokens));
}

TEST(TokenizerTest, MergesByRankAndThenFromTheLeft) {
  auto tokenizer = parse(tiny());
  EXPECT_EQ(encode(*tokenizer, "lower low"), (Ids{9, 10}));
  // "lo" comes before "er", but leaves no "low" here.
  EXPECT_EQ(encode(*tokenizer, "loer"), (Ids{6, 8}));
  EXPECT_EQ(encode(*tokenizer, "lololow"), (Ids{6, 6, 7}));
  EXPECT_EQ(encode(*tokenizer, ""), Ids{});
  EXPECT_EQ(encode(*tokenizer, "€"), (Ids{11, 12, 13}));
  // Nothing stands for these bytes.
  EXPECT_EQ(encode(*tokenizer, "xlowz"), Ids{7});
}

TEST(TokenizerTest, TakesLongWordsApartAsShortOnes) {
  auto tokenizer = parse(tiny());
  std::string text;
  Ids expected;
  for (int i = 0; i < 100000; ++i) {
    text += "lower";
    expected.push_back(9);
  }
  EXPECT_EQ(encode(*tokenizer, text), expected);
}

TEST(TokenizerTest, FindsSpecialTokensFirst) {
  auto tokenizer = parse(tiny());
  EXPECT_EQ(encode(*tokenizer, "<end>low<end><end"), (Ids{20, 7, 20, 3}));
  EXPECT_EQ(tokenizer->idOf("<end>"), 20u);
  EXPECT_EQ(tokenizer->idOf("lower"), 9u);
  EXPECT_EQ(tokenizer->idOf("absent"), std::nullopt);
  EXPECT_EQ(tokenizer->tokenOf(16), std::nullopt);
  EXPECT_TRUE(tokenizer->isSpecial(20));
  EXPECT_FALSE(tokenizer->isSpecial(7));
  EXPECT_EQ(tokenizer->idBound(), 21u);
}

static json::Object addedToken(int64_t id, llvm::StringRef content, llvm::StringRef flag) {
  json::Object token{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                     {"rstrip", false}, {"normalized", false}, {"special", false}};
  token[flag] = true;
  return token;
}

TEST(TokenizerTest, TokensTakeSpacesAlongAndMayBeWords) {
  json::Object file = tiny();
  json::Array &tokens = *file.getArray("added_tokens");
  tokens.push_back(addedToken(21, "L", "lstrip"));
  tokens.push_back(addedToken(22, "R", "rstrip"));
  tokens.push_back(addedToken(23, "wer", "single_word"));
  tokens.push_back(addedToken(24, "<end>>", "special"));
  auto tokenizer = parse(std::move(file));
  EXPECT_EQ(encode(*tokenizer, "low \u3000\nLlow"), (Ids{7, 21, 7}));
  EXPECT_EQ(encode(*tokenizer, "lowR \u3000\nlow"), (Ids{7, 22, 7}));
  EXPECT_EQ(encode(*tokenizer, "wer"), (Ids{23}));
  EXPECT_EQ(encode(*tokenizer, "lower-wer"), (Ids{9, 23}));
  EXPECT_EQ(encode(*tokenizer, "<end>><end>"), (Ids{24, 20}));
}

TEST(TokenizerTest, AddsTokensAroundATextOnRequest) {
  json::Object file = tiny();
  file["post_processor"] = *json::parse(R"({"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<end>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
    "special_tokens": {"<end>": {"id": "<end>", "ids": [20], "tokens": ["<end>"]}}})");
  auto tokenizer = parse(std::move(file));
  EXPECT_EQ(encode(*tokenizer, "low"), (Ids{20, 7}));
  EXPECT_EQ(encode(*tokenizer, "low", /*addSpecialTokens=*/false), Ids{7});
}

TEST(TokenizerTest, DecodesToBytes) {
  auto tokenizer = parse(tiny());
  auto decode = [&](Ids ids, bool skip) { return llvm::cantFail(tokenizer->decode(ids, skip)); };
  EXPECT_EQ(decode({9, 10, 20, 11, 12, 13}, false), "lower low<end>€");
  EXPECT_EQ(decode({9, 10, 20, 11, 12, 13}, true), "lower low€");
  EXPECT_EQ(decode({12, 7}, true), "\x82low");
  for (uint32_t id : {16u, 21u, 0xffffffffu}) {
    auto bytes = tokenizer->decode({id});
    ASSERT_FALSE(bytes);
    EXPECT_EQ(llvm::toString(bytes.takeError()), "no token has the id " + std::to_string(id) + "; ids end before 21");
  }
}

TEST(TokenizerTest, StreamsWholeCharacters) {
  auto tokenizer = parse(tiny());
  TextStream stream(*tokenizer);
  auto push = [&](uint32_t id) { return llvm::cantFail(stream.push(id)); };
  EXPECT_EQ(push(7), "low");
  EXPECT_EQ(push(11), "");
  EXPECT_EQ(push(12), "");
  EXPECT_EQ(push(13), "€");
  EXPECT_EQ(push(20), "");
  // A character that another one interrupts, and a byte that begins none.
  EXPECT_EQ(push(11), "");
  EXPECT_EQ(push(0), "\uFFFDl");
  EXPECT_EQ(push(13), "\uFFFD");
  EXPECT_EQ(push(11), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(TokenizerTest, StreamsWhatItDecodes) {
  json::Object file = tiny();
  file["decoder"] = *json::parse(R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "\u0120"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  auto tokenizer = parse(std::move(file));
  for (Ids ids : {Ids{10, 10}, Ids{5, 5, 7}, Ids{20, 5, 7}, Ids{7, 5}}) {
    std::string streamed;
    TextStream stream(*tokenizer);
    for (uint32_t id : ids)
      streamed += llvm::cantFail(stream.push(id));
    EXPECT_EQ(streamed + stream.finish(), llvm::cantFail(tokenizer->decode(ids)));
  }
  EXPECT_EQ(llvm::cantFail(tokenizer->decode({5, 5, 7, 10})), " low low");
}

TEST(TokenizerTest, RefusesTextThatIsNoUtf8) {
  auto tokenizer = parse(tiny());
  // A lone continuation, an overlong form, a surrogate, beyond U+10FFFF, cut off.
  for (llvm::StringRef bad : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    auto ids = tokenizer->encode(("low" + bad).str());
    ASSERT_FALSE(ids);
    EXPECT_EQ(llvm::toString(ids.takeError()), "the text is not UTF-8: see the byte at offset 3");
  }
}

//===----------------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------------===//

TEST(TokenizerTest, RefusesWhatItDoesNotKnow) {
  auto with = [](llvm::StringRef path, llvm::StringRef key, llvm::StringRef value) {
    json::Object file = tiny();
    json::Object &object = path.empty() ? file : *file.getObject(path);
    object[key] = *json::parse(value);
    return errorOf(textOf(std::move(file)));
  };
  EXPECT_EQ(with("", "surprise", "1"), "surprise: unknown field");
  EXPECT_EQ(with("", "version", "\"2.0\""), "version: '2.0' is not supported; known are 1.0");
  EXPECT_EQ(with("", "truncation", "{}"), "truncation: is not supported, expected null");
  EXPECT_EQ(with("model", "type", "\"Unigram\""), "model.type: 'Unigram' is not supported; known are BPE");
  EXPECT_EQ(with("model", "dropout", "0.1"), "model.dropout: is not supported, expected null");
  EXPECT_EQ(with("model", "unk_token", "\"?\""), "model.unk_token: '?' is not in the vocabulary");
  EXPECT_EQ(with("pre_tokenizer", "surprise", "1"), "pre_tokenizer.surprise: unknown field");
  EXPECT_EQ(with("", "pre_tokenizer", R"({"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]})"),
            "pre_tokenizer.pretokenizers[0].type: 'BertPreTokenizer' is not supported; known are Sequence, Split, "
            "Digits, Punctuation, WhitespaceSplit, ByteLevel, Metaspace");
  EXPECT_EQ(
      with("", "normalizer", R"({"type": "Lowercase"})"),
      "normalizer.type: 'Lowercase' is not supported; known are Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace");
  EXPECT_EQ(with("", "decoder", R"({"type": "WordPiece"})"),
            "decoder.type: 'WordPiece' is not supported; known are Sequence, ByteLevel, ByteFallback, Replace, Strip, "
            "Metaspace, Fuse");
}

TEST(TokenizerTest, RefusesBrokenFiles) {
  std::string whole = textOf(tiny());
  ASSERT_EQ(errorOf(whole), "");
  for (size_t length = 0; length < whole.size(); length += 7)
    EXPECT_NE(errorOf(llvm::StringRef(whole).take_front(length)), "") << length;
  for (llvm::StringRef text : {"[]", "{}", "\xff", "{\"model\": []}", "{\"model\": {\"vocab\": [], \"merges\": {}}}"})
    EXPECT_NE(errorOf(text), "") << text.str();
  EXPECT_EQ(errorOf(std::string(1 << 20, '[')), "objects and lists are nested too deeply");
}

TEST(TokenizerTest, RefusesIdsAndMergesThatContradict) {
  auto withVocabulary = [](llvm::StringRef token, json::Value id) {
    json::Object file = tiny();
    (*file.getObject("model")->getObject("vocab"))[token] = std::move(id);
    return errorOf(textOf(std::move(file)));
  };
  EXPECT_NE(withVocabulary("z", 9).find("have the same id, 9"), std::string::npos);
  for (json::Value id : {json::Value(-1), json::Value(1 << 24), json::Value(1e300), json::Value("1"), json::Value(0.5)})
    EXPECT_EQ(withVocabulary("z", id), "model.vocab: token 'z': expected an id from 0 to 16777215");
  EXPECT_EQ(withVocabulary("<end>", 30), "added token '<end>' has the id 20, but the model gives it 30");
  EXPECT_EQ(withVocabulary("z", 20), "added token '<end>' has the id 20, which the model gives to 'z'");

  auto withMerge = [](json::Value merge) {
    json::Object file = tiny();
    file.getObject("model")->getArray("merges")->push_back(std::move(merge));
    return errorOf(textOf(std::move(file)));
  };
  EXPECT_EQ(withMerge("w w"), "model.merges[5]: 'ww' is not in the vocabulary");
  for (json::Value merge : {json::Value("low"), json::Value("a b c"), json::Value(1), json::Value(json::Array{"l"})})
    EXPECT_EQ(withMerge(merge), "model.merges[5]: expected \"left right\" or a pair");
}

TEST(TokenizerTest, NamesTheFile) {
  auto tokenizer = Tokenizer::load("/nowhere/tokenizer.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(llvm::toString(tokenizer.takeError()).find("/nowhere/tokenizer.json: "), 0u);
}

TEST(TokenizerTest, SurvivesAnyBytes) {
  std::string whole = textOf(tiny());
  std::mt19937 random(7);
  unsigned accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = whole;
    text[random() % text.size()] = "\"\\{}[],:0129eE\x80\xff\0 ax"[random() % 21];
    auto tokenizer = Tokenizer::parse(text);
    if (!tokenizer) {
      EXPECT_NE(llvm::toString(tokenizer.takeError()), "");
      continue;
    }
    ++accepted;
    Ids ids = encode(**tokenizer, "lower <end> lowlow €");
    EXPECT_TRUE(bool((*tokenizer)->decode(ids, /*skipSpecialTokens=*/false)));
  }
  EXPECT_GT(accepted, 50u);
}
