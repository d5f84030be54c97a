#!/usr/bin/env bash
# Takes away what stack.sh made: servers, processes, links, name spaces, mounts, loop devices, cgroups, packet filter rules.
#   sudo devstack/unstack.sh           keeps the state: stack.sh brings it up again
#   sudo devstack/unstack.sh --wipe    removes state and logs too (the cache of images and schemas stays)
# Debian packages that stack.sh installed stay.
set -uo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$HERE/lib/common.sh"
for part in cloud hosts compute servers teardown; do
    # shellcheck source=/dev/null
    . "$HERE/lib/$part.sh"
done
WIPE=
case ${1:-} in
    '') ;;
    --wipe) WIPE=1 ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2 ;;
esac
require_root
[ -d "$STACK_STATE" ] || { say "nothing to do: there is no $STACK_STATE"; exit 0; }

step "servers" delete_servers
step "second host" stop_host2
step "NovaLxd" stop_compute
step "Neutron's agents and what they started" stop_agents
step "APIs" stop_services
step "MariaDB, RabbitMQ, memcached" stop_infrastructure
step "links, name spaces, packet filter" remove_network
step "mounts, loop devices, cgroups" remove_leftovers
[ -z "$WIPE" ] || step "state and logs" wipe
say "done in $SECONDS s"
report_leftovers || die "the above is still there and was not made to go away"
