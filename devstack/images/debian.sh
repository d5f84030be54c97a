# shellcheck shell=bash
# The Debian image: mmdebstrap from the mirror that this machine's apt uses, with systemd, cloud-init and sshd, and the files of
# debian/. No kernel, no udev: devices are the host's.
DEBIAN_BUILD_PACKAGES=(mmdebstrap squashfs-tools xz-utils zstd)
DEBIAN_PACKAGES=(systemd-sysv dbus libpam-systemd cloud-init openssh-server sudo ifupdown isc-dhcp-client iproute2 iputils-ping
    netbase ca-certificates curl procps less)

build_debian() {    # build_debian FORMAT FILE
    local format=$1 out=$2 root rc=0
    root=$(mktemp -d "$STACK_CACHE/debian.XXXXXX")
    {
        step "image debian: packages" install_packages "${DEBIAN_BUILD_PACKAGES[@]}" &&
            step "image debian: bootstrap" debian_bootstrap "$root" &&
            step "image debian: configuration" debian_configure "$root" &&
            step "image debian: $format" "debian_pack_${format/./_}" "$root" "$out"
    } >&2 || rc=$?
    rm -rf --one-file-system "$root"
    return $rc
}

# The lines of a sources.list for Debian's own archives, as apt on this machine has them.
debian_sources() {
    # shellcheck disable=SC2016    # apt-get fills these in
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        grep -E ' bookworm(-updates|-security)? main$' | sort -u
}

debian_bootstrap() {
    local sources; sources=$(debian_sources)
    [ -n "$sources" ] || die "apt on this machine has no Debian bookworm source: add one under /etc/apt and run apt-get update"
    persist debian_bootstrap_once "$1" "$sources" > "$STACK_LOGS/image-debian.log" 2>&1
}

# Documentation and translations are a third of the size; copyright files stay.
debian_bootstrap_once() {    # debian_bootstrap_once FOLDER SOURCES
    rm -rf --one-file-system "$1"; mkdir -p "$1"
    mmdebstrap --mode=root --variant=minbase --include="$(IFS=,; echo "${DEBIAN_PACKAGES[*]}")" \
        --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        bookworm "$1" - <<< "$2"
}

# Units that have no place in a container, each with its reason. A masked unit never starts and never counts as failed.
DEBIAN_MASKED=(
    sys-kernel-debug.mount sys-kernel-tracing.mount    # only the host's root may mount these
    e2scrub_all.timer e2scrub_reap.service             # the disk below the root file system is the host's
    apt-daily.timer apt-daily-upgrade.timer            # a hundred servers booted together must not all fetch at once
)

debian_configure() {
    local root=$1 unit
    chmod 755 "$root"
    cp -r --no-preserve=ownership "$TOP/devstack/images/debian/." "$root/"
    chmod 755 "$root/usr/local/sbin/boot-report"
    for unit in "${DEBIAN_MASKED[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
    chroot "$root" systemctl -q enable boot-report.service
    # Of its own for each server: made at the first boot, by systemd and by cloud-init.
    : > "$root/etc/machine-id"
    rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id"
    ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' > "$root/etc/hosts"
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* "$root"/var/log/{dpkg,apt,bootstrap,alternatives}* "${root:?}"/{dev,run,tmp}/*
}

debian_pack_squashfs() {
    mksquashfs "$1" "$2" -comp zstd -Xcompression-level 9 -noappend -no-progress -xattrs >> "$STACK_LOGS/image-debian.log" 2>&1
}

debian_pack_tar_xz() {
    tar -C "$1" --sort=name --numeric-owner --xattrs --xattrs-include='*' -c . | xz -T0 -6 > "$2"
}
