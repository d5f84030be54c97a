# shellcheck shell=bash
# The busybox image: Debian's static busybox as init and everything else, Debian's dropbear as sshd, and the files of busybox/.
BUSYBOX_PACKAGES=(busybox-static dropbear-bin)

build_busybox() {    # build_busybox FILE
    local root; root=$(mktemp -d "$STACK_CACHE/busybox.XXXXXX")
    step "image busybox: packages" install_packages "${BUSYBOX_PACKAGES[@]}" >&2 &&
        step "image busybox: root file system" busybox_root "$root" >&2 &&
        step "image busybox: tar.gz" busybox_pack "$root" "$1" >&2
    local rc=$?
    rm -rf "$root"
    return $rc
}

busybox_root() {
    local root=$1 applet
    # /bin and /sbin are links into /usr, as in Debian: a Dockerfile or a test may name a program by either path.
    mkdir -p "$root"/{dev,etc,proc,sys,run,tmp,root,mnt,home} "$root"/usr/{bin,sbin,lib,lib64} "$root"/var/{log,empty,www}
    for applet in bin sbin lib lib64; do ln -s "usr/$applet" "$root/$applet"; done
    ln -s ../run "$root/var/run"
    chmod 755 "$root"; chmod 1777 "$root/tmp"; chmod 700 "$root/root"

    install -m 755 /bin/busybox "$root/usr/bin/busybox"
    busybox --list-full | while read -r applet; do
        # "linuxrc", the one name without a folder, is for a RAM disk.
        case $applet in */busybox) ;; */*) ln -sf /usr/bin/busybox "$root/usr/${applet#usr/}" ;; esac
    done

    dropbear_files | while read -r applet; do
        install -D -m 755 "$(readlink -f "$applet")" "$root/usr/${applet#/usr}"
    done
    cp -r --no-preserve=ownership "$TOP/devstack/images/busybox/." "$root/"
    find "$root/etc" -type f -exec chmod 644 {} +
    chmod 600 "$root/etc/shadow"
    chmod 755 "$root"/etc/init.d/rcS "$root"/usr/share/udhcpc/default.script "$root"/usr/{bin/curl,bin/sudo,sbin/boot-report}
}

# The server with the libraries it was linked against (Debian has no static one). ssh's own client tools are left out.
dropbear_files() {
    local server=/usr/sbin/dropbear
    echo $server
    ldd $server | grep -o '/[^ ]*'
}

busybox_pack() {
    tar -C "$1" --sort=name --numeric-owner --owner=0 --group=0 --mtime=@0 -c . | gzip -9n > "$2"
}
