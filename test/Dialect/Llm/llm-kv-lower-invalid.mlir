// RUN: quant-opt %s --llm-kv-lower=max-context=32 --split-input-file --verify-diagnostics
// What the graph does otherwise is an error that says so.

func.func @no_mask(%ids: tensor<?x?xi64>, %q: tensor<?x4x?x16xf32>, %k: tensor<?x4x?x16xf32>,
                   %past: tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32> {
  %k1 = llm.kv_append %past, %k : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  // expected-error@+1 {{expected a mask: attention without one is not causal}}
  %a = llm.attention %q, %k1, %k1 {scale = 0.25 : f64} : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %a : tensor<?x4x?x16xf32>
}

// -----
func.func @no_cache(%q: tensor<?x4x?x16xf32>, %k: tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32> {
  // expected-error@+1 {{expected keys and values to be appended to caches that are arguments of the function, or written into them}}
  %a = llm.attention %q, %k, %k {scale = 0.25 : f64} : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  return %a : tensor<?x4x?x16xf32>
}

// -----
func.func @no_rope(%q: tensor<?x4x?x16xf32>, %k: tensor<?x4x?x16xf32>, %past: tensor<?x4x?x16xf32>,
                   %m: tensor<?x1x?x?xf32>) -> tensor<?x4x?x16xf32> {
  %k1 = llm.kv_append %past, %k : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
  // expected-error@+1 {{expected RoPE on queries and keys}}
  %a = llm.attention %q, %k1, %k1 mask %m {scale = 0.25 : f64} : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x16xf32>
  return %a : tensor<?x4x?x16xf32>
}
