// RUN: rm -rf %t && split-file %s %t

// RUN: not quant-opt %t/missing.mlir --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: cannot compute parameter 'w.scaled': tensor 'w' (4x2xf32): '{{.*}}none.bin' cannot be read: No such file or directory

// RUN: not quant-opt %t/truncated.mlir --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=TRUNCATED
// TRUNCATED: error: cannot compute parameter 'w.scaled': tensor 'w' (4x2xf32): expected its 32 bytes at offset 64 of '{{.*}}data.bin', but the file ends after 64 bytes; it is truncated or belongs to another model

// Which error is reported does not depend on the number of threads.
// RUN: not quant-opt %t/truncated.mlir --param-materialize="output=%t/out.bin threads=5" 2>&1 | FileCheck %s --check-prefix=TRUNCATED

// A finite f64 that is no finite f32.
// RUN: not quant-opt %t/overflow.mlir --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=OVERFLOW
// OVERFLOW: error: cannot compute parameter 'w.w4': 'q.quantize_weight': row 0 of the weight holds a NaN or an infinity in f32; quantization needs finite weights

// RUN: not quant-opt %t/opaque.mlir --allow-unregistered-dialect --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=OPAQUE
// OPAQUE: error: 'param.derived' op cannot be computed: it yields 'tensor<4x2xf32>', which is not a weight expression

// RUN: not quant-opt %t/cycle.mlir --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=CYCLE
// CYCLE: error: cannot compute parameter 'a': parameter 'b' depends on itself

// RUN: not quant-opt %t/good.mlir --param-materialize 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: param-materialize: no output file is given; add output=FILE
// RUN: not quant-opt %t/good.mlir --param-materialize="output=%t/data.bin" 2>&1 | FileCheck %s --check-prefix=SAME
// SAME: error: param-materialize: cannot write '{{.*}}data.bin': parameter w lies in it; choose another output
// RUN: not quant-opt %t/good.mlir --param-materialize="output=%t/no/such/out.bin" 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: cannot write the weights file '{{.*}}no/such/out.bin': No such file or directory

// Errors show no more IR than what they are about.
// RUN: not quant-opt %t/truncated.mlir --param-materialize="output=%t/out.bin" 2>&1 | FileCheck %s --check-prefix=SHORT
// SHORT-NOT: param.derived

// Nothing is left of any of them.
// RUN: ls %t | FileCheck %s --check-prefix=FILES
// FILES:      cycle.mlir
// FILES-NEXT: data.bin
// FILES-NEXT: good.mlir
// FILES-NEXT: missing.mlir
// FILES-NEXT: opaque.mlir
// FILES-NEXT: overflow.mlir
// FILES-NEXT: truncated.mlir
// FILES-NOT:  {{.}}

//--- data.bin
~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~0123456789abcdef0123456789abcde
//--- missing.mlir
param.file @f "none.bin"
param.global @w : tensor<4x2xf32> from @f [offset = 0, length = 32]
param.derived @w.scaled {
  %0 = param.load @w : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
//--- truncated.mlir
param.file @f "data.bin"
param.global @good : tensor<4x2xf32> from @f [offset = 0, length = 32]
param.global @w : tensor<4x2xf32> from @f [offset = 64, length = 32]
param.derived @good.scaled {
  %0 = param.load @good : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
param.derived @w.scaled {
  %0 = param.load @w : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
param.derived @another {
  %0 = param.load @w : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
//--- overflow.mlir
param.file @f "data.bin"
param.global @w : tensor<4x2xf32> from @f [offset = 0, length = 32]
param.global @g : tensor<2xf32> from @f [offset = 0, length = 8]
param.derived @w.w4 {
  %0 = param.load @w : tensor<4x2xf32>
  %1 = param.load @g : tensor<2xf32>
  %2 = param.scale %0 by %1 dim 1 : tensor<4x2xf32>, tensor<2xf32>
  %3, %4 = q.quantize_weight %2 {method = "rtn", options = {bits = 4}} : tensor<4x2xf32> -> tensor<4x2xi4>, tensor<4x1xf32>
  param.yield %3, %4 : tensor<4x2xi4>, tensor<4x1xf32>
}
//--- opaque.mlir
param.derived @w.scaled {
  %0 = "test.weight"() : () -> tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
//--- cycle.mlir
param.derived @a {
  %0 = param.load @b : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
param.derived @b {
  %0 = param.load @a : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
//--- good.mlir
param.file @f "data.bin"
param.global @w : tensor<4x2xf32> from @f [offset = 0, length = 32]
param.derived @w.scaled {
  %0 = param.load @w : tensor<4x2xf32>
  param.yield %0 : tensor<4x2xf32>
}
