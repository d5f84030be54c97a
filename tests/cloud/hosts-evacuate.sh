# shellcheck shell=bash
# Sourced by the cloud lanes beside hosts.sh: a server of the second host of "stack.sh --hosts 2" is evacuated to the first one when its
# host fails, and the second one tidies up when it is back.

# The host is recorded last, after the server is ACTIVE.
is_on() { [ "$(host_of "$1")" = "$2" ]; }
binding_host() { rest GET network "/ports?device_id=$1" | jq -r '.ports[0]["binding:host_id"]'; }
allocated_on() { rest GET placement "/allocations/$1" | jq '.allocations | length'; }
on_host2_disk() { find "$HOST2_STATE/instances" -name "*$1*" 2>/dev/null; }
not_on_host2_disk() { [ -z "$(on_host2_disk "$1")" ]; }
compute_is() { rest GET compute "/os-services?binary=nova-compute&host=$1" | jq -e --arg state "$2" '.services[0].state == $state' > /dev/null; }

# The service and the guests at once, as when a machine loses power; its network agent is left alone.
fail_host2() {
    local pid _started
    read -r pid _started < "$RUN/novalxd-2.pid" && kill -KILL "$pid"
    kill_containers "$CGROUP_PARENT-2" novalxd-supervisor-2
    { openstack --os-compute-api-version 2.53 compute service set --down "$HOST2" nova-compute && wait_for 60 compute_is "$HOST2" down; } ||
        { echo "Nova does not take the service of $HOST2 for down"; return 1; }
}

# Nova lets nobody say that it works again before it has tidied up, so its service is started first.
bring_back_host2() {
    start_host2 & local starting=$!
    wait_for 180 says_up && wait "$starting" && wait_for 120 compute_is "$HOST2" up
}
says_up() { openstack --os-compute-api-version 2.53 compute service set --up "$HOST2" nova-compute 2> /dev/null; }

boot_on_host2() {
    openstack --os-compute-api-version 2.74 server create --image busybox --flavor m1.nano --network private --key-name stack --host "$HOST2" --wait "$1" > /dev/null
    { has_status "$1" ACTIVE && is_on "$1" "$HOST2"; } || { echo "$1 is $(server_status "$1") on $(host_of "$1")"; return 1; }
    wait_for 180 guest root "$1" true || { echo "no login on $1"; return 1; }
}

# The client of Zed asks, and then fails to show the server ('TupleWithMeta' object has no attribute 'to_dict').
asks_to_evacuate() { openstack --os-compute-api-version 2.29 server evacuate "$1" > /dev/null || wait_for 60 eval "! has_status $1 ACTIVE || is_on $1 $STACK_HOST"; }

# evacuated NAME ADDRESSES: it runs on the first host, made anew, with the addresses it had.
evacuated() {
    local id; id=$(server_id "$1")
    becomes "$1" ACTIVE || { openstack server event list --long "$1"; return 1; }
    wait_for 60 is_on "$1" "$STACK_HOST" || { echo "$1 is on $(host_of "$1")"; return 1; }
    [ "$(binding_host "$id")" = "$STACK_HOST" ] || { echo "its port is bound to $(binding_host "$id")"; return 1; }
    [ "$(addresses_of "$1")" = "$2" ] || { echo "the addresses were $2 and are $(addresses_of "$1")"; return 1; }
    wait_for 300 guest root "$1" true || { echo "no login on $1"; return 1; }
    ! guest root "$1" 'test -e /root/before' || { echo "the file of before is there: that is not a new guest"; return 1; }
}

# tidied ID: the second host, which is back, has nothing of it.
tidied() {
    wait_for 120 not_on_host2_disk "$1" || { echo "the second host still has:"; on_host2_disk "$1"; return 1; }
    [ "$(allocated_on "$1")" = 1 ] || { rest GET placement "/allocations/$1"; return 1; }
}

evacuates() {
    local id addresses rc=0
    boot_on_host2 evacuee && guest root evacuee 'echo x > /root/before && sync' || return 1
    id=$(server_id evacuee) addresses=$(addresses_of evacuee)
    { fail_host2 && asks_to_evacuate evacuee && evacuated evacuee "$addresses"; } || rc=1
    bring_back_host2 || { echo "$HOST2 does not come back"; return 1; }
    { [ $rc = 0 ] && tidied "$id" && becomes evacuee ACTIVE && guest root evacuee true; } || rc=1
    openstack server delete --wait evacuee && [ $rc = 0 ]
}
