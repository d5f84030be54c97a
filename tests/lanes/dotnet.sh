# shellcheck shell=bash
# Lanes build, plain, broker, root and functional: the test projects, chosen by the trait "Lane" of their classes.
# No trait is plain. NovaLxd.FunctionalTests is a lane by itself.

lane_build() { check "dotnet build" dotnet_build; }

dotnet_restore() { persist dotnet restore NovaLxd.sln -nologo -v quiet; }

dotnet_build() { dotnet_restore && dotnet build NovaLxd.sln -c Release --no-restore -nologo -clp:NoSummary -v minimal; }

# Once for all lanes of a run.
built() {
    [ -z "${BUILT:-}" ] || return 0
    if ! dotnet_build > "$RESULTS/$LANE/build.log" 2>&1; then
        tail -30 "$RESULTS/$LANE/build.log"; return 1
    fi
    BUILT=1
}

# Headers and tools that tell the kernel's numbers and layouts, those of arm64 too; what packs the images that the readers are tried on.
PLAIN_PACKAGES=(gcc libc6-dev linux-libc-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static squashfs-tools xz-utils)

lane_plain() { needs "${PLAIN_PACKAGES[@]}" && built && dotnet_tests 'Lane!=broker&Lane!=root&Lane!=hostvm'; }

# The peers of the interop tests are oslo.messaging itself, with Nova's exceptions to carry over the wire.
BROKER_PACKAGES=(rabbitmq-server python3-oslo.messaging python3-nova)

lane_broker() { needs "${BROKER_PACKAGES[@]}" && built && dotnet_tests 'Lane=broker'; }

# What the root tests make things with: file systems, images, links, filters; the C compiler is asked for struct layouts.
ROOT_PACKAGES=(iproute2 iptables procps util-linux e2fsprogs xfsprogs squashfs-tools tar gzip xz-utils zstd busybox-static
    genisoimage dosfstools mtools libseccomp2 lxcfs openvswitch-switch mmdebstrap gcc libc6-dev linux-libc-dev)

lane_root() {
    [ "$(id -u)" = 0 ] || { say "  needs root"; return 1; }
    needs "${ROOT_PACKAGES[@]}" && built && dotnet_tests 'Lane=root'
}

lane_functional() {
    [ "$(id -u)" = 0 ] || { say "  needs root"; return 1; }
    needs rabbitmq-server "${ROOT_PACKAGES[@]}" && built || return 1
    # Two halves side by side: these tests wait most of their time, and each counts only what bears its own mark.
    local half pids=() rcs=(0 0)
    for half in 0 1; do
        run_tests NovaLxd.FunctionalTests "functional-$half" "${FUNCTIONAL_HALVES[$half]}" & pids[half]=$!
    done
    for half in 0 1; do
        wait "${pids[$half]}" || rcs[half]=$?
        report_trx "functional-$half" "$RESULTS/$LANE" "${rcs[$half]}"
    done
}
FUNCTIONAL_HALVES=('FullyQualifiedName~Kill|FullyQualifiedName~Resize' 'FullyQualifiedName!~Kill&FullyQualifiedName!~Resize')

# dotnet_tests FILTER: every project that has a test of the lane.
dotnet_tests() {
    local project
    for project in tests/*Tests/*.csproj; do
        project=${project##*/} project=${project%.csproj}
        [ "$project" != NovaLxd.FunctionalTests ] || continue
        case $1 in Lane=*) grep -rqs "\"Lane\", \"${1#Lane=}\"" --include='*.cs' "tests/$project" || continue ;; esac
        dotnet_test "$project" "$1"
    done
}

# dotnet_test PROJECT [FILTER]: runs it and counts from its report.
dotnet_test() {
    local rc=0
    run_tests "$1" "$1" "${2:-}" || rc=$?
    report_trx "$1" "$RESULTS/$LANE" $rc
}

# run_tests PROJECT NAME [FILTER]: NAME.log and NAME.trx are what it leaves.
run_tests() {
    local project=$1 name=$2 out=$RESULTS/$LANE
    timeout --kill-after=30 "${TEST_TIMEOUT:-2400}" dotnet test "tests/$project/bin/Release/net10.0/$project.dll" ${3:+--filter "$3"} \
        --logger "trx;LogFileName=$name.trx" --results-directory "$out" > "$out/$name.log" 2>&1
}

# report_trx PROJECT FOLDER EXIT_STATUS: counts the report PROJECT.trx there, and shows PROJECT.log where something failed.
report_trx() {
    local project=$1 out=$2 rc=$3
    if [ ! -s "$out/$project.trx" ]; then
        count 0 1 0; say "  FAILED  $project: no report (exit status $rc)"; tail -30 "$out/$project.log" | sed 's/^/          /'
        return
    fi
    count_trx "$out/$project.trx"
    # A test host that died has a report that says nothing of it.
    if [ "$rc" != 0 ] && [ "$trx_failed" = 0 ]; then
        count 0 1 0; say "  FAILED  $project: exit status $rc"; tail -30 "$out/$project.log" | sed 's/^/          /'
    elif [ "$trx_failed" != 0 ]; then
        say "  FAILED  $project: $trx_failed of $trx_total"
        grep -E '^ +Failed |Error Message:' -A 12 "$out/$project.log" | head -120 | sed 's/^/          /'
    else
        say "  ok      $project: $trx_passed passed, $trx_skipped skipped"
    fi
}

# count_trx FILE: sets trx_total, trx_passed, trx_failed and trx_skipped, and adds them to the lane.
count_trx() {
    local counters executed
    counters=$(grep -o '<Counters [^>]*>' "$1")
    counter() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<< "$counters"; }
    trx_total=$(counter total) executed=$(counter executed) trx_passed=$(counter passed)
    trx_skipped=$((trx_total - executed)) trx_failed=$((executed - trx_passed))
    count "$trx_passed" "$trx_failed" "$trx_skipped"
}
