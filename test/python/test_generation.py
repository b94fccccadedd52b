"""SmolLM2-135M generates on the PTX interpreter: every kernel of the model runs as its emitted PTX."""

import re
import subprocess

import numpy
import pytest

from quantopt.runner import Runner

pytestmark = pytest.mark.slow

PROMPT = "The capital of France is"
# Rounding of 16 bits moves W4A16 by about 1e-5; more would be an error of a kernel.
W4A16_DIVERGENCE = 1e-4
# Two greedy runs may part where the first two logits are as close as that.
GREEDY_MARGIN = 0.05


@pytest.fixture(scope="module")
def w4a16_bundle(quantize_smollm2):
    return quantize_smollm2("--w4a16", "bundle", "layout=paged page=16 max-context=256")


@pytest.fixture(scope="module")
def ids(texts, tokenizer):
    return tokenizer.encode(texts["expository"][:200], add_special_tokens=False).ids[:12]


def generate(root, bundle, tokens, device="interpreter", prompt=f"--prompt={PROMPT}"):
    command = [root / "build/bin/quant-run", bundle, f"--device={device}", prompt, f"--max-new-tokens={tokens}"]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def test_w4a4kv4_generates(root, smollm2_bundle):
    """Text in, text out; memory as planned; nothing of the model without a kernel."""
    assert not smollm2_bundle.plan["unlowered"]
    plan = subprocess.run([root / "build/bin/quant-run", smollm2_bundle.folder, "--plan", "--context=256"], check=True,
                          capture_output=True, text=True).stdout
    run = generate(root, smollm2_bundle.folder, 4)
    print(run.stdout, run.stderr.splitlines()[-4:])
    assert run.stdout.strip()
    seconds = [float(match) for match in re.findall(r"([\d.]+) s per token", run.stderr)]
    assert len(seconds) == 2 and max(seconds) < 60
    per_token = int(re.search(r"KV cache .* bytes  (\d+) per token", plan).group(1))
    assert per_token == sum(cache["token_bytes"] for cache in smollm2_bundle.plan["caches"])


def test_w4a16_decodes_as_it_prefills(w4a16_bundle, ids):
    """Greedy tokens, one by one, are those that a prefill of all of them finds most probable."""
    with Runner(w4a16_bundle, device="interpreter") as runner:
        session = runner.session(batch=1)
        logits, tokens = [session.prefill([ids])[0]], []
        for _ in range(3):
            tokens.append(int(logits[-1].argmax()))
            logits.append(session.decode([tokens[-1]])[0])
        prefill = runner.session(batch=1).prefill([ids + tokens], all_logits=True)[0][len(ids) - 1 :]
    for decoded, row in zip(logits, prefill):
        first, second = numpy.sort(row)[-1:-3:-1]
        assert decoded.argmax() == row.argmax() or first - second < GREEDY_MARGIN
        expected = numpy.exp(row - row.max()) / numpy.exp(row - row.max()).sum()
        actual = numpy.exp(decoded - decoded.max()) / numpy.exp(decoded - decoded.max()).sum()
        assert numpy.sum(expected * numpy.log(expected / actual)) <= W4A16_DIVERGENCE
