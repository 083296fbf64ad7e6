"""scripts/install into a folder, and what it puts there: units that systemd understands, with the promises of docs/operations.md."""

import os
import stat
import subprocess

import pytest

from integration.gateway import BINARIES, ROOT

UNITS = ["causeway-control", "causeway-worker"]


def install(folder, *options, binaries=BINARIES):
    return subprocess.run(
        [ROOT / "scripts/install", "--destdir", folder, "--binaries", binaries, *options],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    done = install(folder)
    assert done.returncode == 0, done.stderr
    return folder


class Unit:
    """Sections as lists of values by key: systemd allows a key several times."""

    def __init__(self, path):
        self.values = {}
        text = path.read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                self.values.setdefault(key, []).append(value)

    def __getitem__(self, key):
        return self.values[key][0]


def unit(root, name):
    return Unit(root / f"etc/systemd/system/{name}.service")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_has_its_place_and_mode(installed):
    for name in UNITS:
        assert mode(installed / f"usr/local/bin/{name}") == mode(installed / f"usr/local/lib/causeway/{name}") == 0o755
        assert os.readlink(installed / f"usr/local/bin/{name}") == f"../lib/causeway/{name}"
        assert mode(installed / f"var/lib/{name}") == 0o700
        assert mode(installed / f"etc/systemd/system/{name}.service") == 0o644
    assert mode(installed / "var/log/causeway") == 0o750
    share = installed / "usr/local/share/causeway"
    for folder in ("web-admin-static", "migrations"):
        names = {str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert names == {str(path.relative_to(share / folder)) for path in (share / folder).rglob("*") if path.is_file()}
    assert "@PREFIX@" not in "".join(path.read_text() for path in (installed / "etc/systemd/system").iterdir())
    shown = subprocess.run([installed / "usr/local/bin/causeway-worker", "--version"], capture_output=True, text=True, timeout=10)
    assert shown.returncode == 0


def test_the_programs_run_without_swift_on_the_machine(installed):
    """As on a machine to which a package of the folder was brought, or where Swift lies in somebody's home."""
    found = subprocess.run(["ldd", BINARIES / "causeway-worker"], capture_output=True, text=True).stdout
    swift = next(line.split()[2] for line in found.splitlines() if "libswiftCore" in line).rpartition("/")[0]
    for name in UNITS:
        program = installed / f"usr/local/bin/{name}"
        hidden = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs none {swift} && exec "$0" "$@"']
        # What was built needs it, or the test would say nothing.
        assert subprocess.run([*hidden, BINARIES / name, "--version"], capture_output=True, timeout=30).returncode != 0
        shown = subprocess.run([*hidden, program, "--version"], capture_output=True, text=True, timeout=30)
        assert shown.returncode == 0, shown.stderr


def test_a_second_run_upgrades_and_keeps_what_people_changed(tmp_path):
    assert install(tmp_path, "--prefix", "/opt/causeway").returncode == 0
    options = tmp_path / "etc/default/causeway"
    options.write_text("CAUSEWAY_WORKER_OPTIONS=--loops 3\n")
    stale = tmp_path / "opt/causeway/share/causeway/web-admin-static/stale.js"
    stale.write_text("")
    worker = tmp_path / "opt/causeway/bin/causeway-worker"
    with open(worker, "rb") as running:
        before = os.fstat(running.fileno()).st_ino
        assert install(tmp_path, "--prefix", "/opt/causeway").returncode == 0
        # Another file: what runs keeps the one it began with.
        assert worker.stat().st_ino != before
    assert options.read_text() == "CAUSEWAY_WORKER_OPTIONS=--loops 3\n"
    assert not stale.exists()
    assert not list(tmp_path.rglob("*.new"))
    assert unit(tmp_path, "causeway-worker")["ExecStart"].startswith("/opt/causeway/bin/causeway-worker ")


@pytest.mark.parametrize(
    "options, said",
    [
        (("--prefix", "relative"), "absolute path"),
        (("--prefix", "/opt/with space"), "letters, digits"),
        (("--prefix",), "needs a value"),
        (("--unknown",), "unknown option"),
        (("--binaries", "/nonexistent"), "no causeway-control in"),
    ],
)
def test_what_it_cannot_use_is_said_and_nothing_is_done(tmp_path, options, said):
    done = install(tmp_path, *options)
    assert done.returncode != 0 and said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_units(installed, tmp_path, name):
    # The paths of a folder in the place of those of the machine, where nothing is installed.
    text = (installed / f"etc/systemd/system/{name}.service").read_text().replace("/usr/local/", f"{installed}/usr/local/")
    path = tmp_path / f"{name}.service"
    path.write_text("\n".join(line for line in text.split("\n") if not line.startswith("Documentation=")))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_units_keep_what_the_documentation_promises(installed):
    control, worker = (unit(installed, name) for name in UNITS)
    for each, name in zip((control, worker), UNITS):
        assert (each["User"], each["Group"], each["Restart"], each["UMask"]) == (name, "causeway", "always", "0077")
        assert (each["NoNewPrivileges"], each["ProtectSystem"], each["StateDirectory"]) == ("yes", "strict", name)
        assert (each["Type"], each["WatchdogSec"]) == ("notify", "30")
        # The handler of the Swift runtime would let a process live on after the watchdog's SIGABRT.
        assert "SWIFT_BACKTRACE=enable=no" in each["Environment"]
        # By default systemd gives up after five starts in ten seconds.
        assert (each["RestartSec"], each["StartLimitIntervalSec"]) == ("1", "0")
    assert (worker["Type"], worker["NotifyAccess"], worker["KillMode"]) == ("notify", "all", "mixed")
    assert worker["ExecReload"].endswith("-USR2 $MAINPID")
    assert worker["AmbientCapabilities"] == worker["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert control["CapabilityBoundingSet"] == ""
    words = worker["ExecStart"].split()
    assert int(worker["TimeoutStopSec"]) > int(words[words.index("--drain-timeout") + 1]) + 5
    # Each finds the other's socket.
    control_words = control["ExecStart"].split()
    for flag in ("--channel", "--inspect-socket"):
        assert control_words[control_words.index(flag) + 1] == words[words.index(flag) + 1]
    assert control_words[control_words.index("--channel-group") + 1] == "causeway"


@pytest.mark.parametrize("name", UNITS)
def test_the_programs_know_the_options_of_their_units(installed, name):
    words = unit(installed, name)["ExecStart"].split()
    known = subprocess.run([BINARIES / name, *(["serve"] if "serve" in words else []), "--help"], capture_output=True, text=True).stdout
    assert [word for word in words if word.startswith("--") and word not in known] == []


def test_log_rotation_tells_every_process_of_the_unit(installed):
    text = (installed / "etc/logrotate.d/causeway").read_text()
    assert "--kill-who=all --signal=USR1 causeway-worker.service" in text


def test_a_group_may_connect_to_the_channel(new_gateway):
    """As the units have it: a worker of another user, in the group of the socket."""
    gateway = new_gateway()
    group = os.getegid()
    gateway.control.command += ["--channel-group", group]
    gateway.control.command = [str(part) for part in gateway.control.command]
    gateway.start()
    facts = gateway.channel.stat()
    assert (facts.st_gid, mode(gateway.channel)) == (group, 0o660)
    gateway.control.stop()
    gateway.control.command[-1] = "no-such-group"
    gateway.start_control(wait=False)
    assert gateway.control.wait_exit(20) != 0
    assert "there is no group no-such-group" in gateway.control.log_text()
