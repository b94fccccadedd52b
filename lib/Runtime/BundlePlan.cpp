//===- BundlePlan.cpp - plan.json, read and validated --------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/BundlePlan.h"
#include "JsonScope.h"
#include "quantopt/Support/Json.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;
using namespace quantopt::runtime;

static constexpr uint64_t planVersion = 2;
/// Limits that keep products of two of them, and sums of many, inside 64 bits.
static constexpr uint64_t maxInt32 = 0x7fffffff, maxBytes = uint64_t(1) << 46, maxRowBytes = uint64_t(1) << 32;
static constexpr unsigned maxThreads = 1024, maxSharedBytes = 227 << 10, bufferAlignment = 16;

namespace {
class PlanReader {
public:
  explicit PlanReader(BundlePlan &plan) : plan(plan) {}
  void read(const JsonScope &root);

private:
  void readFile(llvm::StringRef name, const JsonScope &scope);
  void readModel(const JsonScope &scope);
  void readCache(const JsonScope &scope);
  void readGrid(const JsonScope &scope, PlannedKernel &kernel);
  void readKernel(const JsonScope &scope);
  PlannedKernelArgument readArgument(const JsonScope &scope);
  void readPhase(const JsonScope &scope);
  PlannedBuffer readBuffer(llvm::StringRef name, const JsonScope &scope, uint64_t arenaRowBytes);
  PlannedLaunch readLaunch(const JsonScope &scope, const PlannedPhase &phase);
  PlannedLaunch::Operand readOperand(const JsonScope &scope, const PlannedKernelArgument &argument,
                                     const PlannedPhase &phase);
  PlannedLaunch::Operand readBufferOperand(const JsonScope &scope, const PlannedKernelArgument &argument,
                                           const PlannedPhase &phase);

  /// Gives `name` the number `index`; fails for one that is taken or empty.
  static void add(llvm::StringMap<unsigned> &names, const JsonScope &scope, llvm::StringRef name, unsigned index) {
    if (name.empty())
      scope.fail("expected a name");
    else if (!names.insert({name, index}).second)
      scope.fail("'" + name + "' is there twice");
  }
  static unsigned find(const llvm::StringMap<unsigned> &names, const JsonScope &scope, llvm::StringRef what) {
    std::string name = scope.string();
    auto found = names.find(name);
    if (found == names.end()) {
      scope.fail("there is no " + what + " '" + name + "'");
      return 0;
    }
    return found->second;
  }

  BundlePlan &plan;
  llvm::StringMap<unsigned> kernelNames, cacheNames, phaseNames, weightNames;
  /// Of the phase that is being read.
  llvm::StringMap<unsigned> bufferNames;
};
} // namespace

//===----------------------------------------------------------------------------===//
// Files, model, caches
//===----------------------------------------------------------------------------===//

void PlanReader::readFile(llvm::StringRef name, const JsonScope &scope) {
  if (name.empty() || name == "." || name == ".." || name.contains('/') || name.contains('\\') || name.contains('\0'))
    scope.fail("expected the name of a file of the bundle's folder");
  PlannedFile file;
  file.bytes = scope.field("bytes").integer(0, maxBytes);
  JsonScope hash = scope.field("sha256");
  file.sha256 = hash.string();
  bool isHash = file.sha256.size() == 64 &&
                llvm::all_of(file.sha256, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!isHash)
    hash.fail("expected 64 lower-case hexadecimal digits");
  plan.files[name.str()] = file;
}

void PlanReader::readModel(const JsonScope &scope) {
  PlannedModel model;
  model.maxContext = scope.field("max_context").integer(1, maxInt32);
  model.vocabulary = scope.field("vocabulary").integer(1, maxInt32);
  JsonScope layout = scope.field("layout");
  std::string name = layout.string();
  if (name != "contiguous" && name != "paged")
    layout.fail("expected 'contiguous' or 'paged'");
  model.isPaged = name == "paged";
  plan.model = model;
}

void PlanReader::readCache(const JsonScope &scope) {
  PlannedCache cache;
  cache.name = scope.field("name").string();
  add(cacheNames, scope, cache.name, plan.caches.size());
  cache.heads = scope.field("kv_heads").integer(1, 1 << 16);
  cache.layout.headDim = scope.field("head_dim").integer(1, 1 << 16);
  cache.layout.bits = scope.field("bits").integer(1, 16);
  cache.layout.groupSize = cache.layout.headDim;
  if (cache.layout.isQuantized())
    cache.layout.groupSize = scope.field("group").integer(1, 1 << 16);
  cache.layout.pageTokens = scope.field("page").integer(1, maxInt32);
  if (std::optional<JsonScope> scale = scope.optionalField("scale"); scale && cache.layout.isQuantized()) {
    std::string dtype = scale->string();
    if (dtype != "f16" && dtype != "f32")
      scale->fail("expected 'f16' or 'f32'");
    cache.layout.hasHalfScales = dtype == "f16";
  }
  if (std::optional<JsonScope> symmetric = scope.optionalField("symmetric"))
    cache.layout.isSymmetric = symmetric->boolean();
  if (llvm::Error error = cache.layout.check())
    scope.fail(llvm::toString(std::move(error)));
  cache.tokenBytes = scope.field("token_bytes").integer(1, maxBytes);
  cache.pageBytes = scope.field("page_bytes").integer(1, maxBytes);
  uint64_t tokenBytes = uint64_t(cache.layout.tokenBytes()) * cache.heads;
  if (!scope.hasFailed() && cache.tokenBytes != tokenBytes)
    scope.field("token_bytes").fail("expected " + llvm::Twine(tokenBytes) + " for this layout");
  if (!scope.hasFailed() && cache.pageBytes != tokenBytes * cache.layout.pageTokens)
    scope.field("page_bytes")
        .fail("expected " + llvm::Twine(tokenBytes * cache.layout.pageTokens) + ", a page's tokens");
  if (!plan.caches.empty() && plan.caches.front().layout.pageTokens != cache.layout.pageTokens)
    scope.field("page").fail("expected the " + llvm::Twine(plan.caches.front().layout.pageTokens) +
                             " tokens of the first cache's pages");
  plan.caches.push_back(std::move(cache));
}

//===----------------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------------===//

void PlanReader::readGrid(const JsonScope &scope, PlannedKernel &kernel) {
  using Rows = PlannedKernel::GridRows;
  kernel.gridX = scope.field("x").integer(1, maxInt32);
  JsonScope y = scope.field("y");
  unsigned kinds = 0;
  for (auto [name, kind] :
       {std::pair("rows", Rows::Rows), {"sequence_rows", Rows::SequenceRows}, {"sequences", Rows::Sequences}})
    if (std::optional<JsonScope> rows = y.optionalField(name)) {
      kernel.gridRows = kind;
      kernel.rowsPerBlock = rows->integer(1, maxInt32);
      ++kinds;
    }
  if (kinds != 1)
    y.fail("expected one of 'rows', 'sequence_rows' and 'sequences'");
}

/// Least bytes of an array of `shape`; fails for what overflows.
static uint64_t readMinimumBytes(const JsonScope &shape, DType dtype) {
  uint64_t count = 1;
  for (const JsonScope &dim : shape.elements()) {
    bool isOverflow = false;
    count = llvm::SaturatingMultiply(count, dim.integer(0, maxInt32), &isOverflow);
    if (isOverflow || count > maxBytes) {
      dim.fail("the array is too large");
      return 0;
    }
  }
  return bytesInFile(dtype, count);
}

PlannedKernelArgument PlanReader::readArgument(const JsonScope &scope) {
  using Kind = PlannedKernelArgument::Kind;
  PlannedKernelArgument argument;
  argument.name = scope.field("name").string();
  JsonScope is = scope.field("is");
  std::string kind = is.string();
  if (kind == "input")
    argument.kind = Kind::Input;
  else if (kind == "weight")
    argument.kind = Kind::Weight;
  else if (kind == "result")
    argument.kind = Kind::Result;
  else if (kind == "state")
    argument.kind = Kind::State;
  else
    is.fail("expected 'input', 'weight', 'result', 'state', or 'rows' as the last argument");
  JsonScope dtype = scope.field("dtype");
  if (std::optional<DType> type = parseDType(dtype.string()))
    argument.dtype = *type;
  else
    dtype.fail("expected an element type like 'f32'");
  if (argument.kind == Kind::Weight)
    argument.minimumBytes = readMinimumBytes(scope.field("shape"), argument.dtype);
  if (argument.kind == Kind::Input || argument.kind == Kind::Result)
    argument.rowBytes = scope.field("row_bytes").integer(1, maxRowBytes);
  if (std::optional<JsonScope> map = scope.optionalField("tensor_map"); map && !map->isNull()) {
    PlannedKernelArgument::Map &box = argument.map.emplace();
    box.rowBytes = map->field("row_bytes").integer(1, maxRowBytes);
    std::vector<JsonScope> sizes = map->field("box").elements();
    if (sizes.size() == 2) {
      box.boxBytes = sizes[0].integer(1, 256);
      box.boxRows = sizes[1].integer(1, 256);
    } else {
      map->fail("expected a box of two sizes");
    }
    box.swizzleBytes = map->field("swizzle").integer(0, 128);
    if (box.swizzleBytes && box.swizzleBytes != 32 && box.swizzleBytes != 64 && box.swizzleBytes != 128)
      map->fail("expected a swizzle of 0, 32, 64 or 128 bytes");
    if (argument.kind == Kind::State)
      map->fail("a cache is passed by its address");
    if (argument.rowBytes && box.rowBytes != argument.rowBytes)
      map->fail("expected rows of the argument's " + llvm::Twine(argument.rowBytes) + " bytes");
  }
  return argument;
}

void PlanReader::readKernel(const JsonScope &scope) {
  PlannedKernel kernel;
  kernel.name = scope.field("name").string();
  add(kernelNames, scope, kernel.name, plan.kernels.size());
  kernel.block = scope.field("block").integer(1, maxThreads);
  kernel.dynamicSharedBytes = scope.field("dynamic_shared_bytes").integer(0, maxSharedBytes);
  readGrid(scope.field("grid"), kernel);
  std::vector<JsonScope> arguments = scope.field("arguments").elements();
  if (arguments.empty() || arguments.back().field("is").string() != "rows") {
    scope.fail("expected the number of rows as the last argument");
    return;
  }
  arguments.pop_back();
  for (const JsonScope &argument : arguments)
    kernel.arguments.push_back(readArgument(argument));
  plan.kernels.push_back(std::move(kernel));
}

//===----------------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------------===//

PlannedBuffer PlanReader::readBuffer(llvm::StringRef name, const JsonScope &scope, uint64_t arenaRowBytes) {
  PlannedBuffer buffer;
  buffer.name = name.str();
  JsonScope dtype = scope.field("dtype");
  if (std::optional<DType> type = parseDType(dtype.string()))
    buffer.dtype = *type;
  else
    dtype.fail("expected an element type like 'f32'");
  buffer.rowBytes = scope.field("row_bytes").integer(1, maxRowBytes);
  std::vector<JsonScope> shape = scope.field("shape").elements();
  uint64_t columns = shape.empty() || shape.back().isNull() ? 1 : shape.back().integer(1, maxInt32);
  if (!scope.hasFailed() && buffer.rowBytes < bytesInFile(buffer.dtype, columns))
    scope.field("row_bytes")
        .fail("expected at least the " + llvm::Twine(bytesInFile(buffer.dtype, columns)) + " bytes of " +
              llvm::Twine(columns) + " elements");
  if (std::optional<JsonScope> offset = scope.optionalField("offset"); offset && !offset->isNull()) {
    buffer.offset = offset->integer(0, maxBytes);
    if (*buffer.offset % bufferAlignment)
      offset->fail("expected a multiple of " + llvm::Twine(bufferAlignment));
    if (!offset->hasFailed() && *buffer.offset + buffer.rowBytes > arenaRowBytes)
      offset->fail("the buffer ends after the arena's " + llvm::Twine(arenaRowBytes) + " bytes per row");
  }
  return buffer;
}

PlannedLaunch::Operand PlanReader::readBufferOperand(const JsonScope &scope, const PlannedKernelArgument &argument,
                                                     const PlannedPhase &phase) {
  using Kind = PlannedLaunch::Operand::Kind;
  unsigned index = find(bufferNames, scope, "buffer");
  if (scope.hasFailed())
    return {Kind::Buffer, 0};
  const PlannedBuffer &buffer = phase.buffers[index];
  if (buffer.dtype != argument.dtype || buffer.rowBytes != argument.rowBytes)
    scope.fail("the buffer has rows of " + llvm::Twine(buffer.rowBytes) + " bytes of " + toString(buffer.dtype) +
               ", the kernel's argument '" + argument.name + "' " + llvm::Twine(argument.rowBytes) + " of " +
               toString(argument.dtype));
  return {Kind::Buffer, index};
}

PlannedLaunch::Operand PlanReader::readOperand(const JsonScope &scope, const PlannedKernelArgument &argument,
                                               const PlannedPhase &phase) {
  using Kind = PlannedLaunch::Operand::Kind;
  using ArgumentKind = PlannedKernelArgument::Kind;
  auto activation = scope.optionalField("activation"), weight = scope.optionalField("weight"),
       cache = scope.optionalField("cache");
  if (bool(activation) + bool(weight) + bool(cache) != 1) {
    scope.fail("expected one of 'activation', 'weight' and 'cache'");
    return {Kind::Buffer, 0};
  }
  bool isBuffer = argument.kind == ArgumentKind::Input || argument.kind == ArgumentKind::Result;
  if (isBuffer != bool(activation) || (argument.kind == ArgumentKind::Weight) != bool(weight)) {
    scope.fail("does not fit the kernel's argument '" + argument.name + "'");
    return {Kind::Buffer, 0};
  }
  if (activation)
    return readBufferOperand(*activation, argument, phase);
  if (cache)
    return {Kind::Cache, find(cacheNames, *cache, "cache")};
  std::string name = weight->string();
  auto [it, isNew] = weightNames.insert({name, unsigned(plan.weights.size())});
  if (isNew)
    plan.weights.push_back(name);
  return {Kind::Weight, it->second};
}

PlannedLaunch PlanReader::readLaunch(const JsonScope &scope, const PlannedPhase &phase) {
  PlannedLaunch launch;
  launch.kernel = find(kernelNames, scope.field("kernel"), "kernel");
  launch.node = scope.field("node").string();
  if (std::optional<JsonScope> role = scope.optionalField("role"))
    launch.role = role->string();
  std::vector<JsonScope> operands = scope.field("arguments").elements();
  if (scope.hasFailed())
    return launch;
  const PlannedKernel &kernel = plan.kernels[launch.kernel];
  if (operands.size() != kernel.arguments.size()) {
    scope.fail("kernel '" + kernel.name + "' takes " + llvm::Twine(kernel.arguments.size()) + " arrays, not " +
               llvm::Twine(operands.size()));
    return launch;
  }
  for (auto [operand, argument] : llvm::zip_equal(operands, kernel.arguments))
    launch.operands.push_back(readOperand(operand, argument, phase));
  return launch;
}

void PlanReader::readPhase(const JsonScope &scope) {
  PlannedPhase phase;
  phase.name = scope.field("name").string();
  add(phaseNames, scope, phase.name, plan.phases.size());
  if (std::optional<JsonScope> rows = scope.optionalField("max_rows"); rows && !rows->isNull())
    phase.maxRows = rows->integer(1, maxInt32);
  phase.arenaRowBytes = scope.field("arena_row_bytes").integer(0, maxBytes);
  bufferNames.clear();
  for (const auto &[name, buffer] : scope.field("buffers").fields()) {
    add(bufferNames, buffer, name, phase.buffers.size());
    phase.buffers.push_back(readBuffer(name, buffer, phase.arenaRowBytes));
  }
  for (const auto &[name, buffer] : scope.field("inputs").fields())
    phase.inputs[name] = find(bufferNames, buffer, "buffer");
  for (const auto &[name, buffer] : scope.field("outputs").fields())
    phase.outputs[name] = find(bufferNames, buffer, "buffer");
  for (const JsonScope &launch : scope.field("launches").elements()) {
    if (scope.hasFailed())
      return;
    phase.launches.push_back(readLaunch(launch, phase));
  }
  phase.tail = scope.field("tail").integer(0, phase.launches.size());
  plan.phases.push_back(std::move(phase));
}

void PlanReader::read(const JsonScope &root) {
  JsonScope format = root.field("format");
  if (format.string() != "quantopt-bundle")
    format.fail("expected 'quantopt-bundle'");
  JsonScope version = root.field("version");
  uint64_t number = version.integer(0, maxInt32);
  if (number != planVersion)
    version.fail("this program reads version " + llvm::Twine(planVersion) + ", not " + llvm::Twine(number) +
                 ": emit the bundle again");
  JsonScope arch = root.field("arch");
  plan.arch = arch.string();
  llvm::StringRef digits = plan.arch;
  unsigned capability = 0;
  if (!digits.consume_front("sm_") || (digits.consume_back("a"), digits.getAsInteger(10, capability)) ||
      capability < 50 || capability > 999)
    arch.fail("expected an architecture like 'sm_80' or 'sm_90a'");
  plan.ptxVersion = root.field("ptx_version").string();
  JsonScope files = root.field("files");
  for (const auto &[name, file] : files.fields())
    readFile(name, file);
  for (const char *name : {"kernels.ptx", "weights.safetensors"})
    if (!plan.files.count(name))
      files.fail(llvm::Twine("expected the size and hash of ") + name);
  if (std::optional<JsonScope> model = root.optionalField("model"); model && !model->isNull())
    readModel(*model);
  for (const JsonScope &cache : root.field("caches").elements())
    readCache(cache);
  for (const JsonScope &kernel : root.field("kernels").elements())
    readKernel(kernel);
  for (const JsonScope &phase : root.field("phases").elements()) {
    if (root.hasFailed())
      return;
    readPhase(phase);
  }
  for (const JsonScope &entry : root.field("unlowered").elements())
    plan.unlowered.push_back({entry.field("op").string(), entry.field("count").integer(1, maxInt32)});
}

llvm::Expected<BundlePlan> BundlePlan::parse(llvm::StringRef text) {
  llvm::Expected<llvm::json::Value> value = parseJson(text);
  if (!value)
    return llvm::createStringError("plan.json: not JSON: " + llvm::toString(value.takeError()));
  BundlePlan plan;
  std::string error;
  PlanReader(plan).read(JsonScope(&*value, "", error));
  if (!error.empty())
    return llvm::createStringError("plan.json: " + error);
  return plan;
}

//===----------------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------------===//

const PlannedPhase *BundlePlan::findPhase(llvm::StringRef name) const {
  auto found = llvm::find_if(phases, [&](const PlannedPhase &phase) { return phase.name == name; });
  return found == phases.end() ? nullptr : &*found;
}

const PlannedPhase *BundlePlan::findDecodePhase(uint32_t sequences) const {
  const PlannedPhase *best = nullptr;
  for (const PlannedPhase &phase : phases) {
    if (!phase.decodes() || (phase.maxRows && *phase.maxRows < sequences))
      continue;
    if (!best || (phase.maxRows && (!best->maxRows || *phase.maxRows < *best->maxRows)))
      best = &phase;
  }
  return best ? best : findPhase("prefill");
}

uint32_t BundlePlan::pageTokens() const { return caches.empty() ? 0 : uint32_t(caches.front().layout.pageTokens); }

uint64_t PlannedKernel::gridY(uint64_t rows, uint64_t sequences, uint64_t newTokens) const {
  switch (gridRows) {
  case GridRows::Rows:
    return llvm::divideCeil(rows, rowsPerBlock);
  case GridRows::SequenceRows:
    return sequences * llvm::divideCeil(newTokens, rowsPerBlock);
  case GridRows::Sequences:
    return sequences;
  }
  llvm_unreachable("unknown kind of rows");
}

uint32_t BundlePlan::pagesPerSequence() const {
  if (!model || !pageTokens())
    return 0;
  uint64_t columns = llvm::divideCeil(model->maxContext, pageTokens());
  for (const PlannedPhase &phase : phases)
    if (auto found = phase.inputs.find("pages"); found != phase.inputs.end())
      columns = std::max(columns, phase.buffers[found->second].rowBytes / sizeof(int32_t));
  return uint32_t(columns);
}

uint64_t BundlePlan::cacheTokenBytes() const {
  uint64_t bytes = 0;
  for (const PlannedCache &cache : caches)
    bytes += cache.tokenBytes;
  return bytes;
}

uint64_t BundlePlan::arenaRowBytes() const {
  uint64_t bytes = 0;
  for (const PlannedPhase &phase : phases)
    bytes = std::max(bytes, phase.arenaRowBytes);
  return bytes;
}
