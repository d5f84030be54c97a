#!/usr/bin/env bash
# Runs a command in the virtual machine that build.sh made, in /mnt/project, and returns its exit status.
#   run.sh [--keep] [--fresh] [--project DIR] [--timeout SECONDS] -- COMMAND...
#   run.sh --stop
#     --keep       leaves the machine running: later runs use it as it is, until --stop
#     --fresh      boots instead of resuming the saved state
#     --project    shared read-write as /mnt/project (default: the current folder)
#     --timeout    kills COMMAND and returns 124
# It boots once and saves the state; later runs resume that, and what they write to the disk is thrown away. The host's .NET is
# shared read-only. The machine has no way out. Environment: HOSTVM_DIR, HOSTVM_PORT (ssh on 127.0.0.1, 2222), HOSTVM_MEMORY (3G).
set -euo pipefail
DIR=${HOSTVM_DIR:-${STACK_CACHE:-/var/cache/novalxd}/hostvm}
PORT=${HOSTVM_PORT:-2222} MEMORY=${HOSTVM_MEMORY:-3G}
KEEP='' FRESH='' STOP='' PROJECT=$PWD TIMEOUT=0
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        --keep) KEEP=1 ;;
        --fresh) FRESH=1 ;;
        --stop) STOP=1 ;;
        --project) PROJECT=$(cd "$2" && pwd); shift ;;
        --timeout) TIMEOUT=$2; shift ;;
        --) shift; break ;;
        -*) usage ;;
        *) break ;;
    esac
    shift
done
RUN=$DIR/run-$PORT SAVED=$DIR/saved
DOTNET=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}
say() { printf '%(%H:%M:%S)T hostvm: %s\n' -1 "$*" >&2; }
die() { say "$*"; exit 125; }

guest() {
    ssh -q -i "$DIR/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60 \
        -o ControlMaster=auto -o ControlPath="$RUN/ssh" -o ControlPersist=60 -p "$PORT" root@127.0.0.1 "$@"
}
# The answers are complete when the monitor closes, so the last command is quit.
monitor() { printf '%s\n' "$@" | socat -t 300 - "UNIX-CONNECT:$RUN/monitor" | tr -d '\r'; }
alive() { [ -s "$RUN/pid" ] && kill -0 "$(cat "$RUN/pid")" 2>/dev/null; }

# A saved state is good for the same machine only.
machine() { qemu-system-x86_64 --version | head -1; echo "$MEMORY $DOTNET"; stat -c %Y "$DIR/disk.img"; }
saved() { [ -e "$SAVED/memory" ] && [ "$(cat "$SAVED/machine")" = "$(machine)" ]; }

start() {    # start DISK [QEMU ARGUMENT]...
    local disk=$1; shift
    qemu-system-x86_64 -name hostvm -machine q35,usb=off,vmport=off -accel tcg,thread=multi -cpu max -smp 2 -m "$MEMORY" \
        -nodefaults -no-user-config -display none -no-reboot -kernel "$DIR/kernel" -initrd "$DIR/initrd" \
        -append 'console=ttyS0 quiet net.ifnames=0 mitigations=off' \
        -drive "if=none,id=disk,file=$disk,format=qcow2,cache=unsafe,discard=unmap" -device virtio-blk-pci,drive=disk \
        -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$PORT-:22" -device virtio-net-pci,netdev=net \
        -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
        -fsdev "local,id=project,path=$PROJECT,security_model=none,multidevs=remap" -device virtio-9p-pci,fsdev=project,mount_tag=project \
        -fsdev "local,id=dotnet,path=$DOTNET,security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=dotnet,mount_tag=dotnet \
        -chardev "file,id=console,path=$RUN/console" -serial chardev:console \
        -monitor "unix:$RUN/monitor,server=on,wait=off" -pidfile "$RUN/pid" "$@" > "$RUN/qemu.log" 2>&1 &
}
wait_ssh() {
    local until=$((SECONDS + $1))
    sleep 1
    until guest true 2>/dev/null; do
        alive || die "the machine ended: $(tail -qn 3 "$RUN/qemu.log" "$RUN/console")"
        [ $SECONDS -lt $until ] || die "no ssh after $1 s: $(tail -n 3 "$RUN/console")"
        sleep 0.5
    done
}
stop() {
    [ ! -S "$RUN/ssh" ] || guest -O exit 2>/dev/null || true
    if alive; then
        local pid; pid=$(cat "$RUN/pid")
        monitor quit > /dev/null || true
        for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -rf "$RUN"
}
# Saved before anything is mounted from outside, since a mounted 9p share forbids it.
boot_and_save() {
    rm -rf "$SAVED" "$SAVED.new"; mkdir -p "$SAVED.new"
    qemu-img create -q -f qcow2 -b "$DIR/disk.img" -F raw "$SAVED.new/disk"
    say "booting"
    start "$SAVED.new/disk"
    wait_ssh 900
    guest 'systemctl is-system-running --wait; modprobe 9pnet_virtio; modprobe 9p; sync' > "$RUN/state" || true
    grep -E 'running|degraded' "$RUN/state" > /dev/null || die "it did not come up: $(cat "$RUN/state")"
    guest -O exit 2>/dev/null || true
    say "booted ($(head -1 "$RUN/state")), saving"
    monitor 'migrate_set_parameter max-bandwidth 100G' "migrate \"exec:cat > $SAVED.new/memory\"" 'info migrate' quit > "$RUN/state"
    grep 'status: completed' "$RUN/state" > /dev/null || die "saving failed: $(cat "$RUN/state")"
    stop; mkdir -p "$RUN"
    machine > "$SAVED.new/machine"
    mv "$SAVED.new" "$SAVED"
}
resume() {
    qemu-img create -q -f qcow2 -b "$SAVED/disk" -F qcow2 "$RUN/disk"
    start "$RUN/disk" -incoming "exec:cat $SAVED/memory"
    wait_ssh 180
    guest "date -s @$(date +%s) > /dev/null
        mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap project /mnt/project
        mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro dotnet /usr/share/dotnet"
    say "resumed"
}

if [ -n "$STOP" ]; then stop; exit 0; fi
[ -e "$DIR/disk.img" ] || die "no $DIR/disk.img: run build.sh first"
[ $# -gt 0 ] || usage
if ! alive; then
    rm -rf "$RUN"; mkdir -p "$RUN"
    trap stop EXIT
    if [ -n "$FRESH" ] || ! saved; then boot_and_save; fi
    resume
    [ -z "$KEEP" ] || trap - EXIT
fi
limit=; [ "$TIMEOUT" = 0 ] || limit="timeout -k 5 $TIMEOUT"
rc=0
guest "cd /mnt/project && $limit env DOTNET_ROOT=/usr/share/dotnet PATH=/usr/share/dotnet:\$PATH $(printf '%q ' "$@")" || rc=$?
[ $rc != 255 ] || die 'the connection to the machine broke'
exit $rc
