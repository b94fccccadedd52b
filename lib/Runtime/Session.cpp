//===- Session.cpp - sequences and their caches ------------------------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "quantopt/Runtime/Model.h"
#include "quantopt/Support/Half.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace quantopt;
using namespace quantopt::runtime;
using OperandKind = PlannedLaunch::Operand::Kind;
using ArgumentKind = PlannedKernelArgument::Kind;

static constexpr unsigned wordsPerSequence = 4;
static constexpr uint64_t idBytes = sizeof(int64_t);

/// What one run of a phase is over.
struct Session::Step {
  const PlannedPhase &phase;
  uint32_t newTokens;
  uint64_t rows;
  /// Of which rows logits are wanted, if of any.
  std::optional<LogitRows> wanted;

  /// Whether the tail runs for the last row of each sequence alone.
  bool gathersRows() const { return wanted == LogitRows::Last && newTokens > 1 && phase.tail < phase.launches.size(); }
  const PlannedBuffer &logits() const { return phase.buffers[phase.outputs.find("logits")->second]; }
};

//===----------------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------------===//

Session::Session(Model &model, const SessionOptions &options, const SessionSizes &sizes)
    : model(model), plan(model.plan()), backend(model.backend()), options(options), sizes(sizes),
      padding(options.batch, 0) {
  if (plan.model->isPaged)
    pool.emplace(sizes.pages, plan.pageTokens(), options.batch, plan.pagesPerSequence());
}

llvm::Expected<std::unique_ptr<Session>> Session::create(Model &model, const SessionOptions &options) {
  llvm::Expected<SessionSizes> sizes = SessionSizes::compute(model.plan(), options);
  if (!sizes)
    return sizes.takeError();
  std::unique_ptr<Session> session(new Session(model, options, *sizes));
  if (llvm::Error error = session->allocate())
    return std::move(error);
  return session;
}

Session::~Session() {
  llvm::consumeError(backend.enter());
  recording.reset();
  if (!cacheAddresses.empty())
    backend.release(cacheAddresses.front());
  for (uint64_t address : {sequencesAddress, arenaAddress, logitsAddress})
    if (address)
      backend.release(address);
}

llvm::Error Session::allocate() {
  if (llvm::Error error = backend.enter())
    return error;
  std::vector<Backend::Request> requests;
  for (const PlannedCache &cache : plan.caches)
    requests.push_back({cache.name, cache.pageBytes * sizes.pages});
  std::string what =
      "caches of " + std::to_string(options.batch) + " sequences of " + std::to_string(sizes.context) + " tokens";
  llvm::Expected<std::vector<uint64_t>> addresses = backend.allocate(what, requests);
  if (!addresses)
    return addresses.takeError();
  cacheAddresses = std::move(*addresses);

  requests = {{"sequences", uint64_t(options.batch) * wordsPerSequence * sizeof(int32_t)}};
  if (pool)
    requests.push_back({"pages", pool->table().size() * sizeof(int32_t)});
  llvm::Expected<std::vector<uint64_t>> tables = backend.allocate("tables of sequences", requests);
  if (!tables)
    return tables.takeError();
  sequencesAddress = tables->front();
  pagesAddress = tables->back();
  return llvm::Error::success();
}

/// Makes room for steps of `rows` rows. Nothing in the arena outlives a step.
llvm::Error Session::growArena(uint64_t rows) {
  if (rows <= arenaRows)
    return llvm::Error::success();
  bool isOverflow = false;
  uint64_t bytes = llvm::SaturatingMultiply(sizes.arenaRowBytes, rows, &isOverflow);
  if (isOverflow)
    return llvm::createStringError("an arena of " + llvm::Twine(rows) + " rows would take more than 2^64 bytes");
  recording.reset();
  if (arenaAddress)
    backend.release(arenaAddress);
  arenaAddress = arenaRows = 0;
  llvm::Expected<std::vector<uint64_t>> addresses =
      backend.allocate("activations of " + std::to_string(rows) + " rows", {{"arena", bytes}, {"ids", rows * idBytes}});
  if (!addresses)
    return addresses.takeError();
  arenaAddress = (*addresses)[0];
  idsAddress = (*addresses)[1];
  arenaRows = rows;
  return llvm::Error::success();
}

llvm::Error Session::growLogits(uint64_t rows) {
  if (rows <= logitsRows)
    return llvm::Error::success();
  recording.reset();
  if (logitsAddress)
    backend.release(logitsAddress);
  logitsAddress = logitsRows = 0;
  llvm::Expected<std::vector<uint64_t>> addresses =
      backend.allocate("logits of " + std::to_string(rows) + " rows", {{"logits", rows * sizes.logitsRowBytes}});
  if (!addresses)
    return addresses.takeError();
  logitsAddress = addresses->front();
  logitsRows = rows;
  return llvm::Error::success();
}

llvm::Error Session::growCaches(uint32_t tokens) {
  for (uint32_t sequence = 0; pool && sequence < options.batch; ++sequence) {
    llvm::Expected<bool> hasGrown = pool->grow(sequence, tokens);
    if (!hasGrown)
      return hasGrown.takeError();
    isTableStale |= *hasGrown;
  }
  return llvm::Error::success();
}

MemoryUse Session::memory() const {
  return {model.bundle().weightBytes(), sizes.cacheBytes, sizes.arenaRowBytes * arenaRows,
          sizes.logitsRowBytes * logitsRows, sizes.tableBytes + arenaRows * idBytes};
}

void Session::reset() {
  pastTokens = 0;
  for (uint32_t sequence = 0; pool && sequence < options.batch; ++sequence)
    pool->release(sequence);
  isTableStale = true;
  padding.assign(options.batch, 0);
}

//===----------------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------------===//

ObservedLaunch::Array Session::locate(const Step &step, const PlannedLaunch::Operand &operand, uint64_t rows) const {
  if (operand.kind == OperandKind::Weight)
    return {model.weightAddress(operand.index), model.bundle().weight(operand.index).size()};
  if (operand.kind == OperandKind::Cache)
    return {cacheAddresses[operand.index], plan.caches[operand.index].pageBytes * sizes.pages};
  const PlannedBuffer &buffer = step.phase.buffers[operand.index];
  if (buffer.offset)
    return {arenaAddress + *buffer.offset * arenaRows, rows * buffer.rowBytes};
  if (&buffer == &step.logits())
    return {logitsAddress, rows * buffer.rowBytes};
  auto isNamed = [&](const char *name) {
    auto found = step.phase.inputs.find(name);
    return found != step.phase.inputs.end() && found->second == operand.index;
  };
  if (isNamed("sequences"))
    return {sequencesAddress, uint64_t(options.batch) * wordsPerSequence * sizeof(int32_t)};
  if (isNamed("pages"))
    return {pagesAddress, pool->table().size() * sizeof(int32_t)};
  return {idsAddress, rows * idBytes};
}

/// What is in the way of a result is garbage from now on, except where the kernel reads it.
void Session::discardResults(const PlannedKernel &kernel, llvm::ArrayRef<ObservedLaunch::Array> arrays) {
  for (auto [result, argument] : llvm::zip_equal(arrays, kernel.arguments)) {
    if (argument.kind != ArgumentKind::Result)
      continue;
    bool isRead = false;
    for (auto [input, other] : llvm::zip_equal(arrays, kernel.arguments))
      isRead |= other.kind == ArgumentKind::Input && input.address < result.address + result.bytes &&
                result.address < input.address + input.bytes;
    if (!isRead)
      backend.discard(result.address, result.bytes);
  }
}

llvm::Error Session::launchRows(const Step &step, unsigned number, uint64_t rows) {
  if (options.cancel && options.cancel->load(std::memory_order_relaxed))
    return llvm::make_error<CancelledError>();
  const PlannedLaunch &launch = step.phase.launches[number];
  const PlannedKernel &kernel = plan.kernels[launch.kernel];
  KernelLaunch call;
  call.kernel = kernel.name;
  call.grid = {kernel.gridX, unsigned(kernel.gridY(rows, options.batch, step.newTokens)), 1};
  call.block = {kernel.block, 1, 1};
  call.dynamicSharedBytes = kernel.dynamicSharedBytes;
  llvm::SmallVector<ObservedLaunch::Array, 8> arrays;
  for (auto [operand, argument] : llvm::zip_equal(launch.operands, kernel.arguments)) {
    ObservedLaunch::Array array = locate(step, operand, rows);
    KernelLaunch::Argument value{array.address};
    if (argument.map)
      value.map = {array.address,          argument.map->rowBytes, array.bytes / argument.map->rowBytes,
                   argument.map->boxBytes, argument.map->boxRows,  argument.map->swizzleBytes};
    call.arguments.push_back(value);
    arrays.push_back(array);
  }
  call.arguments.push_back({rows});
  discardResults(kernel, arrays);
  unsigned count = step.wanted ? step.phase.launches.size() : step.phase.tail;
  ObservedLaunch observed{step.phase,     launch,        kernel,         call,   arrays,
                          uint32_t(rows), options.batch, step.newTokens, number, count};
  if (observer)
    if (llvm::Error error = observer(observed, /*isAfter=*/false))
      return error;
  if (llvm::Error error = backend.launch(call))
    return llvm::createStringError("phase '" + step.phase.name + "', launch " + llvm::Twine(number) + " of node '" +
                                   launch.node + "': " + llvm::toString(std::move(error)));
  if (observer)
    return observer(observed, /*isAfter=*/true);
  return llvm::Error::success();
}

/// Makes the last row of each sequence the first rows of what the tail reads. Rows move down, in rising order: none is
/// overwritten before it has moved.
llvm::Error Session::gatherLastRows(const Step &step) {
  llvm::SmallDenseSet<unsigned> written, gathered;
  for (const PlannedLaunch &launch : llvm::ArrayRef(step.phase.launches).drop_front(step.phase.tail))
    for (auto [operand, argument] : llvm::zip_equal(launch.operands, plan.kernels[launch.kernel].arguments)) {
      if (operand.kind != OperandKind::Buffer)
        continue;
      if (argument.kind == ArgumentKind::Result) {
        written.insert(operand.index);
        continue;
      }
      if (written.contains(operand.index) || !gathered.insert(operand.index).second)
        continue;
      uint64_t address = locate(step, operand, step.rows).address;
      uint64_t rowBytes = step.phase.buffers[operand.index].rowBytes;
      for (uint64_t sequence = 0; sequence < options.batch; ++sequence) {
        uint64_t row = (sequence + 1) * step.newTokens - 1;
        if (llvm::Error error = backend.copy(address + sequence * rowBytes, address + row * rowBytes, rowBytes))
          return error;
      }
    }
  return llvm::Error::success();
}

llvm::Error Session::launchAll(const Step &step) {
  uint64_t rows = step.rows;
  for (unsigned number = 0; number < step.phase.launches.size(); ++number) {
    if (number == step.phase.tail && !step.wanted)
      break;
    if (number == step.phase.tail && step.gathersRows()) {
      if (llvm::Error error = gatherLastRows(step))
        return error;
      rows = options.batch;
    }
    if (llvm::Error error = launchRows(step, number, rows))
      return error;
  }
  return llvm::Error::success();
}

/// A decode step, whose launches are the same each time. The first one runs as it is, so that everything is loaded.
llvm::Error Session::launchRecorded(const Step &step) {
  if (observer || !hasDecoded) {
    hasDecoded = true;
    return launchAll(step);
  }
  if (options.cancel && options.cancel->load(std::memory_order_relaxed))
    return llvm::make_error<CancelledError>();
  if (!recording) {
    auto recorded = backend.record([&] { return launchAll(step); });
    if (!recorded)
      return recorded.takeError();
    recording = std::move(*recorded);
  }
  return recording ? recording->replay() : launchAll(step);
}

//===----------------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------------===//

/// `ids` and the vectors written here stay as they are until the step has ended.
llvm::Error Session::writeInputs(llvm::ArrayRef<int64_t> ids, uint32_t newTokens) {
  auto bytesOf = [](auto array) {
    return llvm::ArrayRef(reinterpret_cast<const char *>(array.data()), array.size() * sizeof(array[0]));
  };
  sequenceWords.clear();
  for (uint32_t start : padding)
    sequenceWords.insert(sequenceWords.end(), {int32_t(pastTokens), int32_t(start), int32_t(newTokens), 0});
  if (llvm::Error error = backend.write(idsAddress, bytesOf(ids)))
    return error;
  if (llvm::Error error = backend.write(sequencesAddress, bytesOf(llvm::ArrayRef(sequenceWords))))
    return error;
  if (!pool || !isTableStale)
    return llvm::Error::success();
  isTableStale = false;
  return backend.write(pagesAddress, bytesOf(pool->table()));
}

static void toFloats(const PlannedBuffer &buffer, llvm::ArrayRef<char> bytes, float *values) {
  if (buffer.dtype == DType::F32) {
    std::memcpy(values, bytes.data(), bytes.size());
    return;
  }
  for (size_t i = 0; i < bytes.size() / 2; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    values[i] = buffer.dtype == DType::F16 ? halfToFloat(bits) : bfloatToFloat(bits);
  }
}

llvm::Error Session::readLogits(const Step &step, LogitRows rows, float *logits) {
  const PlannedBuffer &buffer = step.logits();
  // One row for each sequence, or for each row of the step; without a tail, the last rows among all.
  bool areGathered = rows == LogitRows::All || step.gathersRows() || step.newTokens == 1;
  uint64_t count = rows == LogitRows::All ? step.rows : options.batch;
  if (areGathered) {
    std::vector<char> bytes(count * buffer.rowBytes);
    if (llvm::Error error = backend.read(logitsAddress, bytes))
      return error;
    toFloats(buffer, bytes, logits);
    return llvm::Error::success();
  }
  std::vector<char> bytes(buffer.rowBytes);
  for (uint64_t sequence = 0; sequence < count; ++sequence) {
    uint64_t row = (sequence + 1) * step.newTokens - 1;
    if (llvm::Error error = backend.read(logitsAddress + row * buffer.rowBytes, bytes))
      return error;
    toFloats(buffer, bytes, logits + sequence * vocabulary());
  }
  return llvm::Error::success();
}

llvm::Error Session::runStep(const PlannedPhase &phase, llvm::ArrayRef<int64_t> ids, uint32_t newTokens,
                             std::optional<LogitRows> wanted, float *logits) {
  Step step{phase, newTokens, ids.size(), wanted};
  if (llvm::Error error = backend.enter())
    return error;
  for (const PlannedKernel &kernel : plan.kernels)
    if (kernel.gridY(step.rows, options.batch, newTokens) > 65535)
      return llvm::createStringError(llvm::Twine(step.rows) + " rows are more than kernel '" + kernel.name +
                                     "' takes at once: choose a smaller batch or chunk");
  if (llvm::Error error = growArena(step.rows))
    return error;
  bool hasTail = phase.tail < phase.launches.size();
  if (llvm::Error error = growLogits(step.gathersRows() || (!wanted && hasTail) ? options.batch : step.rows))
    return error;
  if (llvm::Error error = growCaches(pastTokens + newTokens))
    return error;
  if (llvm::Error error = writeInputs(ids, newTokens))
    return error;
  bool isDecode = newTokens == 1 && phase.decodes();
  llvm::Error failure = isDecode ? launchRecorded(step) : launchAll(step);
  // What was queued reads the inputs, also after an error.
  llvm::Error drained = backend.synchronize();
  if (failure)
    llvm::consumeError(std::move(drained));
  else
    failure = std::move(drained);
  if (!failure && wanted)
    failure = readLogits(step, *wanted, logits);
  if (failure)
    return failure;
  pastTokens += newTokens;
  return llvm::Error::success();
}

llvm::Expected<std::vector<float>> Session::prefill(const PromptBatch &prompts, LogitRows rows) {
  if (llvm::Error error = checkStep(prompts))
    return std::move(error);
  if (!prompts.padding.empty() && !pastTokens)
    padding = prompts.padding;
  const PlannedPhase &phase = *plan.findPhase("prefill");
  if (phase.maxRows && *phase.maxRows < options.batch)
    return llvm::createStringError("the bundle's prefill takes at most " + llvm::Twine(*phase.maxRows) +
                                   " rows: choose a smaller batch");
  uint32_t chunk = options.chunk;
  if (phase.maxRows)
    chunk = std::min(chunk, *phase.maxRows / options.batch);
  uint64_t perRow = vocabulary(), total = prompts.tokens;
  std::vector<float> logits(options.batch * perRow * (rows == LogitRows::Last ? 1 : total));
  for (uint64_t begin = 0; begin < total; begin += chunk) {
    uint64_t count = std::min<uint64_t>(chunk, total - begin);
    std::vector<int64_t> ids;
    for (uint32_t sequence = 0; sequence < options.batch; ++sequence)
      llvm::append_range(ids, llvm::ArrayRef(prompts.ids).slice(sequence * total + begin, count));
    if (rows == LogitRows::Last) {
      bool isLast = begin + count == total;
      if (llvm::Error error = runStep(phase, ids, count, isLast ? std::optional(rows) : std::nullopt, logits.data()))
        return std::move(error);
      continue;
    }
    std::vector<float> some(options.batch * count * perRow);
    if (llvm::Error error = runStep(phase, ids, count, rows, some.data()))
      return std::move(error);
    for (uint32_t sequence = 0; sequence < options.batch; ++sequence)
      llvm::copy(llvm::ArrayRef(some).slice(sequence * count * perRow, count * perRow),
                 logits.begin() + (sequence * total + begin) * perRow);
  }
  return logits;
}

llvm::Expected<std::vector<float>> Session::decode(llvm::ArrayRef<int64_t> ids) {
  PromptBatch tokens{uint32_t(ids.size()), 1, ids.vec(), {}};
  if (llvm::Error error = checkStep(tokens))
    return std::move(error);
  const PlannedPhase *phase = plan.findDecodePhase(options.batch);
  std::vector<float> logits(options.batch * size_t(vocabulary()));
  if (llvm::Error error = runStep(*phase, tokens.ids, 1, LogitRows::Last, logits.data()))
    return std::move(error);
  return logits;
}
