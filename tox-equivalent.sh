#!/usr/bin/env bash
# All tests, or the lanes named. Installs what each lane needs (Debian packages; the .NET 10 SDK has to be there).
#   ./tox-equivalent.sh [LANE...]
#     format       formatting, shell scripts, systemd units
#     build        the whole solution, warnings are errors
#     plain        tests that need no more than compilers, for x86-64 and arm64
#     broker       tests on a RabbitMQ of their own
#     root         tests on this kernel: mounts, loop devices, bridges, namespaces, cgroups (as root)
#     functional   the whole service in process, against fakes of the other services and a real RabbitMQ
#     cloud        devstack/stack.sh, checks of what it made, Tempest's smoke tests, devstack/unstack.sh, and what is left (as root)
#     tempest      the same with every test of Tempest that boots a server, four at a time (as root; only when it is named)
#     hostvm       the root lane again in an emulated machine with systemd, cgroup v2 and AppArmor (as root; only when it is named)
# Default: all but the last two, in this order; "all" names every lane. A lane that cannot run counts as failed. Results and logs: TestResults/LANE/.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
LANES=(format build plain broker root functional cloud tempest hostvm)
# With tempest and hostvm, whose emulation alone takes 13 to 26 minutes, a first run on a new machine would last longer than an hour.
DEFAULT_LANES=(format build plain broker root functional cloud)
RESULTS=$PWD/TestResults
# The packages of a lane are installed by the same functions as those of the stack, with their state below TestResults.
STACK_LOGS=${STACK_LOGS:-$RESULTS/logs}
export STACK_BUILDS=$PWD/artifacts/stack
# shellcheck source=devstack/lib/common.sh
. devstack/lib/common.sh
for part in tests/lanes/*.sh; do
    # shellcheck source=/dev/null
    . "$part"
done

total_passed=0 total_failed=0 total_skipped=0
# count PASSED FAILED SKIPPED: adds to the lane that runs.
count() { lane_passed=$((lane_passed + $1)) lane_failed=$((lane_failed + $2)) lane_skipped=$((lane_skipped + $3)); }

# check NAME COMMAND...: one test that is a command; its output is shown when it fails.
check() {
    local name=$1 log=$RESULTS/$LANE/${1// /-}.log; shift
    if "$@" > "$log" 2>&1; then
        count 1 0 0; say "  ok      $name"
    else
        count 0 1 0; say "  FAILED  $name"; tail -40 "$log" | sed 's/^/          /'
    fi
}

# needs PACKAGE...: Debian packages of a lane.
needs() {
    [ "$(missing_packages "$@" | wc -l)" != 0 ] || return 0
    [ "$(id -u)" = 0 ] || { say "  these Debian packages are missing and only root can install them: $(missing_packages "$@" | xargs)"; return 1; }
    (install_packages "$@")
}

run_lane() {
    LANE=$1
    local from=$SECONDS
    lane_passed=0 lane_failed=0 lane_skipped=0
    rm -rf "${RESULTS:?}/$LANE"; mkdir -p "$RESULTS/$LANE"
    say "lane $LANE"
    if ! "lane_$LANE"; then
        say "  FAILED  lane $LANE could not run to its end"; count 0 1 0
    elif [ $((lane_passed + lane_failed + lane_skipped)) = 0 ]; then
        say "  FAILED  lane $LANE ran no test"; count 0 1 0
    fi
    say "lane $LANE: $lane_passed passed, $lane_failed failed, $lane_skipped skipped in $((SECONDS - from)) s"
    total_passed=$((total_passed + lane_passed)) total_failed=$((total_failed + lane_failed)) total_skipped=$((total_skipped + lane_skipped))
}

[ $# -gt 0 ] || set -- "${DEFAULT_LANES[@]}"
[ "$*" != all ] || set -- "${LANES[@]}"
for lane in "$@"; do
    [[ " ${LANES[*]} " == *" $lane "* ]] || die "no lane '$lane'; there are: ${LANES[*]}"
done
command -v dotnet > /dev/null || die "no dotnet in \$PATH: install the .NET 10 SDK"
mkdir -p "$RESULTS"
for lane in "$@"; do run_lane "$lane"; done
say "all lanes: $SECONDS s"
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ $total_failed = 0 ]
