#!/usr/bin/env bash
# Builds the core's fuzzers with clang under the address and undefined-behaviour sanitizers and runs each for
# SECONDS (default 20), one after the other; ends with exit status 0 only if none found anything.
#
#   tests/fuzz/run.sh [SECONDS [FOLDER]]
#
# FOLDER (default: a temporary one) keeps programs, grown corpora, logs and findings; the committed corpora are
# only read. A finding is run again with: FOLDER/fuzz_NAME FILE
set -euo pipefail
seconds=${1:-20}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
core=$(cd "$here/../../csrc" && pwd)
clang=${CLANG:-clang}
if [[ -n ${2:-} ]]; then
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

options=(-std=c11 -O2 -g -ffp-contract=off -fno-omit-frame-pointer -Wall -Wextra -Werror "-I$core/include"
  -fsanitize=fuzzer,address,undefined,float-cast-overflow -fno-sanitize-recover=all -static-libsan)
mapfile -t sources < <(find "$core/src" -name '*.c' | sort)
rm -rf "$folder/objects"
mkdir "$folder/objects"
(cd "$folder/objects" && "$clang" "${options[@]}" -c "${sources[@]}")

failed=0
for source in "$here"/fuzz_*.c; do
  name=$(basename "$source" .c)
  "$clang" "${options[@]}" "$source" "$folder"/objects/*.o -lm -o "$folder/$name"
  mkdir -p "$folder/corpus/${name#fuzz_}"
  echo "$name: $seconds s"
  if ! "$folder/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=1024 \
    -artifact_prefix="$folder/$name-" "$folder/corpus/${name#fuzz_}" "$here/corpus/${name#fuzz_}" \
    >"$folder/$name.log" 2>&1; then
    failed=1
    grep -E 'not so|ERROR|runtime error|SUMMARY|Test unit written' "$folder/$name.log" >&2 || tail -20 "$folder/$name.log" >&2
  fi
  tail -1 "$folder/$name.log"
done
exit $failed
