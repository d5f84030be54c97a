# shellcheck shell=bash
# Sourced: starts Keystone, Placement, Glance, Neutron and Nova's control plane as background processes.

# One process with some threads.
WSGI=(uwsgi_python3 --die-on-term --processes 1 --threads 4 --enable-threads --buffer-size 65535 --disable-logging
    --add-header 'Connection: close')

make_links() {
    ip link show "$LINK_PHYSICAL" > /dev/null 2>&1 || ip link add "$LINK_PHYSICAL" type veth peer name "$LINK_OUTSIDE" || return 1
    ip link show "$LINK_TUNNEL" > /dev/null 2>&1 || ip link add "$LINK_TUNNEL" type bridge || return 1
    ip addr replace "$TUNNEL_ADDRESS"/24 dev "$LINK_TUNNEL"
    ip addr replace "$OUTSIDE_GATEWAY/${OUTSIDE_CIDR#*/}" dev "$LINK_OUTSIDE"
    local link; for link in "$LINK_PHYSICAL" "$LINK_OUTSIDE" "$LINK_TUNNEL"; do ip link set "$link" up; done
}

# Neutron's agents change these, and unstack.sh sets them back.
SYSCTLS='net\.(ipv4|ipv6)\.(ip_forward|conf\.(all|default)\.forwarding|neigh\.default\.gc_thresh.)|net\.bridge\..*'
save_sysctls() { sysctl -a -r "^($SYSCTLS)$" > "$STACK_STATE/sysctl.before" 2>/dev/null; }

start_keystone() {
    OS_KEYSTONE_CONFIG_DIR=$ETC/keystone OS_KEYSTONE_CONFIG_FILES=$ETC/keystone/keystone.conf \
        start keystone "${WSGI[@]}" --http-socket "$IP:5000" --wsgi-file /usr/bin/keystone-wsgi-public
    wait_for 180 http_answers 5000 || { echo "Keystone does not answer; see $STACK_LOGS/keystone.log" >&2; return 1; }
}

bootstrap_keystone() {
    keystone-manage --config-file "$ETC/keystone/keystone.conf" bootstrap --bootstrap-password "$(password)" \
        --bootstrap-region-id "$REGION" --bootstrap-admin-url "$AUTH_URL" --bootstrap-internal-url "$AUTH_URL" \
        --bootstrap-public-url "$AUTH_URL" >> "$STACK_LOGS/schema-keystone.log" 2>&1 ||
        { tail -3 "$STACK_LOGS/schema-keystone.log" >&2; return 1; }
}

start_services() {
    local nova=(--config-file "$ETC/nova/common.conf" --config-file "$ETC/nova/nova.conf")
    OS_PLACEMENT_CONFIG_DIR=$ETC/placement \
        start placement "${WSGI[@]}" --http-socket "$IP:8778" --wsgi-file /usr/bin/placement-api
    start neutron-server neutron-server --config-file "$ETC/neutron/neutron.conf" --config-file "$ETC/neutron/ml2_conf.ini"
    start glance-api glance-api --config-file "$ETC/glance/glance-api.conf"
    start nova-conductor nova-conductor "${nova[@]}"
    start nova-scheduler nova-scheduler "${nova[@]}"
    start nova-api nova-api "${nova[@]}"
    start nova-novncproxy nova-novncproxy "${nova[@]}" --web /usr/share/novnc
    start nova-serialproxy nova-serialproxy "${nova[@]}"
    local port name
    while read -r port name; do
        wait_for 300 port_open "$port" || { echo "$name does not answer on port $port; see $STACK_LOGS/$name.log" >&2; return 1; }
    done <<< "$PORTS"
}

start_agents() {
    local agent neutron=(--config-file "$ETC/neutron/neutron.conf")
    for agent in linuxbridge dhcp l3 metadata; do
        # agent/ stands before the system's programs (see agent/ebtables).
        PATH=$TOP/devstack/agent:$PATH start "neutron-$agent-agent" "neutron-$agent-agent" "${neutron[@]}" --config-file "$ETC/neutron/${agent}_agent.ini"
    done
    wait_for 300 agents_alive 4 || { echo "not all of Neutron's four agents report; see $STACK_LOGS/neutron-*-agent.log" >&2; return 1; }
}
# agents_alive NUMBER
agents_alive() {
    [ "$(sql -N -e 'select count(*) from neutron.agents where heartbeat_timestamp > utc_timestamp() - interval 30 second')" -ge "$1" ]
}
