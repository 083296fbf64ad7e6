# shellcheck shell=bash disable=SC2034
# What run, test, story and bench share: where the repository is, Debian packages, the Python environment, the release
# build and whether it is stale, and waiting for an address to answer. Sourced by bash, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-enable=no}

# What building and running the two processes takes.
build_packages=(libssl-dev libnghttp2-dev libre2-dev libc-ares-dev libsqlite3-dev zlib1g-dev libstdc++-12-dev pkg-config curl ca-certificates)
# What the tests take beyond that.
test_packages=(python3 python3-venv openssl strace gcc make libc6-dev shellcheck systemd nghttp2-proxy tinyproxy)
# A browser for the admin page. Where it may not be installed, the tests of the page say so and fail.
browser_packages=(chromium chromium-driver fonts-noto-cjk)
# The peers that the benchmark compares with.
bench_packages=(nginx haproxy nghttp2-proxy)

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# need_packages NAME...: installs what is missing when we may, else says what to type.
need_packages() {
    local name missing=()
    for name in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true) in
            installed) ;;
            *) missing+=("$name") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        die "These Debian packages are missing. Install them, then start again:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    say "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The lists of a fresh system are empty or old: one more try with new ones.
    apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 || {
        apt-get update -q >&2
        apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
    }
}

need_swift() {
    command -v swift >/dev/null || die "Swift 6.3 is not in PATH. Get it from https://www.swift.org/install/linux/"
}

# need_venv: .venv with exactly what Tests/requirements.txt pins.
need_venv() {
    local stamp=$root/.venv/requirements.stamp
    cmp -s "$root/Tests/requirements.txt" "$stamp" && return
    say "Installing the Python packages of the tests into .venv"
    [ -x "$root/.venv/bin/python" ] || python3 -m venv "$root/.venv"
    "$root/.venv/bin/pip" --disable-pip-version-check -q install -r "$root/Tests/requirements.txt" >&2
    cp "$root/Tests/requirements.txt" "$stamp"
}

# need_bench_venv: beside them what the benchmark's peers take from PyPI.
need_bench_venv() {
    local wanted=$root/Tests/load/bench/requirements.txt stamp=$root/.venv/bench-requirements.stamp
    cmp -s "$wanted" "$stamp" && return
    say "Installing the benchmark's peers into .venv"
    "$root/.venv/bin/pip" --disable-pip-version-check -q install -r "$wanted" >&2
    cp "$wanted" "$stamp"
}

# The folders of Swift sources that a build of the given kind reads.
source_folders() {
    printf '%s\n' Package.swift Sources
    [ "$1" = binaries ] || (cd "$root" && find Tests -mindepth 1 -maxdepth 1 -type d \( -name '*Tests' -o -name TestSupport \))
}
source_names() { (cd "$root" && source_folders "$1" | xargs -I{} find {} -type f | LC_ALL=C sort); }

# is_fresh binaries|tests: whether nothing changed since that was built. Asking SwiftPM takes seconds; this takes
# milliseconds. The stamp is as old as the build's beginning and lists the names, so that a removed file counts too.
is_fresh() {
    local stamp=$root/.build/causeway-$1.stamp
    [ -f "$stamp" ] && [ -x "$root/.build/release/causeway-control" ] && [ -x "$root/.build/release/causeway-worker" ] &&
        [ -z "$(cd "$root" && source_folders "$1" | xargs -I{} find {} -type f -newer "$stamp" -print -quit)" ] &&
        source_names "$1" | cmp -s - "$stamp"
}

# build_release binaries|tests: the two processes in .build/release, and the unit tests when asked.
build_release() {
    local kind=$1 begun built options=()
    is_fresh "$kind" && return
    need_swift
    [ "$kind" = binaries ] || options=(--build-tests)
    mkdir -p "$root/.build"
    begun=$(mktemp "$root/.build/begun.XXXXXX")
    if ! swift build --package-path "$root" -c release "${options[@]}" >&2; then
        rm -f "$begun"
        return 1
    fi
    for built in binaries $kind; do
        source_names "$built" >"$root/.build/causeway-$built.stamp"
        touch -r "$begun" "$root/.build/causeway-$built.stamp"
    done
    rm -f "$begun"
}

# wait_for URL SECONDS PID...: until the URL answers 2xx; fails when the time is over or a process is gone.
wait_for() {
    local url=$1 until=$((SECONDS + $2)) pid
    shift 2
    until curl -fsS -o /dev/null --max-time 1 "$url" 2>/dev/null; do
        [ "$SECONDS" -lt "$until" ] || return 1
        for pid in "$@"; do kill -0 "$pid" 2>/dev/null || return 1; done
        sleep 0.05
    done
}
