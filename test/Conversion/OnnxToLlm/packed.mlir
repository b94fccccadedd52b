// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s

// A packed projection with a bias, cut by Split: rows of the weight, elements of the bias.
param.file @f "w.bin"
param.global @w : tensor<8x20xf32> from @f [offset = 0, length = 640]
param.global @b : tensor<20xf32> from @f [offset = 640, length = 80]
// CHECK-LABEL: func @split
func.func @split(%x: tensor<?x?x8xf32>) -> (tensor<?x?x12xf32>, tensor<?x?x8xf32>) {
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 0 : tensor<20x8xf32> to tensor<12x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 12 : tensor<20x8xf32> to tensor<8x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 12 : tensor<20xf32> to tensor<8xf32>
  // CHECK: llm.linear {{.*}} bias {{.*}} -> tensor<?x?x8xf32>
  // CHECK-NOT: onnx.Split
  %w = param.load @w : tensor<8x20xf32>
  %b = param.load @b : tensor<20xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x20xf32>) -> tensor<?x?x20xf32>
  %a = onnx.Add(%m, %b) : (tensor<?x?x20xf32>, tensor<20xf32>) -> tensor<?x?x20xf32>
  %s = onnx.Constant() {value = dense<[12, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %p, %q = onnx.Split(%a, %s) {axis = -1 : i64} : (tensor<?x?x20xf32>, tensor<2xi64>) -> (tensor<?x?x12xf32>, tensor<?x?x8xf32>)
  return %p, %q : tensor<?x?x12xf32>, tensor<?x?x8xf32>
}

// -----

// Slices of 4-bit codes stay 4-bit codes.
param.file @f "w.bin"
param.global @b : tensor<20x1x8xui8> from @f [offset = 0, length = 160]
param.global @s : tensor<20x1xf32> from @f [offset = 160, length = 80]
// CHECK-LABEL: func @slices
func.func @slices(%x: tensor<?x?x16xf32>) -> (tensor<?x?x12xf32>, tensor<?x?x8xf32>) {
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 12 : tensor<20x16xi4> to tensor<8x16xi4>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 12 : tensor<20x1xf32> to tensor<8x1xf32>
  // CHECK-DAG: q.dequantize {{.*}} : (tensor<8x16xi4>, tensor<8x1xf32>) -> tensor<8x16xf32>
  // CHECK: llm.linear {{.*}} -> tensor<?x?x8xf32>
  // CHECK-NOT: onnx.Slice
  %b = param.load @b : tensor<20x1x8xui8>
  %s = param.load @s : tensor<20x1xf32>
  %m = onnx.node "com.microsoft::MatMulNBits"(%x, %b, %s) {K = 16 : i64, N = 20 : i64, bits = 4 : i64, block_size = 16 : i64} : (tensor<?x?x16xf32>, tensor<20x1x8xui8>, tensor<20x1xf32>) -> tensor<?x?x20xf32>
  %axis = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %middle = onnx.Constant() {value = dense<-8> : tensor<1xi64>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %p = onnx.Slice(%m, %zero, %middle, %axis) : (tensor<?x?x20xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x12xf32>
  %q = onnx.Slice(%m, %middle, %end, %axis) : (tensor<?x?x20xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x8xf32>
  return %p, %q : tensor<?x?x12xf32>, tensor<?x?x8xf32>
}

// -----

// q, k and v beside each other in every head. One is read by its sizes, too.
param.file @f "w.bin"
param.global @w : tensor<24x8xf32> from @f [offset = 0, length = 768]
// CHECK-LABEL: func @heads
func.func @heads(%x: tensor<?x?x8xf32>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<i64>) {
  // CHECK: llm.split_heads {{.*}} -> tensor<?x2x?x4xf32>
  // CHECK: %[[R:.*]] = param.reshape %{{.*}} : tensor<24x8xf32> to tensor<2x12x1x8xf32>
  // CHECK: %[[S:.*]] = param.slice %[[R]] dim 1 at 4 : tensor<2x12x1x8xf32> to tensor<2x4x1x8xf32>
  // CHECK: %[[W:.*]] = param.reshape %[[S]] : tensor<2x4x1x8xf32> to tensor<8x8xf32>
  // CHECK: %[[L:.*]] = llm.linear %{{.*}}, %[[W]]
  // CHECK: llm.split_heads %[[L]]
  // CHECK-NOT: tensor<?x?x24xf32>
  // CHECK: return
  %w = param.load @w : tensor<24x8xf32>
  %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<24x8xf32>) -> tensor<8x24xf32>
  %m = onnx.MatMul(%x, %t) : (tensor<?x?x8xf32>, tensor<8x24xf32>) -> tensor<?x?x24xf32>
  %shape = onnx.Constant() {value = dense<[0, 0, 2, 12]> : tensor<4xi64>} : () -> tensor<4xi64>
  %r = onnx.Reshape(%m, %shape) : (tensor<?x?x24xf32>, tensor<4xi64>) -> tensor<?x?x2x12xf32>
  %h = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x12xf32>) -> tensor<?x2x?x12xf32>
  %sizes = onnx.Shape(%h) : (tensor<?x2x?x12xf32>) -> tensor<4xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %n = onnx.Gather(%sizes, %two) : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  %s = onnx.Constant() {value = dense<4> : tensor<3xi64>} : () -> tensor<3xi64>
  %p, %q, %v = onnx.Split(%h, %s) {axis = 3 : i64} : (tensor<?x2x?x12xf32>, tensor<3xi64>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>)
  return %p, %q, %v, %n : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<i64>
}

// -----

// Two parts of every head are taken apart for a rotary embedding: one projection.
param.file @f "w.bin"
param.global @w : tensor<8x24xf32> from @f [offset = 0, length = 768]
// CHECK-LABEL: func @partial_rotary
func.func @partial_rotary(%x: tensor<?x?x8xf32>) -> (tensor<?x?x2x4xf32>, tensor<?x?x2x8xf32>) {
  // CHECK: llm.linear
  // CHECK-NOT: llm.linear
  // CHECK: onnx.Split
  %w = param.load @w : tensor<8x24xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x24xf32>) -> tensor<?x?x24xf32>
  %shape = onnx.Constant() {value = dense<[0, 0, 2, 12]> : tensor<4xi64>} : () -> tensor<4xi64>
  %r = onnx.Reshape(%m, %shape) : (tensor<?x?x24xf32>, tensor<4xi64>) -> tensor<?x?x2x12xf32>
  %s = onnx.Constant() {value = dense<[4, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %p, %q = onnx.Split(%r, %s) {axis = 3 : i64} : (tensor<?x?x2x12xf32>, tensor<2xi64>) -> (tensor<?x?x2x4xf32>, tensor<?x?x2x8xf32>)
  return %p, %q : tensor<?x?x2x4xf32>, tensor<?x?x2x8xf32>
}

// -----

// Heads of q, k and v behind each other (MQA), cut by a Slice and two Gathers.
param.file @f "w.bin"
param.global @w : tensor<8x24xf32> from @f [offset = 0, length = 768]
// CHECK-LABEL: func @multi_query
func.func @multi_query(%x: tensor<?x?x8xf32>) -> (tensor<?x?x4x4xf32>, tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>) {
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 0 : tensor<24x8xf32> to tensor<16x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 16 : tensor<24x8xf32> to tensor<4x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 20 : tensor<24x8xf32> to tensor<4x8xf32>
  // CHECK-NOT: onnx.Gather
  // CHECK: return
  %w = param.load @w : tensor<8x24xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x24xf32>) -> tensor<?x?x24xf32>
  %shape = onnx.Constant() {value = dense<[0, 0, 6, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %r = onnx.Reshape(%m, %shape) : (tensor<?x?x24xf32>, tensor<4xi64>) -> tensor<?x?x6x4xf32>
  %axis = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %k = onnx.Constant() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %v = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = onnx.Slice(%r, %zero, %k, %axis) : (tensor<?x?x6x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x4x4xf32>
  %1 = onnx.Gather(%r, %k) {axis = 2 : i64} : (tensor<?x?x6x4xf32>, tensor<1xi64>) -> tensor<?x?x1x4xf32>
  %2 = onnx.Gather(%r, %v) {axis = 2 : i64} : (tensor<?x?x6x4xf32>, tensor<1xi64>) -> tensor<?x?x1x4xf32>
  return %0, %1, %2 : tensor<?x?x4x4xf32>, tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>
}

// -----

// The whole is read as well: it is computed once, and cut.
param.file @f "w.bin"
param.global @w : tensor<8x20xf32> from @f [offset = 0, length = 640]
// CHECK-LABEL: func @whole
func.func @whole(%x: tensor<?x?x8xf32>) -> (tensor<?x?x20xf32>, tensor<?x?x12xf32>, tensor<?x?x8xf32>) {
  // CHECK: llm.linear
  // CHECK-NOT: llm.linear
  // CHECK: onnx.Split
  %w = param.load @w : tensor<8x20xf32>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x20xf32>) -> tensor<?x?x20xf32>
  %s = onnx.Constant() {value = dense<[12, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %p, %q = onnx.Split(%m, %s) {axis = 2 : i64} : (tensor<?x?x20xf32>, tensor<2xi64>) -> (tensor<?x?x12xf32>, tensor<?x?x8xf32>)
  return %m, %p, %q : tensor<?x?x20xf32>, tensor<?x?x12xf32>, tensor<?x?x8xf32>
}

// -----

// Heads by index, as tracing writes x[:, :, [-2]]: a Transpose, GatherND and Transposes back.
param.file @f "w.bin"
param.global @w : tensor<8x16xf32> from @f [offset = 0, length = 512]
// CHECK-LABEL: func @gather_nd
func.func @gather_nd(%x: tensor<?x?x8xf32>) -> (tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>) {
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 0 : tensor<16x8xf32> to tensor<8x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 8 : tensor<16x8xf32> to tensor<4x8xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 12 : tensor<16x8xf32> to tensor<4x8xf32>
  // CHECK: llm.split_heads {{.*}} -> tensor<?x2x?x4xf32>
  // CHECK: llm.split_heads {{.*}} -> tensor<?x1x?x4xf32>
  // CHECK: llm.split_heads {{.*}} -> tensor<?x1x?x4xf32>
  // CHECK-NOT: onnx.Gather
  // CHECK-NOT: onnx.Transpose
  %w = param.load @w : tensor<8x16xf32>
  %heads = onnx.Constant() {value = dense<[0, 0, 4, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %from = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %to = onnx.Constant() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %axis = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %second = onnx.Constant() {value = dense<-2> : tensor<1x1xi64>} : () -> tensor<1x1xi64>
  %last = onnx.Constant() {value = dense<-1> : tensor<1x1xi64>} : () -> tensor<1x1xi64>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
  %v = onnx.Reshape(%m, %heads) : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %0 = onnx.Slice(%v, %from, %to, %axis) : (tensor<?x?x4x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x4xf32>
  %1 = onnx.Transpose(%v) {perm = array<i64: 2, 0, 1, 3>} : (tensor<?x?x4x4xf32>) -> tensor<4x?x?x4xf32>
  %2 = onnx.GatherND(%1, %second) {batch_dims = 0 : i64} : (tensor<4x?x?x4xf32>, tensor<1x1xi64>) -> tensor<1x?x?x4xf32>
  %3 = onnx.GatherND(%1, %last) : (tensor<4x?x?x4xf32>, tensor<1x1xi64>) -> tensor<1x?x?x4xf32>
  %4 = onnx.Transpose(%0) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %5 = onnx.Transpose(%2) {perm = array<i64: 1, 0, 2, 3>} : (tensor<1x?x?x4xf32>) -> tensor<?x1x?x4xf32>
  %6 = onnx.Transpose(%3) {perm = array<i64: 1, 0, 2, 3>} : (tensor<1x?x?x4xf32>) -> tensor<?x1x?x4xf32>
  return %4, %5, %6 : tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>
}

// -----

// Two parts of a single head are what is rotated and what passes: no projections of their own.
param.file @f "w.bin"
param.global @w : tensor<8x4xf32> from @f [offset = 0, length = 128]
// CHECK-LABEL: func @one_head
func.func @one_head(%x: tensor<?x?x8xf32>) -> (tensor<?x1x?x2xf32>, tensor<?x1x?x2xf32>) {
  // CHECK: onnx.Split
  // CHECK-NOT: param.slice
  %w = param.load @w : tensor<8x4xf32>
  %heads = onnx.Constant() {value = dense<[0, 0, 1, 4]> : tensor<4xi64>} : () -> tensor<4xi64>
  %sizes = onnx.Constant() {value = dense<2> : tensor<2xi64>} : () -> tensor<2xi64>
  %m = onnx.MatMul(%x, %w) : (tensor<?x?x8xf32>, tensor<8x4xf32>) -> tensor<?x?x4xf32>
  %v = onnx.Reshape(%m, %heads) : (tensor<?x?x4xf32>, tensor<4xi64>) -> tensor<?x?x1x4xf32>
  %t = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x1x4xf32>) -> tensor<?x1x?x4xf32>
  %p, %q = onnx.Split(%t, %sizes) {axis = 3 : i64} : (tensor<?x1x?x4xf32>, tensor<2xi64>) -> (tensor<?x1x?x2xf32>, tensor<?x1x?x2xf32>)
  return %p, %q : tensor<?x1x?x2xf32>, tensor<?x1x?x2xf32>
}
