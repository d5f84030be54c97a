# shellcheck shell=bash
# Sourced by the cloud lane after checks.sh: the actions that change what a server is.

# --- interfaces ---
# has_interface NAME MAC: busybox has the interface under this name.
has_interface()  { [ "$(guest root busybox "cat /sys/class/net/$1/address")" = "$2" ]; }
lacks_interface() { ! guest root busybox "test -e /sys/class/net/$1"; }
port_field()     { rest GET network "/ports?id=$1" | jq -r ".ports[0].$2 // empty"; }
port_is()        { [ "$(port_field "$1" "$2")" = "$3" ]; }
ports_of()       { rest GET network "/ports?device_id=$1" | jq -r '.ports | sort_by(.created_at) | .[].id'; }

# attached PORT NAME: the guest has it, the host has plugged it, and Neutron's agent has seen it.
attached() {
    wait_for 30 has_interface "$2" "$(port_field "$1" mac_address)" || { echo "the guest has no $2 with the address of port $1"; return 1; }
    wait_for 60 port_is "$1" status ACTIVE || { echo "port $1 is $(port_field "$1" status) after a minute"; return 1; }
}

# detached PORT NAME: neither guest nor host have anything of it.
detached() {
    wait_for 60 lacks_interface "$2" || { echo "the guest still has $2"; return 1; }
    wait_for 30 test ! -e "/sys/class/net/tap${1:0:11}" || { echo "the link tap${1:0:11} is still there"; return 1; }
}

# A port of the user's own, which outlives its use, on a server that runs.
adds_and_removes_port() {
    local port rc=0
    port=$(openstack port create --network private -f value -c id attached) || return 1
    { openstack server add port busybox "$port" && attached "$port" eth1 && openstack server remove port busybox "$port" && detached "$port" eth1; } || rc=1
    [ $rc != 0 ] || wait_for 30 port_is "$port" device_id '' || { echo "port $port is still bound to a server"; rc=1; }
    openstack port delete "$port" && [ $rc = 0 ]
}

# On a network, then with an address: ports made for the purpose go with their interface, and the other's name does not change.
adds_and_removes_network() {
    local id first second address
    id=$(server_id busybox)
    openstack server add network busybox private > /dev/null || return 1
    first=$(ports_of "$id" | tail -1)
    attached "$first" eth1 || return 1
    address=$(port_field "$first" 'fixed_ips[0].ip_address' | awk -F. '{ print $1 "." $2 "." $3 "." 250 }')
    openstack server add fixed ip --fixed-ip-address "$address" busybox private > /dev/null || return 1
    second=$(ports_of "$id" | tail -1)
    attached "$second" eth2 && port_is "$second" 'fixed_ips[0].ip_address' "$address" || return 1
    openstack server remove port busybox "$first" && detached "$first" eth1 || return 1
    [ -z "$(port_field "$first" id)" ] || { echo "Neutron still has port $first"; return 1; }
    attached "$second" eth2 || return 1
    openstack server remove port busybox "$second" && detached "$second" eth2
}

addresses_of() { rest GET compute "/servers/$(server_id "$1")" | jq -cS .server.addresses; }

# The file goes, the addresses stay; the key comes in anew with the first boot.
rebuilds_running() {
    local before; before=$(addresses_of busybox)
    guest root busybox 'echo old > /root/file && sync' && openstack server rebuild --wait --image busybox busybox > /dev/null || return 1
    becomes busybox ACTIVE && pings_soon busybox && logs_in || return 1
    [ "$(addresses_of busybox)" = "$before" ] || { echo "the addresses were $before and are $(addresses_of busybox)"; return 1; }
    ! guest root busybox 'test -e /root/file' || { echo "the file of before the rebuild is still there"; return 1; }
}

rebuilds_stopped() {
    openstack server stop busybox && becomes busybox SHUTOFF && openstack server rebuild --image busybox busybox > /dev/null || return 1
    wait_for 300 rebuild_ended busybox || { echo "the rebuild of the stopped server has no good end"; return 1; }
    becomes busybox SHUTOFF && openstack server start busybox && becomes busybox ACTIVE && pings_soon busybox && logs_in
}
# The newest rebuild has both its events, that of the stop within it included.
rebuild_ended() {
    local id request; id=$(server_id "$1")
    request=$(rest GET compute "/servers/$id/os-instance-actions" | jq -r '[.instanceActions[] | select(.action == "rebuild")][0].request_id')
    rest GET compute "/servers/$id/os-instance-actions/$request" |
        jq -e '[.instanceAction.events[] | select(.event == "compute_rebuild_instance" or .event == "compute_stop_instance") | .result] == ["Success", "Success"]'
}

# --- config drive ---
# boot_with_drive NAME IMAGE FLAVOR: a server with a config drive, a property and a script of the user's.
boot_with_drive() {
    local script; script=$(mktemp)
    printf '#!/bin/sh\necho from-the-drive > /run/user-data-ran\n' > "$script"
    openstack server create --image "$2" --flavor "$3" --network private --key-name stack --config-drive true --property role=front \
        --user-data "$script" --wait "$1" > /dev/null
    rm -f "$script"
    becomes "$1" ACTIVE
}

# drive_file NAME USER PATH
drive_file() { guest "$2" "$1" "sudo cat /config-drive/$3"; }

# drive_says NAME USER: what is on the drive is what Nova and Neutron say of the server.
drive_says() {
    local metadata port
    metadata=$(drive_file "$1" "$2" openstack/latest/meta_data.json) || { echo "there is no meta_data.json in /config-drive"; return 1; }
    jq -e --arg id "$(server_id "$1")" '.uuid == $id and .meta.role == "front" and (.public_keys | has("stack"))' <<< "$metadata" > /dev/null ||
        { jq 'del(.random_seed)' <<< "$metadata"; return 1; }
    port=$(port_of "$(server_id "$1")" | jq -r .mac_address)
    drive_file "$1" "$2" openstack/latest/network_data.json | jq -e --arg mac "$port" '.links[0].ethernet_mac_address == $mac' > /dev/null ||
        { echo "network_data.json does not have $port"; return 1; }
    [ "$(openstack server show -f value -c config_drive "$1")" = True ] || { echo "Nova does not say that $1 has a config drive"; return 1; }
    [ "$(guest "$2" "$1" 'sudo dd if=/dev/disk/by-label/config-2 bs=1 skip=32769 count=5 2>/dev/null')" = CD001 ] || { echo "config-2 is no image"; return 1; }
}

reads_config_drive() {
    local rc=0
    boot_with_drive driven busybox m1.nano && wait_for 180 guest root driven true && drive_says driven root || rc=1
    [ $rc != 0 ] || { openstack server reboot --wait --hard driven > /dev/null && wait_for 180 guest root driven true && drive_says driven root; } || rc=1
    openstack server delete --wait driven && [ $rc = 0 ]
}

# cloud-init takes the drive before it would ask the metadata service.
cloud_init_reads_config_drive() {
    local rc=0
    if boot_with_drive clouded debian-12 m1.small && wait_for 300 guest debian clouded 'cloud-init status --wait > /dev/null'; then
        guest debian clouded 'grep "ConfigDrive.*/config-drive" /run/cloud-init/result.json' ||
            { guest debian clouded 'cat /run/cloud-init/result.json'; rc=1; }
        [ "$(guest debian clouded 'cat /run/user-data-ran')" = from-the-drive ] || { echo "the user's script did not run"; rc=1; }
        drive_says clouded debian || rc=1
    else
        rc=1
    fi
    openstack server delete --wait clouded && [ $rc = 0 ]
}
# resizes FLAVOR: until it waits for its owner.
resizes() { openstack server resize --flavor "$1" busybox && becomes busybox VERIFY_RESIZE && logs_in; }
flavor_of() { rest GET compute "/servers/detail?name=^$1\$" | jq -r '.servers[0].flavor.original_name'; }
# has_size FLAVOR MEMORY_MIB DISK_MIB: by the API, and as the guest sees it.
has_size() {
    [ "$(flavor_of busybox)" = "$1" ] || { echo "busybox is $(flavor_of busybox) and not $1"; return 1; }
    guest root busybox 'grep MemTotal /proc/meminfo' | tee >(cat >&2) | awk -v kib=$(($2 * 1024)) '{ exit $2 != kib }' &&
        guest root busybox 'df -m / | tail -1' | tee >(cat >&2) | awk -v mib="$3" '{ exit !($2 > mib * 0.9 && $2 <= mib) }'
}
# What an unconfirmed resize holds twice is free again: Placement has one allocation for the one server.
consumers_of() { rest GET placement "/resource_providers/$1/allocations" | jq '.allocations | length'; }
servers_here() { rest GET compute '/servers?all_tenants=1' | jq '.servers | length'; }
one_allocation_each() { [ "$(consumers_of "$1")" = "$(servers_here)" ]; }
holds_once() {
    local provider; provider=$(rest GET placement /resource_providers | jq -r '.resource_providers[0].uuid')
    wait_for 60 one_allocation_each "$provider" || { rest GET placement "/resource_providers/$provider/allocations"; return 1; }
}
# Its files are there before, during and after it.
resizes_and_reverts() {
    guest root busybox 'echo kept > /root/resized && sync' && resizes m1.small && has_size m1.small 2048 5120 || return 1
    [ "$(guest root busybox 'cat /root/resized')" = kept ] || { echo "the file is gone after the resize"; return 1; }
    openstack server resize revert busybox && becomes busybox ACTIVE && logs_in && has_size m1.nano 128 1024 && holds_once || return 1
    [ "$(guest root busybox 'cat /root/resized')" = kept ] || { echo "the file is gone after the revert"; return 1; }
}
resizes_and_confirms() {
    resizes m1.small && openstack server resize confirm busybox && becomes busybox ACTIVE && logs_in && has_size m1.small 2048 5120 && holds_once &&
        pings_soon busybox
}
last_resize_failed() {
    rest GET compute "/servers/$(server_id busybox)/os-instance-actions" | jq -e '[.instanceActions[] | select(.action == "resize")][0].message == "Error"' > /dev/null
}
# The server is m1.small by now, and its disk cannot become smaller.
refuses_smaller_disk() {
    local before; before=$(guest root busybox 'cut -d" " -f22 /proc/1/stat') || return 1
    openstack server resize --flavor m1.nano busybox || return 1
    wait_for 120 last_resize_failed || { openstack server event list --long busybox; echo "the refusal is not in the list of events"; return 1; }
    becomes busybox ACTIVE && has_size m1.small 2048 5120 && holds_once || return 1
    [ "$(guest root busybox 'cut -d" " -f22 /proc/1/stat')" = "$before" ] || { echo "the guest was started again for nothing"; return 1; }
}
resizes_stopped() {
    openstack server stop busybox && becomes busybox SHUTOFF && openstack server resize --flavor m1.tiny busybox && becomes busybox VERIFY_RESIZE &&
        openstack server resize revert busybox && becomes busybox SHUTOFF && openstack server start busybox && becomes busybox ACTIVE && logs_in &&
        has_size m1.nano 128 1024
}
deletes_unconfirmed() { resizes m1.tiny && deletes_without_trace && holds_once; }

# The image of a server boots, and has what the server had.
becomes_an_image() {
    local rc=0
    guest root busybox 'echo "of the first" > /root/own && sync' || return 1
    openstack server image create --wait --name copy busybox > /dev/null || return 1
    openstack image show -f value -c status -c disk_format -c container_format -c min_disk copy
    { becomes busybox ACTIVE && guest root busybox true && boot copy copy m1.nano && wait_for 180 guest root copy true &&
        [ "$(guest root copy 'cat /root/own')" = "of the first" ]; } ||
        { echo "the copy is $(server_status copy), or has not what busybox had"; rc=1; }
    [ -z "$(server_status copy)" ] || openstack server delete --wait copy
    openstack image delete copy
    return $rc
}

# The second backup takes the place of the first.
rotates_backups() {
    local n left
    for n in 1 2; do
        openstack server backup create --wait --name "backup$n" --type daily --rotate 1 busybox > /dev/null || return 1
        becomes busybox ACTIVE || return 1
    done
    left=$(openstack image list --property backup_type=daily -f value -c Name | tr '\n' ' ')
    openstack image list --property backup_type=daily -f value -c ID | xargs -r openstack image delete
    [ "$left" = "backup2 " ] || { echo "the backups left are: $left"; return 1; }
}

# Shelved, a server leaves the host; unshelved, it has its files and its address again, and the image it was is gone.
shelves_and_unshelves() {
    local id; id=$(server_id busybox)
    guest root busybox 'echo shelved > /root/shelved && sync' || return 1
    openstack server shelve busybox && becomes busybox SHELVED_OFFLOADED && pings_no_more busybox || return 1
    [ "$(rest GET placement "/allocations/$id" | jq '.allocations | length')" = 0 ] || { echo "Placement still has an allocation for $id"; return 1; }
    [ -z "$(find "$STACK_STATE/compute/instances" -name "*$id*")" ] || { find "$STACK_STATE/compute/instances" -name "*$id*"; return 1; }
    openstack server unshelve busybox && is_unshelved || return 1
    wait_for 60 no_image busybox-shelved || { echo "the image busybox-shelved is still there"; return 1; }
    openstack server shelve busybox && becomes busybox SHELVED_OFFLOADED &&
        openstack --os-compute-api-version 2.77 server unshelve --availability-zone nova busybox && is_unshelved
}
is_unshelved() {
    becomes busybox ACTIVE && pings_soon busybox && logs_in || return 1
    [ "$(guest root busybox 'cat /root/shelved')" = shelved ] || { echo "the file that was written before is not there"; return 1; }
}
no_image() { [ -z "$(openstack image list --name "$1" -f value -c ID)" ]; }
