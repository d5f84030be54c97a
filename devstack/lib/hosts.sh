# shellcheck shell=bash
# Sourced: the second compute host of "stack.sh --hosts 2". It has a network, a host name, mounts, a state folder, a supervisor and a
# service of its own, and reaches the control plane and the first host by the address of its own link only, as a machine would. It
# shares this machine's kernel, processors, memory and disk.

HOST2=$STACK_HOST-2
HOST2_NAMESPACE=nlxhost2
HOST2_ADDRESS=172.31.89.2
HOST2_STATE=$STACK_STATE/compute-2
LINK_HOST2=nlxhost2

has_two_hosts() { [ "$(cat "$STACK_STATE/hosts" 2>/dev/null)" = 2 ]; }

# set_hosts NUMBER: remembered, for the addresses of the control plane depend on it.
set_hosts() {
    mkdir -p "$STACK_STATE"
    [ ! -e "$STACK_STATE/stamps/bootstrap" ] || [ "$1" = "$(cat "$STACK_STATE/hosts" 2>/dev/null || echo 1)" ] ||
        die "the cloud in $STACK_STATE was made for another number of hosts: unstack.sh --wipe first, or use another STACK_STATE"
    echo "$1" > "$STACK_STATE/hosts"
    choose_address
}

# A network name space at the tunnels' bridge, and a process that keeps a mount and a host name space, which others enter. What is
# mounted later on the first host does not show here, nor the other way round; what is unmounted goes here too.
make_host2() {
    ip netns list | grep -q "^$HOST2_NAMESPACE\b" || ip netns add "$HOST2_NAMESPACE" || return 1
    if ! ip link show "$LINK_HOST2" > /dev/null 2>&1; then
        ip link add "$LINK_HOST2" type veth peer name eth0 netns "$HOST2_NAMESPACE" && ip link set "$LINK_HOST2" master "$LINK_TUNNEL" || return 1
    fi
    ip link set "$LINK_HOST2" up
    ip -n "$HOST2_NAMESPACE" addr replace "$HOST2_ADDRESS/24" dev eth0
    local link; for link in lo eth0; do ip -n "$HOST2_NAMESPACE" link set "$link" up; done
    # sysfs shows the links of the network name space that it was mounted in; the cgroups below it come along.
    start host2 nsenter "--net=/run/netns/$HOST2_NAMESPACE" unshare --mount --uts --propagation slave sh -c "
        set -e
        hostname '$HOST2'
        mount --rbind /sys/fs/cgroup /mnt
        mount -t sysfs sysfs /sys
        mount --move /mnt /sys/fs/cgroup
        touch '$RUN/host2.ready'
        exec sleep infinity"
    wait_for 30 test -e "$RUN/host2.ready" || { echo "the name spaces of the second host could not be made; see $STACK_LOGS/host2.log" >&2; return 1; }
}

# on_host2 COMMAND...
on_host2() { nsenter -t "$(cut -d' ' -f1 "$RUN/host2.pid")" --net --mount --uts "$@"; }
# start_on_host2 NAME COMMAND...
start_on_host2() { local name=$1; shift; start "$name" nsenter -t "$(cut -d' ' -f1 "$RUN/host2.pid")" --net --mount --uts "$@"; }

# The channel by which servers move between the hosts: a CA, and a certificate for each of them.
TRANSFER=$STACK_STATE/transfer
make_transfer_certificates() {
    [ ! -e "$TRANSFER/ready" ] || return 0
    (
        umask 077; mkdir -p "$TRANSFER" && cd "$TRANSFER" || exit 1
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=compute hosts of this stack" \
            -addext keyUsage=critical,keyCertSign -keyout ca-key.pem -out ca.pem || exit 1
        for host in "$STACK_HOST" "$HOST2"; do
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=compute host" -keyout "$host-key.pem" -out "$host.csr" &&
                printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$host" > "$host.ext" &&
                openssl x509 -req -days 365 -in "$host.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile "$host.ext" -out "$host.pem" || exit 1
        done
        touch ready
    ) > "$STACK_LOGS/transfer-certificates.log" 2>&1 || { tail -5 "$STACK_LOGS/transfer-certificates.log" >&2; return 1; }
}

# transfer_options HOST: what its service gets in section [lxd]; nothing where there is no other host.
transfer_options() {
    has_two_hosts || return 0
    printf '%s\n' "transfer_certificate = $TRANSFER/$1.pem" "transfer_key = $TRANSFER/$1-key.pem" "transfer_ca = $TRANSFER/ca.pem"
}

configure_host2() {
    (umask 077; mkdir -p "$HOST2_STATE/instances"
    cat > "$ETC/neutron/linuxbridge_agent-2.ini" <<X
[DEFAULT]
host = $HOST2
[linux_bridge]
[vxlan]
enable_vxlan = true
local_ip = $HOST2_ADDRESS
l2_population = true
[securitygroup]
enable_security_group = true
enable_ipset = true
firewall_driver = iptables
[oslo_concurrency]
lock_path = $HOST2_STATE/lock
X
    cat > "$ETC/novalxd-2.conf" <<X
[DEFAULT]
host = $HOST2
my_ip = $HOST2_ADDRESS
state_path = $HOST2_STATE
instances_path = $HOST2_STATE/instances
log_file = $STACK_LOGS/novalxd-2.log
debug = ${STACK_DEBUG:-false}
reserved_host_memory_mb = 512
[lxd]
hypervisor_hostname = $HOST2
runtime_directory = $RUN/novalxd-2
cgroup_parent = $CGROUP_PARENT-2
$(transfer_options "$HOST2")
X
    )
}

start_host2_agent() {
    PATH=$TOP/devstack/agent:$PATH start_on_host2 neutron-linuxbridge-agent-2 neutron-linuxbridge-agent \
        --config-file "$ETC/neutron/neutron.conf" --config-file "$ETC/neutron/linuxbridge_agent-2.ini"
    wait_for 300 agents_alive 5 || { echo "the second host's agent does not report; see $STACK_LOGS/neutron-linuxbridge-agent-2.log" >&2; return 1; }
}

start_host2() {
    mkdir -p "$RUN/novalxd-2"
    if stale novalxd-2 "$PROGRAMS/novalxd/novalxd"; then stop_alone novalxd-2 90; fi
    if stale novalxd-supervisor-2 "$PROGRAMS/supervisor/novalxd-supervisor"; then stop_alone novalxd-supervisor-2; fi
    start_on_host2 novalxd-supervisor-2 "$(readlink -f "$PROGRAMS/supervisor/novalxd-supervisor")" \
        --runtime-dir "$RUN/novalxd-2" --state-dir "$HOST2_STATE/instances"
    start_on_host2 novalxd-2 "$(readlink -f "$PROGRAMS/novalxd/novalxd")" --config-file "$ETC/nova/common.conf" --config-file "$ETC/novalxd-2.conf"
    wait_for "${STACK_COMPUTE_TIMEOUT:-300}" compute_up "$HOST2" && return 0
    echo "the second host is not up in Nova; the last lines of its log:" >&2
    tail -n 15 "$STACK_LOGS/novalxd-2.log" "$STACK_LOGS/novalxd-supervisor-2.log" >&2
    return 1
}

stop_host2() {
    stop neutron-linuxbridge-agent-2
    stop_alone novalxd-2 90
    kill_containers "$CGROUP_PARENT-2" novalxd-supervisor-2
    stop novalxd-supervisor-2; stop host2
    rm -f "$RUN/host2.ready"
    ip netns list 2>/dev/null | grep -q "^$HOST2_NAMESPACE\b" || return 0
    ip netns del "$HOST2_NAMESPACE"
}
