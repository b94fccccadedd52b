// RUN: quant-opt %s --llm-recognize --split-input-file | FileCheck %s
// Operators that exporters and ONNX Runtime fuse become the layers they consist of; what they leave implicit, nodes.

param.file @f "w.bin"
param.global @g : tensor<16xf32> from @f [offset = 0, length = 64]
param.global @b : tensor<16xf32> from @f [offset = 64, length = 64]
param.global @w : tensor<16x16xf32> from @f [offset = 128, length = 1024]
// The bias of the sum joins the linear that the root alone reads; result 3 is the sum.
// CHECK-LABEL: func @skip_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x16xf32>)
func.func @skip_norm(%x: tensor<?x?x16xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>) {
  // CHECK: %[[D:.*]] = llm.linear %[[X]], %{{.*}} bias %{{.*}} :
  // CHECK: %[[SUM:.*]] = llm.residual_add %[[X]], %[[D]]
  // CHECK: %[[N:.*]] = llm.rms_norm %[[SUM]] scale %{{.*}} {eps = 9.9999997473787516E-6 : f64}
  // CHECK: return %[[N]], %[[SUM]]
  %none = onnx.no_value
  %g = param.load @g : tensor<16xf32>
  %b = param.load @b : tensor<16xf32>
  %w = param.load @w : tensor<16x16xf32>
  %d = onnx.MatMul(%x, %w) : (tensor<?x?x16xf32>, tensor<16x16xf32>) -> tensor<?x?x16xf32>
  %0:4 = onnx.node "com.microsoft::SkipSimplifiedLayerNormalization"(%x, %d, %g, %b) {epsilon = 1.0e-5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<?x?x16xf32>, none, none, tensor<?x?x16xf32>)
  return %0#0, %0#3 : tensor<?x?x16xf32>, tensor<?x?x16xf32>
}

// -----

param.file @f "w.bin"
param.global @g : tensor<16xf32> from @f [offset = 0, length = 64]
// Where no epsilon is stated it is ONNX Runtime's. A norm over two dimensions, or whose mean is read, is none of ours; nor a
// sum that may stretch its second operand.
// CHECK-LABEL: func @norms
func.func @norms(%x: tensor<2x3x16xf32>, %y: tensor<?x?x16xf32>, %z: tensor<?x?x16xf32>) -> (tensor<2x3x16xf32>, tensor<2x3x16xf32>, tensor<2x3x1xf32>, tensor<?x?x16xf32>, tensor<2x3x16xf32>) {
  // CHECK: llm.layer_norm %{{.*}} scale %{{.*}} {eps = 9.9999999600419{{.*}}E-13 : f64}
  // CHECK: onnx.LayerNormalization
  // CHECK: onnx.node "com.microsoft::SkipLayerNormalization"
  // CHECK: onnx.RMSNormalization
  %g = param.load @g : tensor<16xf32>
  %0 = onnx.node "com.microsoft::SkipLayerNormalization"(%x, %x, %g) : (tensor<2x3x16xf32>, tensor<2x3x16xf32>, tensor<16xf32>) -> tensor<2x3x16xf32>
  %1:2 = onnx.LayerNormalization(%x, %g) : (tensor<2x3x16xf32>, tensor<16xf32>) -> (tensor<2x3x16xf32>, tensor<2x3x1xf32>)
  %2 = onnx.node "com.microsoft::SkipLayerNormalization"(%y, %z, %g) : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  %3 = onnx.RMSNormalization(%x, %g) {axis = 1 : i64} : (tensor<2x3x16xf32>, tensor<16xf32>) -> tensor<2x3x16xf32>
  return %0, %1#0, %1#1, %2, %3 : tensor<2x3x16xf32>, tensor<2x3x16xf32>, tensor<2x3x1xf32>, tensor<?x?x16xf32>, tensor<2x3x16xf32>
}

// -----

param.file @f "w.bin"
param.global @cos : tensor<32x8xf32> from @f [offset = 0, length = 1024]
param.global @sin : tensor<32x8xf32> from @f [offset = 1024, length = 1024]
// One position is that of the first token; half of each table and of each head is turned, in pairs of neighbours.
// CHECK-LABEL: func @rotary
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x64xf32>, %[[P:.*]]: tensor<1xi64>)
func.func @rotary(%x: tensor<?x?x64xf32>, %p: tensor<1xi64>) -> tensor<?x?x64xf32> {
  // CHECK: %[[FIRST:.*]] = onnx.Reshape(%[[P]],
  // CHECK: %[[RANGE:.*]] = onnx.Range(
  // CHECK: %[[POS:.*]] = onnx.Add(%[[FIRST]], %[[RANGE]])
  // CHECK: onnx.Gather(%{{.*}}, %[[POS]]) {axis = 0 : i64}
  // CHECK: onnx.Slice({{.*}} -> tensor<1x?x4xf32>
  // CHECK: %[[H:.*]] = llm.split_heads %[[X]] : (tensor<?x?x64xf32>) -> tensor<?x4x?x16xf32>
  // CHECK: llm.rope %[[H]], %{{.*}} {interleaved} : (tensor<?x4x?x16xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>)
  // CHECK-NEXT: llm.merge_heads
  %cos = param.load @cos : tensor<32x8xf32>
  %sin = param.load @sin : tensor<32x8xf32>
  %0 = onnx.node "com.microsoft::RotaryEmbedding"(%x, %p, %cos, %sin) {interleaved = 1 : i64, num_heads = 4 : i64, rotary_embedding_dim = 8 : i64} : (tensor<?x?x64xf32>, tensor<1xi64>, tensor<32x8xf32>, tensor<32x8xf32>) -> tensor<?x?x64xf32>
  return %0 : tensor<?x?x64xf32>
}

// -----

// A boolean mask that may be shorter than the cache, and causality behind the past.
// CHECK-LABEL: func @attention
// CHECK-SAME: %[[PK:arg3]]: {{.*}}, %[[PV:arg4]]: {{.*}}, %[[M:arg5]]: tensor<?x?xi1>
func.func @attention(%q: tensor<?x?x32xf32>, %k: tensor<?x?x16xf32>, %v: tensor<?x?x16xf32>, %pk: tensor<?x2x?x8xf32>, %pv: tensor<?x2x?x8xf32>, %m: tensor<?x?xi1>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) {
  // CHECK: %[[K:.*]] = llm.kv_append %[[PK]],
  // CHECK: %[[V:.*]] = llm.kv_append %[[PV]],
  // CHECK: %[[STATED:.*]] = onnx.Pad(%[[M]],
  // CHECK: %[[SEEN:.*]] = onnx.Not(
  // CHECK: %[[BOTH:.*]] = onnx.And(%[[STATED]], %[[SEEN]])
  // CHECK: %[[MASK:.*]] = onnx.Where(%[[BOTH]],
  // CHECK: %[[A:.*]] = llm.attention %{{.*}}, %[[K]], %[[V]] mask %[[MASK]] {scale = 5.000000e-01 : f64, softcap = 3.000000e+00 : f64, zero_masked_rows}
  // CHECK: llm.merge_heads %[[A]]
  %0:3 = onnx.Attention(%q, %k, %v, %m, %pk, %pv) {is_causal = 1 : i64, kv_num_heads = 2 : i64, q_num_heads = 4 : i64, scale = 0.5 : f32, softcap = 3.0 : f32} : (tensor<?x?x32xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?xi1>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
  return %0#0, %0#1, %0#2 : tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
}

// -----

// The scores are read as well.
// CHECK-LABEL: func @scores
func.func @scores(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x3x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3x3xf32>) {
  // CHECK-NOT: = llm.
  %0:4 = onnx.Attention(%q, %k, %k) : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x3xf32>)
  return %0#0, %0#3 : tensor<2x4x3x8xf32>, tensor<2x4x3x3xf32>
}

// -----

param.file @f "w.bin"
param.global @w : tensor<16x64xf32> from @f [offset = 0, length = 4096]
param.global @cos : tensor<32x4xf32> from @f [offset = 4096, length = 512]
// Queries, keys and values of one projection; positions follow from the lengths; a window of 3.
// CHECK-LABEL: func @group_query
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x16xf32>, %[[PK:.*]]: tensor<?x2x?x8xf32> {llm.state = "l0.k"}, %[[PV:.*]]: tensor<?x2x?x8xf32> {llm.state = "l0.v"}, %[[LAST:.*]]: tensor<?xi32>, %[[TOTAL:.*]]: tensor<i32>)
func.func @group_query(%x: tensor<?x?x16xf32>, %pk: tensor<?x2x?x8xf32>, %pv: tensor<?x2x?x8xf32>, %last: tensor<?xi32>, %total: tensor<i32>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) {
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 0 : tensor<64x16xf32> to tensor<32x16xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 32 : tensor<64x16xf32> to tensor<16x16xf32>
  // CHECK-DAG: param.slice %{{.*}} dim 0 at 48 : tensor<64x16xf32> to tensor<16x16xf32>
  // CHECK: %[[FIRST:.*]] = onnx.Where({{.*}} -> tensor<?xi64>
  // CHECK: %[[Q:.*]] = llm.rope {{.*}} -> tensor<?x4x?x8xf32>
  // CHECK: %[[K:.*]] = llm.rope {{.*}} -> tensor<?x2x?x8xf32>
  // CHECK: %[[KEYS:.*]] = llm.kv_write %[[PK]], %[[K]] at %[[FIRST]] length %[[TOTAL]]
  // CHECK: %[[VALUES:.*]] = llm.kv_write %[[PV]], %{{.*}} at %[[FIRST]] length %[[TOTAL]]
  // CHECK: onnx.Sub(%{{.*}}, %{{.*}}) : (tensor<?x1x?x1xi64>, tensor<i64>) -> tensor<?x1x?x1xi64>
  // CHECK: llm.attention %[[Q]], %[[KEYS]], %[[VALUES]] mask %{{.*}} {scale = 0.3535533905932{{.*}} : f64}
  %none = onnx.no_value
  %w = param.load @w : tensor<16x64xf32>
  %cos = param.load @cos : tensor<32x4xf32>
  %qkv = onnx.MatMul(%x, %w) : (tensor<?x?x16xf32>, tensor<16x64xf32>) -> tensor<?x?x64xf32>
  %0:3 = onnx.node "com.microsoft::GroupQueryAttention"(%qkv, %none, %none, %pk, %pv, %last, %total, %cos, %cos) {do_rotary = 1 : i64, kv_num_heads = 2 : i64, local_window_size = 3 : i64, num_heads = 4 : i64} : (tensor<?x?x64xf32>, none, none, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>, tensor<i32>, tensor<32x4xf32>, tensor<32x4xf32>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
  return %0#0, %0#1, %0#2 : tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>
}

// -----

// Windows of a cache as short as they are, and attributes that nobody knows.
// CHECK-LABEL: func @unknown_forms
func.func @unknown_forms(%q: tensor<?x?x32xf32>, %k: tensor<?x?x16xf32>, %p: tensor<?x2x?x8xf32>, %last: tensor<?xi32>, %total: tensor<i32>) -> (tensor<?x?x32xf32>, tensor<?x?x32xf32>) {
  // CHECK-NOT: = llm.
  %0:3 = onnx.node "com.microsoft::GroupQueryAttention"(%q, %k, %k, %p, %p, %last, %total) {kv_num_heads = 2 : i64, local_window_size = 3 : i64, num_heads = 4 : i64, sliding_window_cache = 1 : i64} : (tensor<?x?x32xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>, tensor<i32>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
  %1:3 = onnx.node "com.microsoft::GroupQueryAttention"(%q, %k, %k, %p, %p, %last, %total) {kv_num_heads = 2 : i64, num_heads = 4 : i64, surprise = 1 : i64} : (tensor<?x?x32xf32>, tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>, tensor<i32>) -> (tensor<?x?x32xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
  return %0#0, %1#0 : tensor<?x?x32xf32>, tensor<?x?x32xf32>
}

// -----

// A cache that wraps around is something else.
// CHECK-LABEL: func @scatter
// CHECK-SAME: (%[[C:.*]]: tensor<2x2x16x8xf32>, %[[R:.*]]: tensor<2x2x1x8xf32>, %[[I:.*]]: tensor<2xi64>)
func.func @scatter(%c: tensor<2x2x16x8xf32>, %r: tensor<2x2x1x8xf32>, %i: tensor<2xi64>) -> (tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>) {
  // CHECK: llm.kv_write %[[C]], %[[R]] at %[[I]] :
  // CHECK: onnx.TensorScatter
  %0 = onnx.TensorScatter(%c, %r, %i) {axis = 2 : i64, mode = "linear"} : (tensor<2x2x16x8xf32>, tensor<2x2x1x8xf32>, tensor<2xi64>) -> tensor<2x2x16x8xf32>
  %1 = onnx.TensorScatter(%c, %r, %i) {axis = 2 : i64, mode = "circular"} : (tensor<2x2x16x8xf32>, tensor<2x2x1x8xf32>, tensor<2xi64>) -> tensor<2x2x16x8xf32>
  return %0, %1 : tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>
}
