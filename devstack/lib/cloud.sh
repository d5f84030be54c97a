# shellcheck shell=bash
# shellcheck disable=SC2034    # variables are for those who source this
# Sourced after common.sh: names and addresses of the control plane, its credentials, and its REST APIs.

LOCAL=127.0.0.1
REGION=RegionOne
STACK_HOST=${STACK_HOST:-$(hostname)}       # of the Neutron agents and of the compute service: ports are bound by it

# One password for everything, made at the first run.
PASSWORD_FILE=$STACK_STATE/password
password() {
    [ -s "$PASSWORD_FILE" ] || (umask 077; mkdir -p "$STACK_STATE"; head -c 18 /dev/urandom | base64 | tr -d '+/=\n' > "$PASSWORD_FILE")
    cat "$PASSWORD_FILE"
}

# Links of the cloud in the host's network: the "physical" port of the external network, its far end (the world outside the
# cloud, which here is this host), and the bridge that carries the address of the VXLAN tunnels.
LINK_PHYSICAL=nlxphys0
LINK_OUTSIDE=nlxext0
LINK_TUNNEL=nlxvtep
OUTSIDE_GATEWAY=172.31.88.1
OUTSIDE_CIDR=172.31.88.0/24
OUTSIDE_POOL='{"start": "172.31.88.100", "end": "172.31.88.199"}'
TUNNEL_ADDRESS=172.31.89.1
PRIVATE_CIDR=10.88.0.0/24

# What other hosts talk to listens on $IP: the loopback address, or, when there is a second compute host, that of the bridge between
# the two. The rest stays on the loopback address.
choose_address() {
    IP=$LOCAL
    [ "$(cat "$STACK_STATE/hosts" 2>/dev/null)" != 2 ] || IP=$TUNNEL_ADDRESS
    AUTH_URL=http://$IP:5000/v3
}
choose_address

# Cgroup of all containers, by which unstack.sh knows them.
CGROUP_PARENT=novalxd-stack

# Port, name of the process as stack.sh starts it, what it is.
PORTS="3306 mariadb
5672 rabbitmq
11211 memcached
5000 keystone
8778 placement
9292 glance-api
9696 neutron-server
8774 nova-api
8775 nova-api
6080 nova-novncproxy
6083 nova-serialproxy"

port_open() { (exec 3<> "/dev/tcp/$IP/$1") 2>/dev/null || (exec 3<> "/dev/tcp/$LOCAL/$1") 2>/dev/null; }
http_answers() { curl -s -o /dev/null -m 5 "http://$IP:$1/"; }

# What listens on the port at an address that is ours or at all of them. Nobody is called for it: before the links are made, the address of a
# cloud with two hosts would lead out of this machine.
listeners() { ss -Hltnp "sport = :$1" | awk -v ip="$IP" -v local="$LOCAL" '{ a = $4; sub(/:[0-9]+$/, "", a) } a == ip || a == local || a == "0.0.0.0" || a == "*" || a == "[::]"'; }

# Dies naming the owner when a port that one of our processes needs is taken by something else.
require_ports() {
    local port name
    while read -r port name; do
        running "$name" || [ -z "$(listeners "$port")" ] ||
            die "port $port, needed by $name, is taken by $(listeners "$port" | grep -o 'users:.*' | head -1): stop that first (a packaged service: systemctl disable --now, another stack: its unstack.sh)"
    done <<< "$PORTS"
}

sql() { mariadb --socket="$STACK_STATE/mysql.sock" -uroot "$@"; }

write_openrc() {
    (umask 077; cat > "$STACK_STATE/openrc" <<X
# Credentials of the administrator of the cloud that stack.sh made; to be sourced.
export OS_AUTH_URL=$AUTH_URL OS_IDENTITY_API_VERSION=3
export OS_USERNAME=admin OS_PASSWORD=$(password) OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=$REGION OS_COMPUTE_API_VERSION=2.92 OS_PLACEMENT_API_VERSION=1.39
X
    )
}

# --- REST ------------------------------------------------------------------------------------------------------------
# curl and jq instead of the openstack client: that starts Python anew for each object, which is two seconds each.
authenticate() {
    local body
    body=$(jq -n --arg password "$(password)" '{auth: {
        identity: {methods: ["password"], password: {user: {name: "admin", domain: {id: "default"}, password: $password}}},
        scope: {project: {name: "admin", domain: {id: "default"}}}}}')
    TOKEN=$(curl -sS -m 120 -i -H 'Content-Type: application/json' "$AUTH_URL/auth/tokens" -d "$body" |
        tr -d '\r' | awk 'tolower($1) == "x-subject-token:" { print $2 }')
    [ -n "$TOKEN" ] || { echo "Keystone gave no token; see $STACK_LOGS/keystone.log" >&2; return 1; }
}

# rest METHOD SERVICE PATH [JSON]: prints the answer; an answer of 400 or more goes to stderr and fails.
rest() {
    local method=$1 service=$2 path=$3 base out
    case $service in
        identity)  base=$AUTH_URL ;;
        image)     base=http://$IP:9292/v2 ;;
        network)   base=http://$IP:9696/v2.0 ;;
        compute)   base=http://$IP:8774/v2.1 ;;
        placement) base=http://$IP:8778 ;;
        *) echo "rest: no service $service" >&2; return 2 ;;
    esac
    out=$(curl -sS -m 120 --fail-with-body -X "$method" -H "X-Auth-Token: $TOKEN" -H 'Content-Type: application/json' \
        -H 'OpenStack-API-Version: compute 2.90, placement 1.39' -H 'X-OpenStack-Nova-API-Version: 2.90' \
        "$base$path" ${4:+-d "$4"}) || { echo "$method $service $path: $out" >&2; return 1; }
    printf '%s\n' "$out"
}

# find_or_make SERVICE PATH SINGULAR JSON [QUERY]: id of the object with the name that JSON has, made when there is none.
find_or_make() {
    local service=$1 path=$2 singular=$3 json=$4 name id many=${2##*/}
    name=$(jq -r .name <<< "$json")
    id=$(rest GET "$service" "$path?${5:-name=$name}" | jq -r --arg name "$name" --arg many "${many//-/_}" \
        'first(.[$many][] | select(.name == $name)) | .id') || return 1
    [ -n "$id" ] || id=$(rest POST "$service" "$path" "$(jq -c "{\"$singular\": .}" <<< "$json")" | jq -r ".$singular.id")
    [ -n "$id" ] && echo "$id"
}
