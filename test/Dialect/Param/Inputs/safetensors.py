"""Weights for param-materialize-safetensors.mlir, and what must become of them.   safetensors.py make|check WEIGHTS [FILE]"""

import sys

import numpy

from quantopt import safetensors

command, weights, *file = sys.argv[1:]
values = numpy.random.default_rng(1).standard_normal((300, 16)).astype(numpy.float32)
if command == "make":
    values.tofile(weights)
else:
    found = safetensors.load(file[0])
    assert found.keys() == {"odd.copy", "w.transposed"}, found.keys()
    numpy.testing.assert_array_equal(found["w.transposed"], values.T)
    numpy.testing.assert_array_equal(found["odd.copy"], values.reshape(-1)[:5])
