// RUN: quant-opt %s --q-weights --verify-diagnostics
// RUN: quant-opt %s --q-weights="bits=16" --q-activations="bits=16" 2>&1 | FileCheck %s --check-prefix=QUIET
// QUIET-NOT: : warning:

// expected-warning@+1 {{has no llm.linear: there is nothing for q-weights to quantize; run llm-recognize first}}
func.func @not_recognized(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func private @helper(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
