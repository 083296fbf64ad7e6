"""A DNS server for one test: answers over UDP from a table that the test changes as it goes."""

import socket
import threading

from dnslib import AAAA, QTYPE, RCODE, RR, SRV, A, DNSRecord


class DNSServer:
    """`set("name", ("A", "127.0.0.1"), ttl=1)` replaces what a name has; `broken` makes it answer SERVFAIL, or nothing."""

    def __init__(self):
        self.records, self.asked = {}, []
        self.broken = None
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def set(self, name, *records, ttl=60):
        """Each record is (type, data); of SRV the data is (priority, weight, port, target)."""
        made = []
        for kind, data in records:
            rdata = {"A": A, "AAAA": AAAA}[kind](data) if kind != "SRV" else SRV(*data)
            made.append(RR(name, getattr(QTYPE, kind), rdata=rdata, ttl=ttl))
        with self.lock:
            self.records[name] = made

    def count(self, name, kind="A"):
        return sum(each == (name, kind) for each in self.asked)

    def _serve(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            request = DNSRecord.parse(data)
            name, kind = str(request.q.qname).rstrip("."), request.q.qtype
            self.asked.append((name, QTYPE[kind]))
            if self.broken == "silent":
                continue
            reply = request.reply()
            with self.lock:
                known = self.records.get(name)
            if self.broken:
                reply.header.rcode = RCODE.SERVFAIL
            elif known is None:
                reply.header.rcode = RCODE.NXDOMAIN
            else:
                for record in known:
                    if record.rtype == kind:
                        reply.add_answer(record)
            self.socket.sendto(reply.pack(), peer)

    def stop(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
