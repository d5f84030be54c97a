# shellcheck shell=bash
# shellcheck disable=SC2034    # variables are for those who source this
# Sourced by the scripts of this folder: where things are kept, how steps are shown, how processes are kept track of.
# Everything lives in $STACK_STATE, $STACK_LOGS and $STACK_CACHE; files that Debian's packages put under /etc stay as they are.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STACK_STATE=${STACK_STATE:-/var/lib/novalxd-stack}
STACK_LOGS=${STACK_LOGS:-/var/log/novalxd-stack}
STACK_CACHE=${STACK_CACHE:-/var/cache/novalxd}
STACK_BUILDS=${STACK_BUILDS:-$STACK_STATE/build}
ETC=$STACK_STATE/etc
RUN=$STACK_STATE/run

# A Python of the administrator's own (pyenv, conda) must not shadow the one that Debian's OpenStack needs.
# The .NET SDK may be anywhere.
DOTNET=$(PATH=$PATH:${DOTNET_ROOT:-/usr/share/dotnet} command -v dotnet)
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin${DOTNET:+:${DOTNET%/*}} LC_ALL=C.UTF-8
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
unset PYTHONHOME PYTHONPATH PYTHONUNBUFFERED

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# step NAME COMMAND...: runs it in this shell and shows on one line what runs and then how long it took, so COMMAND prints
# nothing when all is well. The times are kept in $STACK_LOGS/times.tsv.
step() {
    local name=$1 from=$EPOCHREALTIME rc=0 took; shift
    printf '%(%H:%M:%S)T %-50s' -1 "$name"
    "$@" || rc=$?
    took=$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    if [ $rc = 0 ]; then printf ' %7s s\n' "$took"; else printf ' %7s s  FAILED\n' "$took"; fi
    mkdir -p "$STACK_LOGS"
    printf '%s\t%s\t%s\n' "$name" "$took" "$rc" >> "$STACK_LOGS/times.tsv"
    return $rc
}

require_root() { [ "$(id -u)" = 0 ] || die "needs root: run it with sudo"; }

require_debian12() {
    # shellcheck disable=SC1091
    [ "$(. /etc/os-release 2>/dev/null; echo "${ID:-}${VERSION_ID:-}")" = debian12 ] ||
        die "made for Debian 12 (bookworm), whose packages hold OpenStack Zed; this is $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null)"
}

# require_disk FOLDER MIB
require_disk() {
    local free; mkdir -p "$1"; free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$2" ] || die "$1 has $free MiB free and $2 MiB are needed: make room, or point STACK_STATE and STACK_CACHE elsewhere"
}

wait_for() {    # wait_for SECONDS COMMAND...: 0 as soon as the command succeeds
    local end=$((SECONDS + $1)); shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}

# persist COMMAND...: what needs a network, tried four times in two minutes: an archive or a proxy that is just being updated
# refuses for a while. What it said stays where it writes it.
persist() {
    local pause
    for pause in 10 30 60; do
        if "$@"; then return 0; fi
        sleep $pause
    done
    "$@"
}

# once NAME COMMAND...: what is made once for each state folder; a stamp file remembers it.
once() {
    local stamp=$STACK_STATE/stamps/$1; shift
    [ ! -e "$stamp" ] || return 0
    mkdir -p "${stamp%/*}"
    "$@" && touch "$stamp"
}

# --- processes -----------------------------------------------------------------------------------------------------
# A pid file holds "PID STARTTIME". The start time (field 22 of /proc/PID/stat) tells our process from a later one that
# was given the same number. A zombie has none: when it is reaped is up to its parent, and that is this machine's init, which may
# take its time.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 !~ /[ZX]/ { print $20 }'; }

running() {
    local pid started
    read -r pid started 2>/dev/null < "$RUN/$1.pid" || return 1
    [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ]
}

# start NAME COMMAND...: starts it in a session of its own, unless it runs.
start() {
    local name=$1 pid; shift
    running "$name" && return 0
    mkdir -p "$RUN" "$STACK_LOGS"
    setsid "$@" >> "$STACK_LOGS/$name.log" 2>&1 < /dev/null &
    pid=$!
    sleep 0.05
    echo "$pid $(start_time $pid)" > "$RUN/$name.pid"
}

# stop_alone NAME [SECONDS]: TERM to the process itself, and KILL when it has not ended in that time. Its children live on.
stop_alone() {
    local pid _started
    if running "$1"; then
        read -r pid _started < "$RUN/$1.pid"
        kill -TERM "$pid" 2>/dev/null
        wait_for "${2:-15}" eval "! running $1" ||
            { say "did not end on SIGTERM and was killed" >> "$STACK_LOGS/$1.log"; kill -KILL "$pid" 2>/dev/null; }
    fi
    rm -f "$RUN/$1.pid"
}

# stop NAME: the same, and then KILL to what is left of its process group.
stop() {
    local pid='' _started
    ! running "$1" || read -r pid _started < "$RUN/$1.pid"
    stop_alone "$1"
    [ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null || true
}

# --- Debian packages -----------------------------------------------------------------------------------------------
missing_packages() {
    comm -13 <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | sort -u) \
        <(printf '%s\n' "$@" | sort -u)
}

# Half of the time of an installation goes into py3compile, run once for each of 250 Python packages. apt's DPkg::Path puts a
# stub before it, and everything is compiled once at the end. The .deb files get a folder of their own, because container
# images have hooks that empty apt's after any dpkg run.
apt_get() {
    local quick=$STACK_CACHE/apt
    mkdir -p "$quick/partial" "$quick/stub" "$STACK_LOGS"
    printf '#!/bin/sh\nexit 0\n' > "$quick/stub/py3compile"; chmod 755 "$quick/stub/py3compile"
    DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=900 -o Dir::Cache::archives="$quick" \
        -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o DPkg::Path="$quick/stub:$PATH" --no-install-recommends "$@" >> "$STACK_LOGS/apt.log" 2>&1
}
byte_compile() { python3 -m compileall -q -j 0 -x /tests/ /usr/lib/python3/dist-packages > /dev/null 2>&1 || true; }

# An update that could reach no archive ends well, with the old lists: the installation shows it, and both are done again.
fetch_packages() { apt_get update && apt_get install "$@"; }

# install_packages NAME...: installs those that are missing, and starts none of their services.
install_packages() {
    local want before policy=
    mapfile -t want < <(missing_packages "$@")
    [ ${#want[@]} -gt 0 ] || return 0
    if [ ! -e /usr/sbin/policy-rc.d ]; then    # asked by the packages' scripts before they start a service
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; policy=1
    fi
    before=$(mktemp)
    if persist fetch_packages "${want[@]}"; then
        [ ! /usr/lib/python3/dist-packages -nt "$before" ] || byte_compile
    else
        [ -z "$policy" ] || rm -f /usr/sbin/policy-rc.d
        rm -f "$before"
        tail -20 "$STACK_LOGS/apt.log" >&2
        die "apt-get could not install: ${want[*]} (log: $STACK_LOGS/apt.log). Check the sources in /etc/apt and that they can be reached"
    fi
    [ -z "$policy" ] || rm -f /usr/sbin/policy-rc.d
    rm -rf "$STACK_CACHE/apt" "$before"
}
