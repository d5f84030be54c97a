#!/usr/bin/env bash
# Makes a virtual machine like the hosts of our users: Debian 12 with systemd, cgroup v2, AppArmor, a distribution kernel and its
# modules. run.sh boots it under software emulation. What is there is not made again.
#   build.sh [--force]
# Environment: HOSTVM_DIR (/var/cache/novalxd/hostvm), HOSTVM_DISK_SIZE (16G, sparse).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../devstack/lib/common.sh
. "$HERE/../../devstack/lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=../../devstack/images/debian.sh
. "$HERE/../../devstack/images/debian.sh"
DIR=${HOSTVM_DIR:-$STACK_CACHE/hostvm}
DISK_SIZE=${HOSTVM_DISK_SIZE:-16G}

TOOLS=(qemu-system-x86 qemu-utils mmdebstrap openssh-client socat e2fsprogs cpio)
# What a host has, what the root tests ask for, and no boot loader: the kernel is given from outside.
GUEST_PACKAGES=(systemd-sysv dbus udev kmod openssh-server iproute2 iptables iputils-ping procps less
    apparmor lxcfs libseccomp2 e2fsprogs squashfs-tools tar xz-utils zstd busybox-static openvswitch-switch
    gcc libc6-dev linux-libc-dev mmdebstrap linux-image-amd64)
# Of the small initrd: what it takes to find the disk.
INITRD_MODULES=(virtio_pci virtio_blk ext4 crc32c_generic)

require_root
require_disk "$DIR" 6144
[ "${1:-}" != --force ] || rm -rf "$DIR"/{root,disk.img,kernel,initrd,saved}
cd "$DIR"

make_root() {
    rm -rf root
    # shellcheck disable=SC2016    # mmdebstrap gives the root as $1
    # update-initramfs has nothing to do here and takes minutes.
    mmdebstrap --mode=root --variant=apt --include="$(IFS=,; echo "${GUEST_PACKAGES[*]}")" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io --dpkgopt=force-confold \
        --aptopt='APT::Install-Recommends "false"' \
        --essential-hook='mkdir -p "$1/etc/initramfs-tools"; echo "update_initramfs=no" > "$1/etc/initramfs-tools/update-initramfs.conf"' \
        bookworm root - <<< "$(debian_sources)" > "$STACK_LOGS/hostvm-root.log" 2>&1
}

configure_root() {
    local unit
    echo hostvm > root/etc/hostname
    printf '127.0.0.1 localhost hostvm\n' > root/etc/hosts
    echo '/dev/vda / ext4 defaults 0 1' > root/etc/fstab
    rm -f root/etc/resolv.conf
    mkdir -p root/root/.ssh root/mnt/project root/usr/share/dotnet root/etc/ssh/sshd_config.d
    install -m 600 key.pub root/root/.ssh/authorized_keys
    printf 'UseDNS no\nUsePAM no\n' > root/etc/ssh/sshd_config.d/hostvm.conf
    printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\n' > root/etc/systemd/network/eth0.network
    chroot root systemctl -q enable systemd-networkd ssh
    # Started by the tests that want it.
    chroot root systemctl -q disable openvswitch-switch
    for unit in systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
        dpkg-db-backup.timer e2scrub_reap.service; do
        chroot root systemctl -q mask "$unit"
    done
}

# busybox, the modules of the disk, one script: Debian's own would run udev a second time.
make_initrd() {
    local version tree module; version=$(basename root/lib/modules/*); tree=$(mktemp -d "$DIR/initrd.XXXX")
    mkdir -p "$tree"/{bin,lib,proc,sys,dev,root}
    cp root/bin/busybox "$tree/bin/"
    for module in "${INITRD_MODULES[@]}"; do
        chroot root modprobe -S "$version" --show-depends "$module" 2>/dev/null || true
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
        cp "root$module" "$tree/lib/"; basename "$module"
    done > "$tree/modules"
    cat > "$tree/init" <<'X'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
while read -r module; do $B insmod "/lib/$module"; done < /modules
while [ ! -b /dev/vda ]; do $B sleep 0.1; done
$B mount -t ext4 /dev/vda /root || $B reboot -f
for folder in proc sys dev; do $B mount --move /$folder /root/$folder; done
exec $B switch_root /root /sbin/init
X
    chmod 755 "$tree/init" "$tree/bin/busybox"
    (cd "$tree" && find . | cpio --quiet -o -H newc) > initrd
    rm -rf "$tree"
    cp root/boot/vmlinuz-"$version" kernel
}

make_disk() {
    truncate -s "$DISK_SIZE" disk.img.new
    mkfs.ext4 -q -F -L hostvm -E lazy_itable_init=1 -d root disk.img.new
    mv disk.img.new disk.img
    rm -rf --one-file-system root
}

step "hostvm: packages" install_packages "${TOOLS[@]}"
[ -e key ] || ssh-keygen -q -t ed25519 -N '' -C hostvm -f key
if [ ! -e disk.img ]; then
    step "hostvm: bootstrap" make_root || { tail -20 "$STACK_LOGS/hostvm-root.log" >&2; die "the machine's root was not made"; }
    step "hostvm: configuration" configure_root
    step "hostvm: initrd" make_initrd
    step "hostvm: disk" make_disk
fi
