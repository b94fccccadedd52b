//===- PrintPlan.cpp - the text of plan.json --------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Plan.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace quantopt;
namespace json = llvm::json;

static constexpr int64_t planVersion = 2;

static StringRef dtypeOf(RankedTensorType type) { return toString(*param::getDType(type.getElementType())); }

static json::Array shapeOf(RankedTensorType type) {
  json::Array shape;
  for (int64_t dim : type.getShape())
    shape.push_back(ShapedType::isDynamic(dim) ? json::Value(nullptr) : json::Value(dim));
  return shape;
}

static void write(json::OStream &writer, const PlannedArgument &argument) {
  static constexpr const char *kinds[] = {"input", "weight", "result", "state"};
  writer.object([&] {
    writer.attribute("name", argument.role);
    writer.attribute("is", kinds[size_t(argument.kind)]);
    writer.attribute("dtype", dtypeOf(argument.type));
    if (const std::optional<tile::TensorMapPlan> &map = argument.tensorMap)
      writer.attribute("tensor_map", json::Object{{"row_bytes", map->rowBytes},
                                                  {"box", json::Array{map->boxBytes, map->boxRows}},
                                                  {"swizzle", map->swizzleBytes}});
    if (argument.kind == PlannedArgument::Kind::Input || argument.kind == PlannedArgument::Kind::Result) {
      writer.attribute("columns", getColumns(argument.type));
      writer.attribute("row_bytes", getRowBytes(argument.type));
      return;
    }
    writer.attribute("shape", shapeOf(argument.type));
    if (!argument.layout.empty())
      writer.attribute("layout", argument.layout);
  });
}

static json::Object gridOf(const tile::Launch &launch) {
  static constexpr const char *kinds[] = {"rows", "sequence_rows", "sequences"};
  int64_t count = launch.gridRows == tile::GridRows::Sequences ? 1 : launch.rowsPerBlock;
  return json::Object{{"x", launch.gridX}, {"y", json::Object{{kinds[size_t(launch.gridRows)], count}}}};
}

static void write(json::OStream &writer, StringRef name, const PlannedKernel &kernel) {
  const tile::Launch &launch = kernel.launch;
  writer.object([&] {
    writer.attribute("name", name);
    writer.attribute("block", launch.threads);
    writer.attribute("dynamic_shared_bytes", launch.dynamicSharedBytes);
    writer.attribute("grid", gridOf(launch));
    writer.attributeArray("arguments", [&] {
      for (const PlannedArgument &argument : kernel.arguments)
        write(writer, argument);
      writer.value(json::Object{{"name", "rows"}, {"is", "rows"}, {"dtype", "ui32"}});
    });
  });
}

static void write(json::OStream &writer, const PlannedLaunch &launch, ArrayRef<std::string> weightNames) {
  static constexpr const char *sources[] = {"activation", "weight", "activation", "cache"};
  writer.object([&] {
    writer.attribute("kernel", launch.kernel);
    writer.attribute("node", json::fixUTF8(launch.node));
    if (!launch.role.empty())
      writer.attribute("role", launch.role);
    writer.attributeArray("arguments", [&] {
      for (const PlannedOperand &operand : launch.operands)
        writer.value(
            json::Object{{sources[size_t(operand.kind)],
                          json::fixUTF8(operand.kind == PlannedArgument::Kind::Weight ? weightNames[operand.weight]
                                                                                      : operand.name)}});
    });
  });
}

static void write(json::OStream &writer, const PlannedBuffer &buffer) {
  writer.object([&] {
    writer.attribute("dtype", dtypeOf(buffer.type));
    writer.attribute("shape", shapeOf(buffer.type));
    writer.attribute("row_bytes", getRowBytes(buffer.type));
    if (buffer.offset)
      writer.attribute("offset", *buffer.offset);
    if (!buffer.inPlaceOf.empty())
      writer.attribute("in_place_of", json::fixUTF8(buffer.inPlaceOf));
  });
}

static void write(json::OStream &writer, ArrayRef<std::pair<std::string, std::string>> names) {
  writer.object([&] {
    for (const auto &[name, activation] : names)
      writer.attribute(json::fixUTF8(name), json::fixUTF8(activation));
  });
}

static void write(json::OStream &writer, const PlannedPhase &phase, ArrayRef<std::string> weightNames) {
  writer.object([&] {
    writer.attribute("name", json::fixUTF8(phase.name));
    writer.attribute("max_rows", phase.maxRows ? json::Value(phase.maxRows) : json::Value(nullptr));
    writer.attribute("arena_row_bytes", phase.arenaRowBytes);
    writer.attribute("tail", int64_t(phase.tail));
    writer.attributeObject("buffers", [&] {
      for (const auto &[name, buffer] : phase.buffers) {
        writer.attributeBegin(json::fixUTF8(name.getValue()));
        write(writer, buffer);
        writer.attributeEnd();
      }
    });
    writer.attributeBegin("inputs");
    write(writer, phase.inputs);
    writer.attributeEnd();
    writer.attributeBegin("outputs");
    write(writer, phase.outputs);
    writer.attributeEnd();
    writer.attributeArray("launches", [&] {
      for (const PlannedLaunch &launch : phase.launches)
        write(writer, launch, weightNames);
    });
  });
}

static void write(json::OStream &writer, StringRef op, ArrayRef<std::string> nodes) {
  writer.object([&] {
    writer.attribute("op", op);
    writer.attribute("count", int64_t(nodes.size()));
    writer.attributeArray("nodes", [&] {
      for (const std::string &node : nodes)
        writer.value(json::fixUTF8(node));
    });
  });
}

static void write(json::OStream &writer, const std::optional<PlannedModel> &model) {
  if (!model)
    return writer.value(nullptr);
  writer.object([&] {
    writer.attribute("max_context", model->maxContext);
    writer.attribute("vocabulary", model->vocabulary);
    writer.attribute("layout", model->isPaged ? "paged" : "contiguous");
  });
}

static void write(json::OStream &writer, StringRef name, const PlannedCache &cache) {
  const numerics::KvLayout &layout = cache.layout;
  writer.object([&] {
    writer.attribute("name", name);
    writer.attribute("kv_heads", cache.heads);
    writer.attribute("head_dim", layout.headDim);
    writer.attribute("bits", layout.bits);
    writer.attribute("group", layout.groupSize);
    writer.attribute("page", layout.pageTokens);
    writer.attribute("scale", layout.hasHalfScales ? "f16" : "f32");
    writer.attribute("symmetric", layout.isSymmetric);
    writer.attribute("page_bytes", cache.heads * layout.blockBytes());
    writer.attribute("token_bytes", cache.getTokenBytes());
  });
}

std::string quantopt::summarizePlan(const Plan &plan) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  int64_t rowBytes = 0, tokenBytes = 0;
  for (const PlannedPhase &phase : plan.phases) {
    stream << llvm::formatv("{0}: {1} launches, {2} bytes of activations per row\n", phase.name, phase.launches.size(),
                            phase.arenaRowBytes);
    rowBytes = std::max(rowBytes, phase.arenaRowBytes);
  }
  for (const auto &[name, cache] : plan.caches)
    tokenBytes += cache.getTokenBytes();
  stream << llvm::formatv("arena: {0} bytes per row\n", rowBytes);
  if (tokenBytes)
    stream << llvm::formatv("cache: {0} bytes per token\n", tokenBytes);
  return text;
}

std::string quantopt::printPlan(const Plan &plan) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::OStream writer(stream, /*IndentSize=*/1);
  writer.object([&] {
    writer.attribute("format", "quantopt-bundle");
    writer.attribute("version", planVersion);
    writer.attribute("arch", plan.arch);
    writer.attribute("ptx_version", plan.ptxVersion);
    writer.attributeObject("files", [&] {
      for (const auto &[name, digest] : plan.files)
        writer.attribute(name, json::Object{{"bytes", digest.bytes}, {"sha256", digest.sha256}});
    });
    writer.attributeBegin("model");
    write(writer, plan.model);
    writer.attributeEnd();
    writer.attributeArray("caches", [&] {
      for (const auto &[name, cache] : plan.caches)
        write(writer, name.getValue(), cache);
    });
    writer.attributeArray("kernels", [&] {
      for (const auto &[name, kernel] : plan.kernels)
        write(writer, name.getValue(), kernel);
    });
    writer.attributeArray("phases", [&] {
      for (const PlannedPhase &phase : plan.phases)
        write(writer, phase, plan.weightNames);
    });
    writer.attributeArray("unlowered", [&] {
      for (const auto &[name, nodes] : plan.unlowered)
        write(writer, name.getValue(), nodes);
    });
  });
  return text + "\n";
}
