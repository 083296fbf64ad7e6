"""nghttpx, a proxy of other people's making, as a process of its own."""

from integration.ports import free_port
from integration.process import ListeningProcess


class Nghttpx(ListeningProcess):
    """Listens on a port of its own, in clear text or with a certificate, and passes everything on to `backend`: a port of this
    machine. `protocol` is what it speaks there (`h2` or `http/1.1`); with `sni` over TLS, the certificate checked against `ca`."""

    def __init__(self, folder, backend, identity=None, protocol="h2", sni=None, ca=None):
        port = free_port()
        behind = f"127.0.0.1,{backend};;proto={protocol}" + (f";tls;sni={sni}" if sni else "")
        command = [
            "/usr/sbin/nghttpx",
            "--conf=/dev/null",
            "--single-process",
            f"--frontend=127.0.0.1,{port}" + ("" if identity else ";no-tls"),
            f"--backend={behind}",
            *([f"--cacert={ca}"] if ca else []),
            *([identity.key_path, identity.path] if identity else []),
        ]
        super().__init__("nghttpx", port, command, folder)
