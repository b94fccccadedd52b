// RUN: quant-opt %s --llm-to-onnx --param-hoist | FileCheck %s

param.file @f "w.bin"
param.global @w : tensor<16x32xf32> from @f [offset = 0, length = 2048]

// Codes and scales of a weight are one parameter, in the order that MatMul reads.
// CHECK:      param.derived @w.w4 {
// CHECK:        q.pack %{{.*}}, %{{.*}} {group_size = 0 : i64, layout = "in_out"} : (tensor<16x32xi4>, tensor<16x1xf32>) -> (tensor<32x16xi4>, tensor<16xf32>)

// CHECK-LABEL: func.func @linear
// CHECK-DAG:   %[[SEVEN:.*]] = onnx.Constant() {value = dense<7.000000e+00> : tensor<f32>} outputs ["constants.f32.7"] attributes {onnx.initializer}
// CHECK-DAG:   %[[LAST:.*]] = onnx.Constant() {value = dense<-1> : tensor<1xi64>}
// CHECK-DAG:   %[[FLOOR:.*]] = onnx.Constant() {value = dense<9.99999993E-9> : tensor<f32>}
// CHECK-DAG:   %[[CLIP:.*]] = onnx.Constant() {value = dense<0.899999976> : tensor<f32>}
// CHECK:       %[[ABS:.*]] = onnx.Abs(%arg0) node "layers.0.q_proj.quantize_dynamic.abs"
// CHECK-NEXT:  %[[MAX:.*]] = onnx.ReduceMax(%[[ABS]], %[[LAST]]) {keepdims = 1 : i64}
// CHECK-NEXT:  %[[CLIPPED:.*]] = onnx.Mul(%[[MAX]], %[[CLIP]])
// CHECK-NEXT:  %[[DIVIDED:.*]] = onnx.Div(%[[CLIPPED]], %[[SEVEN]])
// CHECK-NEXT:  %[[SCALE:.*]] = onnx.Max(%[[DIVIDED]], %[[FLOOR]])
// CHECK-NEXT:  %[[CODES:.*]] = onnx.QuantizeLinear(%arg0, %[[SCALE]]) {axis = -1 : i64, block_size = 32 : i64, output_dtype = 22 : i64}
// CHECK-NEXT:  %[[W:.*]]:2 = param.load @w.w4
// CHECK-NEXT:  %[[X:.*]] = onnx.Cast(%[[CODES]]) {to = 1 : i64}
// CHECK-NEXT:  %[[WF:.*]] = onnx.Cast(%[[W]]#0) {to = 1 : i64}
// CHECK-NEXT:  %[[SUM:.*]] = onnx.MatMul(%[[X]], %[[WF]]) node "layers.0.q_proj.matmul"
// CHECK-NEXT:  %[[SX:.*]] = onnx.Mul(%[[SUM]], %[[SCALE]])
// CHECK-NEXT:  %[[Y:.*]] = onnx.Mul(%[[SX]], %[[W]]#1)
// CHECK-NEXT:  return %[[Y]]
func.func @linear(%x: tensor<?x?x32xf32>) -> tensor<?x?x16xf32> {
  %w = param.load @w : tensor<16x32xf32>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4}}
    : tensor<16x32xf32> -> tensor<16x32xi4>, tensor<16x1xf32>
  %xc, %xs = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 0 : i64}
    : tensor<?x?x32xf32> -> (tensor<?x?x32xi4>, tensor<?x?x1xf32>)
  %y = q.linear %xc, %xs, %c, %s {llm.role = "layers.0.q_proj", input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x?x32xi4>, tensor<?x?x1xf32>, tensor<16x32xi4>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// Groups dequantize both sides; the last group of 32 = 12 + 12 + 8 is filled with zeros for its maximum only.
// CHECK-LABEL: func.func @grouped
// CHECK-DAG:   %[[PADS:.*]] = onnx.Constant() {value = dense<[0, 0, 0, 0, 0, 4]> : tensor<6xi64>}
// CHECK-DAG:   %[[SPLIT:.*]] = onnx.Constant() {value = dense<[0, 0, 3, 12]> : tensor<4xi64>}
// CHECK:       %[[PADDED:.*]] = onnx.Pad(%{{.*}}, %[[PADS]])
// CHECK-NEXT:  %[[GROUPS:.*]] = onnx.Reshape(%[[PADDED]], %[[SPLIT]])
// CHECK-NEXT:  onnx.ReduceMax(%[[GROUPS]], %{{.*}}) {keepdims = 0 : i64}
// CHECK:       onnx.QuantizeLinear(%arg0, %[[SCALE:.*]]) {axis = -1 : i64, block_size = 12 : i64, output_dtype = 22 : i64}
// CHECK:       onnx.DequantizeLinear(%{{.*}}, %[[SCALE]]) {axis = -1 : i64, block_size = 12 : i64}
// CHECK:       onnx.DequantizeLinear(%[[W:.*]]#0, %[[W]]#1) {axis = 0 : i64, block_size = 12 : i64}{{.*}} : (tensor<32x16xi4>, tensor<3x16xf32>)
// CHECK-NEXT:  onnx.MatMul
func.func @grouped(%x: tensor<?x?x32xf32>) -> tensor<?x?x16xf32> {
  %w = param.load @w : tensor<16x32xf32>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 12}}
    : tensor<16x32xf32> -> tensor<16x32xi4>, tensor<16x3xf32>
  %xc, %xs = q.quantize_dynamic %x {bits = 4 : i64, clip = 0.9 : f64, group_size = 12 : i64}
    : tensor<?x?x32xf32> -> (tensor<?x?x32xi4>, tensor<?x?x3xf32>)
  %y = q.linear %xc, %xs, %c, %s {input_group_size = 12 : i64, weight_group_size = 12 : i64}
    : (tensor<?x?x32xi4>, tensor<?x?x3xf32>, tensor<16x32xi4>, tensor<16x3xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// CHECK:       q.pack %{{.*}}, %{{.*}} {group_size = 16 : i64, layout = "matmul_nbits"} : (tensor<16x32xi4>, tensor<16x2xf32>) -> (tensor<16x2x8xui8>, tensor<16x2xf32>)
// CHECK-LABEL: func.func @weight_only
// CHECK:       %[[P:.*]]:2 = param.load @w.w4g16
// CHECK-NEXT:  onnx.node "com.microsoft::MatMulNBits"(%arg0, %[[P]]#0, %[[P]]#1) {K = 32 : i64, N = 16 : i64, accuracy_level = 0 : i64, bits = 4 : i64, block_size = 16 : i64}
func.func @weight_only(%x: tensor<?x?x32xf32>) -> tensor<?x?x16xf32> {
  %w = param.load @w : tensor<16x32xf32>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 4, group_size = 16}}
    : tensor<16x32xf32> -> tensor<16x32xi4>, tensor<16x2xf32>
  %d = q.dequantize %c, %s {group_size = 16 : i64} : (tensor<16x32xi4>, tensor<16x2xf32>) -> tensor<16x32xf32>
  %y = llm.linear %x, %d : (tensor<?x?x32xf32>, tensor<16x32xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// CHECK-LABEL: func.func @cache
// CHECK-DAG:   %[[ZERO:.*]] = onnx.Constant() {value = dense<0.000000e+00> : tensor<f32>}
// CHECK-DAG:   %[[LEVELS:.*]] = onnx.Constant() {value = dense<1.500000e+01> : tensor<f32>}
// CHECK-DAG:   %[[CLIP:.*]] = onnx.Constant() {value = dense<0.949999988> : tensor<f32>}
// CHECK:       %[[ROWS:.*]] = onnx.Reshape(%arg0
// CHECK-NEXT:  %[[MAX:.*]] = onnx.ReduceMax(%[[ROWS]]
// CHECK-NEXT:  %[[MAX0:.*]] = onnx.Max(%[[MAX]], %[[ZERO]])
// CHECK-NEXT:  %[[HI:.*]] = onnx.Mul(%[[MAX0]], %[[CLIP]])
// CHECK-NEXT:  %[[MIN:.*]] = onnx.ReduceMin(%[[ROWS]]
// CHECK-NEXT:  %[[MIN0:.*]] = onnx.Min(%[[MIN]], %[[ZERO]])
// CHECK-NEXT:  %[[LO:.*]] = onnx.Mul(%[[MIN0]], %[[CLIP]])
// CHECK-NEXT:  %[[RANGE:.*]] = onnx.Sub(%[[HI]], %[[LO]])
// CHECK-NEXT:  %[[DIVIDED:.*]] = onnx.Div(%[[RANGE]], %[[LEVELS]])
// CHECK-NEXT:  %[[SCALE:.*]] = onnx.Max(%[[DIVIDED]]
// CHECK-NEXT:  %[[NEG:.*]] = onnx.Neg(%[[LO]])
// CHECK-NEXT:  %[[SHIFT:.*]] = onnx.Div(%[[NEG]], %[[SCALE]])
// CHECK-NEXT:  %[[ROUND:.*]] = onnx.Round(%[[SHIFT]])
// CHECK-NEXT:  %[[CLAMP:.*]] = onnx.Clip(%[[ROUND]], %[[ZERO]], %[[LEVELS]])
// CHECK-NEXT:  %[[Z:.*]] = onnx.Cast(%[[CLAMP]]) {to = 21 : i64}
// CHECK-NEXT:  %[[Q:.*]] = onnx.QuantizeLinear(%[[ROWS]], %[[SCALE]], %[[Z]]) {axis = -1 : i64, block_size = 64 : i64}
// CHECK-NEXT:  %[[D:.*]] = onnx.DequantizeLinear(%[[Q]], %[[SCALE]], %[[Z]]) {axis = -1 : i64, block_size = 64 : i64}
// CHECK-NEXT:  return %[[D]]
func.func @cache(%k: tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32> {
  %c, %s, %z = q.quantize_dynamic %k {bits = 4 : i64, clip = 0.95 : f64, group_size = 0 : i64}
    : tensor<?x3x?x64xf32> -> (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
  %d = q.dequantize %c, %s zero %z {group_size = 0 : i64}
    : (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x64xf32>
  return %d : tensor<?x3x?x64xf32>
}

// QuantizeLinear saturates at 8 bits; fewer are cut by a Clip.
// CHECK-LABEL: func.func @three_bits
// CHECK-DAG:   %[[MOST:.*]] = onnx.Constant() {value = dense<7> : tensor<ui8>}
// CHECK-DAG:   %[[LEAST:.*]] = onnx.Constant() {value = dense<0> : tensor<ui8>}
// CHECK:       %[[CLAMP:.*]] = onnx.Clip(
// CHECK-DAG:   %[[Z:.*]] = onnx.Cast(%[[CLAMP]]) {to = 21 : i64}
// CHECK-DAG:   %[[Z8:.*]] = onnx.Cast(%[[CLAMP]]) {to = 2 : i64}
// CHECK:       %[[Q:.*]] = onnx.QuantizeLinear(%{{.*}}, %{{.*}}, %[[Z8]])
// CHECK-NEXT:  %[[CLIPPED:.*]] = onnx.Clip(%[[Q]], %[[LEAST]], %[[MOST]])
// CHECK-NEXT:  %[[C:.*]] = onnx.Cast(%[[CLIPPED]]) {to = 21 : i64}
// CHECK-NEXT:  onnx.DequantizeLinear(%[[C]], %{{.*}}, %[[Z]])
func.func @three_bits(%k: tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32> {
  %c, %s, %z = q.quantize_dynamic %k {bits = 3 : i64, clip = 0.95 : f64, group_size = 0 : i64}
    : tensor<?x3x?x64xf32> -> (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>)
  %d = q.dequantize %c, %s zero %z {group_size = 0 : i64}
    : (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf32>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x64xf32>
  return %d : tensor<?x3x?x64xf32>
}

// The scale is rounded to f16 before anything is made with it.
// CHECK-LABEL: func.func @half_scale
// CHECK-DAG:   %[[LEAST:.*]] = onnx.Constant() {value = dense<5.96046448E-8> : tensor<f32>}
// CHECK-DAG:   %[[MOST:.*]] = onnx.Constant() {value = dense<6.550400e+04> : tensor<f32>}
// CHECK:       onnx.Sub
// CHECK-NEXT:  onnx.Div
// CHECK-NEXT:  %[[WIDE:.*]] = onnx.Max(
// CHECK-NEXT:  %[[BOUNDED:.*]] = onnx.Clip(%[[WIDE]], %[[LEAST]], %[[MOST]])
// CHECK-NEXT:  %[[STORED:.*]] = onnx.Cast(%[[BOUNDED]]) {to = 10 : i64}
// CHECK-NEXT:  %[[SCALE:.*]] = onnx.Cast(%[[STORED]]) {to = 1 : i64}
// CHECK:       onnx.Div(%{{.*}}, %[[SCALE]])
// CHECK:       %[[Q:.*]] = onnx.QuantizeLinear(%{{.*}}, %[[SCALE]], %[[Z:.*]]) {axis = -1 : i64, block_size = 64 : i64}
// CHECK-NEXT:  onnx.DequantizeLinear(%[[Q]], %[[SCALE]], %[[Z]])
func.func @half_scale(%k: tensor<?x3x?x64xf32>) -> tensor<?x3x?x64xf32> {
  %c, %s, %z = q.quantize_dynamic %k {bits = 4 : i64, clip = 0.95 : f64, group_size = 0 : i64}
    : tensor<?x3x?x64xf32> -> (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf16>, tensor<?x3x?x1xui4>)
  %d = q.dequantize %c, %s zero %z {group_size = 0 : i64}
    : (tensor<?x3x?x64xui4>, tensor<?x3x?x1xf16>, tensor<?x3x?x1xui4>) -> tensor<?x3x?x64xf32>
  return %d : tensor<?x3x?x64xf32>
}

// 2048 products of 8-bit codes do not fit the 24 bits of f32.
// CHECK-LABEL: func.func @eight_bits
// CHECK:       onnx.QuantizeLinear(%arg0, %[[SCALE:.*]]) {axis = -1 : i64, block_size = 2048 : i64, output_dtype = 3 : i64}
// CHECK:       onnx.Cast(%{{.*}}) {to = 11 : i64}{{.*}} : (tensor<?x2048xi8>) -> tensor<?x2048xf64>
// CHECK:       %[[SUM:.*]] = onnx.MatMul({{.*}} -> tensor<?x16xf64>
// CHECK-NEXT:  %[[NARROW:.*]] = onnx.Cast(%[[SUM]]) {to = 1 : i64}
// CHECK-NEXT:  onnx.Mul(%[[NARROW]], %[[SCALE]])
param.global @wide : tensor<16x2048xf32> from @f [offset = 0, length = 131072]
func.func @eight_bits(%x: tensor<?x2048xf32>) -> tensor<?x16xf32> {
  %w = param.load @wide : tensor<16x2048xf32>
  %c, %s = q.quantize_weight %w {method = "rtn", options = {bits = 8}}
    : tensor<16x2048xf32> -> tensor<16x2048xi8>, tensor<16x1xf32>
  %xc, %xs = q.quantize_dynamic %x {bits = 8 : i64, clip = 1.0 : f64, group_size = 0 : i64}
    : tensor<?x2048xf32> -> (tensor<?x2048xi8>, tensor<?x1xf32>)
  %y = q.linear %xc, %xs, %c, %s {input_group_size = 0 : i64, weight_group_size = 0 : i64}
    : (tensor<?x2048xi8>, tensor<?x1xf32>, tensor<16x2048xi8>, tensor<16x1xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
