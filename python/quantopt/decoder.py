"""A decoder with a KV cache in onnxruntime."""

import numpy as np
import onnxruntime

PAST, PRESENT = "past_key_values.", "present."


class Decoder:
    """Runs an ONNX model with inputs input_ids, attention_mask, position_ids and past_key_values.*, batch 1.

    The cache starts empty and grows by the tokens of each step.
    """

    def __init__(self, path, optimize=True):
        options = onnxruntime.SessionOptions()
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.past_inputs = [entry for entry in self.session.get_inputs() if entry.name.startswith(PAST)]
        if not self.past_inputs:
            raise ValueError(f"{path}: has no inputs '{PAST}*', so no KV cache")
        self.outputs = [PRESENT + entry.name[len(PAST) :] for entry in self.past_inputs]
        self.reset()

    def reset(self):
        """Empties the cache."""
        self.length = 0
        self.cache = {}
        for entry in self.past_inputs:
            heads, size = entry.shape[1], entry.shape[3]
            self.cache[entry.name] = np.zeros((1, heads, 0, size), np.float32)

    def step(self, ids):
        """Appends token ids; returns their logits, [len(ids), vocabulary] in f32."""
        ids = np.asarray(ids, np.int64)[None]
        feeds = {
            "input_ids": ids,
            "attention_mask": np.ones((1, self.length + ids.shape[1]), np.int64),
            "position_ids": np.arange(self.length, self.length + ids.shape[1], dtype=np.int64)[None],
        }
        logits, *present = self.session.run(["logits", *self.outputs], {**feeds, **self.cache})
        self.cache = {entry.name: value for entry, value in zip(self.past_inputs, present)}
        self.length += ids.shape[1]
        return logits[0]
