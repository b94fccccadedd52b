"""Writes float32 numbers 0, 1, 2, ... as bytes: python make_weights.py FILE COUNT"""

import sys

import numpy as np

np.arange(int(sys.argv[2]), dtype=np.float32).tofile(sys.argv[1])
