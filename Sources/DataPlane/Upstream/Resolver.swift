// Host names of endpoints to addresses, off the loops. Names are looked up when they appear, again every thirty seconds,
// and soon after a failure; when a lookup fails, the addresses known before stay.

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Logging
internal import Synchronization

final class Resolver: Sendable {
    private let loops: [Mailbox]
    private let health: HealthChecker
    private let logger: Logger
    private let state = Mutex<State>(State())
    private let wake: Int32

    private struct State {
        var names: Set<String> = []
        var known: [String: [SocketAddress]] = [:]
        var stopped = false
    }

    /// Milliseconds between two looks at all names, and after one that failed.
    private static let interval: Int32 = 30_000
    private static let retryInterval: Int32 = 2_000

    init?(loops: [Mailbox], health: HealthChecker, logger: Logger) {
        self.loops = loops
        self.health = health
        self.logger = logger
        wake = causeway_eventfd(1)
        guard wake >= 0 else { return nil }
    }

    /// The names of a snapshot, in place of those before.
    func resolve(_ snapshot: Snapshot) {
        var names: Set<String> = []
        for object in snapshot.objects {
            guard case .cluster(let cluster) = object.object else { continue }
            for endpoint in cluster.endpoints where SocketAddress(literal: endpoint.host, port: 0) == nil {
                names.insert(endpoint.host)
            }
        }
        let changed = state.withLock { state in
            defer { state.names = names }
            return !names.subtracting(state.names).isEmpty
        }
        if changed { signal() }
    }

    func stop() {
        state.withLock { $0.stopped = true }
        signal()
    }

    /// Looks names up until stopped. The resolver's thread runs this.
    func run() {
        var delay = Self.interval
        while true {
            var entry = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, delay)
            var counter: UInt64 = 0
            _ = read(wake, &counter, 8)
            let (names, stops) = state.withLock { ($0.names, $0.stopped) }
            if stops { return }
            delay = names.sorted().map(lookUp).allSatisfy { $0 } ? Self.interval : Self.retryInterval
        }
    }

    /// False: the name has no address now.
    private func lookUp(_ name: String) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var result = getaddrinfo(name, nil, &hints, &list)
        if result == EAI_NONAME || result == -5 {
            // A machine with loopback addresses only: AI_ADDRCONFIG would hide them.
            hints.ai_flags = 0
            result = getaddrinfo(name, nil, &hints, &list)
        }
        guard result == 0 else {
            logger.warning(
                "a host name has no address; addresses known before stay in use",
                metadata: ["host": "\(name)", "reason": "\(String(cString: gai_strerror(result)))"])
            return false
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let address = entry.pointee.ai_addr else { continue }
            let found = SocketAddress(address, entry.pointee.ai_addrlen)
            if !addresses.contains(found) { addresses.append(found) }
        }
        guard !addresses.isEmpty else { return false }
        let changed = state.withLock { state in
            defer { state.known[name] = addresses }
            return state.known[name] != addresses
        }
        if changed {
            for loop in loops { loop.post(.resolved(host: name, addresses: addresses)) }
            health.resolved(name, addresses)
        }
        return true
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }
}
