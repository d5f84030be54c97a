# shellcheck shell=bash
# Sourced: builds NovaLxd, starts supervisor and service, and waits until Nova knows the host.

# The newest build is $PROGRAMS; each has a folder of its own, named by the hash of what it was made from, so that a running program
# keeps its files while the next is made.
PROGRAMS=$STACK_BUILDS/current

source_hash() {
    (cd "$TOP" && find src Directory.*.props global.json -type f -not -path '*/bin/*' -not -path '*/obj/*' -print0 |
        sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12
}

runtime_id() {
    case $(uname -m) in
        x86_64) echo linux-x64 ;;
        aarch64) echo linux-arm64 ;;
        *) die "no .NET runtime for $(uname -m)" ;;
    esac
}

# publish PROJECT FOLDER PROPERTY...: into a tree of its own, so that bin and obj of the checkout stay as they are. Again when NuGet
# could not be reached, and only then: a compiler says the same the second time.
publish() {
    local project=$1 out=$2 log=$STACK_LOGS/publish-$1.log pause; shift 2
    mkdir -p "$STACK_LOGS"
    for pause in 10 30 60 0; do
        if dotnet publish "$TOP/src/$project/$project.csproj" -c Release -r "$(runtime_id)" --artifacts-path "$STACK_BUILDS/artifacts" \
            -nologo -v quiet -clp:NoSummary -o "$out" "$@" > "$log" 2>&1; then return 0; fi
        grep -qE 'NU1301|Failed to (download|retrieve)|service index' "$log" || return 1
        sleep $pause
    done
    return 1
}

build_service() {
    local out; out=$STACK_BUILDS/$(source_hash)
    if [ ! -e "$out/novalxd/novalxd" ]; then
        publish NovaLxd "$out.new/novalxd" --self-contained false -p:PublishReadyToRun=true ||
            { tail -20 "$STACK_LOGS/publish-NovaLxd.log" >&2; rm -rf "$out.new"; return 1; }
        mkdir -p "$out"; rm -rf "$out/novalxd"; mv "$out.new/novalxd" "$out/novalxd"; rm -rf "$out.new"
    fi
    ln -sfn "$out" "$PROGRAMS"
}

# Ahead of time it is a program of a few megabytes that starts in milliseconds and holds next to no memory. Where the native
# compiler does not work it is built as the service is; it works the same and is larger.
build_supervisor() {
    local out; out=$STACK_BUILDS/$(source_hash)/supervisor
    [ ! -e "$out/novalxd-supervisor" ] || return 0
    rm -rf "$out"
    if publish NovaLxd.Supervisor "$out" -p:PublishAot=true; then return 0; fi
    cp "$STACK_LOGS/publish-NovaLxd.Supervisor.log" "$STACK_LOGS/publish-aot.log"
    rm -rf "$out"
    publish NovaLxd.Supervisor "$out" --self-contained false -p:PublishAot=false ||
        { tail -20 "$STACK_LOGS/publish-NovaLxd.Supervisor.log" >&2; rm -rf "$out"; return 1; }
    touch "$out/not-aot"
}
warn_of_no_aot() {
    [ -e "$PROGRAMS/supervisor/not-aot" ] || return 0
    say "!!! The supervisor is NOT compiled ahead of time and takes tens of megabytes instead of a few. The reason:"
    grep -E 'error|warning' "$STACK_LOGS/publish-aot.log" | sort -u | head -5 | sed 's/^/             /'
}

# stale NAME PROGRAM: whether what runs is of an older build.
stale() {
    local pid _started
    running "$1" || return 1
    read -r pid _started < "$RUN/$1.pid"
    [ "$(readlink "/proc/$pid/exe")" != "$(readlink -f "$2")" ] && ! tr '\0' '\n' < "/proc/$pid/cmdline" | grep -qxF "$(readlink -f "$2")"
}

start_lxcfs() {
    mountpoint -q /var/lib/lxcfs && return 0
    command -v lxcfs > /dev/null && [ -e /dev/fuse ] || return 0    # containers then see the host's /proc/meminfo
    mkdir -p /var/lib/lxcfs
    start lxcfs lxcfs --enable-cfs /var/lib/lxcfs    # processors as the CFS quota has them
    wait_for 60 mountpoint -q /var/lib/lxcfs
}

# The label that containers run under, on hosts that have AppArmor; for as long as the stack lives, so not in /etc. One that the
# operator has loaded is used as it is, and stays.
APPARMOR_LOADED=$STACK_STATE/apparmor-loaded
load_apparmor_profile() {
    [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || return 0
    [ -e "$APPARMOR_LOADED" ] || ! apparmor_profile_loaded || return 0
    command -v apparmor_parser > /dev/null || { echo "AppArmor is active and there is no apparmor_parser: apt-get install apparmor" >&2; return 1; }
    apparmor_parser --replace "$TOP/etc/apparmor.d/novalxd-container" && mkdir -p "$STACK_STATE" && touch "$APPARMOR_LOADED"
}
unload_apparmor_profile() {
    [ -e "$APPARMOR_LOADED" ] || return 0
    ! apparmor_profile_loaded || apparmor_parser --remove "$TOP/etc/apparmor.d/novalxd-container"
    rm -f "$APPARMOR_LOADED"
}
apparmor_profile_loaded() { grep -q '^novalxd-container ' /sys/kernel/security/apparmor/profiles 2>/dev/null; }

start_compute() {
    local supervisor service
    supervisor=$(readlink -f "$PROGRAMS/supervisor/novalxd-supervisor") service=$(readlink -f "$PROGRAMS/novalxd/novalxd")
    mkdir -p "$RUN/novalxd" "$STACK_STATE/compute/instances"
    if stale novalxd "$service"; then stop_alone novalxd 90; fi
    if stale novalxd-supervisor "$supervisor"; then stop_alone novalxd-supervisor; fi
    start novalxd-supervisor "$supervisor" --runtime-dir "$RUN/novalxd" --state-dir "$STACK_STATE/compute/instances"
    start novalxd "$service" --config-file "$ETC/nova/common.conf" --config-file "$ETC/novalxd.conf"
    wait_for "${STACK_COMPUTE_TIMEOUT:-300}" compute_up_or_gone
    compute_up "$STACK_HOST" > /dev/null && return 0
    running novalxd-supervisor || echo "the supervisor ended; see $STACK_LOGS/novalxd-supervisor.log" >&2
    running novalxd || echo "the service ended" >&2
    echo "NovaLxd is not up in Nova; the last lines of its logs:" >&2
    tail -n 15 "$STACK_LOGS/novalxd.log" "$STACK_LOGS/novalxd-supervisor.log" >&2
    return 1
}

compute_up_or_gone() { ! running novalxd || compute_up "$STACK_HOST"; }

# compute_up HOST, as the scheduler sees it: the service reports, Placement knows what it has, and the host is mapped to the cell.
compute_up() {
    rest GET compute "/os-services?binary=nova-compute&host=$1" | jq -e '.services[] | select(.state == "up")' &&
        in_placement "$1" &&
        [ "$(sql -N -e "select count(*) from nova_api.host_mappings where host = '$1'")" = 1 ]
}

in_placement() {
    local provider
    provider=$(rest GET placement "/resource_providers?name=$1" | jq -re '.resource_providers[0].uuid // empty') &&
        rest GET placement "/resource_providers/$provider/inventories" | jq -e '.inventories.MEMORY_MB'
}
