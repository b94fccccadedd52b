//===- Parser.h - PTX text to syntax -------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_PARSER_H
#define QUANTOPT_LIB_PTX_PARSER_H

#include "Lexer.h"
#include "Syntax.h"
#include "llvm/ADT/StringMap.h"

namespace quantopt::ptx {

/// Recursive descent. The first error is kept; after it every method returns at once, so that loops end.
class Parser {
public:
  explicit Parser(ParsedModule &module) : module(module), lexer(module.text) {
    token = lexer.next();
    ahead = lexer.next();
  }
  llvm::Error parse();

private:
  // Tokens.
  void advance() {
    end = token.text.end();
    token = ahead;
    ahead = lexer.next();
  }
  bool failed() const { return !message.empty(); }
  void fail(const llvm::Twine &what, unsigned line = 0);
  bool consume(char symbol);
  void expect(char symbol);
  llvm::StringRef expectWord(llvm::StringRef what);
  uint64_t expectInteger();
  void skipLine();
  void skipBraces();

  // The module.
  void parseDirective();
  void parseTarget();
  void parseKernel();
  void parseParameters(KernelInfo &info);
  void parseLaunchBounds(ParsedKernel &kernel);
  Dim3 parseDimensions();
  void parseVariables(StateSpace space, bool isExtern, std::vector<ParsedVariable> &variables);
  ScalarType parseTypeAndAlignment(uint64_t &alignment, unsigned &lanes);
  std::vector<uint8_t> parseInitialiser(ScalarType type);
  void appendValue(ScalarType type, std::vector<uint8_t> &bytes);

  // Bodies.
  void parseBody();
  void parseStatement();
  void parseBodyDirective();
  void parseRegisters();
  void defineRegister(llvm::StringRef name, unsigned bits);
  std::optional<unsigned> lookUp(llvm::StringRef name) const;
  void parseInstruction();
  ParsedOperand parseOperand();
  ParsedOperand parsePrimary();
  ParsedOperand parseNumber(bool negative);
  ParsedOperand parseVector();
  ParsedOperand parseAddress();

  ParsedModule &module;
  ParsedKernel *kernel = nullptr;
  Lexer lexer;
  Token token, ahead;
  const char *end = nullptr;
  std::string message;
  /// Names of registers, innermost scope last, with the scopes' indices.
  std::vector<std::pair<unsigned, llvm::StringMap<unsigned>>> names;
  /// Of vectors in operands.
  unsigned depth = 0;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_PARSER_H
