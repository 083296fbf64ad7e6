"""The units under a systemd that has booted: this machine's own files, copied on write, in a container without network.

`scripts/test --soak -- -k systemd`, as root, with Debian's systemd-container (systemd-nspawn).
"""

import os
import pathlib
import shutil
import subprocess

import pytest

from integration.gateway import BINARIES, ROOT
from integration.waiting import wait_until

# Boots into one unit, which runs the script of the test and writes what it says.
PROBE = """
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash -x /probe/script
StandardOutput=file:/probe/out
StandardError=file:/probe/trace
ExecStopPost=/bin/touch /probe/done
"""

TARGET = """
[Unit]
Requires=basic.target
Wants=probe.service
AllowIsolate=yes
"""

BOOT = """
set -e
mount -t tmpfs none {folder}/layers
mkdir {folder}/layers/upper {folder}/layers/work {folder}/layers/root
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/layers/upper,workdir={folder}/layers/work {folder}/layers/root
cd {folder}/layers/root
rm -f etc/fstab etc/machine-id etc/systemd/system/default.target
touch etc/machine-id
mkdir probe
cp {folder}/probe.service {folder}/probe.target etc/systemd/system/
ln -s probe.target etc/systemd/system/default.target
exec timeout -k 5 120 systemd-nspawn --register=no --keep-unit --quiet --directory=. --private-network \\
    --bind={folder}/probe:/probe --bind-ro={root}:{root} --console=pipe --boot
"""

SCRIPT = """
show() {{ systemctl show "causeway-$1" --property="$2" --value; }}
say() {{ echo "$1=$2"; }}
{root}/scripts/install --binaries {binaries} > /probe/install
for unit in control worker; do
    mkdir -p /etc/systemd/system/causeway-$unit.service.d
    printf '[Service]\\nWatchdogSec=3\\n' > /etc/systemd/system/causeway-$unit.service.d/watchdog.conf
done
systemctl daemon-reload
systemctl start causeway-control causeway-worker
say control "$(curl -s http://127.0.0.1:8080/healthz/ready)"
say worker "$(curl -s --retry 10 --retry-all-errors --retry-delay 1 -f http://127.0.0.1:9901/ready)"
first=$(show worker MainPID)
systemctl reload causeway-worker
until [ "$(show worker MainPID)" != "$first" ] && ! [ -e /proc/$first ]; do sleep 0.1; done
say reloaded "$(show worker ActiveState)"
say parent "$(ps -o ppid= -p "$(show worker MainPID)" | tr -d ' ')"
kill -KILL "$(show worker MainPID)"
until [ "$(show worker NRestarts)" = 1 ] && [ "$(show worker ActiveState)" = active ]; do sleep 0.1; done
say killed "$(show worker ActiveState)"
pid=$(show worker MainPID)
systemctl reload causeway-worker
until [ "$(show worker MainPID)" != "$pid" ] && ! [ -e /proc/$pid ]; do sleep 0.1; done
systemctl stop causeway-worker
say stopped "$(show worker Result)"
systemctl start causeway-worker
for unit in control worker; do
    before=$(show $unit NRestarts)
    kill -STOP "$(show $unit MainPID)"
    until [ "$(show $unit NRestarts)" -gt "$before" ] && [ "$(show $unit ActiveState)" = active ]; do sleep 0.1; done
    say "hung-$unit" "$(show $unit ActiveState)"
done
systemctl stop causeway-control causeway-worker
say control-stopped "$(show control Result)"
say worker-stopped "$(show worker Result)"
journalctl --no-pager -u causeway-control -u causeway-worker > /probe/journal
"""


@pytest.mark.timeout(180)
def test_a_booted_systemd_runs_the_units(tmp_path):
    """Ready, reload (the new process is the service's main one, also for stops and restarts), hung processes, ends."""
    assert os.geteuid() == 0 and shutil.which("systemd-nspawn"), "wants root and Debian's systemd-container"
    probe = tmp_path / "probe"
    for folder in (probe, tmp_path / "layers"):
        folder.mkdir()
    (tmp_path / "probe.service").write_text(PROBE)
    (tmp_path / "probe.target").write_text(TARGET)
    (probe / "script").write_text(SCRIPT.format(root=ROOT, binaries=BINARIES))
    boot = BOOT.format(folder=tmp_path, root=ROOT)
    with open(tmp_path / "console", "w") as console:
        command = ["unshare", "--mount", "bash", "-c", boot]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            wait_until((probe / "done").exists, 110, "the end of the script")
        finally:
            process.terminate()
            process.wait(30)
    said = dict(line.split("=", 1) for line in (probe / "out").read_text().splitlines())
    assert said == {
        "control": "ok",
        "worker": "serving version 1",
        "reloaded": "active",
        "parent": "1",
        "killed": "active",
        "stopped": "success",
        "hung-control": "active",
        "hung-worker": "active",
        "control-stopped": "success",
        "worker-stopped": "success",
    }, _tail(tmp_path)


def _tail(folder: pathlib.Path):
    texts = [folder / "console", folder / "probe/trace", folder / "probe/journal"]
    return "\n".join(text.read_text()[-2000:] for text in texts if text.exists())
