// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @too_few(%x: tensor<4xf32>) {
  // expected-error@+1 {{node "/mlp/MatMul" (MatMul) has 1 inputs, expected 2 (constraint C2 of the onnx dialect)}}
  %0 = onnx.MatMul(%x) node "/mlp/MatMul" : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @too_many(%x: tensor<4xf32>) {
  // expected-error@+1 {{node "sums" (ReduceSum) has 3 inputs, expected 1 to 2 (constraint C2 of the onnx dialect)}}
  %0 = onnx.ReduceSum(%x, %x, %x) outputs ["sums"] : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @none() {
  // expected-error@+1 {{node (Concat) has 0 inputs, expected at least 1 (constraint C2 of the onnx dialect)}}
  %0 = onnx.Concat() : () -> tensor<4xf32>
  return
}

// -----

func.func @outputs(%x: tensor<4xf32>) {
  // expected-error@+1 {{node (Neg) has 2 outputs, expected 1 (constraint C2 of the onnx dialect)}}
  %0:2 = onnx.Neg(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @names(%x: tensor<4xf32>) {
  // expected-error@+1 {{node "a" (Neg) names 2 outputs but has 1 results (constraint C1 of the onnx dialect)}}
  %0 = onnx.Neg(%x) outputs ["a", "b"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @captures(%x: tensor<4xf32>) {
  // expected-error@+1 {{node "n" (If) names 2 captured values but has 1 operands (constraint C1 of the onnx dialect)}}
  %0 = onnx.If(%x) node "n" captures ["a", "b"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @two_forms(%x: tensor<4xf32>) {
  // expected-error@+1 {{operator Neg has an op of its own, onnx.Neg (constraint C3 of the onnx dialect)}}
  %0 = onnx.node "::Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @no_domain(%x: tensor<4xf32>) {
  // expected-error@+1 {{operator "Neg" is not of the form "domain::Type"}}
  %0 = onnx.node "Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @attribute_kind(%x: tensor<4xf32>) {
  // expected-error@+1 {{node "sums" (Softmax) has an attribute 'axis' that is not of kind int (constraint C5 of the onnx dialect)}}
  %0 = onnx.Softmax(%x) {axis = array<i64: 1>} outputs ["sums"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @subgraph_kind(%c: tensor<i1>) {
  // expected-error@+1 {{node (If) has an attribute 'then_branch' that is not of kind graph (constraint C5 of the onnx dialect)}}
  %0 = onnx.If(%c) {then_branch = "x"} : (tensor<i1>) -> tensor<4xf32>
  return
}
