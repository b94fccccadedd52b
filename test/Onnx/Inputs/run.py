"""Runs the model of without-source.mlir in onnxruntime and compares with numpy: python run.py MODEL.onnx"""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
x = np.array([[0.001, 0, 0, 0], [0, 0.001, 0.002, 0]], np.float32)
y, z, again, codes = session.run(None, {"x": x})
numbers = np.arange(320, dtype=np.float32)
w, scale = numbers[:256].reshape(4, 64), numbers[256:]
expected = np.minimum(2 * (x @ w) * scale * scale, 3.0)
np.testing.assert_allclose(y, expected, rtol=1e-5)
np.testing.assert_array_equal(y, z)
np.testing.assert_array_equal(x, again)
packed = np.frombuffer(numbers.tobytes()[:6], np.uint8)
nibbles = np.stack([packed & 15, packed >> 4], axis=1).reshape(4, 3).astype(np.int8)
np.testing.assert_array_equal(codes, np.where(nibbles > 7, nibbles - 16, nibbles))
