"""Free ports that stay ours: below the kernel's range for outgoing connections, each held by a lock file while we live."""

import fcntl
import os
import pathlib
import random
import socket
import tempfile

FIRST, LAST = 20_000, 32_000
_locks = []


def free_port():
    folder = pathlib.Path(tempfile.gettempdir()) / "causeway-test-ports"
    folder.mkdir(exist_ok=True)
    for _ in range(1000):
        port = random.randint(FIRST, LAST)
        lock = open(folder / str(port), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        os.set_inheritable(lock.fileno(), False)
        _locks.append(lock)
        return port
    raise RuntimeError("no free port")
