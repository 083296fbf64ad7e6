"""tinyproxy, an HTTP proxy of other people's making, as a process of its own."""

from integration.ports import free_port
from integration.process import ListeningProcess


class Tinyproxy(ListeningProcess):
    """Opens tunnels to any port; with `user` and `password` only to those who have them."""

    def __init__(self, folder, user=None, password=None):
        port = free_port()
        config = folder / f"tinyproxy-{port}.conf"
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 600", "MaxClients 200", "LogLevel Connect"]
        lines += [f"BasicAuth {user} {password}"] if user else []
        config.write_text("\n".join(lines) + "\n")
        super().__init__("tinyproxy", port, ["/usr/bin/tinyproxy", "-d", "-c", config], folder)

    def asked(self):
        """What it was asked to connect to, in order."""
        return [
            line.split("): CONNECT ")[1].split(" ")[0]
            for line in self.process.log_text().splitlines()
            if "): CONNECT " in line
        ]
