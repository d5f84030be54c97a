# shellcheck shell=bash
# Sourced by the cloud lane: runs Tempest of Debian's package against the stack that runs, and counts.

# Regular expressions of the tests, overridden to run others: TEMPEST_REGEX='^tempest\.api\.compute\.servers' ./tox-equivalent.sh tempest
# shellcheck disable=SC2034 # for lanes/cloud.sh
TEMPEST_SELECTION='^tempest\.(api\.compute|scenario)\..*smoke'
# shellcheck disable=SC2034
TEMPEST_ALL='^tempest\.(api\.compute|scenario)\.'
TEMPEST_CONCURRENCY=${TEMPEST_CONCURRENCY:-2}

tempest_workspace() {    # tempest_workspace FOLDER
    local name value values
    # The list of workspaces stays out of the home folder.
    rm -rf "$1" "$1.yaml"; (cd "${1%/*}" && tempest init --workspace-path "$1.yaml" "${1##*/}") || return 1
    [ -d "$1/etc" ] || return 1
    mkdir -p "$1/lock"
    values="WORKSPACE=$1
PASSWORD=$(password)
AUTH_URL=$AUTH_URL
REGION=$REGION
HOSTS=$(rest GET compute '/os-services?binary=nova-compute' | jq '.services | length')
IMAGE=$(rest GET image '/images?name=busybox' | jq -r '.images[0].id')
IMAGE_ALT=$(rest GET image '/images?name=debian-12' | jq -r '.images[0].id')
IMAGE_FILE=$STACK_CACHE/images/busybox.tar.gz
FLAVOR=$(rest GET compute /flavors | jq -r '.flavors[] | select(.name == "m1.nano").id')
FLAVOR_ALT=$(rest GET compute /flavors | jq -r '.flavors[] | select(.name == "m1.tiny").id')
PUBLIC_NETWORK=$(rest GET network '/networks?name=public' | jq -r '.networks[0].id')"
    cp tests/cloud/tempest.conf "$1/etc/tempest.conf"
    while IFS='=' read -r name value; do
        case $value in ''|null) echo "tempest.conf: nothing found for $name"; return 1 ;; esac
        sed -i "s#@$name@#$value#" "$1/etc/tempest.conf"
    done <<< "$values"
    ! grep -n '@[A-Z_]*@' "$1/etc/tempest.conf"
}

# run_tempest REGEX [FILE]...: adds Tempest's own counts to the lane's, and what it left in the cloud. FILEs exclude tests, as tempest-skip.txt does.
run_tempest() {
    local out=$RESULTS/$LANE regex=$1 passed failed skipped rc=0; shift
    cat "$TOP/tests/cloud/tempest-skip.txt" "$@" > "$out/tempest-exclude.txt"
    cloud_state "$out/cloud-before"
    if ! tempest_workspace "$out/tempest" > "$out/tempest-workspace.log" 2>&1; then
        count 0 1 0; say "  FAILED  Tempest's workspace"; tail -10 "$out/tempest-workspace.log" | sed 's/^/          /'; return
    fi
    (cd "$out/tempest" && timeout --kill-after=30 "${TEMPEST_TIMEOUT:-1500}" tempest run --concurrency "$TEMPEST_CONCURRENCY" \
        --regex "$regex" --exclude-list "$out/tempest-exclude.txt") > "$out/tempest.log" 2>&1 || rc=$?
    tempest_count() { sed -n "s/^ - $1: *\([0-9]*\)$/\1/p" "$out/tempest.log" | tail -1; }
    passed=$(tempest_count Passed) failed=$(tempest_count Failed) skipped=$(tempest_count Skipped)
    if [ -z "$passed" ] || { [ $rc != 0 ] && [ "$failed" = 0 ]; }; then
        count 0 1 0; say "  FAILED  Tempest did not run to its end (exit status $rc)"; tail -20 "$out/tempest.log" | sed 's/^/          /'
        return
    fi
    count "$passed" "$failed" "$skipped"
    say "  Tempest: $passed passed, $failed failed, $skipped skipped"
    grep -E '\.\.\. (FAILED|SKIPPED)' "$out/tempest.log" | sed 's/^/          /'
    check "nothing is left in the cloud" nothing_left_in_cloud "$out/cloud-before" "$out/cloud-after"
}
