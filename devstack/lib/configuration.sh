# shellcheck shell=bash
# Sourced: writes the configuration of the control plane's services and of NovaLxd below $ETC.

transport_url() { echo "rabbit://openstack:$(password)@$IP:5672/"; }

# Sections that every service repeats.
authtoken() {    # authtoken USER: how it checks the tokens of its callers
    cat <<X
[keystone_authtoken]
www_authenticate_uri = http://$IP:5000/
auth_url = $AUTH_URL
memcached_servers = $LOCAL:11211
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $1
password = $(password)
region_name = $REGION
service_token_roles_required = true
service_token_roles = service,admin
X
}
client() {    # client SECTION USER: as whom it calls another service
    cat <<X
[$1]
auth_type = password
auth_url = $AUTH_URL
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $2
password = $(password)
region_name = $REGION
X
}

configure_control_plane() {
    local service
    for service in keystone glance placement neutron nova; do mkdir -p "$ETC/$service" "$STACK_STATE/$service"; done
    (umask 077; configure_keystone; configure_glance; configure_placement; configure_neutron; configure_nova)
}

configure_keystone() {
    cat > "$ETC/keystone/keystone.conf" <<X
[DEFAULT]
use_stderr = true
[database]
connection = $(database_url keystone)
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = $ETC/keystone/fernet-keys
[fernet_receipts]
key_repository = $ETC/keystone/fernet-keys
[credential]
key_repository = $ETC/keystone/credential-keys
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = $LOCAL:11211
X
    # What "keystone-manage fernet_setup" and "credential_setup" make.
    local kind key
    for kind in fernet credential; do
        mkdir -p "$ETC/keystone/$kind-keys"
        for key in "$ETC/keystone/$kind-keys"/{0,1}; do
            [ -s "$key" ] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > "$key"
        done
    done
}

configure_glance() {
    mkdir -p "$STACK_STATE"/glance/{images,staging,tasks}
    cat > "$ETC/glance/glance-api.conf" <<X
[DEFAULT]
bind_host = $IP
bind_port = 9292
workers = 1
use_stderr = true
enabled_backends = file:file
[database]
connection = $(database_url glance)
$(authtoken glance)
[paste_deploy]
flavor = keystone
config_file = /usr/share/glance-common/glance-api-paste.ini
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = $STACK_STATE/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $STACK_STATE/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $STACK_STATE/glance/tasks
X
}

configure_placement() {
    cat > "$ETC/placement/placement.conf" <<X
[DEFAULT]
use_stderr = true
[api]
auth_strategy = keystone
[placement_database]
connection = $(database_url placement)
$(authtoken placement)
X
}

configure_neutron() {
    cat > "$ETC/neutron/neutron.conf" <<X
[DEFAULT]
host = $STACK_HOST
bind_host = $IP
bind_port = 9696
state_path = $STACK_STATE/neutron
core_plugin = ml2
service_plugins = router
api_workers = 1
rpc_workers = 1
rpc_state_report_workers = 0
transport_url = $(transport_url)
api_paste_config = /usr/share/neutron-common/api-paste.ini
dns_domain = stack.
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
use_stderr = true
max_l3_agents_per_router = 1
global_physnet_mtu = 1500
[experimental]
linuxbridge = true
[agent]
root_helper = /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf
report_interval = 10
[database]
connection = $(database_url neutron)
max_pool_size = 10
$(authtoken neutron)
$(client nova nova)
$(client placement placement)
[oslo_concurrency]
lock_path = $STACK_STATE/neutron/lock
[privsep]
helper_command = /usr/bin/privsep-helper --config-file $ETC/neutron/neutron.conf
X
    cat > "$ETC/neutron/ml2_conf.ini" <<X
[ml2]
type_drivers = flat,vlan,vxlan,local
tenant_network_types = vxlan
mechanism_drivers = linuxbridge,l2population
extension_drivers = port_security
[ml2_type_flat]
flat_networks = outside
[ml2_type_vxlan]
vni_ranges = 2000:2999
[securitygroup]
enable_security_group = true
enable_ipset = true
firewall_driver = iptables
X
    cat > "$ETC/neutron/linuxbridge_agent.ini" <<X
[linux_bridge]
physical_interface_mappings = outside:$LINK_PHYSICAL
[vxlan]
enable_vxlan = true
local_ip = $TUNNEL_ADDRESS
l2_population = true
[securitygroup]
enable_security_group = true
enable_ipset = true
firewall_driver = iptables
X
    cat > "$ETC/neutron/dhcp_agent.ini" <<X
[DEFAULT]
interface_driver = linuxbridge
dhcp_driver = neutron.agent.linux.dhcp.Dnsmasq
enable_isolated_metadata = true
X
    printf '[DEFAULT]\ninterface_driver = linuxbridge\n' > "$ETC/neutron/l3_agent.ini"
    cat > "$ETC/neutron/metadata_agent.ini" <<X
[DEFAULT]
nova_metadata_host = $IP
nova_metadata_port = 8775
metadata_proxy_shared_secret = $(password)
metadata_workers = 0
X
}

# common.conf is what the control plane and a compute service share; an operator has both in one nova.conf.
configure_nova() {
    mkdir -p "$STACK_STATE/nova/instances"
    cat > "$ETC/nova/common.conf" <<X
[DEFAULT]
my_ip = $IP
transport_url = $(transport_url)
use_stderr = true
allow_resize_to_same_host = true
[oslo_concurrency]
lock_path = $STACK_STATE/nova/lock
$(client placement placement)
$(client neutron neutron)
service_metadata_proxy = true
metadata_proxy_shared_secret = $(password)
[glance]
api_servers = http://$IP:9292
region_name = $REGION
$(client service_user nova)
send_service_user_token = true
[vnc]
enabled = true
server_listen = $IP
server_proxyclient_address = $IP
novncproxy_host = $IP
novncproxy_port = 6080
novncproxy_base_url = http://$IP:6080/vnc_auto.html
[serial_console]
enabled = true
serialproxy_host = $IP
serialproxy_port = 6083
base_url = ws://$IP:6083/
proxyclient_address = $IP
X
    cat > "$ETC/nova/nova.conf" <<X
[DEFAULT]
host = $STACK_HOST
state_path = $STACK_STATE/nova
enabled_apis = osapi_compute,metadata
osapi_compute_listen = $IP
osapi_compute_workers = 1
metadata_listen = $IP
metadata_workers = 1
[api_database]
connection = $(database_url nova_api)
[database]
connection = $(database_url nova_cell1)
[wsgi]
api_paste_config = /usr/share/nova-common/api-paste.ini
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 5
[conductor]
workers = 1
[filter_scheduler]
build_failure_weight_multiplier = 0.0
$(authtoken nova)
X
}

# Beside common.conf, all that NovaLxd needs. The host name is that of the Linux bridge agent, or ports could not be bound.
configure_compute() {
    (umask 077; mkdir -p "$STACK_STATE/compute/instances"; cat > "$ETC/novalxd.conf" <<X
[DEFAULT]
host = $STACK_HOST
state_path = $STACK_STATE/compute
instances_path = $STACK_STATE/compute/instances
log_file = $STACK_LOGS/novalxd.log
debug = ${STACK_DEBUG:-false}
# A development machine needs its memory for the control plane too.
reserved_host_memory_mb = 512
[lxd]
runtime_directory = $RUN/novalxd
cgroup_parent = $CGROUP_PARENT
$(transfer_options "$STACK_HOST")
X
    )
}
