# shellcheck shell=bash
# Sourced by the cloud lanes beside checks.sh: servers between the two hosts of "stack.sh --hosts 2". Each function is one test.

host_of() { rest GET compute "/servers/$(server_id "$1")" | jq -r '.server["OS-EXT-SRV-ATTR:host"]'; }
other_host() { if [ "$(host_of "$1")" = "$STACK_HOST" ]; then echo "$HOST2"; else echo "$STACK_HOST"; fi; }
on_host() { [ "$(host_of "$1")" = "$2" ] || { echo "$1 is on $(host_of "$1") and not on $2"; return 1; }; }

# instances_of HOST: where it keeps its containers.
instances_of() { if [ "$1" = "$HOST2" ]; then echo "$HOST2_STATE/instances/containers"; else echo "$STACK_STATE/compute/instances/containers"; fi; }
# left_by ID HOST: whether a host has nothing of a server.
left_by() { [ ! -e "$(instances_of "$2")/$1" ]; }
# leaves ID HOST
leaves() { wait_for 120 left_by "$1" "$2" || { echo "$2 still has the container"; return 1; }; }

# arrives HOST: busybox waits there to be confirmed, and works.
arrives() {
    becomes busybox VERIFY_RESIZE || { openstack server event list --long busybox; return 1; }
    on_host busybox "$1" && logs_in && pings_soon busybox
}
writes_note() { guest root busybox "echo $1 > /root/note && sync"; }
keeps_note() { [ "$(guest root busybox 'cat /root/note')" = "$1" ] || { echo "the file does not say $1"; return 1; }; }

# The file is there, the address answers, and the host that it left keeps nothing once the move is confirmed.
migrates_and_confirms() {
    local from to id; from=$(host_of busybox) to=$(other_host busybox) id=$(server_id busybox)
    writes_note before && openstack server migrate --host "$to" busybox && arrives "$to" && keeps_note before || return 1
    ! left_by "$id" "$from" || { echo "$from kept nothing to go back to"; return 1; }
    openstack server migrate confirm busybox && becomes busybox ACTIVE && logs_in && keeps_note before && leaves "$id" "$from"
}

# What was written on the other host goes with it, as with a virtual machine. The scheduler may choose the host that it is on as well,
# so that is closed for a while.
resizes_elsewhere_and_reverts() {
    local from to id rc=0; from=$(host_of busybox) to=$(other_host busybox) id=$(server_id busybox)
    writes_note before && openstack compute service set --disable "$from" nova-compute || return 1
    openstack server resize --flavor m1.tiny busybox && arrives "$to" || rc=1
    openstack compute service set --enable "$from" nova-compute && [ $rc = 0 ] || return 1
    keeps_note before && writes_note after && openstack server resize revert busybox && becomes busybox ACTIVE && on_host busybox "$from" &&
        logs_in && pings_soon busybox && keeps_note before && leaves "$id" "$to"
}

deletes_unconfirmed_elsewhere() {
    local from to id; from=$(host_of busybox) to=$(other_host busybox) id=$(server_id busybox)
    openstack server migrate --host "$to" busybox && arrives "$to" && openstack server delete --wait busybox && leaves "$id" "$from" && leaves "$id" "$to"
}

two_hosts_checks() {
    check "migrate to the other host and confirm" with_busybox migrates_and_confirms
    check "migrate back and confirm" with_busybox migrates_and_confirms
    check "resize to the other host and revert" with_busybox resizes_elsewhere_and_reverts
    check "delete of an unconfirmed migration leaves nothing" with_busybox deletes_unconfirmed_elsewhere
    check "evacuate, and the host that failed comes back" evacuates
}
