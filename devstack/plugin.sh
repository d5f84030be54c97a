# shellcheck shell=bash
# Plugin of OpenStack's own DevStack (https://docs.openstack.org/devstack/latest/plugins.html): DevStack sources this file with the
# mode and phase as arguments. NovaLxd takes the place of nova-compute; all else is DevStack's. For a cloud without DevStack
# there is stack.sh in this folder.

novalxd_packages() {
    install_package libseccomp2 lxcfs e2fsprogs squashfs-tools xz-utils zstd genisoimage dosfstools mtools iproute2 \
        clang lld zlib1g-dev mmdebstrap busybox-static dropbear-bin curl jq
}

# publish PROJECT FOLDER PROPERTY...
novalxd_publish() {
    local project=$1 out=$2 rid=linux-x64; shift 2
    [ "$(uname -m)" != aarch64 ] || rid=linux-arm64
    dotnet publish "$NOVALXD_DIR/src/$project/$project.csproj" -c Release -r $rid -o "$out" -nologo -v quiet "$@"
}

novalxd_install() {
    command -v dotnet > /dev/null || die $LINENO "NovaLxd is built with the .NET 10 SDK, and there is no dotnet in the PATH"
    local build; build=$(mktemp -d)
    novalxd_publish NovaLxd "$build/lib" --self-contained false -p:PublishReadyToRun=true || die $LINENO "NovaLxd did not build"
    if ! novalxd_publish NovaLxd.Supervisor "$build/supervisor" -p:PublishAot=true; then
        warn $LINENO "the native compiler failed: the supervisor is built as an ordinary .NET program and takes more memory"
        rm -rf "$build/supervisor"
        novalxd_publish NovaLxd.Supervisor "$build/supervisor" --self-contained false -p:PublishAot=false || die $LINENO "the supervisor did not build"
    fi
    sudo mkdir -p "$NOVALXD_INSTALL_DIR"
    sudo cp -r "$build/lib/." "$build/supervisor/." "$NOVALXD_INSTALL_DIR/"
    rm -rf "$build"
}

# The service reads nova.conf, which DevStack writes for the whole of Nova, and after it its own file.
novalxd_configure() {
    sudo install -d -o "$STACK_USER" -m 755 "$NOVALXD_CONF_DIR"
    sudo install -d -m 711 "$NOVALXD_STATE_DIR" "$NOVALXD_STATE_DIR/instances"
    iniset "$NOVALXD_CONF" DEFAULT state_path "$NOVALXD_STATE_DIR"
    iniset "$NOVALXD_CONF" DEFAULT instances_path "$NOVALXD_STATE_DIR/instances"
    iniset "$NOVALXD_CONF" lxd runtime_directory "$NOVALXD_RUNTIME_DIR"
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ]; then
        sudo install -D -m 644 "$NOVALXD_DIR/etc/apparmor.d/novalxd-container" /etc/apparmor.d/novalxd-container
        sudo apparmor_parser --replace /etc/apparmor.d/novalxd-container || die $LINENO "AppArmor did not take the profile of containers"
    fi
}

novalxd_unit() {    # novalxd_unit NAME COMMAND...: the unit file of etc/systemd with this installation's paths
    local name=$1 unit=/etc/systemd/system/$1.service; shift
    sed "s#^ExecStart=.*#ExecStart=$*#" "$NOVALXD_DIR/etc/systemd/$name.service" | sudo tee "$unit" > /dev/null
}

novalxd_start() {
    novalxd_unit novalxd-supervisor "$NOVALXD_INSTALL_DIR/novalxd-supervisor" --runtime-dir "$NOVALXD_RUNTIME_DIR" \
        --state-dir "$NOVALXD_STATE_DIR/instances"
    novalxd_unit novalxd "$NOVALXD_INSTALL_DIR/novalxd" --config-file "$NOVA_CONF" --config-file "$NOVALXD_CONF"
    sudo systemctl daemon-reload
    sudo systemctl enable --now novalxd-supervisor.service novalxd.service ||
        die $LINENO "NovaLxd did not start: journalctl -u novalxd -u novalxd-supervisor"
}

novalxd_upload_images() {
    local image path
    for image in $NOVALXD_IMAGES; do
        path=$(sudo "$NOVALXD_DIR/devstack/images.sh" "$image" | tail -1) || die $LINENO "the image $image could not be made"
        openstack --os-cloud devstack-admin image show "$image" > /dev/null 2>&1 ||
            openstack --os-cloud devstack-admin image create --public --disk-format raw --container-format bare \
                --property hw_vm_mode=exe --file "$path" "$image"
    done
}

novalxd_stop() {
    sudo systemctl disable --now novalxd.service novalxd-supervisor.service 2> /dev/null || true
    # The containers outlive their supervisor; when the cloud goes, they go too.
    local procs
    for procs in $(sudo find /sys/fs/cgroup -path '*/novalxd/*' -name cgroup.procs 2> /dev/null); do
        sudo xargs -r -a "$procs" kill -KILL 2> /dev/null || true
    done
}

novalxd_clean() {
    if [ -e /etc/apparmor.d/novalxd-container ]; then
        sudo apparmor_parser --remove /etc/apparmor.d/novalxd-container 2> /dev/null || true
        sudo rm -f /etc/apparmor.d/novalxd-container
    fi
    sudo rm -f /etc/systemd/system/novalxd.service /etc/systemd/system/novalxd-supervisor.service
    sudo systemctl daemon-reload
    local target
    while read -r target; do sudo umount "$target"; done < <(awk '{ print $5 }' /proc/self/mountinfo | grep -F "$NOVALXD_STATE_DIR/" | sort -r)
    sudo rm -rf "$NOVALXD_INSTALL_DIR" "$NOVALXD_CONF_DIR" "$NOVALXD_STATE_DIR"
}

if is_service_enabled novalxd; then
    case "$1 ${2:-}" in
        'stack pre-install') novalxd_packages ;;
        'stack install') echo_summary "Installing NovaLxd"; novalxd_install ;;
        'stack post-config') echo_summary "Configuring NovaLxd"; novalxd_configure ;;
        'stack extra') echo_summary "Starting NovaLxd"; novalxd_start; novalxd_upload_images ;;
        'unstack '*) novalxd_stop ;;
        'clean '*) novalxd_stop; novalxd_clean ;;
    esac
fi
