// RUN: quant-opt %s --rot-insert="sites=R2 strict=true" --split-input-file --verify-diagnostics

param.file @f "w"
param.global @e : tensor<100x8xf32> from @f [offset = 0, length = 3200]
// expected-error@below {{has no place for a rotation of that kind; run llm-recognize first}}
func.func @no_attention(%ids: tensor<?xi64>) -> tensor<?x8xf32> {
  %e = param.load @e : tensor<100x8xf32>
  %x = llm.embedding %ids, %e : (tensor<?xi64>, tensor<100x8xf32>) -> tensor<?x8xf32>
  return %x : tensor<?x8xf32>
}

// -----
func.func @opaque_values(%q: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  // expected-error@below {{'onnx.node' op writes the values of attention and nothing is known about its operator, so R2 cannot be rotated; leave that site out of 'sites', or take the node out of the model}}
  %0 = onnx.node "test::Unknown"(%v) : (tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %a = llm.attention %q, %q, %0 {scale = 0.5 : f64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  return %a : tensor<?x2x?x4xf32>
}
