//===- TileInterfaces.td - what every kernel op answers -------------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef TILE_INTERFACES
#define TILE_INTERFACES
include "mlir/IR/OpBase.td"

def Tile_KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::quantopt::tile";
  let description = [{
    An op that is one kernel launch. Kernels are named by what they were built from: ops of one name share a kernel.
  }];
  let methods = [
    InterfaceMethod<"Name of the kernel, a PTX identifier: mnemonic, sizes, types, what is fused, configuration.",
      "std::string", "getKernelName", (ins)>,
    InterfaceMethod<"Block, dynamic shared memory and grid of a launch.",
      "::quantopt::tile::Launch", "getLaunch", (ins)>,
    InterfaceMethod<"DRAM traffic and arithmetic of a launch over that many rows: the least that the operands allow.",
      "::quantopt::tile::Cost", "getCost", (ins "int64_t":$rows)>,
    InterfaceMethod<"The order of the packed codes in operand `number`; none for operands that are plain arrays.",
      "std::optional<::quantopt::numerics::Layout>", "getOperandLayout", (ins "unsigned":$number), "",
      [{ return std::nullopt; }]>,
    InterfaceMethod<"How the kernel reads operand `number` by tensor map; none for operands that it takes as a pointer.",
      "std::optional<::quantopt::tile::TensorMapPlan>", "getTensorMap", (ins "unsigned":$number), "",
      [{ return std::nullopt; }]>,
    InterfaceMethod<"The operand whose memory result `number` takes over; none for results of their own. Such results are "
                    "no parameters of the kernel.",
      "std::optional<unsigned>", "getAliasedOperand", (ins "unsigned":$number), "", [{ return std::nullopt; }]>,
    InterfaceMethod<"Architecture that the kernel is built for.",
      "::quantopt::tile::Arch", "getArch", (ins), "", [{ return $_op.getConfig().getArch(); }]>,
  ];
}
#endif
