# shellcheck shell=bash
# Sourced by the cloud lane: what a user does with a server, by the openstack client, on the servers that stack.sh left. Each
# function is one test; it says what it saw where that is not what it expected.

# The limits are for a machine that stalls: what works has happened after seconds.

# becomes NAME STATUS
becomes() {
    wait_for 300 has_status "$1" "$2" || { echo "$1 is $(server_status "$1") and not $2 after 5 minutes"; return 1; }
}
has_status() { [ "$(server_status "$1")" = "$2" ]; }
pings()      { ping -c 1 -W 2 "$(floating_ip "$1")" > /dev/null; }
# ARP entries and the agent's rules take their time.
pings_soon()       { wait_for 180 pings "$1" || { echo "$1 does not answer ping"; return 1; }; }
pings_no_more()    { wait_for 180 eval "! pings $1" || { echo "$1 still answers ping"; return 1; }; }
boots_in_log()     { console "$1" | grep -c 'boot: complete'; }
boots_more_than()  { [ "$(boots_in_log "$1")" -gt "$2" ]; }
# boots_again NAME BOOTS
boots_again() {
    wait_for 180 boots_more_than "$1" "$2" || { echo "the console log shows no boot after the $2 before"; return 1; }
}

stops_and_starts() {
    openstack server stop busybox && becomes busybox SHUTOFF && pings_no_more busybox &&
        openstack server start busybox && becomes busybox ACTIVE && pings_soon busybox
}

# reboots soft|hard
reboots() {
    local before; before=$(boots_in_log busybox)
    openstack server reboot --wait "--$1" busybox > /dev/null && becomes busybox ACTIVE || return 1
    boots_again busybox "$before" && pings_soon busybox
}

reboots_from_inside() {
    local before; before=$(boots_in_log busybox)
    guest root busybox 'reboot' || true    # the connection may break before it answers
    boots_again busybox "$before" && becomes busybox ACTIVE && pings_soon busybox
}

# A frozen guest still answers ping, which is the kernel's work, but none of its processes does anything.
pauses_and_unpauses() {
    openstack server pause busybox && becomes busybox PAUSED || return 1
    ! guest root busybox true || { echo "the paused guest ran a command"; return 1; }
    openstack server unpause busybox && becomes busybox ACTIVE && logs_in
}

# A login works before the last line of the boot is written.
shows_console_log() {
    local rc=0
    wait_for 60 last_lines_show_boot || rc=1
    openstack console log show --lines 20 busybox
    return $rc
}
last_lines_show_boot() { openstack console log show --lines 20 busybox | grep -a 'boot: complete'; }

# Nobody logs in with a password before one was set: the image has none.
sets_password() {
    ! logs_in_with busybox changed-1234 || { echo "the password works before it was set"; return 1; }
    openstack server set --password changed-1234 busybox && becomes busybox ACTIVE || return 1
    wait_for 60 logs_in_with busybox changed-1234 || { echo "no login with the password that was set"; return 1; }
    logs_in
}
# logs_in_with NAME PASSWORD: ssh asks the program for the password, not a terminal.
logs_in_with() {
    local ask=$RESULTS/$LANE/askpass
    printf '#!/bin/sh\necho %s\n' "$2" > "$ask" && chmod 700 "$ask" || return 1
    DISPLAY='' SSH_ASKPASS=$ask SSH_ASKPASS_REQUIRE=force ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o PubkeyAuthentication=no -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 -o ConnectTimeout=10 \
        "root@$(floating_ip "$1")" true < /dev/null
}

# What is mended from the rescue system is there afterwards; what was done to the rescue system is not.
rescues() {
    guest root busybox 'echo broken > /root/rescued && sync' &&
        openstack server rescue --password rescue-1234 busybox > /dev/null && becomes busybox RESCUE && logs_in || return 1
    [ "$(guest root busybox 'cat /mnt/instance/root/rescued')" = broken ] || { echo "the server's own root is not at /mnt/instance"; return 1; }
    wait_for 60 logs_in_with busybox rescue-1234 || { echo "no login with the password of the rescue"; return 1; }
    guest root busybox 'echo mended > /mnt/instance/root/rescued; echo lost > /root/mark' &&
        openstack server unrescue busybox && becomes busybox ACTIVE && pings_soon busybox && logs_in || return 1
    [ "$(guest root busybox 'cat /root/rescued')" = mended ] || { echo "what was written in the rescue is not there"; return 1; }
    guest root busybox '[ ! -e /root/mark ] && [ ! -e /mnt/instance ]' || { echo "the server booted its rescue system, or has something of it"; return 1; }
}
deletes_while_rescued() {
    local id; id=$(server_id busybox)
    openstack server rescue busybox > /dev/null && becomes busybox RESCUE && openstack server delete --wait busybox || return 1
    [ "$(rest GET placement "/allocations/$id" | jq '.allocations | length')" = 0 ] || { echo "Placement still has an allocation for $id"; return 1; }
    [ -z "$(find "$STACK_STATE/compute/instances" -name "*$id*")" ]
}

shows_diagnostics() {
    openstack server show --diagnostics busybox
    rest GET compute "/servers/$(server_id busybox)/diagnostics" | jq -e '.memory_details.maximum == 128 and .num_cpus == 1 and .state == "running"'
}

# From the file: busybox's "free" asks sysinfo(2), which no limit changes.
keeps_memory_limit() { guest root busybox 'grep MemTotal /proc/meminfo' | tee >(cat >&2) | awk '{ exit $2 != 128 * 1024 }'; }
keeps_disk_limit()   { guest root busybox 'df -m / | tail -1' | tee >(cat >&2) | awk '{ exit !($2 > 900 && $2 <= 1024) }'; }

# Files survive what a reboot must not lose.
keeps_files() {
    guest root busybox 'echo kept > /root/file && sync' && openstack server reboot --wait --hard busybox > /dev/null &&
        pings_soon busybox && logs_in && [ "$(guest root busybox 'cat /root/file')" = kept ]
}

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

# kill -9: the guest goes on meanwhile, and the successor knows it.
survives_kill_of() {
    local name=$1 pid _started before after
    local id_of_init='cut -d" " -f22 /proc/1/stat'
    before=$(guest root busybox "$id_of_init") || return 1
    read -r pid _started < "$RUN/$name.pid"
    kill -KILL "$pid"
    wait_for 60 eval "! running $name" || { echo "$name outlived SIGKILL"; return 1; }
    sleep 2
    after=$(guest root busybox "$id_of_init") || after="no answer"
    start_compute || return 1
    [ "$after" = "$before" ] || { echo "the guest was init $before, and while $name was dead: $after"; return 1; }
    [ "$(guest root busybox "$id_of_init")" = "$before" ] || { echo "the guest was started again when $name came back"; return 1; }
    becomes busybox ACTIVE && shows_console_log
}

# The image of a server boots, and has what the server had.
becomes_an_image() {
    local rc=0
    guest root busybox 'echo "of the first" > /root/own && sync' || return 1
    openstack server image create --wait --name copy busybox > /dev/null || return 1
    openstack image show -f value -c status -c disk_format -c container_format -c min_disk copy
    becomes busybox ACTIVE && guest root busybox true && boot copy copy m1.nano && wait_for 180 guest root copy true &&
        [ "$(guest root copy 'cat /root/own')" = "of the first" ] || { echo "the copy is $(server_status copy), or has not what busybox had"; rc=1; }
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

deletes_without_trace() {
    local id port provider
    id=$(server_id busybox) port=$(port_of "$(server_id busybox)" | jq -r .id)
    openstack server delete --wait busybox || return 1
    [ "$(rest GET network "/ports?id=$port" | jq '.ports | length')" = 0 ] || { echo "Neutron still has port $port"; return 1; }
    [ ! -e "/sys/class/net/tap${port:0:11}" ] || { echo "the link tap${port:0:11} is still there"; return 1; }
    [ "$(rest GET placement "/allocations/$id" | jq '.allocations | length')" = 0 ] || { echo "Placement still has an allocation for $id"; return 1; }
    provider=$(rest GET placement /resource_providers | jq -r '.resource_providers[0].uuid')
    rest GET placement "/resource_providers/$provider/usages"
    [ -z "$(find "$STACK_STATE/compute/instances" -name "*$id*")" ] || { find "$STACK_STATE/compute/instances" -name "*$id*"; return 1; }
}

active_servers() {
    [ "$(rest GET compute "/servers/detail?name=$1" | jq '[.servers[] | select(.status == "ACTIVE")] | length')" = "$2" ]
}

# Several at once share one image and one download; each gets an address of its own.
creates_five_at_once() {
    local ids rc=0
    # --wait would wait for the first only.
    openstack server create --image busybox --flavor m1.nano --network private --min 5 --max 5 many > /dev/null || return 1
    wait_for 300 active_servers many 5 || { echo "not all of 5 are ACTIVE after 5 minutes"; openstack server list; rc=1; }
    mapfile -t ids < <(rest GET compute '/servers?name=many' | jq -r '.servers[].id')
    openstack server delete --wait "${ids[@]}"
    [ $rc = 0 ] && [ "$(rest GET compute '/servers?name=many' | jq '.servers | length')" = 0 ]
}

# Cached by an operator before anybody asks for it; the answer comes as a notification, so the service's log is looked at.
caches_an_image() {
    local image rc=0
    image=$(rest GET image '/images?name=debian-12' | jq -r '.images[0].id')
    openstack aggregate create cached > /dev/null && openstack aggregate add host cached "$(compute_host)" > /dev/null &&
        openstack --os-compute-api-version 2.81 aggregate cache image cached "$image" &&
        { wait_for 120 grep -q 'Caching 1 image(s) by request' "$STACK_LOGS/novalxd.log" || { echo "the host was never asked"; false; }; } || rc=1
    openstack aggregate remove host cached "$(compute_host)" > /dev/null; openstack aggregate delete cached
    ! grep "Image $image cannot be cached" "$STACK_LOGS/novalxd.log" && return $rc
}
compute_host() { rest GET compute '/os-services?binary=nova-compute' | jq -r '.services[0].host'; }

describes_its_metadata() {
    rest GET image /metadefs/namespaces/OS::Compute::NovaLxdFlavor |
        jq -e '[.objects[].properties | keys[]] | index("lxd:nested_allowed") and index("quota:cpu_quota")' &&
        rest GET image /metadefs/namespaces/OS::Compute::NovaLxdImage | jq -e .properties.hw_vm_mode
}

logs_in() { wait_for 180 guest root busybox true || { echo "no login on busybox"; return 1; }; }

# Each test finds a server that works, whatever the one before did to it.
with_busybox() {
    if ! has_status busybox ACTIVE || ! wait_for 60 guest root busybox true; then
        openstack server delete --wait busybox
        boot busybox busybox m1.nano && logs_in || return 1
    fi
    "$@"
}

cloud_checks() {
    check "stop and start" with_busybox stops_and_starts
    check "soft reboot" with_busybox reboots soft
    check "hard reboot" with_busybox reboots hard
    check "reboot from inside" with_busybox reboots_from_inside
    check "pause and unpause" with_busybox pauses_and_unpauses
    check "console log" with_busybox shows_console_log
    check "diagnostics" with_busybox shows_diagnostics
    check "password" with_busybox sets_password
    check "rescue and unrescue" with_busybox rescues
    check "delete while rescued" with_busybox deletes_while_rescued
    check "memory limit" with_busybox keeps_memory_limit
    check "disk limit" with_busybox keeps_disk_limit
    check "files survive a reboot" with_busybox keeps_files
    check "port added and removed" with_busybox adds_and_removes_port
    check "network and address added and removed" with_busybox adds_and_removes_network
    check "config drive" reads_config_drive
    check "config drive and cloud-init" cloud_init_reads_config_drive
    check "service killed, guest lives" with_busybox survives_kill_of novalxd
    check "supervisor killed, guest lives" with_busybox survives_kill_of novalxd-supervisor
    check "rebuild" with_busybox rebuilds_running
    check "rebuild of a stopped server" with_busybox rebuilds_stopped
    check "stop and start after both" with_busybox stops_and_starts
    check "resize and revert" with_busybox resizes_and_reverts
    check "resize of a stopped server" with_busybox resizes_stopped
    check "resize and confirm" with_busybox resizes_and_confirms
    check "a smaller disk is refused" with_busybox refuses_smaller_disk
    check "image of a server" with_busybox becomes_an_image
    check "backups rotate" with_busybox rotates_backups
    check "delete leaves nothing" with_busybox deletes_without_trace
    check "delete of an unconfirmed resize leaves nothing" with_busybox deletes_unconfirmed
    check "five at once" creates_five_at_once
    check "cache an image" caches_an_image
    check "metadata definitions" describes_its_metadata
}
