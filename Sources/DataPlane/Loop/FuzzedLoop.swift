// A loop for the fuzzer: real sockets on both sides, everything on the caller's thread, one input after another. Only in builds
// that `scripts/fuzz` makes.
#if CAUSEWAY_FUZZ
    internal import COpenSSL
    package import ConfigModel
    internal import Glibc
    internal import Seal

    /// What a client and its upstream say to a loop, in pieces.
    package final class FuzzedLoop {
        private let loop: LoopPointer
        /// Holds the loop's cells.
        private let registry: MetricsRegistry
        private let events: UnsafeMutablePointer<epoll_event>
        private let port: UInt16
        private let upstream: Int32
        private var scratch = [UInt8](repeating: 0, count: 65_536)

        /// Serves `objects` (beside a listener of its own); clusters that name `unix:` + `socket` reach the input's second part.
        package init?(_ objects: [ConfigObject], socket path: String) {
            signal(SIGPIPE, SIG_IGN)
            let registry = MetricsRegistry(loopCount: 1)
            guard let mailbox = Mailbox(),
                let loop = LoopPointer.make(
                    index: 0, registry: registry, accessLog: nil, mailbox: mailbox,
                    ticketKeys: TicketKeys()),
                let done = Latch(1),
                let snapshot = try? Snapshot(
                    historyID: .mint(), version: 1,
                    objects: objects + [.listener(Listener(name: "fuzz", address: "127.0.0.1", port: 0, tls: false))]),
                let upstream = Self.listen(path)
            else { return nil }
            var warmup = Warmup(registry: registry, loopCount: 1)
            guard case .ready(let warm) = warmup.warm(snapshot), let bound = warmup.bound.first else { return nil }
            loop.receive(.swap(warm.active, warm.changes, listeners: warm.listeners[0], done: done))
            self.loop = loop
            self.registry = registry
            self.upstream = upstream
            port = bound.port
            events = .allocate(capacity: LoopPointer.eventsPerTick)
        }

        /// One exchange of bytes: the client's in pieces of `piece`, the upstream's whenever the loop has connected to it. Once both ends
        /// have gone the loop must hold nothing of it.
        package func run(client: UnsafeRawBufferPointer, upstream answers: UnsafeRawBufferPointer, piece: Int) {
            let fd = connect()
            guard fd >= 0 else { return }
            var sent = 0
            var answered = 0
            var back: Int32 = -1
            var quiet = 0
            while quiet < 4 {
                var moved = false
                if sent < client.count {
                    let count = send(
                        fd, client.baseAddress.unsafelyUnwrapped + sent, min(piece, client.count - sent),
                        Int32(MSG_NOSIGNAL))
                    sent += count > 0 ? count : client.count - sent
                    moved = true
                }
                moved = loop.tick(events, wait: 0) > 0 || moved
                if back < 0 { back = accept(upstream, nil, nil) }
                if back >= 0, answered < answers.count {
                    let count = send(
                        back, answers.baseAddress.unsafelyUnwrapped + answered, min(piece, answers.count - answered),
                        Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                    answered += count > 0 ? count : answers.count - answered
                    moved = true
                }
                drain(fd)
                if back >= 0 { drain(back) }
                quiet = moved ? 0 : quiet + 1
            }
            close(fd)
            if back >= 0 { close(back) }
            // Both ends are seen to be gone, whatever else waits in the accept queue.
            for _ in 0..<4 { _ = loop.tick(events, wait: 0) }
            while true {
                let more = accept(upstream, nil, nil)
                guard more >= 0 else { break }
                close(more)
                _ = loop.tick(events, wait: 0)
            }
            let left = (exchanges: loop.pointee.exchangeCount, downstream: loop.pointee.downstreamCount)
            precondition(left == (0, 0), "the loop still holds \(left)")
        }

        private func connect() -> Int32 {
            let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard fd >= 0, let address = SocketAddress(literal: "127.0.0.1", port: port) else { return -1 }
            // No TIME_WAIT: the fuzzer would run out of ports.
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            guard address.withSockaddr({ Glibc.connect(fd, $0, $1) }) == 0 else {
                close(fd)
                return -1
            }
            return fd
        }

        private func drain(_ fd: Int32) {
            while recv(fd, &scratch, scratch.count, Int32(MSG_DONTWAIT)) > 0 {}
        }

        private static func listen(_ path: String) -> Int32? {
            unlink(path)
            let fd = socket(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard fd >= 0, let address = SocketAddress(literal: "unix:\(path)", port: 0),
                address.withSockaddr({ bind(fd, $0, $1) }) == 0, Glibc.listen(fd, 64) == 0
            else { return nil }
            return fd
        }
    }
#endif
