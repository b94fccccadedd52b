// RUN: quant-opt %s --llm-fuse-norm-scale --split-input-file --verify-diagnostics | FileCheck %s

param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @w : tensor<4x8xf32> from @f [offset = 32, length = 128]

// CHECK-LABEL: @fuse
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>
func.func @fuse(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  // CHECK-DAG: %[[G:.*]] = param.load @g
  // CHECK-DAG: %[[W:.*]] = param.load @w
  // CHECK-DAG: %[[N:.*]] = llm.rms_norm %[[X]] {eps
  // CHECK: %[[WG:.*]] = param.scale %[[W]] by %[[G]] dim 1
  // CHECK: llm.linear %[[N]], %[[WG]]
  %g = param.load @g : tensor<8xf32>
  %w = param.load @w : tensor<4x8xf32>
  %n = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = llm.linear %n, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----
param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @w : tensor<100x8xf32> from @f [offset = 32, length = 3200]

// A tied head is scaled where the linear reads it; the embedding keeps its table.
// CHECK-LABEL: @tied
func.func @tied(%ids: tensor<?xi64>) -> tensor<?x100xf32> {
  // CHECK: %[[W:.*]] = param.load @w
  // CHECK: llm.embedding %{{.*}}, %[[W]]
  // CHECK: %[[WG:.*]] = param.scale %[[W]]
  // CHECK: llm.linear %{{.*}}, %[[WG]]
  %g = param.load @g : tensor<8xf32>
  %w = param.load @w : tensor<100x8xf32>
  %x = llm.embedding %ids, %w : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %n = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = llm.linear %n, %w : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %y : tensor<?x100xf32>
}

// -----
param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @w : tensor<4x8xf32> from @f [offset = 32, length = 128]

// Another reader wants the scaled value: no reader gets a scaled weight.
// CHECK-LABEL: @other_reader
// CHECK: llm.rms_norm %{{.*}} scale
// CHECK-NOT: param.scale
func.func @other_reader(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x8xf32>) {
  %g = param.load @g : tensor<8xf32>
  %w = param.load @w : tensor<4x8xf32>
  // expected-remark@unknown {{(node "/model/norm/Mul") keeps its scale: onnx.Sigmoid (node "/model/Sigmoid") reads the norm and is not a linear over a weight}}
  %n = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32> loc("/model/norm/Mul")
  %y = llm.linear %n, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %z = onnx.Sigmoid(%n) node "/model/Sigmoid" outputs ["exp"] : (tensor<?x8xf32>) -> tensor<?x8xf32> loc("/model/Sigmoid")
  return %y, %z : tensor<?x4xf32>, tensor<?x8xf32>
}

// -----
// A scale that is computed while the model runs stays where it is.
// CHECK-LABEL: @computed_scale
// CHECK: llm.rms_norm %{{.*}} scale
func.func @computed_scale(%x: tensor<?x8xf32>, %g: tensor<8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  // expected-remark@+1 {{keeps its scale: it is not a weight}}
  %n = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = llm.linear %n, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----
param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @b : tensor<8xf32> from @f [offset = 32, length = 32]
param.global @e : tensor<100x8xf32> from @f [offset = 64, length = 3200]
param.global @w : tensor<8x8xf32> from @f [offset = 3264, length = 256]

// Scale and bias of layer norms move into their readers, and means out of the weights that write the stream.
// CHECK-LABEL: @layer_norm
func.func @layer_norm(%ids: tensor<?xi64>) -> tensor<?x100xf32> {
  // CHECK-DAG: %[[G:.*]] = param.load @g
  // CHECK-DAG: %[[B:.*]] = param.load @b
  // CHECK-DAG: %[[E:.*]] = param.load @e
  // CHECK-DAG: %[[W:.*]] = param.load @w
  %g = param.load @g : tensor<8xf32>
  %b = param.load @b : tensor<8xf32>
  %e = param.load @e : tensor<100x8xf32>
  %w = param.load @w : tensor<8x8xf32>
  // CHECK: %[[EC:.*]] = param.center %[[E]] dim 1
  // CHECK: %[[X:.*]] = llm.embedding %{{.*}}, %[[EC]]
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  // CHECK: llm.rms_norm %[[X]] {eps
  %n = llm.layer_norm %x scale %g : tensor<8xf32> bias %b : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[WB:.*]] = param.matvec %[[W]], %[[B]]
  // CHECK: %[[SUM:.*]] = param.add %[[B]], %[[WB]]
  // CHECK: %[[WG:.*]] = param.scale %[[W]] by %[[G]] dim 1
  // CHECK: %[[WC:.*]] = param.center %[[WG]] dim 0
  // CHECK: %[[SC:.*]] = param.center %[[SUM]] dim 0
  // CHECK: llm.linear %{{.*}}, %[[WC]] bias %[[SC]]
  %y = llm.linear %n, %w bias %b : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %r = llm.residual_add %x, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: llm.rms_norm
  %m = llm.layer_norm %r scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %h = llm.linear %m, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %h : tensor<?x100xf32>
}

// -----
param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]

// The caller reads the stream, mean and all.
// CHECK-LABEL: @read_elsewhere
// CHECK-NOT: param.center
// CHECK: llm.layer_norm
func.func @read_elsewhere(%ids: tensor<?xi64>) -> (tensor<?x100xf32>, tensor<?x8xf32>) {
  %e = param.load @e : tensor<100x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %n = llm.layer_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %h = llm.linear %n, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %h, %x : tensor<?x100xf32>, tensor<?x8xf32>
}

// -----
param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]

// A linear that reads the stream itself reads its mean, too.
// CHECK-LABEL: @read_by_linear
// CHECK-NOT: param.center
// CHECK: llm.layer_norm
func.func @read_by_linear(%ids: tensor<?xi64>) -> (tensor<?x100xf32>, tensor<?x100xf32>) {
  %e = param.load @e : tensor<100x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %n = llm.layer_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %h = llm.linear %n, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  %g = llm.linear %x, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %h, %g : tensor<?x100xf32>, tensor<?x100xf32>
}
