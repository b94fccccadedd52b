// RUN: quant-opt %s --llm-to-onnx | FileCheck %s
// RUN: sed 's/ai.onnx = 22/ai.onnx = 24/' %s | quant-opt --llm-to-onnx | FileCheck %s --check-prefix=LATER
module attributes {onnx.model = {ir_version = 10 : i64, opset_imports = {ai.onnx = 22 : i64}}} {

// A buffer: rows go where the index says. Both caches share the indices.
// CHECK-LABEL: func.func @buffer
// CHECK-DAG:     %[[HEADS:.*]] = onnx.Constant() {value = dense<[1, 3, 1, 8]> : tensor<4xi64>}
// CHECK:         %[[INDEX:.*]] = onnx.Cast(%arg3) {to = 7 : i64}
// CHECK-NEXT:    %[[FIRST:.*]] = onnx.Unsqueeze(%[[INDEX]], %{{.*}}) {{.*}} -> tensor<?x1x1x1xi64>
// CHECK-NEXT:    %[[SHAPE:.*]] = onnx.Shape(%arg2) {end = 3 : i64, start = 2 : i64}
// CHECK-NEXT:    %[[COUNT:.*]] = onnx.Squeeze(%[[SHAPE]])
// CHECK-NEXT:    %[[ROWS:.*]] = onnx.Range(%{{.*}}, %[[COUNT]], %{{.*}})
// CHECK-NEXT:    %[[COLUMN:.*]] = onnx.Unsqueeze(%[[ROWS]], %{{.*}}) {{.*}} -> tensor<?x1xi64>
// CHECK-NEXT:    %[[PLACES:.*]] = onnx.Add(%[[COLUMN]], %[[FIRST]]) {{.*}} -> tensor<?x1x?x1xi64>
// CHECK-NEXT:    %[[INDICES:.*]] = onnx.Expand(%[[PLACES]], %[[HEADS]]) {{.*}} -> tensor<?x3x?x8xi64>
// CHECK-NEXT:    onnx.ScatterElements(%arg0, %[[INDICES]], %arg2) {axis = 2 : i64}
// CHECK-NEXT:    onnx.ScatterElements(%arg1, %[[INDICES]], %arg2) {axis = 2 : i64}
// CHECK-NEXT:    return
// LATER-LABEL: func.func @buffer
// LATER:         %[[INDEX:.*]] = onnx.Cast(%arg3) {to = 7 : i64}
// LATER-NEXT:    onnx.TensorScatter(%arg0, %arg2, %[[INDEX]]) {axis = 2 : i64}
// LATER-NEXT:    onnx.TensorScatter(%arg1, %arg2, %[[INDEX]]) {axis = 2 : i64}
func.func @buffer(%k: tensor<?x3x64x8xf32>, %v: tensor<?x3x64x8xf32>, %rows: tensor<?x3x?x8xf32>, %index: tensor<?xi32>)
    -> (tensor<?x3x64x8xf32>, tensor<?x3x64x8xf32>) {
  %0 = llm.kv_write %k, %rows at %index : (tensor<?x3x64x8xf32>, tensor<?x3x?x8xf32>, tensor<?xi32>) -> tensor<?x3x64x8xf32>
  %1 = llm.kv_write %v, %rows at %index : (tensor<?x3x64x8xf32>, tensor<?x3x?x8xf32>, tensor<?xi32>) -> tensor<?x3x64x8xf32>
  return %0, %1 : tensor<?x3x64x8xf32>, tensor<?x3x64x8xf32>
}

// A shared cache: as long as the cache or the stated length, and 0 from the index on before rows are written.
// CHECK-LABEL: func.func @shared
// CHECK:         %[[LENGTH:.*]] = onnx.Cast(%arg3) {to = 7 : i64}
// CHECK:         %[[ALL:.*]] = onnx.Max(%[[KEPT:.*]], %[[LENGTH]])
// CHECK-NEXT:    %[[ADDED:.*]] = onnx.Sub(%[[ALL]], %[[KEPT]])
// CHECK:         %[[PADS:.*]] = onnx.Concat
// CHECK-NEXT:    %[[LONG:.*]] = onnx.Pad(%arg0, %[[PADS]]
// CHECK:         %[[PAST:.*]] = onnx.Less(%{{.*}}, %{{.*}}) {{.*}} -> tensor<?x1x?x1xi1>
// CHECK-NEXT:    %[[CLEAR:.*]] = onnx.Where(%[[PAST]], %[[LONG]], %{{.*}})
// CHECK:         onnx.ScatterElements(%[[CLEAR]], %{{.*}}, %arg1) {axis = 2 : i64}
// LATER-LABEL: func.func @shared
// LATER-NOT:     onnx.TensorScatter
func.func @shared(%k: tensor<?x3x?x8xf16>, %rows: tensor<?x3x?x8xf16>, %index: tensor<?xi64>, %length: tensor<i32>)
    -> tensor<?x3x?x8xf16> {
  %0 = llm.kv_write %k, %rows at %index length %length
    : (tensor<?x3x?x8xf16>, tensor<?x3x?x8xf16>, tensor<?xi64>, tensor<i32>) -> tensor<?x3x?x8xf16>
  return %0 : tensor<?x3x?x8xf16>
}
}
