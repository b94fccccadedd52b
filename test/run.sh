#!/usr/bin/env bash
# Sets up, builds and runs every test:   bash test/run.sh [--quick] [FILTER]
#   --quick   no set-up, and no test that is marked slow
#   FILTER    only tests whose name contains FILTER
# The last line is "N passed, N failed, N skipped"; the exit status is 0 if something passed and nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.."

quick=
[ "${1:-}" = --quick ] && { quick=--quick; shift; }

# One step before the tests: says how long it took, and ends the run when it fails.
step() {
  local name=$1 start=$SECONDS
  shift
  if ! "$@"; then
    printf '\nerror: %s failed: %s\n0 passed, 1 failed, 0 skipped\n' "$name" "$*"
    exit 1
  fi
  printf '%s: %d s\n' "$name" $((SECONDS - start))
}

configure() {
  mkdir -p build
  cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; return 1; }
}

[ -n "$quick" ] || step set-up bash tools/setup.sh
step configuration configure
step build ninja -C build all unit-tests
exec .venv/bin/python test/run_suites.py $quick "$@"
