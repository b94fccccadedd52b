// RUN: quant-opt %s --rot-insert="sites=R1" --split-input-file --verify-diagnostics | FileCheck %s

param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]
param.global @w : tensor<8x8xf32> from @f [offset = 3200, length = 256]
param.global @b : tensor<8xf32> from @f [offset = 3456, length = 32]

// The residual stream is one web. It ends at weights, each converted where it is read: the tied head apart from the
// table, a bias with the rows of its weight.
// CHECK-LABEL: @residual
func.func @residual(%ids: tensor<?xi64>) -> tensor<?x100xf32> {
  // CHECK: %[[TABLE:.*]] = param.load @e
  // CHECK: %[[E:.*]] = rot.convert %[[TABLE]] : tensor<100x8xf32> to tensor<100x8xf32, #rot.basis<[_, #had8_7]>>
  // CHECK: %[[X:.*]] = llm.embedding %arg0, %[[E]]
  // CHECK: %[[N:.*]] = llm.rms_norm %[[X]]
  // CHECK-DAG: %[[B:.*]] = rot.convert %{{.*}} : tensor<8xf32> to tensor<8xf32, #rot.basis<[#had8_7]>>
  // CHECK-DAG: %[[W0:.*]] = rot.convert %{{.*}} : tensor<8x8xf32> to tensor<8x8xf32, #rot.basis<[{{.*}}]>>
  // CHECK-DAG: %[[W:.*]] = rot.convert %[[W0]] : {{.*}} to tensor<8x8xf32, #rot.basis<[#had8_7, #had8_7]>>
  // CHECK: %[[Y:.*]] = llm.linear %[[N]], %[[W]] bias %[[B]]
  // CHECK: %[[Z:.*]] = llm.residual_add %[[X]], %[[Y]]
  // CHECK: %[[H:.*]] = rot.convert %[[TABLE]]
  // CHECK: llm.linear %[[Z]], %[[H]] : {{.*}} -> tensor<?x100xf32>
  %e = param.load @e : tensor<100x8xf32>
  %w = param.load @w : tensor<8x8xf32>
  %b = param.load @b : tensor<8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = llm.linear %n, %w bias %b : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %z = llm.residual_add %x, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %h = llm.linear %z, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %h : tensor<?x100xf32>
}

// -----
param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]
// Ops that do not know bases, and the caller, get the standard one, and a warning says so. One conversion serves both.
// CHECK-LABEL: @unknown
// CHECK: %[[X:.*]] = llm.embedding
// CHECK-NEXT: %[[X0:.*]] = rot.convert %[[X]] : tensor<?x8xf32, #rot.basis<[_, #had8_7]>> to tensor<?x8xf32>
// CHECK: %[[Y:.*]] = onnx.Sigmoid(%[[X0]])
// CHECK: return %[[X0]], %[[Y]]
func.func @unknown(%ids: tensor<?xi64>) -> (tensor<?x8xf32>, tensor<?x8xf32>) attributes {rot.strict} {
  %e = param.load @e : tensor<100x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  // expected-warning@unknown {{'onnx.Sigmoid' op (node "/model/Sigmoid") reads the residual stream (R1) in the standard basis: it is converted while the model runs}}
  %z = onnx.Sigmoid(%x) node "/model/Sigmoid" outputs ["exp"] : (tensor<?x8xf32>) -> tensor<?x8xf32> loc("/model/Sigmoid")
  // expected-warning@+1 {{'func.return' op reads the residual stream (R1) in the standard basis}}
  return %x, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----
// A table that the caller passes is converted while the model runs, along both dimensions that the web has of it.
// CHECK-LABEL: @weights_as_arguments
// CHECK: %[[W0:.*]] = rot.convert %arg2
// CHECK: %[[W:.*]] = rot.convert %[[W0]] : {{.*}} to tensor<8x8xf32, #rot.basis<[#had8_7, #had8_7]>>
// CHECK: llm.linear %{{.*}}, %[[W]]
// expected-warning@+2 {{argument #1 belongs to the residual stream (R1) but is an interface: it is converted while the model runs}}
// expected-warning@+1 {{argument #2 belongs to}}
func.func @weights_as_arguments(%ids: tensor<?xi64>, %e: tensor<100x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x8xf32> {
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %z = llm.residual_add %x, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-warning@+1 {{'func.return' op reads}}
  return %z : tensor<?x8xf32>
}

// -----
param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @e : tensor<100x8xf32> from @f [offset = 32, length = 3200]
func.func @scaled_norm(%ids: tensor<?xi64>) -> tensor<?x100xf32> {
  %g = param.load @g : tensor<8xf32>
  %e = param.load @e : tensor<100x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  // expected-error@unknown {{(node "/model/norm/Mul_1") has a scale, so the residual stream (R1) cannot be rotated; run llm-fuse-norm-scale first}}
  %n = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32> loc("/model/norm/Mul_1")
  %y = llm.linear %n, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %y : tensor<?x100xf32>
}

// -----
// expected-error@+1 {{has no place for a rotation of that kind; run llm-recognize first}}
func.func @no_place(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  return %n : tensor<?x8xf32>
}

// -----
// expected-error@+1 {{has no place for a rotation}}
func.func @not_recognized(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}

// -----
// A private function without layers is none that has a residual stream.
// CHECK-LABEL: @helper
func.func private @helper(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}

// -----
param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]
#other = #rot.basis<[_, #rot.hadamard<8, seed = 1>]>
func.func @already_rotated(%ids: tensor<?xi64>) -> tensor<?x8xf32> {
  %e = param.load @e : tensor<100x8xf32>
  %r = rot.convert %e : tensor<100x8xf32> to tensor<100x8xf32, #other>
  // expected-error@+1 {{dimension 1 of a value here would have to be in basis #rot.hadamard<8, seed = 7>, but it is in basis #rot.hadamard<8, seed = 1>}}
  %x = llm.embedding %ids, %r : (tensor<?xi64>, tensor<100x8xf32, #other>) -> tensor<?x8xf32, #other>
  %y = rot.convert %x : tensor<?x8xf32, #other> to tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----
param.file @f "w"
param.global @g : tensor<8xf32> from @f [offset = 0, length = 32]
param.global @e : tensor<100x8xf32> from @f [offset = 32, length = 3200]
param.global @w : tensor<8x8xf32> from @f [offset = 3232, length = 256]
// A norm on the way into the residual stream has a scale that nothing can take: the stream stays as it is.
// CHECK-LABEL: @post_norm
// CHECK-NOT: rot.
// CHECK: return
func.func @post_norm(%ids: tensor<?xi64>) -> tensor<?x100xf32> {
  %g = param.load @g : tensor<8xf32>
  %e = param.load @e : tensor<100x8xf32>
  %w = param.load @w : tensor<8x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  %n = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %a = llm.linear %n, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  // expected-warning@below {{R1, the residual stream, is left out: 1 op stands in its way}}
  // expected-note@below {{writes it through a scale that cannot move into the weight of a linear behind it}}
  %p = llm.rms_norm %a scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32> -> tensor<?x8xf32>
  %r = llm.residual_add %x, %p : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = llm.linear %r, %e : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %y : tensor<?x100xf32>
}
