# shellcheck shell=bash
# Sourced: boots a server of each image, and proves from outside that it is what Neutron and Nova say it is.

# shellcheck source=/dev/null
openstack() { (. "$STACK_STATE/openrc"; command openstack "$@"); }

# boot NAME IMAGE FLAVOR
boot() {
    local status; status=$(server_status "$1") || return 1
    [ "$status" != ACTIVE ] || return 0
    [ -z "$status" ] || openstack server delete --wait "$1" || return 1
    openstack server create --image "$2" --flavor "$3" --network private --key-name stack --wait "$1" > "$STACK_LOGS/server-$1.log" 2>&1
    # The client's exit status is 0 even when the server ended in ERROR.
    [ "$(server_status "$1")" != ACTIVE ] || return 0
    tail -5 "$STACK_LOGS/server-$1.log" >&2
    rest GET compute "/servers/detail?name=^$1\$" | jq -r '.servers[0] | "\(.name) is \(.status): \(.fault.message // "no fault is recorded")"' >&2
    echo "the service's log: $STACK_LOGS/novalxd.log; the scheduler's: $STACK_LOGS/nova-scheduler.log" >&2
    return 1
}

server_status() { rest GET compute "/servers/detail?name=^$1\$" | jq -r '.servers[0].status // empty'; }
server_id() { rest GET compute "/servers?name=^$1\$" | jq -r '.servers[0].id // empty'; }
# The port it was made with, if it has been given others since.
port_of()   { rest GET network "/ports?device_id=$1" | jq -c '.ports | sort_by(.created_at) | .[0]'; }
console()   { openstack console log show "$1"; }

# floating_ip NAME: the server's address in the public network, given to its port when it has none.
floating_ip() {
    local port found public
    port=$(port_of "$(server_id "$1")" | jq -r .id)
    found=$(rest GET network "/floatingips?port_id=$port" | jq -r '.floatingips[0].floating_ip_address // empty') || return 1
    if [ -z "$found" ]; then
        public=$(rest GET network '/networks?name=public' | jq -r '.networks[0].id')
        found=$(rest POST network /floatingips "{\"floatingip\": {\"floating_network_id\": \"$public\", \"port_id\": \"$port\"}}" |
            jq -r .floatingip.floating_ip_address)
    fi
    [ -n "$found" ] && echo "$found"
}

# guest USER NAME COMMAND: by ssh with the keypair, through the floating address.
guest() {
    ssh -q -i "$KEY" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 \
        -o ServerAliveInterval=5 -o ServerAliveCountMax=6 \
        "$1@$(floating_ip "$2")" "$3"
}

# --- proofs: each prints what was seen, and fails with what was expected --------------------------------------------
prove() {    # prove NAME COMMAND...
    local name=$1 out rc=0; shift
    out=$("$@" 2>&1) || rc=$?
    if [ $rc = 0 ]; then say "PROOF   $name: $out"; else say "FAILED  $name: $out"; PROOFS_FAILED=$((${PROOFS_FAILED:-0} + 1)); fi
    return $rc
}

console_line() { console "$1" | tr -d '\r' | grep -a "^$2" | tail -1 | sed "s/^$2 *//"; }
console_says() { [ -n "$(console_line "$1" "$2")" ]; }

address_by_dhcp() {
    local want seen
    want=$(port_of "$(server_id "$1")" | jq -r '.fixed_ips[0].ip_address')
    wait_for 480 console_says "$1" 'network: eth0' || { echo "the console log never said 'network: eth0 ADDRESS'"; return 1; }
    seen=$(console_line "$1" 'network: eth0'); seen=${seen%/*}
    [ "$seen" = "$want" ] || { echo "the guest has '$seen', Neutron says '$want'"; return 1; }
    echo "$seen by DHCP, as Neutron says"
}

metadata_reached() {
    local want seen
    want=$(server_id "$1")
    wait_for 480 console_says "$1" 'metadata: uuid' || { echo "the console log never said 'metadata: uuid UUID'"; return 1; }
    seen=$(console_line "$1" 'metadata: uuid')
    [ "$seen" = "$want" ] || { echo "the metadata service told the guest '$seen', Nova says '$want'"; return 1; }
    echo "uuid $seen from http://169.254.169.254, as Nova says"
}

answers_ping() {
    local address; address=$(floating_ip "$1") || { echo "no floating address"; return 1; }
    wait_for 180 ping -c 1 -W 2 "$address" || { echo "$address does not answer"; return 1; }
    ping -c 3 -i 0.3 -W 2 "$address" | awk -F/ -v a="$address" '/packets transmitted/ { split($0, p, ",") } /^rtt/ { m = $5 } END { print a ":" p[1] "," p[2] ", " m " ms" }'
}

# ssh_runs USER NAME COMMAND EXPECTED: EXPECTED is an extended regular expression that the output must match.
ssh_runs() {
    local out
    wait_for 480 guest "$1" "$2" true || { echo "no login as $1"; return 1; }
    out=$(guest "$1" "$2" "$3" 2>&1) || [ -n "$out" ] || return 1
    grep -qE "$4" <<< "$out" || { echo "'$3' printed '$out', expected was '$4'"; return 1; }
    tr '\n' ';' <<< "$out" | sed 's/;$//; s/;/; /g; s/  */ /g'
}
