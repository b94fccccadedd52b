"""Reads safetensors files: a JSON header with names, types, shapes and offsets, then the tensors."""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16,
    "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def read_header(path):
    """(tensors by name, metadata, offset of the data); a tensor is {"dtype", "shape", "data_offsets"}."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    return header, metadata, 8 + length


def load(path):
    """All tensors of a file by name, mapped into memory and not to be written to."""
    header, _, begin = read_header(path)
    data = np.memmap(path, np.uint8, "r") if Path(path).stat().st_size > begin else np.zeros(begin, np.uint8)
    arrays = {}
    for name, tensor in header.items():
        first, last = (begin + offset for offset in tensor["data_offsets"])
        arrays[name] = data[first:last].view(DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return arrays
