// RUN: rm -rf %t && mkdir -p %t && %python %S/Inputs/fragments.py make %t && cp %s %t/in.mlir
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/out.bin threads=1" -o %t/out.mlir
// What numpy makes of the codes, lane by lane.
// RUN: %python %S/Inputs/fragments.py check %t
// Blocks of 16 rows stream: memory and threads decide how the weight is cut, not what comes out.
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/0.bin max-memory=0 threads=2" -o /dev/null
// RUN: cmp %t/out.bin %t/0.bin

param.file @f "weights.bin"
param.global @w : tensor<3000x100xf32> from @f [offset = 0, length = 1200000]

func.func @main() -> (tensor<3000x100xi4>, tensor<3000x2xf32>, tensor<188x1024xui8>, tensor<188x16x2xf32>,
                      tensor<188x1024xui8>, tensor<188x1024xui8>, tensor<188x1024xui8>, tensor<3000x100xi8>,
                      tensor<188x2048xui8>, tensor<188x16xf32>) {
  %w = param.load @w : tensor<3000x100xf32>
  %c4, %s4 = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 50}}
    : tensor<3000x100xf32> -> tensor<3000x100xi4>, tensor<3000x2xf32>
  %c8, %s8 = q.quantize_weight %w {method = "rtn", options = {bits = 8}}
    : tensor<3000x100xf32> -> tensor<3000x100xi8>, tensor<3000x1xf32>
  %s4p, %scale4 = q.pack %c4, %s4 {layout = "m16n8k64.s4", group_size = 50 : i64}
    : (tensor<3000x100xi4>, tensor<3000x2xf32>) -> (tensor<188x1024xui8>, tensor<188x16x2xf32>)
  %s8x4, %1 = q.pack %c4, %s4 {layout = "m16n8k32.s8x4", group_size = 50 : i64}
    : (tensor<3000x100xi4>, tensor<3000x2xf32>) -> (tensor<188x1024xui8>, tensor<188x16x2xf32>)
  %f16x4, %2 = q.pack %c4, %s4 {layout = "m16n8k16.f16x4", group_size = 50 : i64}
    : (tensor<3000x100xi4>, tensor<3000x2xf32>) -> (tensor<188x1024xui8>, tensor<188x16x2xf32>)
  %moved, %3 = q.pack %c4, %s4 {layout = "m16n8k64.s4:25x4", group_size = 50 : i64}
    : (tensor<3000x100xi4>, tensor<3000x2xf32>) -> (tensor<188x1024xui8>, tensor<188x16x2xf32>)
  %s8p, %scale8 = q.pack %c8, %s8 {layout = "m16n8k32.s8", group_size = 0 : i64}
    : (tensor<3000x100xi8>, tensor<3000x1xf32>) -> (tensor<188x2048xui8>, tensor<188x16xf32>)
  return %c4, %s4, %s4p, %scale4, %s8x4, %f16x4, %moved, %c8, %s8p, %scale8
    : tensor<3000x100xi4>, tensor<3000x2xf32>, tensor<188x1024xui8>, tensor<188x16x2xf32>, tensor<188x1024xui8>,
      tensor<188x1024xui8>, tensor<188x1024xui8>, tensor<3000x100xi8>, tensor<188x2048xui8>, tensor<188x16xf32>
}
