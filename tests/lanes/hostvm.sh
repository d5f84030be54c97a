# shellcheck shell=bash
# Lane hostvm: the root lane and the systemd units on a host as our users have it, in an emulated machine (tests/hostvm).
# The programs are built here and shared with it.

lane_hostvm() {
    [ "$(id -u)" = 0 ] || { say "  needs root"; return 1; }
    needs clang lld zlib1g-dev && built || return 1
    if ! tests/hostvm/build 2>&1 | sed 's/^/  | /'; then say "  the machine could not be made"; return 1; fi
    check "publish" hostvm_publish
    local programs; programs=artifacts/stack/$(basename "$(readlink artifacts/stack/current)")    # as seen from inside, too
    local out; out=$(cd "$RESULTS/hostvm" && pwd)
    trap 'tests/hostvm/run --stop' RETURN
    if ! tests/hostvm/run --keep -- true > "$out/boot.log" 2>&1; then
        tail -n 10 "$out/boot.log"; trap - RETURN; tests/hostvm/run --stop; return 1
    fi
    # shellcheck disable=SC2016    # for the shell in there
    check "cgroup v2 and AppArmor are there" tests/hostvm/run -- sh -c '[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] && aa-enabled'
    # Its profile is loaded before anything runs, so the root tests run under it as well.
    # shellcheck disable=SC2016    # for the shell in there
    check "AppArmor profile" tests/hostvm/run -- bash -c '. devstack/lib/common.sh && . devstack/lib/compute.sh && load_apparmor_profile &&
        unload_apparmor_profile && ! grep novalxd /sys/kernel/security/apparmor/profiles && load_apparmor_profile'
    check "units of service and supervisor" tests/hostvm/run --timeout 300 -- tests/hostvm/units_test.sh "$programs"
    hostvm_root_tests "$programs"
    trap - RETURN
    tests/hostvm/run --stop
}

# The stack's own programs; where lane cloud ran before, they are there.
hostvm_publish() (
    # shellcheck source=devstack/lib/compute.sh
    . devstack/lib/compute.sh
    build_service && build_supervisor && [ ! -e "$PROGRAMS/supervisor/not-aot" ]
)

hostvm_root_tests() {
    local programs=$1 out=$RESULTS/hostvm project rc
    for project in tests/*Tests/*.csproj; do
        project=${project##*/} project=${project%.csproj}
        grep -rqs '"Lane", "root"' --include='*.cs' "tests/$project" || continue
        rc=0
        # The native supervisor, as users have it, and because a compiler at run time is slow when emulated.
        tests/hostvm/run --timeout "${HOSTVM_TEST_TIMEOUT:-2400}" -- \
            env NOVALXD_TEST_SUPERVISOR="/mnt/project/$programs/supervisor/novalxd-supervisor" dotnet test "tests/$project/bin/Release/net10.0/$project.dll" \
            --filter 'Lane=root|Lane=hostvm' --logger "trx;LogFileName=$project.trx" --results-directory "TestResults/hostvm" > "$out/$project.log" 2>&1 || rc=$?
        report_trx "$project" "$out" $rc
    done
}
