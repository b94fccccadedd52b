"""Writes a model whose nodes are calls of model-local functions: python functions.py MODEL.onnx OPSET, the latter of one of the functions"""

import sys

import onnx

MODEL = """
<ir_version: 10, opset_import: ["" : 18, "own" : 1, "com.microsoft" : 1]>
graph (float[batch, 4] x) => (float[batch, 4] y, float[batch, 4] z) {
  [first] h = own.Twice <slope = 0.5> (x)
  [second] g = own.Spread (h)
  [gelu] q = com.microsoft.QuickGelu (g)
  y, z = own.Pair (q)
}
<domain: "own", opset_import: ["" : 18, "own" : 1]>
Twice <slope, other: float = 0.25> (x) => (h) { t = own.Leaky <alpha: float = @slope> (x) h = own.Leaky <alpha: float = @other> (t) }
<domain: "own", opset_import: ["" : 18]>
Leaky <alpha> (a) => (b) { [leak] b = LeakyRelu <alpha: float = @alpha> (a) }
<domain: "own", opset_import: ["" : OPSET]>
Spread (a) => (b) { b = Softmax <axis = 0> (a) }
<domain: "com.microsoft", opset_import: ["" : 18]>
QuickGelu (a) => (b) { s = Sigmoid (a) b = Mul (a, s) }
<domain: "own", opset_import: ["" : 18]>
Pair (a) => (b, c) { b = Neg (a) c = Abs (b) }
"""

onnx.save(onnx.parser.parse_model(MODEL.replace("OPSET", sys.argv[2])), sys.argv[1])
