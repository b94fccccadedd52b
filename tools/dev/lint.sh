#!/usr/bin/env bash
# Formatting and clang-tidy of the C++ sources, after a build.   lint.sh [--fix] [FILE...]
#   --fix   formats the files instead of complaining
# Without files, all of lib, include, tools and test.
set -euo pipefail
cd "$(dirname "$0")/../.."
format=(--dry-run -Werror)
[ "${1:-}" = --fix ] && { format=(-i); shift; }

files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files -co --exclude-standard '*.h' '*.cpp')
clang-format-22 "${format[@]}" "${files[@]}"

[ -e build/compile_commands.json ] || { echo "lint: build first: cmake --preset release && ninja -C build" >&2; exit 1; }
printf '%s\n' "${files[@]}" | grep '\.cpp$' | xargs -r -P "$(nproc)" -n 4 clang-tidy-22 -p build --quiet
