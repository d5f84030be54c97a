# shellcheck shell=bash
# Lanes cloud and tempest: the main job against the real control plane. devstack/stack.sh with its proofs, then the checks of a user
# (cloud) and Tempest (cloud: a selection; tempest: all that boots a server), what is left in the cloud, devstack/unstack.sh, and
# a look at what is left on the host. CLOUD_KEEP=1 leaves the stack running.

lane_cloud() { on_cloud cloud_lane; }

# The selection is what fits the time of a run of all lanes.
cloud_lane() {
    authenticate && cloud_checks
    authenticate && run_tempest "${TEMPEST_REGEX:-$TEMPEST_SELECTION}"
}

lane_tempest() { CLOUD_HOSTS=2 TEMPEST_CONCURRENCY=${TEMPEST_CONCURRENCY:-4} TEMPEST_TIMEOUT=${TEMPEST_TIMEOUT:-7200} on_cloud tempest_lane; }

# Tempest's servers are on two hosts; what no test of it does with them comes first.
tempest_lane() {
    authenticate && two_hosts_checks
    authenticate && run_tempest "${TEMPEST_REGEX:-$TEMPEST_ALL}" "$TOP/tests/cloud/tempest-control-plane.txt"
}

# on_cloud FUNCTION: runs it beside a stack made for it.
on_cloud() {
    [ "$(id -u)" = 0 ] || { say "  needs root"; return 1; }
    # A state of its own, so that a stack that somebody works with is never wiped; its ports would be found taken.
    export STACK_STATE=${CLOUD_STATE:-/var/lib/novalxd-cloud-lane} STACK_LOGS=$RESULTS/$LANE/stack
    (cloud_in_subshell "$1"; echo "$lane_passed $lane_failed $lane_skipped" > "$RESULTS/$LANE/counts")
    read -r lane_passed lane_failed lane_skipped < "$RESULTS/$LANE/counts"
}

# The stack's own functions (start, stop, openstack) and variables stay out of the other lanes.
cloud_in_subshell() {
    local part tests=$1
    for part in common cloud hosts infrastructure configuration services seed compute servers teardown; do
        # shellcheck source=/dev/null
        . "devstack/lib/$part.sh"
    done
    for part in leaks checks actions hosts hosts-evacuate tempest; do
        # shellcheck source=/dev/null
        . "tests/cloud/$part.sh"
    done
    needs tempest jq || { count 0 1 0; return; }
    settled_host_state "$RESULTS/$LANE/host-before"
    if cloud_stack; then "$tests"; fi
    [ -z "${CLOUD_KEEP:-}" ] || { say "  left running: $STACK_STATE"; return; }
    # The logs live on in TestResults; only the state goes.
    check "unstack.sh" devstack/unstack.sh
    rm -rf --one-file-system "$STACK_STATE"
    check "nothing is left on the host" no_leaks "$RESULTS/$LANE/host-before" "$RESULTS/$LANE/host-after"
}

# stack.sh is shown as it runs. Its proofs are tests, and so is its end.
cloud_stack() {
    local log=$RESULTS/$LANE/stack.sh.log passed failed rc=0
    devstack/stack.sh --hosts "${CLOUD_HOSTS:-1}" 2>&1 | tee "$log" | sed 's/^/  | /' || rc=$?
    passed=$(grep -c '^[0-9:]* PROOF ' "$log") failed=$(grep -c '^[0-9:]* FAILED ' "$log")
    count "$passed" "$failed" 0
    if [ $rc = 0 ]; then count 1 0 0; elif [ "$failed" = 0 ]; then count 0 1 0; say "  FAILED  stack.sh: exit status $rc"; fi
    [ -s "$STACK_STATE/openrc" ] && running novalxd
}
