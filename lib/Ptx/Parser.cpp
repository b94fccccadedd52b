//===- Parser.cpp - PTX text to syntax -----------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt::ptx;

void Parser::fail(const llvm::Twine &what, unsigned line) {
  if (!failed())
    message = (module.name + ":" + llvm::Twine(line ? line : token.line) + ": " + what).str();
  token = Token();
  ahead = Token();
}

bool Parser::consume(char symbol) {
  if (!token.is(symbol))
    return false;
  advance();
  return true;
}

void Parser::expect(char symbol) {
  if (!consume(symbol))
    fail("expected '" + llvm::Twine(symbol) + "', found '" + token.text + "'");
}

llvm::StringRef Parser::expectWord(llvm::StringRef what) {
  if (token.kind != Token::Kind::Word) {
    fail("expected " + what + ", found '" + token.text + "'");
    return "";
  }
  llvm::StringRef word = token.text;
  advance();
  return word;
}

uint64_t Parser::expectInteger() {
  uint64_t value = 0;
  if (token.kind != Token::Kind::Number || token.text.getAsInteger(0, value)) {
    fail("expected an integer, found '" + token.text + "'");
    return 0;
  }
  advance();
  return value;
}

void Parser::skipLine() {
  for (unsigned line = token.line; token.line == line && token.kind != Token::Kind::End;)
    advance();
}

void Parser::skipBraces() {
  expect('{');
  for (unsigned open = 1; open && !failed(); advance()) {
    if (token.kind == Token::Kind::End)
      return fail("expected '}'");
    open += token.is('{');
    open -= token.is('}');
  }
}

//===----------------------------------------------------------------------------===//
// The module
//===----------------------------------------------------------------------------===//

llvm::Error Parser::parse() {
  while (token.kind != Token::Kind::End)
    parseDirective();
  if (!failed() && !module.target)
    fail("expected a .target directive", 1);
  if (failed())
    return llvm::createStringError(message);
  return llvm::Error::success();
}

void Parser::parseDirective() {
  bool isExtern = false;
  while (token.is(".visible") || token.is(".weak") || token.is(".extern") || token.is(".common")) {
    isExtern |= token.is(".extern");
    advance();
  }
  llvm::StringRef word = token.text;
  if (word == ".version") {
    advance();
    llvm::StringRef number = token.text;
    auto [major, minor] = number.split('.');
    unsigned values[2] = {};
    if (token.kind != Token::Kind::Number || major.getAsInteger(10, values[0]) || minor.getAsInteger(10, values[1]))
      return fail("expected a version like 8.0");
    module.version = values[0] * 10 + values[1];
    return advance();
  }
  if (word == ".target")
    return parseTarget();
  if (word == ".address_size") {
    advance();
    if (expectInteger() != 64)
      fail("only 64-bit addresses are supported");
    return;
  }
  if (word == ".entry")
    return parseKernel();
  if (word == ".func" || word == ".alias")
    return fail("functions other than kernels are not supported: inline everything");
  if (word == ".global" || word == ".shared" || word == ".const") {
    advance();
    StateSpace space = word == ".global"   ? StateSpace::Global
                       : word == ".shared" ? StateSpace::Shared
                                           : StateSpace::Const;
    return parseVariables(space, isExtern, module.variables);
  }
  if (word == ".file" || word == ".loc")
    return skipLine();
  if (word == ".section") {
    advance();
    expectWord("a section's name");
    return skipBraces();
  }
  fail("expected a directive, found '" + token.text + "'");
}

void Parser::parseTarget() {
  advance();
  llvm::StringRef name = token.text;
  if (!name.consume_front("sm_"))
    return fail("expected a target like sm_80");
  if (!name.empty() && llvm::isAlpha(name.back())) {
    module.targetSuffix = name.back();
    name = name.drop_back();
  }
  if (name.getAsInteger(10, module.target))
    return fail("expected a target like sm_80");
  do
    advance();
  while (token.is(',') || token.is("debug") || token.is("texmode_independent"));
}

Dim3 Parser::parseDimensions() {
  Dim3 dims;
  dims.x = expectInteger();
  if (consume(','))
    dims.y = expectInteger();
  if (consume(','))
    dims.z = expectInteger();
  return dims;
}

void Parser::parseLaunchBounds(ParsedKernel &kernel) {
  while (token.kind == Token::Kind::Word) {
    llvm::StringRef word = token.text;
    advance();
    if (word == ".maxntid")
      kernel.info.maximumThreads = parseDimensions().count();
    else if (word == ".reqntid")
      kernel.info.requiredBlock = parseDimensions();
    else if (word == ".minnctapersm" || word == ".maxnctapersm" || word == ".maxnreg" || word == ".maxclusterrank")
      expectInteger();
    else if (word == ".reqnctapercluster") {
      if (parseDimensions().count() != 1)
        fail("clusters of more than one CTA are not supported");
    } else if (word != ".explicitcluster" && word != ".noreturn")
      fail("unknown directive '" + word + "'");
  }
}

void Parser::parseKernel() {
  module.kernels.emplace_back();
  kernel = &module.kernels.back();
  kernel->line = token.line;
  kernel->scopes = {0};
  advance();
  kernel->info.name = expectWord("a kernel's name").str();
  parseParameters(kernel->info);
  parseLaunchBounds(*kernel);
  names.clear();
  names.emplace_back();
  parseBody();
  kernel = nullptr;
}

void Parser::parseParameters(KernelInfo &info) {
  if (!consume('('))
    return;
  uint64_t offset = 0;
  while (!failed() && !token.is(')')) {
    if (!info.parameters.empty())
      expect(',');
    if (expectWord("a parameter") != ".param")
      return fail("expected '.param'");
    uint64_t alignment = 0;
    unsigned lanes = 1;
    ScalarType type = parseTypeAndAlignment(alignment, lanes);
    uint64_t size = bitsOf(type) / 8;
    alignment = std::max(alignment, size);
    // What follows .ptr is about the memory pointed to.
    if (token.is(".ptr")) {
      advance();
      while (token.is(".global") || token.is(".shared") || token.is(".const") || token.is(".align")) {
        bool isAlignment = token.is(".align");
        advance();
        if (isAlignment)
          expectInteger();
      }
    }
    KernelParameter parameter;
    parameter.name = expectWord("a parameter's name").str();
    if (consume('[')) {
      parameter.isBlob = true;
      size *= expectInteger();
      expect(']');
    }
    offset = llvm::alignTo(offset, std::max<uint64_t>(alignment, 1));
    if (size == 0 || size > 32764 || offset + size > 32764)
      return fail("parameter '" + parameter.name + "' has a size that kernels cannot have");
    parameter.offset = offset;
    parameter.size = size;
    offset += size;
    info.parameters.push_back(std::move(parameter));
  }
  expect(')');
}

ScalarType Parser::parseTypeAndAlignment(uint64_t &alignment, unsigned &lanes) {
  while (token.kind == Token::Kind::Word && token.text.starts_with(".")) {
    llvm::StringRef word = token.text.drop_front();
    advance();
    if (word == "align") {
      alignment = expectInteger();
      if (!llvm::isPowerOf2_64(alignment) || alignment > 4096)
        fail("expected an alignment that is a power of two");
    } else if (word == "v2" || word == "v4") {
      lanes = word[1] - '0';
    } else if (auto type = parseScalarType(word)) {
      return *type;
    } else if (word != "attribute") {
      fail("unknown type '." + word + "'");
    }
  }
  fail("expected a type, found '" + token.text + "'");
  return ScalarType::B32;
}

void Parser::parseVariables(StateSpace space, bool isExtern, std::vector<ParsedVariable> &variables) {
  uint64_t alignment = 0;
  unsigned lanes = 1;
  ScalarType type = parseTypeAndAlignment(alignment, lanes);
  uint64_t elementSize = std::max(bitsOf(type) / 8, 1u) * lanes;
  do {
    ParsedVariable variable;
    variable.line = token.line;
    variable.space = space;
    variable.isExtern = isExtern;
    variable.alignment = std::max(alignment, elementSize);
    variable.size = elementSize;
    variable.name = expectWord("a variable's name").str();
    while (consume('[')) {
      uint64_t count = token.is(']') ? 0 : expectInteger();
      // Far beyond any device's; and no product overflows.
      if (count > 1u << 30 || (variable.size *= count) > 1u << 30)
        return fail("variable '" + variable.name + "' is too large");
      expect(']');
    }
    if (consume('=')) {
      variable.initial = parseInitialiser(type);
      variable.size = variable.size ? variable.size : variable.initial.size();
      if (variable.initial.size() > variable.size)
        return fail("the initialiser of '" + variable.name + "' is longer than the variable", variable.line);
    }
    if (isExtern && space != StateSpace::Shared)
      return fail("variable '" + variable.name + "' is defined elsewhere: there is no linker");
    variables.push_back(std::move(variable));
  } while (consume(','));
  expect(';');
}

std::vector<uint8_t> Parser::parseInitialiser(ScalarType type) {
  std::vector<uint8_t> bytes;
  if (!consume('{')) {
    appendValue(type, bytes);
    return bytes;
  }
  // Nested braces only group.
  for (unsigned open = 1; open && !failed();) {
    if (consume('{'))
      ++open;
    else if (consume('}'))
      --open;
    else if (!consume(','))
      appendValue(type, bytes);
  }
  return bytes;
}

void Parser::appendValue(ScalarType type, std::vector<uint8_t> &bytes) {
  bool isNegative = consume('-');
  if (token.kind != Token::Kind::Number)
    return fail("expected a number, found '" + token.text + "'");
  ParsedOperand number = parseNumber(isNegative);
  uint64_t value = number.value;
  if (number.kind == ParsedOperand::Kind::Real && number.isDouble && type == ScalarType::F32)
    value = llvm::bit_cast<uint32_t>(float(llvm::bit_cast<double>(value)));
  for (unsigned i = 0; i < std::max(bitsOf(type) / 8, 1u); ++i)
    bytes.push_back(i < 8 ? value >> (8 * i) : 0);
}

llvm::Expected<std::unique_ptr<ParsedModule>> quantopt::ptx::parseSyntax(llvm::StringRef text, llvm::StringRef name) {
  auto module = std::make_unique<ParsedModule>();
  module->text = text.str();
  module->name = name.str();
  if (llvm::Error error = Parser(*module).parse())
    return error;
  return module;
}
