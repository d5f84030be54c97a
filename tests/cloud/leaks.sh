# shellcheck shell=bash
# Sourced by the cloud lane: what a host has of the things that containers and ports are made of.

# host_state FILE: one line each; two files of an unchanged host are equal.
host_state() {
    {
        awk '{ print "mount", $5, $9 }' /proc/self/mountinfo
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

no_leaks() {    # no_leaks BEFORE AFTER
    local changes
    # A process that ended was on its way out in the lane before this one: what was killed there takes a while to go.
    changes=$(diff "$1" "$2" | grep '^[<>]' | grep -v '^< process ') || return 0
    echo "$changes"
    echo "(<: was there before and is not now; >: is there now and was not before)"
    return 1
}
