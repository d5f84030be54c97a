# shellcheck shell=bash
# Sourced: MariaDB, RabbitMQ and memcached with folders of their own, and the databases with their schemas.

SERVICES_WITH_SCHEMA=(keystone glance placement neutron nova)
DATABASES=(keystone glance placement neutron nova_api nova_cell0 nova_cell1)

# A command line prefix: what follows it runs as user rabbitmq on our node, and knows nothing of the administrator's environment.
RABBIT=(setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups env -i PATH="$PATH" LC_ALL=C.UTF-8
    HOME="$STACK_STATE/rabbitmq" RABBITMQ_NODENAME=rabbit@localhost
    RABBITMQ_MNESIA_BASE="$STACK_STATE/rabbitmq/mnesia" RABBITMQ_LOG_BASE="$STACK_STATE/rabbitmq"
    RABBITMQ_CONFIG_FILE="$ETC/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$ETC/rabbitmq_plugins"
    RABBITMQ_CONF_ENV_FILE=/dev/null ERL_EPMD_ADDRESS=127.0.0.1 ERL_INETRC="$ETC/erl_inetrc"
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}")
rabbitmqctl() { "${RABBIT[@]}" /usr/lib/rabbitmq/bin/rabbitmqctl -q "$@"; }

configure_infrastructure() {
    mkdir -p "$ETC" "$STACK_STATE/rabbitmq"
    # A development cloud may lose its last second in a crash; it must not wait for disks.
    cat > "$ETC/my.cnf" <<X
[mariadbd]
datadir = $STACK_STATE/mysql
socket = $STACK_STATE/mysql.sock
pid-file = $STACK_STATE/mysql/mariadbd.pid
user = mysql
bind-address = $LOCAL
port = 3306
character-set-server = utf8mb3
max_connections = 400
skip-log-bin
skip-name-resolve
performance_schema = OFF
innodb_buffer_pool_size = 96M
innodb_flush_log_at_trx_commit = 0
innodb_flush_method = nosync
innodb_doublewrite = 0
X
    echo '[].' > "$ETC/rabbitmq_plugins"
    printf '{lookup, [file, native]}.\n{host, {127,0,0,1}, ["localhost"]}.\n' > "$ETC/erl_inetrc"
    cat > "$ETC/rabbitmq.conf" <<X
listeners.tcp.1 = $IP:5672
loopback_users = none
default_user = openstack
default_pass = $(password)
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
log.file = false
log.console = true
log.console.level = warning
X
    # It logs to the file that start opens for it: user rabbitmq cannot reach a checkout that lies in root's home.
    chown -R rabbitmq:rabbitmq "$STACK_STATE/rabbitmq"
    chown rabbitmq "$ETC/rabbitmq.conf"; chmod 600 "$ETC/rabbitmq.conf"
    # mariadbd makes its socket as its own user.
    chgrp mysql "$STACK_STATE"; chmod 775 "$STACK_STATE"
}

start_infrastructure() {
    if [ ! -d "$STACK_STATE/mysql/mysql" ]; then
        mkdir -p "$STACK_STATE/mysql"; chown mysql:mysql "$STACK_STATE/mysql"
        mariadb-install-db --defaults-file="$ETC/my.cnf" --user=mysql --skip-test-db \
            --auth-root-authentication-method=socket > "$STACK_LOGS/mariadb-install.log" 2>&1 || return 1
    fi
    start mariadb mariadbd --defaults-file="$ETC/my.cnf"
    start memcached memcached -u nobody -l "$LOCAL" -p 11211 -m 32 -t 1
    start epmd setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups epmd -address "$LOCAL"
    start rabbitmq "${RABBIT[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server
    wait_for 180 sql -e 'select 1' || { echo "MariaDB does not answer; see $STACK_LOGS/mariadb.log" >&2; return 1; }
    wait_for 240 port_open 5672 || { echo "RabbitMQ does not answer; see $STACK_LOGS/rabbitmq.log" >&2; return 1; }
}

# --- schemas -----------------------------------------------------------------------------------------------------------
database_url() { echo "mysql+pymysql://cloud:$(password)@$LOCAL:3306/$1?charset=utf8"; }

make_databases() {
    local database
    {
        echo "CREATE USER IF NOT EXISTS cloud@'127.0.0.1' IDENTIFIED BY '$(password)';"
        for database in "${DATABASES[@]}"; do
            echo "CREATE DATABASE IF NOT EXISTS $database CHARACTER SET utf8mb3; GRANT ALL ON $database.* TO cloud@'127.0.0.1';"
        done
    } | sql
}

# The migrations are minutes of computing, and their result depends on nothing but the packages' versions: it is dumped after
# the first run, into the cache of this machine, and loaded in seconds afterwards. It holds no password.
schema_dump() {
    local versions
    versions=$(dpkg-query -W -f='${Package} ${Version}\n' keystone glance-common placement-common neutron-common nova-common | sha256sum)
    echo "$STACK_CACHE/schema/${versions:0:12}.sql.gz"
}

make_schemas() {
    local service dump jobs=() job rc=0; dump=$(schema_dump)
    if [ ! -d "$STACK_STATE/stamps" ] && [ -s "$dump" ]; then
        zcat "$dump" | sql || return 1
        mkdir -p "$STACK_STATE/stamps"
        for service in "${SERVICES_WITH_SCHEMA[@]}"; do touch "$STACK_STATE/stamps/schema-$service"; done
        return 0
    fi
    for service in "${SERVICES_WITH_SCHEMA[@]}"; do
        once "schema-$service" "schema_$service" >> "$STACK_LOGS/schema-$service.log" 2>&1 & jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || rc=1; done
    [ $rc = 0 ] || { tail -n 3 "$STACK_LOGS"/schema-*.log >&2; return 1; }
    [ -s "$dump" ] || { mkdir -p "${dump%/*}" && mariadb-dump --socket="$STACK_STATE/mysql.sock" -uroot --skip-comments \
        --single-transaction --databases "${DATABASES[@]}" | gzip -9n > "$dump.new" && mv "$dump.new" "$dump"; }
}

schema_keystone()  { keystone-manage --config-file "$ETC/keystone/keystone.conf" db_sync; }
schema_glance()    { glance-manage --config-file "$ETC/glance/glance-api.conf" db_sync; }
schema_placement() { placement-manage --config-file "$ETC/placement/placement.conf" db sync; }
schema_neutron() {
    neutron-db-manage --config-file "$ETC/neutron/neutron.conf" --config-file "$ETC/neutron/ml2_conf.ini" upgrade heads
}
# The cells' URLs are templates, which Nova fills from its configuration: no password in the database.
schema_nova() {
    local nova="nova-manage --config-file $ETC/nova/common.conf --config-file $ETC/nova/nova.conf"
    local url='{scheme}://{username}:{password}@{hostname}:{port}'
    $nova api_db sync &&
        $nova cell_v2 map_cell0 --database_connection "$url/nova_cell0?{query}" &&
        { $nova cell_v2 list_cells | grep ' cell1 ' > /dev/null || $nova cell_v2 create_cell --name cell1 \
            --transport-url "$url/{path}" --database_connection "$url/{path}?{query}"; } &&
        $nova db sync
}
