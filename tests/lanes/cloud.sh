# shellcheck shell=bash
# Lane cloud: the main job against the real control plane. devstack/stack.sh with its proofs, then tests/cloud/checks.sh,
# Tempest's smoke tests, devstack/unstack.sh, and a look at what is left on the host. CLOUD_KEEP=1 leaves the stack running.

lane_cloud() {
    [ "$(id -u)" = 0 ] || { say "  needs root"; return 1; }
    # A state of its own, so that a stack that somebody works with is never wiped; its ports would be found taken.
    export STACK_STATE=${CLOUD_STATE:-/var/lib/novalxd-cloud-lane} STACK_LOGS=$RESULTS/cloud/stack
    (cloud_in_subshell; echo "$lane_passed $lane_failed $lane_skipped" > "$RESULTS/cloud/counts")
    read -r lane_passed lane_failed lane_skipped < "$RESULTS/cloud/counts"
}

# The stack's own functions (start, stop, openstack) and variables stay out of the other lanes.
cloud_in_subshell() {
    local part
    for part in common cloud infrastructure configuration services seed compute servers; do
        # shellcheck source=/dev/null
        . "devstack/lib/$part.sh"
    done
    for part in leaks checks tempest; do
        # shellcheck source=/dev/null
        . "tests/cloud/$part.sh"
    done
    needs tempest jq || { count 0 1 0; return; }
    settled_host_state "$RESULTS/cloud/host-before"
    if cloud_stack; then
        authenticate && cloud_checks
        authenticate && run_tempest
    fi
    [ -z "${CLOUD_KEEP:-}" ] || { say "  left running: $STACK_STATE"; return; }
    # The logs live on in TestResults; only the state goes.
    check "unstack.sh" devstack/unstack.sh
    rm -rf --one-file-system "$STACK_STATE"
    check "nothing is left on the host" no_leaks "$RESULTS/cloud/host-before" "$RESULTS/cloud/host-after"
}

# stack.sh is shown as it runs. Its proofs are tests, and so is its end.
cloud_stack() {
    local log=$RESULTS/cloud/stack.sh.log passed failed rc=0
    devstack/stack.sh 2>&1 | tee "$log" | sed 's/^/  | /' || rc=$?
    passed=$(grep -c '^[0-9:]* PROOF ' "$log") failed=$(grep -c '^[0-9:]* FAILED ' "$log")
    count "$passed" "$failed" 0
    if [ $rc = 0 ]; then count 1 0 0; elif [ "$failed" = 0 ]; then count 0 1 0; say "  FAILED  stack.sh: exit status $rc"; fi
    [ -s "$STACK_STATE/openrc" ] && running novalxd
}
