"""A backup taken while the control plane works, and the way back on another machine."""

import os
import shutil
import sqlite3
import subprocess
import threading

import pytest
import requests

from integration.gateway import BINARIES, ROOT
from integration.test_versions import api, fill, whole, write  # noqa: F401  `api` is a fixture
from integration.waiting import wait_until

PASSPHRASE = "a passphrase: long"


def back_up(api, path, passphrase=PASSPHRASE):
    answer = api.expect(200, "POST", "/v1/backup", {"passphrase": passphrase})
    assert answer.headers["Causeway-Sealing-Key"] == ("sealed" if passphrase else "absent")
    path.write_bytes(answer.content)
    return path


def restore(file, data, passphrase=PASSPHRASE):
    command = [BINARIES / "causeway-control", "restore", file, "--data", data, "--migrations", ROOT / "migrations"]
    return subprocess.run(command, input=f"{passphrase}\n", capture_output=True, text=True, timeout=60)


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


def test_a_backup_comes_back_elsewhere(api, authority, tmp_path, new_gateway):
    identity = authority.issue("a.test")
    fill(api, identity)
    token = api.post("/v1/tokens", {"name": "t", "role": "viewer"}, live=False)["token"]
    login = api.call("POST", "/session/login", {"username": api.user, "password": api.password}, auth=False)
    before = whole(api)
    file = back_up(api, tmp_path / "backup.db")
    write(api, "POST", "/v1/domains", {"name": "later.test"})
    assert not list(api.gateway.data.glob("backup-*")), "nothing is left in the folder"
    for secret in (identity.key.splitlines()[1], "a secret value", PASSPHRASE, api.password):
        assert secret.encode() not in file.read_bytes()

    other = new_gateway()
    shutil.rmtree(other.data)
    wrong = restore(file, other.data, "not the passphrase")
    assert wrong.returncode == 1 and "passphrase is wrong" in wrong.stderr and not other.data.exists()
    done = restore(file, other.data)
    assert done.returncode == 0 and "Version" in done.stdout, done.stderr
    assert oct((other.data / "causeway.db").stat().st_mode)[-3:] == "600"
    other.start_control()
    other.start_worker()
    there = whole(other.api)
    # Flags that say other than those before are taken over: here the other machine's.
    assert [each["port"] for each in there.pop("listeners")] == [other.http_port, other.https_port]
    assert there == {kind: each for kind, each in before.items() if kind != "listeners"}
    assert requests.get(other.api.base + "/v1/domains", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert requests.get(other.api.base + "/v1/domains", cookies=login.cookies.get_dict()).status_code == 401
    entry = other.api.get("/v1/audit?action=restore")[0]
    assert (entry["actor"], entry["address"]) == ("system", "local")
    # The newest of the other is that of its listeners.
    histories = [api.get("/v1/versions")[0]["history"], other.api.get("/v1/versions")[1]["history"]]
    write(other.api, "POST", "/v1/domains", {"name": "goes-on.test"})
    assert other.api.get("/v1/versions")[0]["history"] not in histories, "a new line of versions"
    assert api.get("/v1/audit?action=backup")[0]["name"] == "with the sealing key"


def test_a_backup_over_what_is_there(gateway_with_worker, tmp_path):
    """The worker has seen later versions than the one that comes back, and takes it all the same."""
    gateway = gateway_with_worker
    gateway.api.create_domain("kept.test")
    file = back_up(gateway.api, tmp_path / "backup.db", None)
    for number in range(3):
        gateway.api.create_domain(f"lost-{number}.test")
    assert "in use by process" in restore(file, gateway.data).stderr
    gateway.control.stop()
    done = restore(file, gateway.data, "")
    assert done.returncode == 0, done.stderr
    gateway.start_control()
    assert [each["name"] for each in gateway.api.get("/v1/domains")] == ["kept.test"]
    gateway.api.post("/v1/domains", {"name": "after.test"}, live=False)
    version = int(gateway.api.get("/v1/domains/after.test")["version"])
    wait_until(lambda: [each["version"] for each in gateway.workers()] == [version], 20, "the worker serves it")


@pytest.fixture
def gateway_with_worker(new_gateway):
    return new_gateway().start()


@pytest.mark.parametrize("damage", ["cut", "garbage", "changed migration", "other key", "page"])
def test_what_cannot_come_back_changes_nothing(api, authority, tmp_path, damage):
    fill(api, authority.issue("a.test"))
    file = back_up(api, tmp_path / "backup.db", None)
    api.gateway.control.stop()
    data = api.gateway.data
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:20_000])
    elif damage == "garbage":
        file.write_bytes(os.urandom(50_000))
    elif damage == "page":
        content = bytearray(file.read_bytes())
        for offset in range(4096, len(content), 4096):
            content[offset : offset + 64] = os.urandom(64)
        file.write_bytes(content)
    elif damage == "changed migration":
        with sqlite3.connect(file) as db:
            db.execute("UPDATE migration SET sha256 = 'x' WHERE number = 1")
    elif damage == "other key":
        with sqlite3.connect(file) as db:
            db.execute("UPDATE installation SET sealing_key_id = '0011223344556677'")
    before = snapshot(data)
    failed = restore(file, data)
    assert failed.returncode == 1 and failed.stderr.strip(), failed
    assert snapshot(data) == before
    api.gateway.start_control()
    assert len(api.get("/v1/routes")) == 2


def test_a_backup_is_whole_while_others_write(api, tmp_path):
    stop = threading.Event()

    def save():
        number = 0
        while not stop.is_set():
            number += 1
            write(api, "POST", "/v1/domains", {"name": f"w{number}.test"})

    writer = threading.Thread(target=save)
    writer.start()
    try:
        files = [back_up(api, tmp_path / f"backup-{number}.db", None) for number in range(5)]
    finally:
        stop.set()
        writer.join()
    for file in files:
        with sqlite3.connect(file) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            versions, domains = (
                db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("version", "resource WHERE kind = 'domain'")
            )
            assert versions == domains + 1, "each save is there whole or not at all, and the listeners' before them"


def test_short_passphrases_are_refused(api):
    assert api.expect(400, "POST", "/v1/backup", {"passphrase": "short"}).json()["errors"][0]["field"] == "passphrase"
