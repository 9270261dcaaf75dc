# What every ./dev step shares: where things live, how it speaks, how it fails.
# Sourced by bash; keeps `set -euo pipefail` true for its callers.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${QUICETHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quicether}

# say MESSAGE: progress, on standard error so that output can be piped.
say() { printf '==> %s\n' "$*" >&2; }

# die MESSAGE: one line that says what failed and what to do, then exit 1.
die() { printf 'dev: %s\n' "$*" >&2; exit 1; }

# step LOG TITLE COMMAND...: runs COMMAND with its output in LOG; on failure shows the end of LOG.
step() {
    local log=$1 title=$2 start=$SECONDS
    shift 2
    if [ -t 2 ]; then printf '==> %s …' "$title" >&2; else say "$title"; fi
    # In a shell of its own, with errexit alive: what fails half-way must not go on, nor end us without a word.
    local result=0
    set +e
    (set -e; "$@") >"$log" 2>&1
    result=$?
    set -e
    if [ "$result" -eq 0 ]; then
        if [ -t 2 ]; then printf ' %d s\n' $((SECONDS - start)) >&2; fi
        return 0
    fi
    if [ -t 2 ]; then printf ' failed\n' >&2; fi
    tail -n 20 "$log" >&2
    die "$title failed; the whole output is in $log"
}

# as_root COMMAND...: runs COMMAND as root, through sudo where needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "'$1' needs root: run ./dev as root or install sudo"
    fi
}
