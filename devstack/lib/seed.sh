# shellcheck shell=bash
# Sourced: fills the cloud through its APIs. Everything here finds what it made before.

seed_catalog() {
    local project role user id kind name url interface
    declare -A roles
    authenticate || return 1
    project=$(find_or_make identity /projects project '{"name": "service", "domain_id": "default"}') || return 1
    for role in admin service member reader; do
        roles[$role]=$(find_or_make identity /roles role "{\"name\": \"$role\"}") || return 1
    done
    for user in glance placement neutron nova; do
        id=$(find_or_make identity /users user "$(jq -n --arg name $user --arg password "$(password)" \
            '{name: $name, password: $password, domain_id: "default"}')") || return 1
        for role in admin service; do
            rest PUT identity "/projects/$project/users/$id/roles/${roles[$role]}" > /dev/null || return 1
        done
    done
    while read -r kind name url; do
        id=$(find_or_make identity /services service "{\"name\": \"$name\", \"type\": \"$kind\"}") || return 1
        [ "$(rest GET identity "/endpoints?service_id=$id" | jq '.endpoints | length')" = 0 ] || continue
        for interface in public internal admin; do
            rest POST identity /endpoints "{\"endpoint\": {\"service_id\": \"$id\", \"interface\": \"$interface\",
                \"url\": \"$url\", \"region_id\": \"$REGION\"}}" > /dev/null || return 1
        done
    done <<X
image glance http://$IP:9292
placement placement http://$IP:8778
network neutron http://$IP:9696
compute nova http://$IP:8774/v2.1
X
}

# Name, memory in MiB, root disk in GiB, processors.
FLAVORS="m1.nano 128 1 1
m1.tiny 512 1 1
m1.small 2048 5 1
m1.medium 4096 10 2"

seed_flavors() {
    local name memory disk cpus have id=0
    have=$(rest GET compute /flavors | jq -r '.flavors[].name') || return 1
    while read -r name memory disk cpus; do
        id=$((id + 1))
        grep -qx "$name" <<< "$have" || rest POST compute /flavors "{\"flavor\": {\"id\": \"$id\", \"name\": \"$name\",
            \"ram\": $memory, \"disk\": $disk, \"vcpus\": $cpus}}" > /dev/null || return 1
    done <<< "$FLAVORS"
}

seed_networks() {
    local private subnet public router
    private=$(find_or_make network /networks network '{"name": "private"}') &&
        subnet=$(find_or_make network /subnets subnet "{\"name\": \"private\", \"network_id\": \"$private\", \"ip_version\": 4,
            \"cidr\": \"$PRIVATE_CIDR\"}") &&
        public=$(find_or_make network /networks network '{"name": "public", "router:external": true, "shared": true,
            "provider:network_type": "flat", "provider:physical_network": "outside"}') &&
        find_or_make network /subnets subnet "{\"name\": \"public\", \"network_id\": \"$public\", \"ip_version\": 4,
            \"cidr\": \"$OUTSIDE_CIDR\", \"gateway_ip\": \"$OUTSIDE_GATEWAY\", \"enable_dhcp\": false,
            \"allocation_pools\": [$OUTSIDE_POOL]}" > /dev/null &&
        router=$(find_or_make network /routers router "{\"name\": \"router\",
            \"external_gateway_info\": {\"network_id\": \"$public\"}}") || return 1
    [ "$(rest GET network "/ports?device_id=$router&device_owner=network:router_interface" | jq '.ports | length')" != 0 ] ||
        rest PUT network "/routers/$router/add_router_interface" "{\"subnet_id\": \"$subnet\"}" > /dev/null
}

# In the administrator's default group: ping and ssh from everywhere.
seed_security_group() {
    local project group rules rule
    project=$(rest GET identity "/projects?name=admin" | jq -r '.projects[0].id') || return 1
    group=$(rest GET network "/security-groups?name=default&project_id=$project") || return 1
    for rule in '{"protocol": "icmp"}' '{"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}'; do
        rules=$(jq --argjson rule "$rule" '[.security_groups[0].security_group_rules[] |
            select(.direction == "ingress" and .protocol == $rule.protocol)] | length' <<< "$group")
        [ "$rules" != 0 ] || rest POST network /security-group-rules "$(jq -c --argjson rule "$rule" '{security_group_rule:
            ($rule + {direction: "ingress", ethertype: "IPv4", security_group_id: .security_groups[0].id})}' <<< "$group")" > /dev/null || return 1
    done
}

KEY=$STACK_STATE/stack.key
seed_keypair() {
    [ -s "$KEY" ] || ssh-keygen -q -t ed25519 -N '' -C stack -f "$KEY" || return 1
    rest GET compute /os-keypairs | jq -e '.keypairs[] | select(.keypair.name == "stack")' > /dev/null ||
        rest POST compute /os-keypairs "$(jq -n --arg key "$(cat "$KEY.pub")" \
            '{keypair: {name: "stack", type: "ssh", public_key: $key}}')" > /dev/null
}

# seed_image NAME FILE: an image of that name whose content is the file's; one of an older content is replaced.
seed_image() {
    local name=$1 file=$2 hash images id
    hash=$(sha512sum < "$file" | cut -d' ' -f1)
    images=$(rest GET image "/images?name=$name") || return 1
    [ -z "$(jq -r --arg hash "$hash" '.images[] | select(.os_hash_value == $hash and .status == "active") | .id' <<< "$images")" ] || return 0
    for id in $(jq -r '.images[].id' <<< "$images"); do rest DELETE image "/images/$id" || return 1; done
    # Nova knows disk formats of virtual machines only; "raw" is the one it never converts. What it is, its content says.
    id=$(rest POST image /images "{\"name\": \"$name\", \"disk_format\": \"raw\", \"container_format\": \"bare\",
        \"visibility\": \"public\", \"hw_vm_mode\": \"exe\", \"os_type\": \"linux\"}" | jq -r .id) || return 1
    curl -sS --fail-with-body -X PUT -H "X-Auth-Token: $TOKEN" -H 'Content-Type: application/octet-stream' \
        -T "$file" "http://$IP:9292/v2/images/$id/file"
}

seed_images() {
    seed_image busybox "$(readlink -f "$STACK_CACHE/images/busybox.tar.gz")" &&
        seed_image debian-12 "$(readlink -f "$STACK_CACHE/images/debian.squashfs")"
}

# What Horizon shows beside the metadata of flavors and images.
seed_metadefs() {
    local file name have
    have=$(rest GET image '/metadefs/namespaces?limit=1000' | jq -r '.namespaces[].namespace') || return 1
    for file in "$TOP"/etc/glance/metadefs/*.json; do
        name=$(jq -r .namespace "$file")
        ! grep -qxF "$name" <<< "$have" || rest DELETE image "/metadefs/namespaces/$name" || return 1
        # A protected one could not be replaced by the next run.
        rest POST image /metadefs/namespaces "$(jq '.protected = false' "$file")" > /dev/null || return 1
    done
}

seed_resources() { authenticate && seed_flavors && seed_metadefs && seed_networks && seed_security_group && seed_keypair; }
