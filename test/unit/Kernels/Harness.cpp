//===- Harness.cpp - kernels built and run in a test -----------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Harness.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quantopt/Conversion/QToTile/QToTile.h"
#include "quantopt/Conversion/TileToGpu/TileToGpu.h"
#include "quantopt/Dialect/Param/IR/Param.h"
#include "quantopt/Dialect/Q/IR/Q.h"
#include "quantopt/Ptx/TensorMap.h"
#include "quantopt/Support/Packing.h"
#include "quantopt/Target/PTX/Translate.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace quantopt;
using namespace quantopt::kerneltest;

/// More than any warp of a test issues: ends kernels that a mutation made endless.
static constexpr uint64_t instructionLimit = 2'000'000;

/// Kernels live as long as the program, and so does their context.
static mlir::MLIRContext &context() {
  static mlir::MLIRContext *context = [] {
    mlir::DialectRegistry registry;
    registry.insert<mlir::func::FuncDialect, param::ParamDialect, q::QDialect, rot::RotDialect, tile::TileDialect>();
    registerPtxTranslation(registry);
    return new mlir::MLIRContext(registry);
  }();
  return *context;
}

/// What the interpreter would refuse only where it is executed: local memory and functions of elsewhere.
static llvm::Error checkSelfContained(llvm::StringRef ptx) {
  for (llvm::StringRef word : {".extern .func", "ld.local", "st.local", ".local .align", "call.uni"})
    if (ptx.contains(word))
      return llvm::createStringError("the PTX has '" + word + "'");
  return llvm::Error::success();
}

llvm::Expected<std::shared_ptr<Kernel>> Kernel::build(llvm::StringRef text) {
  static llvm::StringMap<std::shared_ptr<Kernel>> built;
  if (auto it = built.find(text); it != built.end())
    return it->second;
  mlir::PassManager passes(&context());
  passes.addPass(createTileLowerPass());
  auto kernel = build(text, passes);
  if (kernel)
    built[text] = *kernel;
  return kernel;
}

llvm::Expected<std::shared_ptr<Kernel>> Kernel::select(llvm::StringRef text, llvm::StringRef arch, int64_t maxRows) {
  mlir::PassManager passes(&context());
  TileSelectPassOptions options;
  options.arch = arch.str();
  options.maxRows = maxRows;
  passes.addPass(createTileSelectPass(options));
  passes.addPass(createTileLowerPass());
  return build(text, passes);
}

llvm::Expected<std::shared_ptr<Kernel>> Kernel::build(llvm::StringRef text, mlir::PassManager &passes) {
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler(&context(), [&](mlir::Diagnostic &diagnostic) {
    llvm::raw_string_ostream(diagnostics) << diagnostic << '\n';
    return mlir::success();
  });
  auto fail = [&](llvm::StringRef step) {
    return llvm::createStringError(step + " fails: " + diagnostics + "\n" + text);
  };
  std::shared_ptr<Kernel> kernel(new Kernel);
  kernel->module = mlir::parseSourceString<mlir::ModuleOp>(text, &context());
  if (!kernel->module)
    return fail("parsing");
  if (mlir::failed(passes.run(*kernel->module)))
    return fail("selecting and lowering");
  kernel->module->walk([&](tile::KernelOpInterface op) { kernel->kernelOp = op; });
  auto kernels = kernel->module->lookupSymbol<mlir::gpu::GPUModuleOp>(kernelModuleName);
  if (!kernel->kernelOp || !kernels)
    return fail("finding the kernel");
  kernel->kernelName = kernel->kernelOp.getKernelName();
  mlir::FailureOr<std::string> ptx = translateToPtx(kernels, kernel->architecture());
  if (mlir::failed(ptx))
    return fail("translation to PTX");
  kernel->text = std::move(*ptx);
  if (llvm::Error error = checkSelfContained(kernel->text))
    return error;
  return kernel;
}

llvm::StringRef Kernel::architecture() const { return tile::getArchitecture(op().getArch()).target; }

static DType dtypeOf(mlir::Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << mlir::cast<mlir::ShapedType>(type).getElementType();
  std::optional<DType> dtype = parseDType(name);
  assert(dtype && "tile ops have no such element types");
  return *dtype;
}

/// Rows of codes are padded to whole tiles of the contraction; other tensors lie as they are.
static bool isPaddedCodes(mlir::Type type) {
  DType dtype = dtypeOf(type);
  return mlir::cast<mlir::ShapedType>(type).getRank() == 2 && (dtype == DType::I4 || dtype == DType::I8);
}

/// Bytes of a row of padded codes.
static int64_t codeRowBytes(DType dtype, int64_t columns) {
  int64_t padded = numerics::Layout::getPaddedColumns(columns);
  return dtype == DType::I4 ? padded / 2 : padded;
}

/// The shape of a type, with `rows` for what is dynamic.
static llvm::SmallVector<int64_t> shapeOf(mlir::Type type, int64_t rows) {
  llvm::SmallVector<int64_t> shape(mlir::cast<mlir::ShapedType>(type).getShape());
  for (int64_t &dim : shape)
    if (mlir::ShapedType::isDynamic(dim))
      dim = rows;
  return shape;
}

DType Kernel::operandType(unsigned number) const {
  if (std::optional<numerics::Layout> layout = op().getOperandLayout(number))
    return layout->getBits() == 4 ? DType::I4 : DType::I8;
  return dtypeOf(op()->getOperand(number).getType());
}

llvm::SmallVector<int64_t> Kernel::operandShape(unsigned number, int64_t rows) const {
  if (op().getOperandLayout(number)) {
    tile::GemmShape shape = tile::getGemmShape(op());
    return {shape.n, shape.k};
  }
  return shapeOf(op()->getOperand(number).getType(), rows);
}

std::vector<char> Kernel::encode(unsigned number, const Tensor &tensor) const {
  mlir::Type type = op()->getOperand(number).getType();
  if (std::optional<numerics::Layout> layout = op().getOperandLayout(number)) {
    std::vector<char> bytes(layout->getByteSize(tensor.dim(0), tensor.dim(1)));
    layout->pack(tensor.data<int8_t>().data(), tensor.dim(0), tensor.dim(1), reinterpret_cast<uint8_t *>(bytes.data()));
    return bytes;
  }
  if (!isPaddedCodes(type))
    return std::vector<char>(tensor.raw(), tensor.raw() + tensor.sizeInBytes());
  int64_t rows = tensor.dim(0), columns = tensor.dim(1), rowBytes = codeRowBytes(dtypeOf(type), columns);
  std::vector<char> bytes(rows * rowBytes);
  const int8_t *codes = tensor.data<int8_t>().data();
  for (int64_t row = 0; row < rows; ++row, codes += columns) {
    char *destination = bytes.data() + row * rowBytes;
    if (dtypeOf(type) == DType::I4)
      packFourBit(codes, 0, columns, reinterpret_cast<uint8_t *>(destination));
    else
      std::memcpy(destination, codes, columns);
  }
  return bytes;
}

llvm::SmallVector<int64_t> Kernel::resultShape(unsigned number, int64_t rows) const {
  return shapeOf(op()->getResult(number).getType(), rows);
}

uint64_t Kernel::resultBytes(unsigned number, int64_t rows) const {
  mlir::Type type = op()->getResult(number).getType();
  llvm::SmallVector<int64_t> shape = resultShape(number, rows);
  if (isPaddedCodes(type))
    return shape[0] * codeRowBytes(dtypeOf(type), shape[1]);
  uint64_t bytes = bytesInMemory(dtypeOf(type));
  for (int64_t dim : shape)
    bytes *= dim;
  return bytes;
}

llvm::Expected<Tensor> Kernel::decode(unsigned number, llvm::ArrayRef<char> bytes, int64_t rows) const {
  mlir::Type type = op()->getResult(number).getType();
  DType dtype = dtypeOf(type);
  Tensor tensor(dtype, resultShape(number, rows));
  if (!isPaddedCodes(type)) {
    std::memcpy(tensor.mutableRaw(), bytes.data(), bytes.size());
    return tensor;
  }
  int64_t columns = tensor.dim(1), padded = numerics::Layout::getPaddedColumns(columns);
  std::vector<int8_t> codes(padded);
  for (int64_t row = 0; row < rows; ++row) {
    const char *source = bytes.data() + row * codeRowBytes(dtype, columns);
    if (dtype == DType::I4)
      unpackFourBit(reinterpret_cast<const uint8_t *>(source), 0, padded, codes.data());
    else
      std::memcpy(codes.data(), source, padded);
    for (int64_t k = columns; k < padded; ++k)
      if (codes[k])
        return llvm::createStringError("row %d of result %u is not zero in its padding", int(row), number);
    std::memcpy(tensor.mutableRaw() + row * columns, codes.data(), columns);
  }
  return tensor;
}

/// New tokens per sequence: S in the first row of the operand [B, 4] that says what differs from launch to launch.
static int64_t newTokens(tile::KernelOpInterface op, llvm::ArrayRef<Tensor> operands) {
  for (auto [value, tensor] : llvm::zip(op->getOperands(), operands)) {
    auto type = mlir::cast<mlir::ShapedType>(value.getType());
    if (type.getElementType().isSignlessInteger(32) && type.getRank() == 2 && type.getDimSize(1) == 4)
      return tensor.data<int32_t>()[2];
  }
  return 1;
}

std::array<unsigned, 2> Kernel::grid(int64_t rows, llvm::ArrayRef<Tensor> operands) const {
  tile::Launch launch = op().getLaunch();
  auto blocksOf = [&](int64_t count) { return (count + launch.rowsPerBlock - 1) / launch.rowsPerBlock; };
  int64_t blocks = blocksOf(rows);
  if (launch.gridRows != tile::GridRows::Rows) {
    int64_t tokens = newTokens(op(), operands);
    blocks = rows / tokens * (launch.gridRows == tile::GridRows::SequenceRows ? blocksOf(tokens) : 1);
  }
  return {unsigned(launch.gridX), unsigned(blocks)};
}

llvm::Expected<ptx::Argument> Kernel::makeArgument(unsigned number, uint64_t address, int64_t rows) const {
  std::optional<tile::TensorMapPlan> plan = op().getTensorMap(number);
  if (!plan)
    return ptx::Argument::u64(address);
  ptx::TensorMap map;
  map.address = address;
  map.sizes = {uint32_t(plan->rowBytes), uint32_t(rows)};
  map.box = {uint32_t(plan->boxBytes), uint32_t(plan->boxRows)};
  map.strides = {uint64_t(plan->rowBytes)};
  map.swizzle = ptx::TensorSwizzle(llvm::Log2_64(plan->swizzleBytes / 16));
  auto encoded = ptx::encodeTensorMap(map);
  if (!encoded)
    return encoded.takeError();
  return ptx::Argument{std::vector<uint8_t>(encoded->begin(), encoded->end())};
}

llvm::Expected<KernelRun> Kernel::run(llvm::ArrayRef<Tensor> operands, int64_t rows,
                                      const RunSettings &settings) const {
  assert(operands.size() == numOperands());
  auto parsed = ptx::parseModule(settings.ptx.empty() ? llvm::StringRef(text) : settings.ptx, name());
  if (!parsed)
    return parsed.takeError();
  ptx::DeviceMemory memory;
  ptx::Launch launch;
  launch.kernel = name();
  auto [gridX, gridY] = grid(rows, operands);
  launch.grid = {gridX, gridY, 1};
  launch.block = {unsigned(op().getLaunch().threads), 1, 1};
  launch.dynamicSharedBytes = unsigned(op().getLaunch().dynamicSharedBytes);
  std::vector<uint64_t> inputs, addresses;
  for (unsigned i = 0; i < numOperands(); ++i) {
    std::vector<char> bytes = encode(i, operands[i]);
    uint64_t address = memory.allocate(bytes.size(), "operand " + std::to_string(i));
    inputs.push_back(address);
    if (llvm::Error error = memory.write(address, llvm::ArrayRef(bytes)))
      return error;
    auto argument = makeArgument(i, address, rows);
    if (!argument)
      return argument.takeError();
    launch.arguments.push_back(std::move(*argument));
  }
  for (unsigned i = 0; i < numResults(); ++i) {
    if (std::optional<unsigned> aliased = op().getAliasedOperand(i)) {
      addresses.push_back(inputs[*aliased]);
      continue;
    }
    addresses.push_back(memory.allocate(resultBytes(i, rows), "result " + std::to_string(i)));
    launch.arguments.push_back(ptx::Argument::u64(addresses.back()));
  }
  launch.arguments.push_back(ptx::Argument::u32(uint32_t(rows)));

  KernelRun run;
  if (rows) {
    ptx::RunOptions options;
    options.threads = settings.threads;
    options.counters = settings.counters;
    options.instructionLimit = instructionLimit;
    auto counters = ptx::launch(**parsed, memory, launch, options);
    if (!counters)
      return counters.takeError();
    run.counters = std::move(*counters);
  }
  for (unsigned i = 0; i < numResults(); ++i) {
    if (std::optional<unsigned> aliased = op().getAliasedOperand(i)) {
      run.results.push_back(operands[*aliased].clone());
      Tensor &changed = run.results.back();
      if (llvm::Error error =
              memory.read(addresses[i], llvm::MutableArrayRef(changed.mutableRaw(), changed.sizeInBytes())))
        return error;
      continue;
    }
    std::vector<char> bytes(resultBytes(i, rows));
    if (llvm::Error error = memory.read(addresses[i], llvm::MutableArrayRef(bytes)))
      return error;
    auto tensor = decode(i, bytes, rows);
    if (!tensor)
      return tensor.takeError();
    run.results.push_back(std::move(*tensor));
  }
  return run;
}
