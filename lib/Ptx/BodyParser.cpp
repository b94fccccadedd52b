//===- BodyParser.cpp - the bodies of kernels ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Parser.h"
#include "llvm/ADT/bit.h"

using namespace quantopt::ptx;

void Parser::parseBody() {
  if (!token.is('{'))
    return fail("expected the kernel's body");
  advance();
  while (!failed() && !names.empty())
    parseStatement();
}

void Parser::parseStatement() {
  if (consume(';'))
    return;
  if (consume('{')) {
    unsigned scope = kernel->scopes.size();
    kernel->scopes.push_back(names.back().first);
    names.emplace_back();
    names.back().first = scope;
    return;
  }
  if (consume('}'))
    return names.pop_back();
  if (token.kind == Token::Kind::Word && token.text.starts_with("."))
    return parseBodyDirective();
  if (token.kind == Token::Kind::Word && ahead.is(':')) {
    for (const ParsedLabel &label : kernel->labels)
      if (label.name == token.text && label.scope == names.back().first)
        return fail("label '" + token.text + "' is defined twice");
    kernel->labels.push_back({token.text, names.back().first, unsigned(kernel->instructions.size())});
    advance();
    return advance();
  }
  parseInstruction();
}

void Parser::parseBodyDirective() {
  llvm::StringRef word = token.text;
  if (word == ".reg")
    return parseRegisters();
  if (word == ".loc" || word == ".file")
    return skipLine();
  if (word == ".pragma") {
    advance();
    while (token.kind == Token::Kind::String || token.is(','))
      advance();
    return expect(';');
  }
  if (word == ".local")
    return fail("local memory is not supported: the kernel keeps an array or too many values per thread");
  if (word == ".param")
    return fail("functions other than kernels are not supported: inline everything");
  bool isExtern = word == ".extern";
  if (isExtern) {
    advance();
    word = token.text;
  }
  StateSpace space = word == ".shared" ? StateSpace::Shared : word == ".const" ? StateSpace::Const : StateSpace::Global;
  if (word != ".shared" && word != ".const" && word != ".global")
    return fail("unknown directive '" + token.text + "'");
  advance();
  parseVariables(space, isExtern, kernel->variables);
}

void Parser::parseRegisters() {
  advance();
  uint64_t alignment = 1;
  unsigned lanes = 1;
  ScalarType type = parseTypeAndAlignment(alignment, lanes);
  if (lanes != 1)
    return fail("vector registers are not supported");
  unsigned bits = type == ScalarType::Pred ? 1 : std::max(bitsOf(type), 16u);
  do {
    llvm::StringRef name = expectWord("a register's name");
    if (!consume('<')) {
      defineRegister(name, bits);
      continue;
    }
    uint64_t count = expectInteger();
    expect('>');
    constexpr uint64_t most = 1 << 18;
    if (count > most || kernel->registers.size() + count > most)
      return fail("too many registers");
    for (uint64_t i = 0; i < count && !failed(); ++i)
      defineRegister((name + llvm::Twine(i)).str(), bits);
  } while (consume(','));
  expect(';');
}

void Parser::defineRegister(llvm::StringRef name, unsigned bits) {
  if (!names.back().second.try_emplace(name, kernel->registers.size()).second)
    return fail("register '" + name + "' is declared twice");
  kernel->registers.push_back({name.str(), bits});
}

std::optional<unsigned> Parser::lookUp(llvm::StringRef name) const {
  for (size_t i = names.size(); i-- > 0;) {
    auto found = names[i].second.find(name);
    if (found != names[i].second.end())
      return found->second;
  }
  return std::nullopt;
}

void Parser::parseInstruction() {
  ParsedInstruction instruction;
  instruction.line = token.line;
  instruction.scope = names.back().first;
  const char *begin = token.text.begin();
  if (consume('@')) {
    instruction.isGuardNegated = consume('!');
    unsigned line = token.line;
    llvm::StringRef name = expectWord("a predicate");
    std::optional<unsigned> index = lookUp(name);
    if (failed())
      return;
    if (!index || kernel->registers[*index].bits != 1)
      return fail("'" + name + "' is not a predicate", line);
    instruction.guard = *index;
  }
  instruction.opcode = expectWord("an instruction");
  if (instruction.opcode.split('.').first == "call")
    return fail("calls are not supported: inline everything", instruction.line);
  while (!failed() && !token.is(';')) {
    if (!instruction.operands.empty())
      expect(',');
    instruction.operands.push_back(parseOperand());
  }
  instruction.text = llvm::StringRef(begin, end - begin);
  expect(';');
  if (!failed())
    kernel->instructions.push_back(std::move(instruction));
}

ParsedOperand Parser::parseOperand() {
  ParsedOperand operand = parsePrimary();
  if (!token.is('|'))
    return operand;
  advance();
  ParsedOperand pair;
  pair.kind = ParsedOperand::Kind::Pair;
  pair.elements.push_back(std::move(operand));
  pair.elements.push_back(parsePrimary());
  return pair;
}

ParsedOperand Parser::parsePrimary() {
  if (token.is('{'))
    return parseVector();
  if (token.is('['))
    return parseAddress();
  bool isNegated = consume('!');
  bool isNegative = !isNegated && consume('-');
  if (token.kind == Token::Kind::Number)
    return parseNumber(isNegative);
  ParsedOperand operand;
  operand.isNegated = isNegated;
  if (isNegative) {
    fail("expected a number");
    return operand;
  }
  operand.name = expectWord("an operand");
  if (operand.name == "_")
    return operand;
  if (std::optional<unsigned> index = lookUp(operand.name)) {
    operand.kind = ParsedOperand::Kind::Register;
    operand.index = *index;
    return operand;
  }
  operand.kind = ParsedOperand::Kind::Symbol;
  // A variable's address with an offset.
  if ((token.is('+') || token.is('-')) && ahead.kind == Token::Kind::Number) {
    bool isMinus = token.is('-');
    advance();
    operand.value = parseNumber(isMinus).value;
  }
  return operand;
}

ParsedOperand Parser::parseNumber(bool isNegative) {
  ParsedOperand operand;
  llvm::StringRef text = token.text;
  auto bad = [&] {
    fail("'" + text + "' is not a number");
    return operand;
  };
  if (text.size() == 10 && (text.starts_with("0f") || text.starts_with("0F"))) {
    operand.kind = ParsedOperand::Kind::Real;
    if (text.drop_front(2).getAsInteger(16, operand.value))
      return bad();
    operand.value ^= isNegative ? uint64_t(1) << 31 : 0;
  } else if (text.size() == 18 && (text.starts_with("0d") || text.starts_with("0D"))) {
    operand.kind = ParsedOperand::Kind::Real;
    operand.isDouble = true;
    if (text.drop_front(2).getAsInteger(16, operand.value))
      return bad();
    operand.value ^= isNegative ? uint64_t(1) << 63 : 0;
  } else if (text.contains('.')) {
    double value;
    if (text.getAsDouble(value))
      return bad();
    operand.kind = ParsedOperand::Kind::Real;
    operand.isDouble = true;
    operand.value = llvm::bit_cast<uint64_t>(isNegative ? -value : value);
  } else {
    text.consume_back("U");
    if (text.getAsInteger(0, operand.value))
      return bad();
    operand.kind = ParsedOperand::Kind::Integer;
    operand.value = isNegative ? -operand.value : operand.value;
  }
  advance();
  return operand;
}

ParsedOperand Parser::parseVector() {
  ParsedOperand vector;
  vector.kind = ParsedOperand::Kind::Vector;
  constexpr unsigned deepest = 2;
  if (++depth > deepest)
    fail("vectors in vectors");
  expect('{');
  while (!failed() && !token.is('}')) {
    if (!vector.elements.empty())
      expect(',');
    vector.elements.push_back(parsePrimary());
  }
  expect('}');
  --depth;
  return vector;
}

ParsedOperand Parser::parseAddress() {
  ParsedOperand address;
  address.kind = ParsedOperand::Kind::Address;
  if (++depth > 2)
    fail("addresses in addresses");
  expect('[');
  address.elements.push_back(parsePrimary());
  // A symbol has taken its offset already.
  std::swap(address.value, address.elements[0].value);
  if (address.elements[0].kind == ParsedOperand::Kind::Integer)
    std::swap(address.value, address.elements[0].value);
  if (token.is('+') || token.is('-')) {
    bool isMinus = token.is('-');
    advance();
    isMinus ^= consume('-');
    if (token.kind != Token::Kind::Number)
      fail("expected an offset, found '" + token.text + "'");
    else
      address.value += parseNumber(isMinus).value;
  }
  while (consume(','))
    address.elements.push_back(parsePrimary());
  expect(']');
  --depth;
  return address;
}
