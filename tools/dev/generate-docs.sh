#!/usr/bin/env bash
# Writes dialects/<d>/<D>.md and <D>Passes.md out of the TableGen files.   generate-docs.sh [--check]
#   --check   writes nothing; names the pages that are stale and fails if there are any
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/../.."
check=
[ "${1:-}" = --check ] && check=yes
prefix=$(llvm-config-22 --prefix)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# page FILE.md GENERATOR ARGUMENTS...: one page, or a comparison with the one that is there.
stale=0
page() {
  local target=$1
  shift
  "$prefix/bin/mlir-tblgen" -I "$prefix/include" -I dialects "$@" -o "$scratch/page.md"
  if cmp -s "$scratch/page.md" "$target"; then return; fi
  if [ -n "$check" ]; then
    echo "stale: $target; run tools/dev/generate-docs.sh"
    stale=1
  else
    cp "$scratch/page.md" "$target"
    echo "wrote $target"
  fi
}

for ops in dialects/*/*Ops.td; do
  base=${ops%Ops.td}
  dialect=$(basename "$(dirname "$ops")")
  # One description of the dialect: all of its definitions, seen together.
  : >"$scratch/all.td"
  for part in Dialect Interfaces Attrs Types Ops; do
    [ ! -e "$base$part.td" ] || echo "include \"${base#dialects/}$part.td\"" >>"$scratch/all.td"
  done
  page "$base.md" -gen-dialect-doc -dialect="$dialect" "$scratch/all.td"
  [ ! -e "${base}Passes.td" ] || page "${base}Passes.md" -gen-pass-doc "${base}Passes.td"
done
exit $stale
