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

# A file system of the size that was asked for, which survives a hard reboot.
has_ephemeral_disk() {
    local rc=0
    openstack flavor create --ram 128 --disk 1 --ephemeral 1 --vcpus 1 m1.scratch > /dev/null || return 1
    openstack server create --image busybox --flavor m1.scratch --ephemeral size=1,format=ext4 --network private --key-name stack --wait scratch > /dev/null
    { becomes scratch ACTIVE && wait_for 180 guest root scratch true && shows_scratch && guest root scratch 'echo kept > /mnt/file && sync' &&
        openstack server reboot --wait --hard scratch > /dev/null && wait_for 180 guest root scratch true && shows_scratch &&
        [ "$(guest root scratch 'cat /mnt/file')" = kept ]; } || rc=1
    openstack server delete --wait scratch; openstack flavor delete m1.scratch && [ $rc = 0 ]
}
shows_scratch() { guest root scratch 'df -m /mnt | tail -1' | tee >(cat >&2) | awk '{ exit !($6 == "/mnt" && $2 > 900 && $2 <= 1024) }'; }

# Files survive what a reboot must not lose.
keeps_files() {
    guest root busybox 'echo kept > /root/file && sync' && openstack server reboot --wait --hard busybox > /dev/null &&
        pings_soon busybox && logs_in && [ "$(guest root busybox 'cat /root/file')" = kept ]
}

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

creates_without_network() {
    openstack server create --image busybox --flavor m1.nano --nic none --wait lonely > /dev/null && becomes lonely ACTIVE &&
        [ "$(rest GET compute "/servers/$(server_id lonely)" | jq -c .server.addresses)" = '{}' ] && openstack server delete --wait lonely
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
    check "ephemeral disk" has_ephemeral_disk
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
    check "shelve and unshelve" with_busybox shelves_and_unshelves
    check "delete leaves nothing" with_busybox deletes_without_trace
    check "delete of an unconfirmed resize leaves nothing" with_busybox deletes_unconfirmed
    check "five at once" creates_five_at_once
    check "a server without network" creates_without_network
    check "cache an image" caches_an_image
    check "metadata definitions" describes_its_metadata
}
