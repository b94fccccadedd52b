// RUN: quant-opt %s --onnx-print-shapes --verify-diagnostics

// Sizes by Shape, Gather, arithmetic, Concat and Reshape; the same sum is the same size in whatever order.
func.func @sums(%x: tensor<?x?x576xf32> {onnx.dims = ["batch", "seq", 576]},
                %c: tensor<?x3x?x64xf32> {onnx.dims = ["batch", 3, "past", 64]}) {
  // expected-remark@+1 {{[3] = {batch, seq, 576}}}
  %s = onnx.Shape(%x) : (tensor<?x?x576xf32>) -> tensor<3xi64>
  // expected-remark@+1 {{[] = {1}}}
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  // expected-remark@+1 {{[] = {2}}}
  %two = onnx.Constant() {value_int = 2} : () -> tensor<i64>
  // expected-remark@+1 {{[1] = {0}}}
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  // expected-remark@+1 {{[] = {seq}}}
  %seq = onnx.Gather(%s, %one) {axis = 0} : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[4] = {batch, 3, past, 64}}}
  %t = onnx.Shape(%c) : (tensor<?x3x?x64xf32>) -> tensor<4xi64>
  // expected-remark@+1 {{[] = {past}}}
  %past = onnx.Gather(%t, %two) : (tensor<4xi64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[] = {seq + past}}}
  %a = onnx.Add(%seq, %past) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[] = {seq + past}}}
  %b = onnx.Add(%past, %seq) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[seq + past]}}
  %positions = onnx.Range(%zero, %a, %one) : (tensor<1xi64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  // expected-remark@+1 {{[] = {seq}}}
  %rows = onnx.Sub(%b, %past) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[1] = {past}}}
  %start = onnx.Unsqueeze(%past, %zero) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  // expected-remark@+1 {{[1] = {seq + past}}}
  %end = onnx.Unsqueeze(%a, %zero) : (tensor<i64>, tensor<1xi64>) -> tensor<1xi64>
  // expected-remark@+1 {{[seq]}}
  %new = onnx.Slice(%positions, %start, %end, %zero) : (tensor<?xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  return
}

// -1 is what is left, 0 copies; products and quotients are exact where they can be.
func.func @reshape(%x: tensor<?x?x576xf32> {onnx.dims = ["batch", "seq", 576]}) {
  // expected-remark@+1 {{[2] = {-1, 576}}}
  %flat = onnx.Constant() {value_ints = array<i64: -1, 576>} : () -> tensor<2xi64>
  // expected-remark@+1 {{[batch*seq, 576]}}
  %0 = onnx.Reshape(%x, %flat) : (tensor<?x?x576xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  // expected-remark@+1 {{[3] = {batch, seq, 576}}}
  %shape = onnx.Shape(%x) : (tensor<?x?x576xf32>) -> tensor<3xi64>
  // expected-remark@+1 {{[batch, seq, 576]}}
  %1 = onnx.Reshape(%0, %shape) : (tensor<?x?xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  // expected-remark@+1 {{[4] = {0, 0, 9, -1}}}
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 9, -1>} : () -> tensor<4xi64>
  // expected-remark@+1 {{[batch, seq, 9, 64]}}
  %2 = onnx.Reshape(%1, %heads) : (tensor<?x?x?xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
  // expected-remark@+1 {{[] = {576*batch*seq}}}
  %size = onnx.Size(%2) : (tensor<?x?x?x?xf32>) -> tensor<i64>
  // expected-remark@+1 {{[] = {1152}}}
  %divisor = onnx.Constant() {value_int = 1152} : () -> tensor<i64>
  // expected-remark@+1 {{[] = {div(576*batch*seq, 1152)}}}
  %quotient = onnx.Div(%size, %divisor) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[] = {mod(576*batch*seq, 1152)}}}
  %rest = onnx.Mod(%size, %divisor) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  // expected-remark@+1 {{[5] = {?1, ?2, ?3, ?4, ?5}}}
  %unknown = onnx.node "own::Sizes"(%x) : (tensor<?x?x576xf32>) -> tensor<5xi64>
  // expected-remark@+1 {{[?6, ?7, ?8, ?9, ?10]}}
  %3 = onnx.Reshape(%x, %unknown) : (tensor<?x?x576xf32>, tensor<5xi64>) -> tensor<?x?x?x?x?xf32>
  return
}

// Where(shape == -1, ConstantOfShape, shape) is the shape that Expand is given: no size is -1.
func.func @expand(%x: tensor<?x1x?xf32> {onnx.dims = ["batch", 1, "seq"]}) {
  // expected-remark@+1 {{[3] = {batch, 1, seq}}}
  %shape = onnx.Shape(%x) : (tensor<?x1x?xf32>) -> tensor<3xi64>
  // expected-remark@+1 {{[3] = {1, 4, 1}}}
  %c = onnx.Constant() {value_ints = array<i64: 1, 4, 1>} : () -> tensor<3xi64>
  // expected-remark@+1 {{[3] = {batch, 4, seq}}}
  %m = onnx.Mul(%shape, %c) : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  // expected-remark@+1 {{[1] = {3}}}
  %rank = onnx.Constant() {value_ints = array<i64: 3>} : () -> tensor<1xi64>
  // expected-remark@+1 {{[3] = {1, 1, 1}}}
  %ones = onnx.ConstantOfShape(%rank) {value = dense<1> : tensor<1xi64>} : (tensor<1xi64>) -> tensor<3xi64>
  // expected-remark@+1 {{[] = {-1}}}
  %minus = onnx.Constant() {value_int = -1} : () -> tensor<i64>
  // expected-remark@+1 {{[3] = {0, 0, 0}}}
  %e = onnx.Equal(%m, %minus) : (tensor<3xi64>, tensor<i64>) -> tensor<3xi1>
  // expected-remark@+1 {{[3] = {batch, 4, seq}}}
  %w = onnx.Where(%e, %ones, %m) : (tensor<3xi1>, tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  // expected-remark@+1 {{[batch, 4, seq]}}
  %y = onnx.Expand(%x, %w) : (tensor<?x1x?xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  return
}

// A name is one symbol, whatever is written in it, and without one a dimension equals no other. Bounds that sizes may
// exceed stay functions of them.
func.func @names(%x: tensor<?x?xf32> {onnx.dims = ["past + seq", ""]}, %y: tensor<?xf32> {onnx.dims = ["seq"]}) {
  // expected-remark@+1 {{[2] = {past + seq, ?0}}}
  %s = onnx.Shape(%x) : (tensor<?x?xf32>) -> tensor<2xi64>
  // expected-remark@+1 {{[1] = {0}}}
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  // expected-remark@+1 {{[1] = {7}}}
  %seven = onnx.Constant() {value_ints = array<i64: 7>} : () -> tensor<1xi64>
  // expected-remark@+1 {{[min(7, seq)]}}
  %0 = onnx.Slice(%y, %zero, %seven) : (tensor<?xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xf32>
  // expected-remark@+1 {{[seq + min(7, seq)]}}
  %1 = onnx.Concat(%y, %0) {axis = 0} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return
}
