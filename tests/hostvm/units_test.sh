#!/bin/sh
# Inside the machine: the systemd units start the programs that were built outside ($1/novalxd, $1/supervisor), and stopping or
# crashing the service leaves the supervisor alone. There is no cloud here, so the service waits for one and says so.
set -eu
mkdir -p /usr/lib/novalxd /etc/nova /etc/novalxd /var/lib/nova/instances
cp -r "$1/novalxd/." "$1/supervisor/." /usr/lib/novalxd/
cp etc/systemd/*.service /etc/systemd/system/
cat > /etc/nova/nova.conf <<X
[DEFAULT]
transport_url = rabbit://nobody:nothing@127.0.0.1:5672/
state_path = /var/lib/nova
X
: > /etc/novalxd/novalxd.conf
systemctl daemon-reload

fail() { echo "$*"; systemctl --no-pager status novalxd novalxd-supervisor; journalctl --no-pager -n 40 -u novalxd -u novalxd-supervisor; exit 1; }
main_pid() { systemctl show -P MainPID "$1"; }

kill_and_see_again() {    # kill_and_see_again UNIT
    killed=$(main_pid "$1")
    kill -KILL "$killed"
    for _ in $(seq 60); do
        now=$(main_pid "$1")
        [ "$now" = 0 ] || [ "$now" = "$killed" ] || return 0
        sleep 1
    done
    fail "$1 was not started again after a crash"
}

systemctl start novalxd-supervisor || fail "the supervisor did not become ready"
supervisor=$(main_pid novalxd-supervisor)
systemctl start --no-block novalxd
sleep 10
[ "$(main_pid novalxd)" != 0 ] || fail "the service ended instead of waiting for the control plane"
kill_and_see_again novalxd
systemctl stop novalxd || fail "the service did not stop"
[ "$(main_pid novalxd-supervisor)" = "$supervisor" ] || fail "the supervisor did not outlive the service"
kill_and_see_again novalxd-supervisor
systemctl stop novalxd-supervisor
echo "units: start, crash, restart and stop as they should"
