#!/usr/bin/env bash
# The DevStack plugin, sourced as DevStack sources it, with DevStack's functions and the commands that change a machine replaced by
# ones that write down their arguments: each phase does what it should, and no other.
# shellcheck disable=SC1091,SC2034,SC2317    # what is sourced calls and reads what is defined here
set -euo pipefail
cd "$(dirname "$0")/../../devstack"
TRACE=$(mktemp) HOLD=$(mktemp -d)
trap 'rm -rf "$TRACE" "$HOLD"' EXIT
failures=0

note() { echo "$*" >> "$TRACE"; }
for stub in define_plugin enable_service disable_service install_package echo_summary iniset warn dotnet openstack; do
    eval "$stub() { note $stub \"\$@\"; }"
done
is_service_enabled() { [ "$1" = novalxd ]; }
die() { note die "$@"; exit 1; }
# What is read goes through; what changes something is written down.
sudo() {
    note sudo "$@"
    case $1 in
        */images.sh) echo "/images/$2" ;;
        tee) cat > "$HOLD/$(basename "$2")" ;;
    esac
}
openstack() { note openstack "$@"; [[ $* != *"image show"* ]]; }

export DEST=/opt/stack DATA_DIR=/opt/stack/data STACK_USER=stack NOVA_CONF=/etc/nova/nova.conf
NOVALXD_DIR=$(cd .. && pwd)

phase() { : > "$TRACE"; . ./plugin.sh "$@"; }
traced() { grep -qE -- "$1" "$TRACE" || { echo "not in the trace of $PHASE: $1"; cat "$TRACE"; failures=$((failures + 1)); }; }
untraced() { ! grep -qE -- "$1" "$TRACE" || { echo "in the trace of $PHASE, but should not be: $1"; failures=$((failures + 1)); }; }

PHASE=override-defaults
. ./override-defaults
[ "$VIRT_DRIVER" = fake ] || { echo "VIRT_DRIVER is $VIRT_DRIVER"; failures=$((failures + 1)); }

PHASE=settings
. ./settings
traced 'define_plugin novalxd'
traced 'disable_service n-cpu'
traced 'enable_service novalxd'

PHASE='stack pre-install'; phase stack pre-install
traced 'install_package .*libseccomp2'
untraced 'dotnet|systemctl'

PHASE='stack install'; phase stack install
traced 'dotnet publish .*/src/NovaLxd/NovaLxd.csproj .*PublishReadyToRun=true'
traced 'dotnet publish .*/src/NovaLxd.Supervisor/.*PublishAot=true'
untraced 'PublishAot=false|systemctl'

PHASE='stack install, no native compiler'
dotnet() { note dotnet "$@"; [[ $* != *PublishAot=true* ]]; }
phase stack install
traced 'warn .*native compiler'
traced 'PublishAot=false'
dotnet() { note dotnet "$@"; }

PHASE='stack post-config'; phase stack post-config
traced "iniset $NOVALXD_CONF DEFAULT instances_path $NOVALXD_STATE_DIR/instances"
traced "iniset $NOVALXD_CONF lxd runtime_directory /run/novalxd"

PHASE='stack extra'; phase stack extra
traced 'sudo systemctl enable --now novalxd-supervisor.service novalxd.service'
traced 'openstack .*image create .*--file /images/busybox busybox'
traced 'openstack .*image create .*--file /images/debian debian'
for unit in novalxd novalxd-supervisor; do
    [ "$(grep -c "^ExecStart=$NOVALXD_INSTALL_DIR/$unit " "$HOLD/$unit.service")" = 1 ] || { echo "$unit.service has no ExecStart of this installation"; failures=$((failures + 1)); }
    [ "$(grep -c '^KillMode=process' "$HOLD/$unit.service")" = 1 ] || { echo "$unit.service would end the containers"; failures=$((failures + 1)); }
done

PHASE=unstack; phase unstack
traced 'sudo systemctl disable --now novalxd.service'
untraced 'rm -rf'

PHASE=clean; phase clean
traced "sudo rm -rf $NOVALXD_INSTALL_DIR"

PHASE='another service'
is_service_enabled() { false; }
phase stack install
untraced .

[ $failures = 0 ] || { echo "$failures failures"; exit 1; }
echo "all phases do what they should"
