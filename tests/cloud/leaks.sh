# shellcheck shell=bash
# Sourced by the cloud lanes: what a host has of the things that containers and ports are made of, and what the cloud has.

# host_state FILE: one line each; two files of an unchanged host are equal.
host_state() {
    {
        # The first "ip netns add" makes a mount of the folder, which stays for those to come.
        awk '$5 != "/run/netns" { print "mount", $5, $9 }' /proc/self/mountinfo
        find /sys/class/net -mindepth 1 -printf 'link %f\n'
        ip netns list 2>/dev/null | awk '{ print "name space", $1 }'
        losetup -n -O NAME,BACK-FILE 2>/dev/null | awk '{ print "loop device", $2 }'
        find /sys/fs/cgroup -type d -name 'novalxd*' -printf 'cgroup %p\n' 2>/dev/null
        for tool in iptables ip6tables ebtables; do
            "$tool-save" 2>/dev/null | grep -vE '^[#:*]|^COMMIT' | sed "s/^/$tool rule /"
        done
        ipset list -n 2>/dev/null | sed 's/^/ipset /'
        # One by one: a pattern of more than 15 characters finds nothing. Zombies are of nobody any more.
        for name in novalxd lxcfs dnsmasq haproxy neutron nova- glance placement keystone beam.smp mariadbd memcached; do
            pgrep -l --runstates R,S,D,T "^$name" | awk '{ print "process", $2 }'
        done
    } | sort > "$1"
}

# settled_host_state FILE: what was killed before takes a while to go.
settled_host_state() {
    host_state "$1"
    for _ in $(seq 15); do
        sleep 2
        host_state "$1.again"
        if cmp -s "$1" "$1.again"; then break; fi
        mv "$1.again" "$1"
    done
    rm -f "$1.again"
}

# What ends by and by after unstack.sh is gone within two minutes; a leak stays.
no_leaks() {    # no_leaks BEFORE AFTER
    wait_for 120 unchanged "$1" "$2" && return 0
    host_changes "$1" "$2"
    echo "(<: was there before and is not now; >: is there now and was not before)"
    return 1
}
unchanged() { host_state "$2"; [ -z "$(host_changes "$1" "$2")" ]; }
# A process that ended was on its way out in the lane before this one.
host_changes() { { diff "$1" "$2" || true; } | grep '^[<>]' | grep -v '^< process ' || true; }

# cloud_state FILE: what the control plane has of the things that servers are made of, one line each.
cloud_state() {
    local provider
    provider=$(rest GET placement /resource_providers | jq -r '.resource_providers[0].uuid')
    {
        rest GET compute '/servers?all_tenants=1' | jq -r '.servers[] | "server \(.id)"'
        rest GET network /ports | jq -r '.ports[] | "port \(.id) \(.device_owner)"'
        rest GET network /floatingips | jq -r '.floatingips[] | "floating address \(.id)"'
        rest GET image '/images?limit=1000' | jq -r '.images[] | "image \(.id)"'
        rest GET placement "/resource_providers/$provider/allocations" | jq -r '.allocations | keys[] | "allocation \(.)"'
        find "$STACK_STATE/compute/instances" -mindepth 1 -maxdepth 1 -printf 'folder %f\n'
        # Not from here: Erlang looks for its modules in the folder it is started in, which the user it runs as may not enter.
        (cd / && rabbitmqctl list_queues name messages --no-table-headers | awk '/compute/ && $2 > 0 { print "messages in", $1 }')
    } | sort > "$1"
}

nothing_left_in_cloud() {    # nothing_left_in_cloud BEFORE AFTER
    wait_for 180 cloud_unchanged "$1" "$2" || { diff "$1" "$2" | grep '^[<>]'; return 1; }
}
cloud_unchanged() { authenticate && cloud_state "$2" && ! diff "$1" "$2" | grep -q '^>'; }
