#!/usr/bin/env bash
# Builds the images that the stack boots, and prints the path of each.
#   images.sh [busybox] [debian] [debian-tar]      default: busybox debian
#     busybox      a few MB: static busybox, ssh by dropbear; root file system as tar.gz
#     debian       Debian with systemd, cloud-init and sshd; root file system as squashfs (zstd)
#     debian-tar   the same as tar.xz
# An image is built again only when its scripts or files have changed: they are kept, named by the hash of those, in
# $STACK_CACHE/images (/var/cache/novalxd/images), and $STACK_CACHE/images/NAME.tar.gz etc. are links to the newest.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=images/busybox.sh
. "$HERE/images/busybox.sh"
# shellcheck source=images/debian.sh
. "$HERE/images/debian.sh"
OUT=$STACK_CACHE/images

# The hash of an image's script, its files with their modes, and this script.
recipe() {
    (cd "$HERE" && find images.sh "images/$1.sh" "images/$1" -type f -printf '%m %p\n' | sort -k 2 |
        while read -r mode path; do echo "$mode $path $(sha256sum < "$path")"; done) | sha256sum | cut -c1-12
}

# cached NAME SUFFIX COMMAND...: COMMAND gets the file to write.
cached() {
    local name=$1 suffix=$2 path; shift 2
    path=$OUT/$name-$(recipe "$name").$suffix
    if [ ! -s "$path" ]; then
        require_disk "$OUT" 2048
        "$@" "$path.new" || { rm -f "$path.new"; die "image $name was not built (log: $STACK_LOGS/image-$name.log)"; }
        find "$OUT" -maxdepth 1 -name "$name-*.$suffix" -delete
        mv "$path.new" "$path"
    fi
    ln -sfn "${path##*/}" "$OUT/$name.$suffix"
    echo "$OUT/$name.$suffix"
}

require_root
mkdir -p "$OUT" "$STACK_LOGS"
[ $# -gt 0 ] || set -- busybox debian
for image in "$@"; do
    case $image in
        busybox)    cached busybox tar.gz build_busybox ;;
        debian)     cached debian squashfs build_debian squashfs ;;
        debian-tar) cached debian tar.xz build_debian tar.xz ;;
        *) die "no image '$image': busybox, debian or debian-tar" ;;
    esac
done
