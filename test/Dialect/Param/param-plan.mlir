// Sizes come from the types: the file need not be there, and nothing is written.
// RUN: quant-opt %s --param-plan="threads=2" -o /dev/null 2>&1 | FileCheck %s
// RUN: quant-opt %s --param-plan="threads=2 max-memory=4" -o /dev/null 2>&1 | FileCheck %s --check-prefix=SMALL
// Asked for with --plan, it comes before the work, which here ends at the missing file.
// RUN: not quant-opt %s --param-materialize="output=%t threads=2" --plan 2>&1 | FileCheck %s --check-prefixes=CHECK,AFTER

// A matrix by its rows, in chunks; what mixes rows, as a whole.
// CHECK:      unit              chunks     read  written   memory
// CHECK-NEXT: embed.rotated     {{[0-9]+}}   113.{{.*}} MB 113.25 MB  {{1?[0-9]\.[0-9][0-9]}} MB
// CHECK-NEXT: down.rotated      1    3.54 MB     3.54 MB    {{[23][0-9]\.[0-9][0-9]}} MB
// CHECK-NEXT: 2 units           {{[0-9]+}} 116.79 MB 116.79 MB {{[0-9.]+}} MB
// CHECK-NEXT: about {{[0-9]+}} s on 2 threads
// AFTER-NEXT: error: {{.*}}no such file
// SMALL:      embed.rotated     {{[0-9]+}}   113.{{.*}} MB 113.25 MB  {{[012]\.[0-9][0-9]}} MB
// SMALL-NEXT: down.rotated      1    3.54 MB     3.54 MB    {{[23][0-9]\.[0-9][0-9]}} MB

#had576 = #rot.hadamard<576, seed = 7>
#had1536 = #rot.hadamard<1536>
param.file @f "no such file"
param.global @embed : tensor<49152x576xf32> from @f [offset = 0, length = 113246208]
param.global @down : tensor<576x1536xf32> from @f [offset = 113246208, length = 3538944]
param.derived @embed.rotated {
  %0 = param.load @embed : tensor<49152x576xf32>
  %1 = rot.convert %0 : tensor<49152x576xf32> to tensor<49152x576xf32, #rot.basis<[_, #had576]>>
  param.yield %1 : tensor<49152x576xf32, #rot.basis<[_, #had576]>>
}
param.derived @down.rotated {
  %0 = param.load @down : tensor<576x1536xf32>
  %1 = rot.convert %0 : tensor<576x1536xf32> to tensor<576x1536xf32, #rot.basis<[#had576, #had1536]>>
  param.yield %1 : tensor<576x1536xf32, #rot.basis<[#had576, #had1536]>>
}
