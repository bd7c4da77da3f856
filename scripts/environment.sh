# Sourced by the other scripts: makes .venv with the packages of a requirements file, and reports progress of slow steps.
# shellcheck shell=bash

CALLER=$PWD # where relative paths on the command line begin
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PYTHON=.venv/bin/python
# Container images and sandboxes often set it. Here each process would compile the whole portal again: 3 s instead of 1 s.
unset PYTHONDONTWRITEBYTECODE

say() {
    printf '[%3d s] %s\n' "$SECONDS" "$*"
}

give_up() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

# Print the first Python that is new enough.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    command -v python3 >/dev/null ||
        give_up "Python 3 is missing. Install it with: sudo apt install python3 python3-venv"
    give_up "Python 3.11 or newer is needed; this machine has $(python3 --version)."
}

make_venv() {
    local python=$1
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        give_up "Python's venv module is missing. Install it with: sudo apt install python3-venv"
    say "Creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv || give_up "Python could not create .venv; its output is above."
}

# Run a command quietly, and print a line every five seconds.
patiently() {
    local what=$1 log=$2 pid waited=0
    shift 2
    say "$what"
    "$@" >"$log" 2>&1 &
    pid=$!
    # Ctrl-C must stop it too, but background jobs of a script ignore SIGINT.
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        waited=$((waited + 1))
        [ $((waited % 25)) -eq 0 ] && say "$what: still running"
    done
    trap - INT TERM
    wait "$pid"
}

fingerprint() {
    cat "$@" | sha256sum | cut -d' ' -f1
}

# prepare_environment requirements.txt | requirements-dev.txt
prepare_environment() {
    local wanted=$1 stamp=.venv/installed.$1 log=.venv/pip.log python
    # One script at a time. The lock is on a file that always exists.
    exec 9<requirements.txt
    flock 9
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(find_python) || exit 1
        make_venv "$python"
    fi
    if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint requirements.txt "$wanted")" ]; then
        patiently "Installing the libraries of $wanted" "$log" \
            "$PYTHON" -m pip install --disable-pip-version-check --no-input --require-hashes -r "$wanted" || {
            tail -n 15 "$log" >&2
            give_up "Could not install the libraries. The end of pip's output is above; all of it is in $log."
        }
        fingerprint requirements.txt "$wanted" >"$stamp"
        # requirements-dev.txt holds all of requirements.txt.
        fingerprint requirements.txt requirements.txt >.venv/installed.requirements.txt
        say "Installed the libraries of $wanted"
    fi
    exec 9<&-
}
