// A module that is no change of a file is serialised from the IR: header, weights, names of values, model-local functions.
// RUN: rm -rf %t && mkdir -p %t/elsewhere && %python %S/Inputs/make_weights.py %t/weights.bin 1024 && cp %t/weights.bin %t/elsewhere
// RUN: cp %s %t/model.mlir && cd %t && quant-opt model.mlir --emit-onnx=output=model.onnx
// RUN: quant-opt model.mlir --emit-onnx=output=again.onnx && ls | FileCheck %s --check-prefix=FILES --implicit-check-not=tmp
// RUN: %python %S/Inputs/show.py model.onnx | FileCheck %s
// RUN: %python %S/Inputs/run.py model.onnx
module attributes {onnx.model = {ir_version = 10 : i64, producer_name = "quantopt", metadata_props = {basis = "standard"},
                                 opset_imports = {ai.onnx = 21 : i64, quantopt = 1 : i64}}} {
  param.file @near "weights.bin"
  param.global @w : tensor<4x64xf32> from @near [offset = 0, length = 1024]
  param.global @small : tensor<64xf32> from @near [offset = 1024, length = 256]
  param.global @codes : tensor<4x3xi4> from @near [offset = 0, length = 6] {onnx.name = "w/codes"}

  func.func private @Twice(%x: tensor<*xf32> {onnx.name = "X"}) -> (tensor<*xf32> {onnx.name = "Y"})
      attributes {onnx.function = {domain = "quantopt", opset_imports = {ai.onnx = 21 : i64}}} {
    %0 = onnx.Add(%x, %x) : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
    return %0 : tensor<*xf32>
  }

  func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["batch", 4]})
      -> (tensor<?x64xf32> {onnx.name = "y"}, tensor<?x64xf32> {onnx.name = "z"}, tensor<?x4xf32> {onnx.name = "x_again"},
          tensor<4x3xf32> {onnx.name = "c"}) {
    %none = onnx.no_value
    %w = param.load @w : tensor<4x64xf32>
    %s = param.load @small : tensor<64xf32>
    %q = param.load @codes : tensor<4x3xi4>
    %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x64xf32>) -> tensor<?x64xf32>
    %1 = onnx.Mul(%0, %s) node "scale" outputs ["product"] : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %2 = onnx.Mul(%1, %s) node "scale" outputs ["product"] : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %3 = onnx.node "quantopt::Twice"(%2) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %limit = onnx.Constant() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
    %4 = onnx.Clip(%3, %none, %limit) : (tensor<?x64xf32>, none, tensor<f32>) -> tensor<?x64xf32>
    %5 = onnx.Cast(%q) {to = 1 : i64} : (tensor<4x3xi4>) -> tensor<4x3xf32>
    return %4, %4, %x, %5 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x4xf32>, tensor<4x3xf32>
  }
}
// FILES: again.onnx
// CHECK: ir 10 producer quantopt opsets [('', 21), ('quantopt', 1)] metadata {'basis': 'standard'}
// CHECK-NEXT: initializer w [4, 64] FLOAT external {'location': 'weights.bin', 'offset': '0', 'length': '1024'}
// CHECK-NEXT: initializer small [64] FLOAT inline 256
// CHECK-NEXT: initializer w/codes [4, 3] INT4 inline 6
// CHECK-NEXT: input x ['batch', 4]
// CHECK-NEXT: output y [None, 64]
// CHECK-NEXT: output z [None, 64]
// CHECK-NEXT: output x_again [None, 4]
// CHECK-NEXT: output c [4, 3]
// CHECK-NEXT: MatMul ['x', 'w'] -> ['MatMul_output_0']
// CHECK-NEXT: Mul ['MatMul_output_0', 'small'] -> ['product']
// CHECK-NEXT: Mul ['product', 'small'] -> ['product_1']
// CHECK-NEXT: Twice ['product_1'] -> ['Twice_output_0']
// CHECK-NEXT: Constant [] -> ['Constant_output_0']
// CHECK-NEXT: Clip ['Twice_output_0', '', 'Constant_output_0'] -> ['y']
// CHECK-NEXT: Cast ['w/codes'] -> ['c']
// CHECK-NEXT: Identity ['y'] -> ['z']
// CHECK-NEXT: Identity ['x'] -> ['x_again']
// CHECK-NEXT: function quantopt::Twice ['X'] -> ['Y']
// CHECK-NEXT: Add ['X', 'X'] -> ['Y']

// Weights that are not below the folder of the output are copied beside it; those out of a model into the model.
// RUN: cd %t && mkdir -p out && sed 's/"weights.bin"/"elsewhere\/weights.bin"/' model.mlir > far.mlir
// RUN: quant-opt far.mlir --emit-onnx=output=out/model.onnx
// RUN: %python %S/Inputs/show.py out/model.onnx | FileCheck %s --check-prefix=COPIED
// RUN: cmp -n 1024 out/model.onnx.data weights.bin
// COPIED: initializer w [4, 64] FLOAT external {'location': 'model.onnx.data', 'offset': '0', 'length': '1024'}
// COPIED-NEXT: initializer small [64] FLOAT inline 256
// RUN: quant-opt model.mlir --emit-onnx=output=model.onnx -o /dev/null && cmp model.onnx again.onnx
