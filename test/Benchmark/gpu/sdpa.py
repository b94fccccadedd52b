"""Times PyTorch's scaled_dot_product_attention in f16, the baseline of attention kernels, where torch sees a GPU."""

REPETITIONS = 20


def median_seconds(torch, work):
    """The median time of a call, the caches of the GPU overwritten before each."""
    scratch = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    work()
    times = []
    for _ in range(REPETITIONS):
        scratch.zero_()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def time_one(torch, batch, tokens, context, heads, kv_heads, head_dim):
    """Seconds of the attention of the last `tokens` of `context` tokens."""

    def make(count, length):
        return torch.randn(batch, count, length, head_dim, dtype=torch.float16, device="cuda")

    queries, keys, values = make(heads, tokens), make(kv_heads, context), make(kv_heads, context)
    # With as many queries as keys a mask is causal; a single one sees everything.
    options = {"is_causal": tokens == context and tokens > 1, "enable_gqa": heads != kv_heads}
    return median_seconds(torch, lambda: torch.nn.functional.scaled_dot_product_attention(queries, keys, values, **options))


def time_all(timings):
    """Adds the baseline to all timings of attention; what is to be said about it in the report."""
    attentions = [timing for timing in timings if "attention" in timing]
    if not attentions:
        return {}
    try:
        import torch
    except ImportError as error:
        return {"sdpa": f"not timed: {error}"}
    if not torch.cuda.is_available():
        return {"sdpa": "not timed: torch sees no GPU"}
    for timing in attentions:
        timing["sdpa_f16_seconds"] = time_one(torch, **timing["attention"])
    return {}
