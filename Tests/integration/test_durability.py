"""What must be on disk before anybody is told: seen from the kernel, by strace."""

import re

from integration.api import Api
from integration.site import Site
from integration.waiting import wait_until


class Trace:
    """The system calls of a process, in order, as (name, text); paths stand behind descriptors."""

    CALLS = (
        "openat,creat,read,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,"
        "unlink,close,ftruncate,accept4,recvfrom,recvmsg"
    )

    def __init__(self, path):
        self.path = path

    def prefix(self):
        """-D: strace is the child, so that the process that a test starts and ends is the traced one."""
        return ["strace", "-D", "-f", "-y", "-s", "200", "-e", f"trace={self.CALLS}", "-e", "signal=none", "-o", self.path]

    def calls(self):
        """Completed calls in the order of their completion; a call that was interrupted by another thread is put together."""
        begun, done = {}, []
        for line in self.path.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(.*)", line)
            if not match:
                continue
            thread, text = match.groups()
            if text.endswith("<unfinished ...>"):
                begun[thread] = text[: -len("<unfinished ...>")]
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            if resumed:
                text = begun.pop(thread, "") + resumed[1]
            name = re.match(r"(\w+)\(", text)
            if name:
                done.append((name[1], text))
        return done


def position(calls, name, pattern, after=-1):
    """Index of the first call of that name (a regular expression) whose text fits, behind `after`."""
    for index, (called, text) in enumerate(calls):
        if index > after and re.fullmatch(name, called) and re.search(pattern, text):
            return index
    return None


def last_position(calls, name, pattern, before):
    return max(
        (
            index
            for index, (called, text) in enumerate(calls[:before])
            if re.fullmatch(name, called) and re.search(pattern, text)
        ),
        default=None,
    )


SENDS = "write|writev|sendto|sendmsg"


def test_the_write_ahead_log_is_synced_before_the_answer_leaves(new_gateway, tmp_path):
    gateway, trace = new_gateway(), Trace(tmp_path / "control.strace")
    gateway.start_control(prefix=trace.prefix())
    gateway.api.initialize()
    api = Api(gateway.admin_port, gateway.api.user, gateway.api.password)
    names = [f"durable-{turn}.test" for turn in range(3)]
    for name in names:
        api.expect(201, "POST", "/v1/domains", {"name": name})
    gateway.control.stop()
    calls = trace.calls()
    before = -1
    for name in names:
        answered = position(calls, SENDS, r"HTTP/1\.1 201", after=before)
        assert answered is not None, f"no answer about {name} was seen"
        written = last_position(calls, "pwrite64|pwritev|write", r"-wal>", answered)
        synced = last_position(calls, "fdatasync|fsync", r"-wal>.*= 0", answered)
        assert None not in (written, synced), (written, synced)
        assert (
            before < written < synced < answered
        ), f"{name}: WAL written at {written}, synced at {synced}, answered at {answered}"
        before = answered


def test_the_snapshot_is_on_disk_before_the_ack_leaves(new_gateway, authority, echo, tmp_path):
    gateway, trace = new_gateway(), Trace(tmp_path / "worker.strace")
    gateway.start_control()
    gateway.api.initialize()
    gateway.start_worker(prefix=trace.prefix())
    site = Site(gateway, authority, "ack.test", https="off")
    site.serve(echo.port)
    wait_until(lambda: site.get("/").status == 200, 10)
    gateway.worker.stop()
    calls = trace.calls()
    folder = re.escape(str(gateway.state))

    # ACK frames: type 6 behind a length of four bytes.
    acks = [
        index
        for index, (name, text) in enumerate(calls)
        if re.fullmatch(SENDS, name) and re.search(r'"\\0\\0\\0[^"]{1,4}\\6', text) and "sock" in text
    ]
    assert acks, "no ACK was seen"
    for ack in acks:
        renamed = last_position(calls, "rename|renameat|renameat2", folder, ack)
        assert renamed is not None, "no file was put in place before the ACK"
        temporary = re.search(r'"([^"]+)"', calls[renamed][1])[1].rsplit("/", 1)[-1]
        written = last_position(calls, "write|writev|pwrite64", re.escape(temporary) + ">", renamed)
        file_synced = last_position(calls, "fsync|fdatasync", re.escape(temporary) + r">.*= 0", renamed)
        folder_synced = position(calls, "fsync", folder + r"(/[\w-]+)?>\s*\)\s+= 0", after=renamed)
        assert None not in (written, file_synced, folder_synced), (written, file_synced, folder_synced)
        assert (
            written < file_synced < renamed < folder_synced < ack
        ), f"written at {written}, synced at {file_synced}, renamed at {renamed}, folder synced at {folder_synced}, ACK at {ack}"


def test_a_change_of_a_large_snapshot_is_appended_and_synced_before_the_ack_leaves(new_gateway, tmp_path):
    gateway, trace = new_gateway(), Trace(tmp_path / "worker.strace")
    gateway.start_control()
    gateway.api.initialize()
    gateway.start_worker(prefix=trace.prefix())

    gateway.api.expect(201, "POST", "/v1/service-sources", {"name": "a", "type": "static", "domain": "127.0.0.1:1", "port": 1})

    def save(name, path):
        match = {"matchType": "PRE", "matchValue": path}
        gateway.api.expect(
            201, "POST", "/v1/routes?wait=live", {"name": name, "path": match, "services": [{"name": "a.static"}]}
        )

    for turn in range(30):
        save(f"large-{turn}", f"/{turn}" + "x" * 4000)
    save("last", "/last")
    gateway.worker.stop()
    calls = trace.calls()
    appended = last_position(calls, "write", r"/snapshot\.changes>", len(calls))
    assert appended is not None, "the last change was not appended"
    synced = position(calls, "fsync", r"/snapshot\.changes>.*= 0", after=appended)
    acked = last_position(calls, SENDS, r'"\\0\\0\\0[^"]{1,4}\\6', len(calls))
    assert synced is not None and appended < synced < acked, (appended, synced, acked)
    first = position(calls, "write", r"/snapshot\.changes>")
    folder = re.escape(str(gateway.state))
    assert position(calls, "fsync", folder + r"(/[\w-]+)?>\s*\)\s+= 0", after=first) is not None, "the new file's name"
