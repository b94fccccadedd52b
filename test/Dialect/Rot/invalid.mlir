// RUN: quant-opt %s --split-input-file --verify-diagnostics

// C1: one entry per dimension, of its size.
// expected-error@+1 {{dimension 1 has size 9, but its basis #rot.hadamard<8> has size 8}}
func.func private @size(tensor<?x9xf32, #rot.basis<[_, #rot.hadamard<8>]>>)

// -----
// expected-error@+1 {{basis of rank 1 on a tensor of rank 2}}
func.func private @rank(tensor<?x8xf32, #rot.basis<[#rot.hadamard<8>]>>)

// -----
// expected-error@+1 {{expected a transform or `_`, got 8 : i64}}
func.func private @no_transform(tensor<?x8xf32, #rot.basis<[_, 8 : i64]>>)

// -----
// C2: the standard basis is no encoding.
// expected-error@+1 {{the standard basis is written by leaving the encoding out}}
func.func private @all_standard(tensor<?x9xf32, #rot.basis<[_, _]>>)

// -----
// C3: normal forms.
// expected-error@+1 {{not in normal form: #rot.hadamard<8> cancels with its neighbour}}
func.func private @uncancelled(tensor<?x8xf32, #rot.basis<[_, #rot.chain<#rot.hadamard<8>, #rot.variant<#rot.hadamard<8>, inverse>>]>>)

// -----
// expected-error@+1 {{not in normal form: #rot.kron<2, #rot.hadamard<4>> and #rot.kron<2, #rot.hadamard<4, seed = 1>> can be multiplied}}
func.func private @unmultiplied(tensor<?x8xf32, #rot.basis<[_, #rot.chain<#rot.kron<2, #rot.hadamard<4>>, #rot.kron<2, #rot.hadamard<4, seed = 1>>>]>>)

// -----
// expected-error@+1 {{not in normal form: identities of sizes 2 and 3 are one of size 6}}
func.func private @identities(tensor<?x24xf32, #rot.basis<[_, #rot.kron<2, 3, #rot.hadamard<4>>]>>)

// -----
// expected-error@+1 {{not in normal form: 1 : i64 is no factor of its own}}
func.func private @identity_of_one(tensor<?x4xf32, #rot.basis<[_, #rot.kron<1, #rot.hadamard<4>>]>>)

// -----
// expected-error@+1 {{not in normal form: #rot.kron<2, #rot.hadamard<4>> is no factor of its own}}
func.func private @nested(tensor<?x24xf32, #rot.basis<[_, #rot.kron<3, #rot.kron<2, #rot.hadamard<4>>>]>>)

// -----
// expected-error@+1 {{not in normal form: write this variant of #rot.hadamard<8> as itself or its inverse}}
func.func private @dual_of_orthogonal(tensor<?x8xf32, #rot.basis<[_, #rot.variant<#rot.hadamard<8>, dual>]>>)

// -----
// expected-error@+1 {{expected a leaf transform, got #rot.kron<2, #rot.hadamard<4>>}}
func.func private @variant_of_composite(tensor<?x8xf32, #rot.basis<[_, #rot.variant<#rot.kron<2, #rot.hadamard<4>>, inverse>]>>)

// -----
// expected-error@+1 {{factors of sizes 8 and 4 cannot be multiplied}}
func.func private @sizes(tensor<?x8xf32, #rot.basis<[_, #rot.chain<#rot.hadamard<8>, #rot.hadamard<4>>]>>)

// -----
// C4: Hadamard transforms.
// expected-error@+1 {{expected a positive size and a seed that is not negative, got 8 and -1}}
func.func private @seed(tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8, seed = -1>]>>)

// -----
// C5: tied dimensions share a basis.
#R1 = #rot.hadamard<8, seed = 7>
func.func @add_of_two_bases(%x: tensor<?x8xf32, #rot.basis<[_, #R1]>>, %d0: tensor<?x8xf32>) {
  // expected-error@unknown {{(node "/model/layers.0/Add_1") operand #1 (dimension 1) is in basis `standard`, but operand #0 (dimension 1) requires #rot.hadamard<8, seed = 7>}}
  %y = llm.residual_add %x, %d0 : (tensor<?x8xf32, #rot.basis<[_, #R1]>>, tensor<?x8xf32>) -> tensor<?x8xf32, #rot.basis<[_, #R1]>> loc("/model/layers.0/Add_1")
  return
}

// -----
func.func @weight_not_in_dual(%x: tensor<?x8xf32, #rot.basis<[_, #rot.diagonal<@s, 8>]>>, %w: tensor<4x8xf32, #rot.basis<[_, #rot.diagonal<@s, 8>]>>) {
  // expected-error@+1 {{operand #1 (dimension 1) is in basis #rot.diagonal<@s, 8>, but operand #0 (dimension 1) requires #rot.variant<#rot.diagonal<@s, 8>, inverse>}}
  %y = llm.linear %x, %w : (tensor<?x8xf32, #rot.basis<[_, #rot.diagonal<@s, 8>]>>, tensor<4x8xf32, #rot.basis<[_, #rot.diagonal<@s, 8>]>>) -> tensor<?x4xf32>
  return
}

// -----
#T = #rot.hadamard<192>
func.func @not_per_head(%v: tensor<?x?x192xf32, #rot.basis<[_, _, #T]>>) {
  // expected-error@+1 {{operand #0 (dimension 2) is in basis #rot.hadamard<192>, which does not act on each of its 3 heads alike}}
  %a = llm.split_heads %v : (tensor<?x?x192xf32, #rot.basis<[_, _, #T]>>) -> tensor<?x3x?x64xf32>
  return
}

// -----
// C6: the class of a tie.
#H = #rot.basis<[_, #rot.hadamard<8>]>
func.func @norm_with_scale(%x: tensor<?x8xf32, #H>, %g: tensor<8xf32>) {
  // expected-error@+1 {{operand #0 (dimension 1) is in basis #rot.hadamard<8>, but only the standard basis is allowed there}}
  %y = llm.rms_norm %x scale %g : tensor<8xf32> {eps = 1.0e-5 : f64} : tensor<?x8xf32, #H> -> tensor<?x8xf32, #H>
  return
}

// -----
#D = #rot.basis<[_, #rot.diagonal<@s, 8>]>
func.func @norm_of_scaled(%x: tensor<?x8xf32, #D>) {
  // expected-error@+1 {{but only orthogonal bases are allowed there}}
  %y = llm.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32, #D> -> tensor<?x8xf32, #D>
  return
}

// -----
#H = #rot.basis<[_, #rot.hadamard<8>]>
func.func @swiglu(%g: tensor<?x8xf32>, %u: tensor<?x8xf32, #H>) {
  // expected-error@+1 {{operand #1 (dimension 1) is in basis #rot.hadamard<8>, but only diagonal bases are allowed there}}
  %h = llm.swiglu %g, %u : (tensor<?x8xf32>, tensor<?x8xf32, #H>) -> tensor<?x8xf32, #H>
  return
}

// -----
// C7: what is not tied is standard.
#D = #rot.basis<[_, #rot.diagonal<@s, 8>]>
func.func @gate(%g: tensor<?x8xf32, #D>, %u: tensor<?x8xf32>) {
  // expected-error@+1 {{operand #0 (dimension 1) is in basis #rot.diagonal<@s, 8>, but only the standard basis is allowed there}}
  %h = llm.swiglu %g, %u : (tensor<?x8xf32, #D>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----
// C8: a conversion changes the basis only.
func.func @shape(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{may change the basis only, not the shape or the element type}}
  %y = rot.convert %x : tensor<?x8xf32> to tensor<2x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>
  return
}

// -----
func.func @element_type(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{may change the basis only, not the shape or the element type}}
  %y = rot.convert %x : tensor<?x8xf32> to tensor<?x8xf16, #rot.basis<[_, #rot.hadamard<8>]>>
  return
}

// -----
// C9: rot.strict.
func.func @unknown_op(%x: tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) attributes {rot.strict} {
  // expected-error@unknown {{(node "/model/Sigmoid") does not say how it treats bases, but touches a value of type 'tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>'}}
  %y = onnx.Sigmoid(%x) node "/model/Sigmoid" outputs ["y"] : (tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) -> tensor<?x8xf32> loc("/model/Sigmoid")
  return
}

// -----
func.func @cast_away(%x: tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>>) attributes {rot.strict} {
  // expected-error@+1 {{does not say how it treats bases}}
  %y = builtin.unrealized_conversion_cast %x : tensor<?x8xf32, #rot.basis<[_, #rot.hadamard<8>]>> to tensor<?x8xf32>
  return
}

// -----
// expected-error@+1 {{unknown attribute "rot.sloppy"}}
func.func private @unknown_attribute() attributes {rot.sloppy}
