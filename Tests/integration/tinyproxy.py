"""tinyproxy, an HTTP proxy of other people's making, as a process of its own."""

import socket

from integration.ports import free_port
from integration.process import Process
from integration.waiting import wait_until


class Tinyproxy:
    """Listens on a port of its own and opens tunnels to any port; with `user` and `password` only to those who have them."""

    def __init__(self, folder, user=None, password=None):
        self.port = free_port()
        config = folder / f"tinyproxy-{self.port}.conf"
        lines = [f"Port {self.port}", "Listen 127.0.0.1", "Timeout 600", "MaxClients 200", "LogLevel Connect"]
        lines += [f"BasicAuth {user} {password}"] if user else []
        config.write_text("\n".join(lines) + "\n")
        self.process = Process(
            "tinyproxy", ["/usr/bin/tinyproxy", "-d", "-c", str(config)], folder / f"tinyproxy-{self.port}.log"
        ).start()
        try:
            wait_until(self._listens, 10, f"tinyproxy listens\n{self.process.log_text()}")
        except AssertionError:
            self.stop()
            raise

    def _listens(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def asked(self):
        """What it was asked to connect to, in order."""
        return [
            line.split("): CONNECT ")[1].split(" ")[0]
            for line in self.process.log_text().splitlines()
            if "): CONNECT " in line
        ]

    def stop(self):
        self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
