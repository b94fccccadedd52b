"""Runs bundles: a thin layer over libquantopt (include/quantopt-c/quantopt.h).

    with Runner("out/bundle", device="cuda:0") as runner:
        session = runner.session(batch=2)
        logits = session.prefill([[1, 2, 3], [4]])          # [2, vocabulary]; shorter prompts are padded on the left
        logits = session.decode(logits.argmax(-1))
        for tokens in runner.generate([[1, 2, 3]], max_new_tokens=16):
            print(tokens)

The library is looked for in build/lib beside this package, or is the one that the variable QUANTOPT_LIBRARY names.
"""

import ctypes
import os
from pathlib import Path

import numpy as np

LIBRARY = Path(__file__).resolve().parents[2] / "build" / "lib" / "libquantopt.so"
_OK, _CANCELLED = 0, 2


class RunnerError(Exception):
    """What the library says is wrong."""


class Cancelled(RunnerError):
    """The run was ended by Session.cancel()."""


class _Info(ctypes.Structure):
    _fields_ = [("max_context", ctypes.c_uint32), ("vocabulary", ctypes.c_uint32), ("cache_token_bytes", ctypes.c_uint64)]


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("weights", "caches", "activations", "logits", "tables")]


class _Sampling(ctypes.Structure):
    _fields_ = [
        ("temperature", ctypes.c_double),
        ("top_k", ctypes.c_uint32),
        ("top_p", ctypes.c_double),
        ("seed", ctypes.c_uint64),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64, ctypes.c_int)
_Handle, _Count, _Flag, _Text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_char_p
_Ids, _Counts, _Floats = (ctypes.POINTER(kind) for kind in (ctypes.c_int64, ctypes.c_uint32, ctypes.c_float))
_SIGNATURES = {
    "version": (_Text, []),
    "error": (_Text, []),
    "open": (_Handle, [_Text, _Text, ctypes.c_uint]),
    "close": (None, [_Handle]),
    "describe": (_Info, [_Handle]),
    "stop_tokens": (ctypes.c_size_t, [_Handle, _Ids, ctypes.c_size_t]),
    "session_create": (_Handle, [_Handle, _Count, _Count, _Count]),
    "session_destroy": (None, [_Handle]),
    "session_reset": (None, [_Handle]),
    "session_length": (_Count, [_Handle]),
    "session_memory": (_Memory, [_Handle]),
    "prefill": (ctypes.c_int, [_Handle, _Ids, _Count, _Counts, _Flag, _Floats]),
    "decode": (ctypes.c_int, [_Handle, _Ids, _Floats]),
    "generate": (
        ctypes.c_int,
        [_Handle, _Ids, _Count, _Counts, _Count, ctypes.POINTER(_Sampling), _Ids, ctypes.c_size_t, _Callback, _Handle],
    ),
    "cancel": (None, [_Handle]),
}


def load_library(path=None):
    """The library's functions, without their prefix, as attributes."""
    path = path or os.environ.get("QUANTOPT_LIBRARY") or LIBRARY
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise RunnerError(f"cannot load libquantopt ({error}): build it, or set QUANTOPT_LIBRARY") from error
    functions = type("Functions", (), {})()
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, f"quantopt_{name}")
        function.restype, function.argtypes = result, arguments
        setattr(functions, name, function)
    return functions


def pad(prompts, pad_id=0):
    """(ids [batch, tokens], padding [batch]) of prompts, the shorter ones padded on the left."""
    if not prompts or not all(len(prompt) for prompt in prompts):
        raise RunnerError("expected prompts of at least one token")
    tokens = max(map(len, prompts))
    padding = np.array([tokens - len(prompt) for prompt in prompts], np.uint32)
    ids = np.full((len(prompts), tokens), pad_id, np.int64)
    for row, prompt in zip(ids, prompts):
        row[tokens - len(prompt) :] = prompt
    return ids, padding


def _pointer(array, kind):
    return array.ctypes.data_as(kind)


class Session:
    """A batch of sequences of the same length with their caches."""

    def __init__(self, runner, batch=1, context=0, chunk=0):
        """At most `context` tokens a sequence (0: the bundle's most); prompts in pieces of `chunk` tokens (0: 512)."""
        self._library, self._runner, self.batch = runner._library, runner, batch
        self._handle = self._library.session_create(runner._handle, batch, context, chunk)
        if not self._handle:
            raise RunnerError(self._library.error().decode())

    def __del__(self):
        self.close()

    def close(self):
        """Frees its memory; nothing may be called after it."""
        if getattr(self, "_handle", None):
            self._library.session_destroy(self._handle)
        self._handle = None

    def __len__(self):
        return self._library.session_length(self._handle)

    def reset(self):
        """Forgets all tokens."""
        self._library.session_reset(self._handle)

    def cancel(self):
        """Ends what runs, before its next launch; from any thread."""
        self._library.cancel(self._handle)

    @property
    def memory(self):
        """Bytes on the device, by what they hold."""
        memory = self._library.session_memory(self._handle)
        return {name: getattr(memory, name) for name, _ in _Memory._fields_}

    def prefill(self, prompts, all_logits=False):
        """Appends tokens: one list of ids for each sequence. Logits in f32, [batch, vocabulary] of the last tokens, or
        [batch, tokens, vocabulary] with the padding's among them."""
        ids, padding = self._pad(prompts)
        shape = (*ids.shape, self._runner.vocabulary) if all_logits else (self.batch, self._runner.vocabulary)
        logits = np.empty(shape, np.float32)
        arguments = _pointer(ids, _Ids), ids.shape[1], _pointer(padding, _Counts), all_logits, _pointer(logits, _Floats)
        self._check(self._library.prefill(self._handle, *arguments))
        return logits

    def decode(self, ids):
        """Appends one token to each sequence; logits [batch, vocabulary]."""
        ids = np.ascontiguousarray(ids, np.int64)
        if ids.shape != (self.batch,):
            raise RunnerError(f"expected {self.batch} ids, got an array of shape {ids.shape}")
        logits = np.empty((self.batch, self._runner.vocabulary), np.float32)
        self._check(self._library.decode(self._handle, _pointer(ids, _Ids), _pointer(logits, _Floats)))
        return logits

    def generate(self, prompts, max_new_tokens=64, temperature=0.0, top_k=0, top_p=1.0, seed=0, stop=None, on_token=None):
        """New tokens of each sequence, as lists of ids. `stop` are ids that end one (None: the bundle's). `on_token`
        gets (sequence, id) of every token as it comes; False from it ends that sequence."""
        ids, padding = self._pad(prompts)
        stop = np.array(self._runner.stop_tokens if stop is None else list(stop), np.int64)
        tokens, failures = [[] for _ in range(self.batch)], []

        def take(_, sequence, token, __):
            tokens[sequence].append(token)
            try:
                return on_token is None or on_token(sequence, token) is not False
            except BaseException as error:  # An exception cannot pass through the library.
                failures.append(error)
                self.cancel()
                return False

        sampling = _Sampling(temperature, top_k, top_p, seed)
        status = self._library.generate(
            self._handle,
            *(_pointer(ids, _Ids), ids.shape[1], _pointer(padding, _Counts), max_new_tokens),
            *(ctypes.byref(sampling), _pointer(stop, _Ids), len(stop), _Callback(take), None),
        )
        if failures:
            raise failures[0]
        self._check(status)
        return tokens

    def _pad(self, prompts):
        ids, padding = pad(prompts)
        if len(ids) != self.batch:
            raise RunnerError(f"expected prompts for {self.batch} sequences, got {len(ids)}")
        return ids, padding

    def _check(self, status):
        if status != _OK:
            raise (Cancelled if status == _CANCELLED else RunnerError)(self._library.error().decode())


class Runner:
    """A bundle on a device: "cuda:0", or "interpreter", which runs the kernels on the CPU and checks them strictly."""

    def __init__(self, bundle, device="cuda:0", threads=0, library=None):
        self._library, self.folder = load_library(library), Path(bundle)
        self._handle = self._library.open(os.fsencode(bundle), device.encode(), threads)
        if not self._handle:
            raise RunnerError(self._library.error().decode())
        info = self._library.describe(self._handle)
        self.max_context, self.vocabulary, self.cache_token_bytes = (getattr(info, name) for name, _ in _Info._fields_)
        stop = np.empty(self._library.stop_tokens(self._handle, None, 0), np.int64)
        self._library.stop_tokens(self._handle, _pointer(stop, _Ids), len(stop))
        self.stop_tokens = stop.tolist()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees the bundle once its sessions are closed, too."""
        if getattr(self, "_handle", None):
            self._library.close(self._handle)
        self._handle = None

    def session(self, batch=1, context=0, chunk=0):
        return Session(self, batch, context, chunk)

    def generate(self, prompts, **options):
        """New tokens of each prompt (Session.generate), with a session of their own."""
        return self.session(len(prompts)).generate(prompts, **options)
