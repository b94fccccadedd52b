// RUN: rm -rf %t && mkdir -p %t && %python %S/Inputs/weights.py make %t && cp %s %t/in.mlir
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/out.bin threads=1" -o %t/out.mlir
// RUN: FileCheck %s --input-file=%t/out.mlir
// C6: what numpy computes in f64 and rounds once.
// RUN: %python %S/Inputs/weights.py check %t
// C7: the number of threads and the memory decide how rows are cut, not what comes out.
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/2.bin threads=2 max-memory=1" -o /dev/null
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/5.bin threads=5 max-memory=2" -o /dev/null
// RUN: quant-opt %t/in.mlir --param-hoist --param-materialize="output=%t/0.bin max-memory=0" -o /dev/null
// RUN: cmp %t/out.bin %t/2.bin && cmp %t/out.bin %t/5.bin && cmp %t/out.bin %t/0.bin
// Nothing else is left.
// RUN: ls %t | FileCheck %s --check-prefix=FILES
// Relative paths hold wherever the tool is run, and what was written can be read: the second time there is nothing to do.
// RUN: cd / && quant-opt %t/out.mlir --param-materialize="output=%t/again.bin" | FileCheck %s
// RUN: not ls %t/again.bin

// FILES:      0.bin
// FILES-NEXT: 2.bin
// FILES-NEXT: 5.bin
// FILES-NEXT: in.mlir
// FILES-NEXT: out.bin
// FILES-NEXT: out.mlir
// FILES-NEXT: weights.bin

#both = #rot.basis<[#rot.kron<3, #rot.hadamard<8>>, #rot.hadamard<16>]>
#columns = #rot.basis<[_, #rot.hadamard<16>]>
param.file @f "weights.bin"
param.global @embed : tensor<3000x16xf32> from @f [offset = 0, length = 192000]
param.global @gamma : tensor<16xf32> from @f [offset = 192000, length = 64]
param.global @down : tensor<24x16xf32> from @f [offset = 192064, length = 1536]
param.global @odd : tensor<3001x15xf32> from @f [offset = 193600, length = 180060]
param.global @half : tensor<16x24xf16> from @f [offset = 373660, length = 768]
#smooth = #rot.basis<[_, #rot.diagonal<@gamma, 16>]>
#turned = #rot.basis<[_, #rot.orthogonal<@matrix, 16>]>
param.global @matrix : tensor<16x16xf32> from @f [offset = 374428, length = 1024]
param.global @wide : tensor<16x3000xf32> from @f [offset = 375452, length = 192000]

// CHECK-NOT: param.derived
// CHECK:     param.file @out.bin "out.bin"
// CHECK:     param.global @embed.w4.codes : tensor<3000x16xi4, {{.*}}> from @out.bin{{ ?}}[offset = 0, length = 24000]
// CHECK:     param.global @embed.w4.scale : tensor<3000x1xf32> from @out.bin{{ ?}}[offset = 24576, length = 12000]
// CHECK:     param.global @down.rotated : tensor<24x16xf32, {{.*}}> from @out.bin{{ ?}}[offset = 36864, length = 1536]
// CHECK:     param.global @odd.w4.codes : tensor<3001x15xi4> from @out.bin{{ ?}}[offset = 40960, length = 22508]
// CHECK:     param.global @odd.w4.scale : tensor<3001x1xf32> from @out.bin{{ ?}}[offset = 65536, length = 12004]
// CHECK:     param.global @half.transposed : tensor<24x16xf16> from @out.bin{{ ?}}[offset = 77824, length = 768]
// CHECK-NOT: param.derived
// CHECK:     %[[C:.*]] = param.load @embed.w4.codes : tensor<3000x16xi4, {{.*}}>
// CHECK:     %[[S:.*]] = param.load @embed.w4.scale : tensor<3000x1xf32>
// CHECK:     %[[D:.*]] = param.load @down.rotated
// CHECK:     %[[O:.*]] = param.load @odd.w4.codes
// CHECK:     %[[T:.*]] = param.load @half.transposed
// CHECK:     return %[[C]], %[[S]], %[[D]], %[[O]], %[[T]]
func.func @main() -> (tensor<3000x16xi4, #columns>, tensor<3000x1xf32>, tensor<24x16xf32, #both>, tensor<3001x15xi4>,
                      tensor<24x16xf16>) {
  %embed = param.load @embed : tensor<3000x16xf32>
  %gamma = param.load @gamma : tensor<16xf32>
  %0 = param.scale %embed by %gamma dim 1 : tensor<3000x16xf32>, tensor<16xf32>
  %1 = rot.convert %0 : tensor<3000x16xf32> to tensor<3000x16xf32, #columns>
  %codes, %scale = q.quantize_weight %1 {method = "rtn", options = {bits = 4, clip_steps = 80, clip_norm = 2.4}}
    : tensor<3000x16xf32, #columns> -> tensor<3000x16xi4, #columns>, tensor<3000x1xf32>
  %down = param.load @down : tensor<24x16xf32>
  %2 = rot.convert %down : tensor<24x16xf32> to tensor<24x16xf32, #both>
  %odd = param.load @odd : tensor<3001x15xf32>
  %3, %4 = q.quantize_weight %odd {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<3001x15xf32> -> tensor<3001x15xi4>, tensor<3001x1xf32>
  %half = param.load @half : tensor<16x24xf16>
  %5 = param.transpose %half : tensor<16x24xf16> to tensor<24x16xf16>
  return %codes, %scale, %2, %3, %5 : tensor<3000x16xi4, #columns>, tensor<3000x1xf32>, tensor<24x16xf32, #both>,
    tensor<3001x15xi4>, tensor<24x16xf16>
}

// Units by hand. A transform names its parameter in the type.
param.derived @smoothed {
  %0 = param.load @embed : tensor<3000x16xf32>
  %1 = rot.convert %0 : tensor<3000x16xf32> to tensor<3000x16xf32, #smooth>
  param.yield %1 : tensor<3000x16xf32, #smooth>
}
// A unit of a unit: a parameter has the value that is stored.
param.derived @turned {
  %0 = param.load @smoothed : tensor<3000x16xf32, #smooth>
  %1 = rot.convert %0 : tensor<3000x16xf32, #smooth> to tensor<3000x16xf32>
  %2 = param.load @gamma : tensor<16xf32>
  %3 = param.scale %1 by %2 dim 1 : tensor<3000x16xf32>, tensor<16xf32>
  %4 = rot.convert %3 : tensor<3000x16xf32> to tensor<3000x16xf32, #turned>
  param.yield %4 : tensor<3000x16xf32, #turned>
}
// Rows of a transposed weight are columns of the file.
param.derived @wide.w4 {
  %0 = param.load @wide : tensor<16x3000xf32>
  %1 = param.transpose %0 : tensor<16x3000xf32> to tensor<3000x16xf32>
  %2, %3 = q.quantize_weight %1 {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<3000x16xf32> -> tensor<3000x16xi4>, tensor<3000x1xf32>
  param.yield %2, %3 : tensor<3000x16xi4>, tensor<3000x1xf32>
}
// A value of a unit of several.
param.derived @restored {
  %0, %1 = param.load @odd.w4_by_hand : tensor<3001x15xi4>, tensor<3001x1xf32>
  %2 = q.dequantize %0, %1 {group_size = 0 : i64} : (tensor<3001x15xi4>, tensor<3001x1xf32>) -> tensor<3001x15xf32>
  param.yield %2 : tensor<3001x15xf32>
}
param.derived @odd.w4_by_hand {
  %0 = param.load @odd : tensor<3001x15xf32>
  %1, %2 = q.quantize_weight %0 {method = "rtn", options = {bits = 4, clip_steps = 0}}
    : tensor<3001x15xf32> -> tensor<3001x15xi4>, tensor<3001x1xf32>
  param.yield %1, %2 : tensor<3001x15xi4>, tensor<3001x1xf32>
}
// Rounded once, at the end.
param.derived @gamma.f16 {
  %0 = param.load @gamma : tensor<16xf32>
  %1 = param.cast %0 : tensor<16xf32> to tensor<16xf16>
  param.yield %1 : tensor<16xf16>
}
