// RUN: rm -rf %t && mkdir -p %t && %python %S/Inputs/safetensors.py make %t/weights.bin && cp %s %t/in.mlir
// RUN: quant-opt %t/in.mlir --param-materialize="output=%t/out.safetensors" | FileCheck %s
// RUN: %python %S/Inputs/safetensors.py check %t/weights.bin %t/out.safetensors
// The same bytes however rows are cut.
// RUN: quant-opt %t/in.mlir --param-materialize="output=%t/5.safetensors threads=5 max-memory=0" -o /dev/null
// RUN: cmp %t/out.safetensors %t/5.safetensors

// The format has no 4-bit elements.
// RUN: not quant-opt %t/in.mlir --pass-pipeline="builtin.module(param-hoist,param-materialize{output=%t/no.safetensors})" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=CODES
// RUN: not ls %t/no.safetensors
// CODES: error: tensor 'w.w4.codes' has elements of type i4, which safetensors files lack; pack them into bytes

param.file @f "weights.bin"
param.global @w : tensor<300x16xf32> from @f [offset = 0, length = 19200]
param.global @odd : tensor<5xf32> from @f [offset = 0, length = 20]
// What is a multiple of 64 bytes comes first, at a multiple of 64; the header takes 4096.
// CHECK: param.global @odd.copy : tensor<5xf32> from @out.safetensors{{ ?}}[offset = 23296, length = 20]
param.derived @odd.copy {
  %0 = param.load @odd : tensor<5xf32>
  param.yield %0 : tensor<5xf32>
}
// CHECK: param.global @w.transposed : tensor<16x300xf32> from @out.safetensors{{ ?}}[offset = 4096, length = 19200]
param.derived @w.transposed {
  %0 = param.load @w : tensor<300x16xf32>
  %1 = param.transpose %0 : tensor<300x16xf32> to tensor<16x300xf32>
  param.yield %1 : tensor<16x300xf32>
}
func.func @main() -> (tensor<300x16xi4>, tensor<300x1xf32>) {
  %0 = param.load @w : tensor<300x16xf32>
  %1, %2 = q.quantize_weight %0 {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<300x16xf32> -> tensor<300x16xi4>, tensor<300x1xf32>
  return %1, %2 : tensor<300x16xi4>, tensor<300x1xf32>
}
