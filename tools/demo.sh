#!/usr/bin/env bash
# From a bare Debian 12 to a table of what 4-bit quantization does to a real model:   bash tools/demo.sh
# Sets up, builds, quantizes SmolLM2-135M in three ways, measures each against the original, lets each continue a sentence;
# then writes INT4 GPU kernels for one of them and shows what they consist of. The models stay in out/demo. The first run
# takes most of its time for packages and the build.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=python
readonly REFERENCE=.cache/smollm2-135m-dynamo OUT=out/demo
readonly PYTHON=.venv/bin/python BIN=build/bin
readonly TOKENS=1024 PROMPT="The first thing to know about the sea is that" NEW_TOKENS=40

# step DESCRIPTION COMMAND...: says what is being done and, afterwards, how long it took.
step() {
  local what=$1 start=$SECONDS
  shift
  printf '== %s\n' "$what"
  "$@"
  printf '   %d s\n' $((SECONDS - start))
}

build() {
  cmake --preset release >/dev/null
  ninja -C build quant-opt quant-eval ptx-run
}

# Fills $OUT/NAME with a model that quant-opt makes with the given preset.
quantize() {
  local folder=$OUT/$1 preset=$2
  rm -rf "$folder" && mkdir -p "$folder"
  $PYTHON -m quantopt.measure "$folder/run.json" \
    $BIN/quant-opt "$REFERENCE/model.onnx" "$preset" --emit-onnx="output=$folder/model.onnx"
}

evaluate() {
  local folder=$OUT/$1
  $BIN/quant-eval --reference="$REFERENCE/model.onnx" --candidate="$folder/model.onnx" --text=.cache/texts/narrative.txt \
    --tokenizer="$REFERENCE/tokenizer.json" --tokens=$TOKENS --window=$TOKENS --json="$folder/eval.json" >/dev/null
}

# continue_prompt MODEL REPORT
continue_prompt() {
  $PYTHON -m quantopt.generate "$1" --tokenizer "$REFERENCE/tokenizer.json" --prompt "$PROMPT" \
    --max-new-tokens $NEW_TOKENS --json "$2" >/dev/null
}

try() {
  local name=$1 preset=$2
  step "$name: quantizing with quant-opt $preset" quantize "$name" "$preset"
  step "$name: perplexity and divergence from the original over $TOKENS tokens" evaluate "$name"
  step "$name: continuing a sentence in onnxruntime" continue_prompt "$OUT/$name/model.onnx" "$OUT/$name/generate.json"
}

emit_bundle() {
  rm -rf "$OUT/bundle"
  $BIN/quant-opt "$REFERENCE/model.onnx" --quarot="weight-bits=4 act-bits=4 kv-bits=4 seed=7" \
    --emit-bundle="arch=sm_80 output=$OUT/bundle" 2>"$OUT/bundle.log" || { cat "$OUT/bundle.log"; return 1; }
}

start=$SECONDS
step "set-up" bash tools/setup.sh
step "build" build
mkdir -p $OUT
step "original: continuing a sentence in onnxruntime" continue_prompt $REFERENCE/model.onnx $REFERENCE/generate.json
try rtn --rtn="weight-bits=4 act-bits=4 kv-bits=4"
try quarot --quarot="weight-bits=4 act-bits=4 kv-bits=4 seed=7"
try w4a16 --w4a16
step "bundle: GPU kernels and packed weights for sm_80" emit_bundle

printf '\nSmolLM2-135M-Instruct, first %d tokens of a novel; everything took %d s\n\n' $TOKENS $((SECONDS - start))
$PYTHON -m quantopt.summary "reference, f32=$REFERENCE" "W4A4KV4, no rotation=$OUT/rtn" "W4A4KV4, rotated=$OUT/quarot" \
  "W4A16=$OUT/w4a16"
cat <<'NOTE'

bytes: all files of the model; embedding and head stay f32, and a rotated model has a head of its own where the original
shares it with the embedding. bits/weight: quantized linears with their scales. seconds, peak MB: of quant-opt.
The W4A4KV4 files are for checking and interchange; W4A16 is the form that onnxruntime runs fast.
NOTE

printf '\nGPU bundle of the rotated W4A4KV4 model (out/demo/bundle), its kernels as ptxas assembles them:\n\n'
$PYTHON -m quantopt.bundle $OUT/bundle --ptx-run $BIN/ptx-run
