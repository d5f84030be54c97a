#!/usr/bin/env bash
# From a bare Debian 12 to servers that run: installs and starts OpenStack's control plane (Zed, Debian's packages) on the loopback
# address, builds and starts NovaLxd as its compute host, makes and uploads two images, boots a server of each, and proves that
# they are reachable. Run again, it does only what is missing. unstack.sh takes everything away.
#   sudo devstack/stack.sh [--no-servers] [--hosts 1|2]
#     --no-servers    stops when NovaLxd is up and the images are uploaded
#     --hosts 2       a second compute host, in name spaces of its own; what hosts talk to listens on the bridge between them
# Environment
#   STACK_STATE   everything that is made (/var/lib/novalxd-stack)      STACK_LOGS   logs (/var/log/novalxd-stack)
#   STACK_CACHE   images and database schemas, kept by unstack.sh (/var/cache/novalxd)
#   STACK_HOST    host name of agents and compute service (hostname)    STACK_DEBUG  true: NovaLxd logs at level debug
set -uo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=lib/cloud.sh
. "$HERE/lib/cloud.sh"
for part in hosts infrastructure configuration services seed compute servers; do
    # shellcheck source=/dev/null
    . "$HERE/lib/$part.sh"
done

CONTROL_PLANE=(rabbitmq-server mariadb-server memcached uwsgi-plugin-python3 keystone glance-api placement-api neutron-server
    neutron-linuxbridge-agent neutron-dhcp-agent neutron-l3-agent neutron-metadata-agent
    nova-api nova-conductor nova-scheduler nova-consoleproxy python3-openstackclient python3-osc-placement)
COMPUTE=(libseccomp2 lxcfs e2fsprogs squashfs-tools xz-utils zstd genisoimage dosfstools mtools busybox-static iproute2 iptables ebtables kmod)
# The native compiler of the supervisor links with clang and zlib.
TOOLS=(clang lld zlib1g-dev libc6-dev curl jq procps iputils-ping openssh-client openssl tar util-linux mmdebstrap dropbear-bin ca-certificates)

SERVERS=1 HOSTS=$(cat "$STACK_STATE/hosts" 2>/dev/null || echo 1)
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
        '--no-servers '*) SERVERS='' ;;
        '--hosts 1'|'--hosts 2') HOSTS=$2; shift ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2 ;;
    esac
    shift
done

# --- can it be done here? ----------------------------------------------------------------------------------------------
require_root
require_debian12
{ [ -n "$DOTNET" ] && "$DOTNET" --list-sdks | grep '^10\.' > /dev/null; } ||
    die "the .NET 10 SDK is missing: install it (packages of Microsoft, or dotnet-install.sh with DOTNET_ROOT set) and run this again"
[ -w /proc/sys/net/ipv4/ip_forward ] || die "/proc/sys is read-only: Neutron's agents cannot work in this container"
{ ip link add nlxprobe0 type veth peer name nlxprobe1 2>/dev/null && ip link del nlxprobe0; } ||
    die "this kernel or container makes no veth devices: networks and containers need them"
memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
[ "$memory" -ge 5500 ] || die "$memory MiB of memory: the control plane takes 4 GiB, so have at least 6"
require_disk "$STACK_STATE" 8192
require_disk "$STACK_CACHE" 3072
mkdir -p "$STACK_LOGS" "$ETC" "$RUN"
: > "$STACK_LOGS/times.tsv"

do_step() { step "$@" || die "step '$1' failed (logs: $STACK_LOGS)"; }

say "state $STACK_STATE, logs $STACK_LOGS, cache $STACK_CACHE, host $STACK_HOST"
do_step "Debian packages" install_packages "${CONTROL_PLANE[@]}" "${COMPUTE[@]}" "${TOOLS[@]}"
set_hosts "$HOSTS"
require_ports

# --- the control plane -------------------------------------------------------------------------------------------------
write_openrc
[ -e "$STACK_STATE/sysctl.before" ] || save_sysctls
do_step "configuration" configure_control_plane
configure_infrastructure
make_links || die "the links of the external network could not be made"
do_step "MariaDB, RabbitMQ, memcached" start_infrastructure
do_step "databases" make_databases
do_step "schemas (minutes without a cached dump)" make_schemas
do_step "Keystone" start_keystone
do_step "Keystone: administrator" once bootstrap bootstrap_keystone
do_step "users, roles, endpoints" once catalog seed_catalog
do_step "Glance, Placement, Neutron, Nova" start_services
do_step "Neutron's agents" start_agents
if has_two_hosts; then
    do_step "second host: certificates" make_transfer_certificates
    configure_host2
    do_step "second host: links and name spaces" make_host2
    do_step "second host: Neutron's agent" start_host2_agent
fi
do_step "flavors, networks, rules, keypair" seed_resources

# --- NovaLxd -----------------------------------------------------------------------------------------------------------
configure_compute
do_step "build: service" build_service
do_step "build: supervisor (native)" build_supervisor
warn_of_no_aot
do_step "lxcfs" start_lxcfs
do_step "AppArmor profile" load_apparmor_profile
do_step "NovaLxd up and known to Nova" start_compute
! has_two_hosts || do_step "second host: up and known to Nova" start_host2
"$HERE/images.sh" busybox debian > /dev/null || die "the images could not be made"
do_step "images uploaded" seed_images
openstack compute service list
[ -n "$SERVERS" ] || { say "ready in $SECONDS s; credentials: . $STACK_STATE/openrc"; exit 0; }

# --- servers -----------------------------------------------------------------------------------------------------------
do_step "server create busybox --wait" boot busybox busybox m1.nano
do_step "server create debian --wait" boot debian debian-12 m1.small
for server in busybox debian; do
    prove "$server address" address_by_dhcp $server
    prove "$server metadata" metadata_reached $server
    prove "$server ping" answers_ping $server
done
prove "busybox ssh" ssh_runs root busybox 'hostname; nproc; df -h / | tail -1' '^busybox'
prove "debian ssh" ssh_runs debian debian 'systemctl is-system-running --wait; systemctl --failed --no-legend' '^running'
prove "debian disk" ssh_runs debian debian 'df -h --output=size,used,target / | tail -1' '^ *[45]\.'
prove "debian memory" ssh_runs debian debian 'free -m | grep Mem' 'Mem: +(19|20)[0-9][0-9]'
prove "debian processors" ssh_runs debian debian 'grep -c ^processor /proc/cpuinfo' '^1$'
for server in busybox debian; do
    echo; echo "--- console of $server, last lines"
    console $server | tail -n 15
done
echo
openstack server list
say "ready in $SECONDS s; credentials: . $STACK_STATE/openrc; key: $KEY; logs: $STACK_LOGS"
[ "${PROOFS_FAILED:-0}" = 0 ] || die "$PROOFS_FAILED of the proofs failed: see the lines FAILED above"
