// One name and its look-up by c-ares: addresses, or services (SRV, RFC 2782) and then the addresses of their hosts. Only the
// resolver's thread touches it.

internal import CCares
internal import COpenSSL
internal import Glibc

/// An address of a name, or in a file of endpoints.
struct ResolvedAddress: Sendable, Equatable {
    let address: SocketAddress
    /// From an SRV record or a file; nil: the endpoint's own weight and host name hold.
    let service: Service?

    struct Service: Sendable, Equatable {
        let weight: UInt32
        /// The record's target, the file's address: SNI, and what the certificate is checked against.
        let host: String
    }
}

final class NameLookup {
    enum Outcome {
        /// Milliseconds for which that holds.
        case found([ResolvedAddress], UInt64)
        case failed(String)
    }

    let name: String
    /// Milliseconds of the next look-up; `.max` while one runs.
    var due: UInt64
    /// What the last look-up gave, until it is taken.
    private(set) var outcome: Outcome?
    private var pending = 0
    private var addresses: [ResolvedAddress] = []
    private var seconds = Int.max
    private var reason = "it has no address"

    init(_ name: String, due: UInt64) {
        self.name = name
        self.due = due
    }

    /// Bounds for what records say of their life, in seconds.
    private static let shortest = 1
    private static let longest = 3_600

    func start(_ channel: ares_channel) {
        due = .max
        addresses = []
        seconds = .max
        if isService {
            pending = 1
            ares_query(
                channel, name, 1, 33,
                { context, status, _, answer, length in
                    guard let query = Query.taken(context) else { return }
                    query.lookup.services(query.channel, status, answer, length)
                }, Query(self, channel, nil).context)
        } else if isLocal {
            pending = 1
            if let address = SocketAddress(literal: "127.0.0.1", port: 0) {
                addresses.append(ResolvedAddress(address: address, service: nil))
            }
            seconds = Self.longest
            ended()
        } else {
            find(name, channel, nil)
        }
    }

    func takeOutcome() -> Outcome? {
        defer { outcome = nil }
        return outcome
    }

    /// `_service._protocol.name`.
    private var isService: Bool {
        let labels = name.split(separator: ".", maxSplits: 2)
        return labels.count == 3 && labels[0].hasPrefix("_") && labels[1].hasPrefix("_")
    }

    /// RFC 6761 §6.3: never asked of a server. IPv4 alone, as most local services listen.
    private var isLocal: Bool { name == "localhost" || name.hasSuffix(".localhost") }

    // MARK: - Answers

    private struct Record {
        let port: UInt16
        let weight: UInt32
        let host: String
    }

    /// What a callback is about.
    private final class Query {
        let lookup: NameLookup
        let channel: ares_channel
        let record: Record?

        init(_ lookup: NameLookup, _ channel: ares_channel, _ record: Record?) {
            self.lookup = lookup
            self.channel = channel
            self.record = record
        }

        var context: UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

        /// c-ares calls back exactly once.
        static func taken(_ context: UnsafeMutableRawPointer?) -> Query? {
            context.map { Unmanaged<Query>.fromOpaque($0).takeRetainedValue() }
        }
    }

    private func find(_ host: String, _ channel: ares_channel, _ record: Record?) {
        pending += 1
        var hints = ares_addrinfo_hints()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = ARES_AI_NOSORT
        ares_getaddrinfo(
            channel, host, nil, &hints,
            { context, status, _, result in
                guard let query = Query.taken(context) else { return }
                query.lookup.found(status, result, query.record)
            }, Query(self, channel, record).context)
    }

    private func found(_ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?, _ record: Record?) {
        defer {
            if let result { ares_freeaddrinfo(result) }
            ended()
        }
        guard status == ARES_SUCCESS, let result else {
            reason = String(cString: ares_strerror(status))
            return
        }
        var next = result.pointee.nodes
        while let node = next {
            next = node.pointee.ai_next
            seconds = min(seconds, Int(node.pointee.ai_ttl))
            guard let raw = node.pointee.ai_addr else { continue }
            let address = SocketAddress(raw, socklen_t(node.pointee.ai_addrlen))
            let one = ResolvedAddress(
                address: record.map { address.with(port: $0.port) } ?? address.with(port: 0),
                service: record.map { ResolvedAddress.Service(weight: $0.weight, host: $0.host) })
            if !addresses.contains(one) { addresses.append(one) }
        }
    }

    /// The records of the lowest priority are those to use; their hosts are looked up next.
    private func services(
        _ channel: ares_channel, _ status: Int32, _ answer: UnsafeMutablePointer<UInt8>?, _ length: Int32
    ) {
        defer { ended() }
        var list: UnsafeMutablePointer<ares_srv_reply>?
        guard status == ARES_SUCCESS, let answer,
            ares_parse_srv_reply(answer, length, &list) == ARES_SUCCESS
        else {
            reason = status == ARES_SUCCESS ? "it has no SRV record" : String(cString: ares_strerror(status))
            return
        }
        defer { ares_free_data(list) }
        let ttl = causeway_dns_ttl(answer, length)
        if ttl >= 0 { seconds = min(seconds, ttl) }
        var records: [(priority: UInt16, record: Record)] = []
        var next = list
        while let entry = next {
            next = entry.pointee.next
            guard let target = entry.pointee.host else { continue }
            let host = String(cString: target)
            // A single dot: the service is decidedly not there (RFC 2782).
            guard !host.isEmpty, host != ".", entry.pointee.port > 0 else { continue }
            // Weight 0 is the least of weights, not none.
            let weight = max(1, UInt32(entry.pointee.weight))
            records.append((entry.pointee.priority, Record(port: entry.pointee.port, weight: weight, host: host)))
        }
        let first = records.map(\.priority).min()
        for (priority, record) in records where priority == first { find(record.host, channel, record) }
    }

    private func ended() {
        pending -= 1
        guard pending == 0 else { return }
        let usable = withoutUnreachable(addresses)
        guard !usable.isEmpty else {
            outcome = .failed(reason)
            return
        }
        // Servers turn the order of their answers; that is no change.
        let sorted = usable.map { ($0.address.text, $0) }.sorted { $0.0 < $1.0 }.map(\.1)
        outcome = .found(sorted, UInt64(min(max(seconds, Self.shortest), Self.longest)) * 1_000)
    }

    /// Leaves out IPv6 where this machine has none beyond itself, unless there is nothing else.
    private func withoutUnreachable(_ all: [ResolvedAddress]) -> [ResolvedAddress] {
        let others = all.filter { $0.address.family != AF_INET6 }
        return others.isEmpty || others.count == all.count || machineHasIPv6() ? all : others
    }
}

private func machineHasIPv6() -> Bool {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return true }
    defer { freeifaddrs(list) }
    var next = list
    while let entry = next {
        next = entry.pointee.ifa_next
        guard let address = entry.pointee.ifa_addr, Int32(address.pointee.sa_family) == AF_INET6 else { continue }
        let bytes = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self).sin6_addr
        let (first, second, isLoopback) = withUnsafeBytes(of: bytes) { raw in
            (raw[0], raw[1], raw.dropLast().allSatisfy { $0 == 0 })
        }
        if !isLoopback, !(first == 0xfe && second & 0xc0 == 0x80) { return true }
    }
    return false
}

extension ResolvedAddress {
    /// With the endpoint's port, unless a record or a file has given one.
    func with(port: UInt16) -> ResolvedAddress {
        address.port == 0 ? ResolvedAddress(address: address.with(port: port), service: service) : self
    }
}
