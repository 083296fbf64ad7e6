// Host names of endpoints to addresses, off the loops, by c-ares: what `--resolver` names, else resolv.conf and /etc/hosts. Each
// name is looked up when it appears, again when its records' time is over, and soon after a failure: of a look-up, or of
// a connection to it. When a look-up fails, the addresses known before stay.

internal import CCares
internal import Glibc
internal import Logging

final class Resolver: Sendable {
    private let loops: [Mailbox]
    private let health: HealthChecker
    private let servers: String?
    private let logger: Logger
    private let state = Lock<State>(State())
    private let wake: WakeUp

    private struct State {
        var names: Set<String> = []
        var suspects: Set<String> = []
        /// Looked up at least once.
        var answered: Set<String> = []
        var lookups: UInt64 = 0
        var failures: UInt64 = 0
        var stopped = false
    }

    /// Milliseconds until a look-up that failed is made again.
    private static let retryInterval: UInt64 = 2_000
    /// At most that often for connections that fail.
    private static let suspectInterval: UInt64 = 1_000

    /// `servers`: ADDRESS[:PORT], separated by commas; nil: as the system says.
    init?(loops: [Mailbox], health: HealthChecker, servers: String?, logger: Logger) {
        self.loops = loops
        self.health = health
        self.servers = servers
        self.logger = logger
        guard let wake = WakeUp() else { return nil }
        self.wake = wake
    }

    /// Whether `--resolver` can be used as it is.
    static func accepts(_ servers: String) -> Bool {
        // c-ares takes what it understands of a list and says nothing of the rest.
        servers.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
            if SocketAddress(literal: String(part), port: 53) != nil { return !part.hasPrefix("unix:") }
            guard let colon = part.lastIndex(of: ":"), let port = UInt16(part[part.index(after: colon)...]), port > 0
            else { return false }
            let host = part[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                return SocketAddress(literal: String(host.dropFirst().dropLast()), port: port)?.family == AF_INET6
            }
            return SocketAddress(literal: String(host), port: port)?.family == AF_INET
        }
    }

    /// The names to know, in place of those before.
    func resolve(_ names: Set<String>) {
        let changed = state.withLock { state in
            defer { state.names = names }
            return state.names != names
        }
        if changed { wake.signal() }
    }

    /// Whether every name was looked up at least once.
    var isSettled: Bool { state.withLock { $0.names.isSubset(of: $0.answered) } }

    /// A connection to an address of this name has failed: it may have moved.
    func suspect(_ name: String) {
        state.withLock { _ = $0.suspects.insert(name) }
        wake.signal()
    }

    func stop() {
        state.withLock { $0.stopped = true }
        wake.signal()
    }

    /// Look-ups that were made, and those that failed.
    var counts: (lookups: UInt64, failures: UInt64) { state.withLock { ($0.lookups, $0.failures) } }

    // MARK: - The thread

    /// What only the resolver's thread touches.
    private struct Session {
        var channel: ares_channel?
        var lookups: [String: NameLookup] = [:]
        var known: [String: [ResolvedAddress]] = [:]
        /// Milliseconds of the last look-up's start.
        var asked: [String: UInt64] = [:]
        var isBroken = false
    }

    private static var now: UInt64 { Clock.monotonicNanoseconds() / 1_000_000 }

    /// Looks names up until stopped.
    func run() {
        var session = Session()
        defer { if let channel = session.channel { ares_destroy(channel) } }
        while true {
            wake.take()
            let (names, suspects, stops) = state.withLock { state in
                defer { state.suspects = [] }
                return (state.names, state.suspects, state.stopped)
            }
            if stops { return }
            take(names, suspects, &session)
            guard let channel = openChannel(&session) else {
                wake.wait(milliseconds: Int32(Self.retryInterval))
                continue
            }
            let now = Self.now
            for (name, lookup) in session.lookups where lookup.due <= now {
                session.asked[name] = now
                lookup.start(channel)
            }
            takeOutcomes(&session)
            let due = session.lookups.values.map(\.due).min() ?? .max
            let delay: Int32 = due == .max ? -1 : due <= now ? 0 : Int32(clamping: due - now)
            causeway_dns_wait(channel, wake.descriptor, delay)
            takeOutcomes(&session)
        }
    }

    private func take(_ names: Set<String>, _ suspects: Set<String>, _ session: inout Session) {
        let now = Self.now
        // One that runs goes on to its end: c-ares holds it.
        session.lookups = session.lookups.filter { names.contains($0.key) }
        session.known = session.known.filter { names.contains($0.key) }
        session.asked = session.asked.filter { names.contains($0.key) }
        for name in names where session.lookups[name] == nil { session.lookups[name] = NameLookup(name, due: now) }
        for name in suspects {
            guard let lookup = session.lookups[name], lookup.due != .max else { continue }
            lookup.due = min(lookup.due, max(now, (session.asked[name] ?? 0) + Self.suspectInterval))
        }
    }

    /// The channel; made anew after failures, because what resolv.conf says may be another by now.
    private func openChannel(_ session: inout Session) -> ares_channel? {
        if session.isBroken, session.lookups.values.allSatisfy({ $0.due != .max }) {
            if let channel = session.channel { ares_destroy(channel) }
            session.channel = nil
            session.isBroken = false
        }
        if session.channel == nil {
            let status = causeway_dns_open(&session.channel, servers)
            if status != ARES_SUCCESS {
                session.channel = nil
                logger.error(
                    "names cannot be looked up", metadata: ["reason": "\(String(cString: ares_strerror(status)))"])
            }
        }
        return session.channel
    }

    private func takeOutcomes(_ session: inout Session) {
        for (name, lookup) in session.lookups {
            guard let outcome = lookup.takeOutcome() else { continue }
            state.withLock { $0.lookups += 1 }
            defer { state.withLock { $0.answered = $0.answered.intersection($0.names).union([name]) } }
            switch outcome {
            case .failed(let reason):
                lookup.due = Self.now + Self.retryInterval
                session.isBroken = true
                state.withLock { $0.failures += 1 }
                logger.warning(
                    "a host name has no address; addresses known before stay in use",
                    metadata: ["host": "\(name)", "reason": "\(reason)"])
            case .found(let addresses, let time):
                lookup.due = Self.now + time
                guard session.known[name] != addresses else { continue }
                session.known[name] = addresses
                for loop in loops { loop.post(.resolved(host: name, addresses: addresses)) }
                health.resolved(name, addresses)
            }
        }
    }
}
