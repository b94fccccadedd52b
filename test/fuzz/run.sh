#!/usr/bin/env bash
# Builds the fuzz targets with sanitizers and runs them:   bash test/fuzz/run.sh MINUTES [TARGET...]
# MINUTES are for all targets together, as many at a time as there are processors. Before them, three models are cut off at
# every byte and have 100000 random bits flipped each (--fast as first argument leaves that out). Prints the executions of
# each target and their sum; exits with 1 if one crashed, leaked, hung or displeased a sanitizer: its input is then in
# build-fuzz/findings. Corpora grow in build-fuzz/corpus.
set -uo pipefail
cd "$(dirname "$0")/../.."

fast=
[ "${1:-}" = --fast ] && { fast=1; shift; }
minutes=${1:?MINUTES}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(safetensors plan tokenizer onnx-bytes onnx-graph ir gguf)
python=.venv/bin/python
shared=${QUANTOPT_SHARED:-../shared}
[ -d "$shared" ] || shared=

compgen -G "$(clang++-22 -print-runtime-dir)/libclang_rt.fuzzer*.a" >/dev/null || {
  echo "error: clang lacks libFuzzer and the sanitizers: install libclang-rt-22-dev" >&2
  exit 1
}
cmake --preset fuzz >/dev/null || exit 1
built=()
for target in "${targets[@]}"; do
  [ "$target" = gguf ] || built+=("fuzz-$target" "replay-$target")
done
[ ${#built[@]} -eq 0 ] || ninja -C build-fuzz "${built[@]}" || exit 1

work=build-fuzz/run
rm -rf $work
mkdir -p $work build-fuzz/findings
$python test/fuzz/seeds.py $work/seeds $shared || exit 1
QUANTOPT_FUZZ_FOLDER=$(realpath $work/seeds/data)
export QUANTOPT_FUZZ_FOLDER
# LLVM and MLIR are built without sanitizers: containers that they fill look wrong to the check of containers.
export ASAN_OPTIONS=detect_container_overflow=0:detect_odr_violation=0:allow_user_poisoning=0:allocator_may_return_null=1
ASAN_OPTIONS+=:abort_on_error=1 # a signal, at which targets without libFuzzer write the input down
export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1

seeds_of() {
  case $1 in
  safetensors | tokenizer) echo "test/fuzz/corpus/$1" ;;
  plan) echo test/Inputs/toy-bundles ;;
  onnx-*) echo $work/seeds/onnx test/fuzz/regressions/onnx ;;
  ir) echo $work/seeds/ir ;;
  esac
  [ ! -d "test/fuzz/regressions/$1" ] || echo "test/fuzz/regressions/$1"
}

# Writes the number of executions to $work/NAME.count; fails with the target.
run_target() {
  local name=$1 seconds=$2 log=$work/$1.log status
  if [ "$name" = gguf ]; then
    $python -W ignore test/fuzz/gguf_headers.py --seconds="$seconds" >"$log" 2>&1
    status=$?
    sed -n 's/ executions$//p' "$log" >"$work/$name.count"
    return $status
  fi
  local corpus=build-fuzz/corpus/$name dictionary=test/fuzz/$name.dict options=()
  mkdir -p "$corpus"
  find $(seeds_of "$name") -type f -exec cp -t "$corpus" --backup=numbered {} +
  [ -f "$dictionary" ] && options+=("-dict=$dictionary")
  build-fuzz/test/fuzz/fuzz-"$name" "$corpus" "${options[@]}" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix=build-fuzz/findings/"$name"- >"$log" 2>&1
  status=$?
  sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1 >"$work/$name.count" # twice after a crash
  return $status
}

# Of a model: cut off at every byte, and with 100000 random bits flipped.
run_damage() {
  local name=$1 model log=$work/$1.log status
  model=$(realpath "$2")
  # Looking after frames that have returned takes half of the time; the target onnx-bytes does it, too.
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_stack_use_after_return=0 \
    env -C build-fuzz/findings ../test/fuzz/replay-onnx-bytes -truncations -flips=100000 "$model" >"$log" 2>&1
  status=$?
  sed -n 's/ executions$//p' "$log" >"$work/$name.count"
  return $status
}

status=0
names=()
declare -A jobs=()
# Starts a job when a processor is free.
start() {
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
    wait -n
  done
  "$@" &
  names+=("$2")
  jobs[$2]=$!
}
if [ -z "$fast" ] && [[ " ${targets[*]} " == *" onnx-bytes "* ]]; then
  for model in $(find $work/seeds/onnx -type f -size +12k | sort | awk 'NR % 4 == 1' | head -3); do
    start run_damage "damage-$(basename "$model")" "$model"
  done
fi
seconds=$((minutes * 60 * $(nproc) / ${#targets[@]} + 1)) # 0 would be without end
for name in "${targets[@]}"; do
  start run_target "$name" "$seconds"
done
total=0
for name in "${names[@]}"; do
  verdict=clean
  wait "${jobs[$name]}" || { verdict="FAILED, see $work/$name.log"; status=1; grep -a -m8 -E "ERROR|runtime error|Assertion|SUMMARY|Test unit|crash-" "$work/$name.log"; }
  count=$(cat "$work/$name.count" 2>/dev/null)
  printf '%-40s %12s executions, %s\n' "$name" "${count:-0}" "$verdict"
  total=$((total + ${count:-0}))
done
echo "$total executions in all"
exit $status
