# shellcheck shell=bash
# Sourced by unstack.sh: every step takes away what is there and is content when nothing is.

# Through the API while it answers, so that ports, addresses and allocations go with them.
delete_servers() {
    local ids id
    save_neutron_names
    running nova-api && running novalxd && authenticate 2>/dev/null || return 0
    ids=$(rest GET compute '/servers?all_tenants=1' | jq -r '.servers[].id') || return 0
    [ -n "$ids" ] || return 0
    for id in $ids; do rest DELETE compute "/servers/$id" > /dev/null; done
    wait_for 120 no_servers || { echo "some servers did not go; their processes are ended below" >&2; return 1; }
}
no_servers() { [ "$(rest GET compute '/servers?all_tenants=1' | jq '.servers | length')" = 0 ]; }

stop_compute() {
    stop_alone novalxd 90
    kill_containers "$CGROUP_PARENT" novalxd-supervisor
    stop novalxd-supervisor
    if running lxcfs; then umount /var/lib/lxcfs 2>/dev/null; stop lxcfs; fi
}

# Cgroups of containers, in every hierarchy, wherever the engine had to put their parent.
container_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/$1*" 2>/dev/null; }

# kill_containers PARENT SUPERVISOR: what the API did not end. Only processes in the containers' own cgroups, and not the supervisor
# should it be in one of them.
kill_containers() {
    local directory pid supervisor=''
    ! running "$2" || read -r supervisor _ < "$RUN/$2.pid"
    for directory in $(container_cgroups "$1"); do
        while read -r pid; do [ "$pid" = "$supervisor" ] || kill -KILL "$pid" 2>/dev/null; done < "$directory/cgroup.procs"
    done 2>/dev/null
    return 0
}

stop_agents() {
    local file pid name
    for name in linuxbridge dhcp l3 metadata; do stop "neutron-$name-agent" & done; wait
    # dnsmasq, haproxy, radvd and keepalived, which the agents leave running on purpose.
    for file in "$STACK_STATE"/neutron/dhcp/*/pid "$STACK_STATE"/neutron/external/pids/*.pid*; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        ! tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF "$STACK_STATE" || kill "$pid"
        rm -f "$file"
    done
    # The agents' privileged helpers are in sessions of their own.
    for pid in $(pgrep -f "privsep.*$ETC/neutron" 2>/dev/null); do kill "$pid" 2>/dev/null; done
    return 0
}

stop_services() {
    local name
    for name in nova-serialproxy nova-novncproxy nova-api nova-scheduler nova-conductor glance-api placement neutron-server; do
        stop $name &
    done
    wait
    stop keystone
}

stop_infrastructure() { stop rabbitmq; stop epmd; stop memcached; stop mariadb; }

remove_network() {
    local name table tool rules
    for name in $(neutron_namespaces); do ip netns del "$name"; done
    for name in "$LINK_PHYSICAL" "$LINK_TUNNEL" $(neutron_links); do ip link del "$name" 2>/dev/null; done
    # The Linux bridge agent's chains carry its program's name.
    for tool in iptables ip6tables; do
        for table in raw mangle nat filter; do
            rules=$("$tool-save" -t $table 2>/dev/null) || continue
            [[ $rules != *neutron-* ]] || grep -v neutron- <<< "$rules" | "$tool-restore" -T $table
        done
    done
    for table in nat filter; do
        for name in $(ebtables -t $table -L 2>/dev/null | sed -n 's/^Bridge chain: \(neutron[^,]*\),.*/\1/p'); do
            remove_ebtables_chain "$table" "$name"
        done
    done
    # The kernel lets go of a set some time after the last rule that names it.
    for name in $(ipset list -n 2>/dev/null | grep -E '^NIPv[46]'); do
        wait_for 30 ipset destroy "$name" || echo "the set $name is still in use" >&2
    done
    # Put back only what was recorded and differs; some keys are gone with the modules or links they belong to.
    [ ! -s "$STACK_STATE/sysctl.before" ] || sysctl -q -e -p "$STACK_STATE/sysctl.before" > /dev/null 2>&1
    rm -f "$STACK_STATE/sysctl.before"
    return 0
}
# Names of links and name spaces are made from the ids of networks, ports and routers; only ours are taken, for another
# Neutron may live beside.
save_neutron_names() {
    running mariadb || return 0
    sql -N -e "select concat('brq', left(id, 11)) from neutron.networks union select concat('qdhcp-', id) from neutron.networks
        union select concat('tap', left(id, 11)) from neutron.ports union select concat('qrouter-', id) from neutron.routers
        union select concat('vxlan-', segmentation_id) from neutron.networksegments where network_type = 'vxlan'" \
        > "$STACK_STATE/neutron-names" 2>/dev/null || true
}
neutron_names() { [ ! -e "$STACK_STATE/neutron-names" ] || cat "$STACK_STATE/neutron-names"; }
neutron_links() { comm -12 <(find /sys/class/net -mindepth 1 -printf '%f\n' | sort) <(neutron_names | sort); }
neutron_namespaces() { comm -12 <(ip netns list 2>/dev/null | cut -d' ' -f1 | sort) <(neutron_names | sort); }
remove_ebtables_chain() {
    local table=$1 chain=$2 rule
    ebtables -t "$table" -L PREROUTING | grep -F -- "-j $chain" | while read -r rule; do
        # shellcheck disable=SC2086    # the rule is several words
        ebtables -t "$table" -D PREROUTING $rule
    done
    ebtables -t "$table" -F "$chain"; ebtables -t "$table" -X "$chain"
}

remove_leftovers() {
    local target device
    # Deepest first.
    while read -r target; do
        target=$(printf '%b' "$target")
        umount "$target" 2>/dev/null || umount -l "$target"
    done < <(awk '{ print $5 }' /proc/self/mountinfo | grep -F "$STACK_STATE/" | sort -r)
    for device in $(loop_devices); do losetup -d "$device"; done
    wait_for 60 cgroups_removed || true
    unload_apparmor_profile
    return 0
}
loop_devices() { losetup -n -O NAME,BACK-FILE | awk -v state="$STACK_STATE/" 'index($2, state) == 1 { print $1 }'; }
cgroups_removed() {
    local directory
    for directory in $(container_cgroups "$CGROUP_PARENT"); do rmdir "$directory" 2>/dev/null; done
    [ -z "$(container_cgroups "$CGROUP_PARENT")" ]
}

wipe() { rm -rf --one-file-system "$STACK_STATE" "$STACK_LOGS"; }

# What is still there of what was ours, one line each; fails when there is something. What was asked to end, or killed, takes a
# while to go.
report_leftovers() {
    wait_for 60 nothing_left && return 0
    leftovers
    return 1
}
nothing_left() { [ -z "$(leftovers)" ]; }
leftovers() {
    awk '{ print "mount", $5 }' /proc/self/mountinfo | grep -F "$STACK_STATE/"
    loop_devices | sed 's/^/loop device /'
    container_cgroups "$CGROUP_PARENT" | sed 's/^/cgroup /'
    { neutron_links; ip -o link show 2>/dev/null | grep -o 'nlx[a-z]*[0-9]*' | sort -u; } | sed 's/^/link /'
    neutron_namespaces | sed 's/^/name space /'
    pgrep -af "$STACK_STATE/" | grep -v unstack.sh | sed 's/^/process /'
    iptables-save 2>/dev/null | grep -m1 neutron- | sed 's/^/iptables rule /'
    return 0
}
