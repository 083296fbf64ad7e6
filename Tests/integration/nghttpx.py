"""nghttpx, a proxy of other people's making, as a process of its own."""

import socket

from integration.ports import free_port
from integration.process import Process
from integration.waiting import wait_until


class Nghttpx:
    """Listens on a port of its own, in clear text or with a certificate, and passes everything on to `backend`: a port of this
    machine. `protocol` is what it speaks there (`h2` or `http/1.1`); with `sni` over TLS, the certificate checked against `ca`."""

    def __init__(self, folder, backend, identity=None, protocol="h2", sni=None, ca=None):
        self.port = free_port()
        behind = f"127.0.0.1,{backend};;proto={protocol}" + (f";tls;sni={sni}" if sni else "")
        self.process = Process(
            "nghttpx",
            [
                "/usr/sbin/nghttpx",
                "--conf=/dev/null",
                "--single-process",
                f"--frontend=127.0.0.1,{self.port}" + ("" if identity else ";no-tls"),
                f"--backend={behind}",
                *([f"--cacert={ca}"] if ca else []),
                *([identity.key_path, identity.path] if identity else []),
            ],
            folder / f"nghttpx-{self.port}.log",
        ).start()
        try:
            wait_until(self._listens, 10, f"nghttpx listens\n{self.process.log_text()}")
        except AssertionError:
            self.stop()
            raise

    def _listens(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
