// Timeouts and limits of the gateway that hold before a route is known, and the defaults towards upstreams. Named on the
// command line as `--setting NAME=VALUE`; part of the snapshot, so that workers get a change like any other.

package import ConfigModel
import ConsoleModel

/// What `--setting` can set.
package struct GatewaySettings: Hashable, Sendable {
    /// Of listeners, where they do not say otherwise.
    package var limits = ListenerLimits()
    /// Milliseconds to establish a connection to an endpoint, TLS included.
    package var connectTimeout: UInt32 = 5_000
    /// Milliseconds that an upstream connection without a stream is kept; 0: not kept.
    package var upstreamIdleTimeout: UInt32 = 60_000
    /// Connections of each loop to one endpoint; 0: as descriptors allow.
    package var maxEndpointConnections: UInt32 = 0

    package init() {}

    /// Names with what they mean, as `--help` and the operations guide list them.
    package static let names: [(name: String, help: String)] = [
        ("tls-handshake-timeout", "from the accepted connection to the end of its TLS handshake (10s)"),
        ("request-headers-timeout", "from the first byte of a request to the end of its head (10s)"),
        (
            "request-progress-timeout",
            "in which a request's body must bring 1 KiB until the service answers; not gRPC (60s)"
        ),
        ("connection-idle-timeout", "without a request or stream on a client's connection (10m)"),
        ("max-header-list-size", "bytes of a request's header fields, and of its trailers (65536)"),
        ("max-concurrent-streams", "streams of one HTTP/2 client connection (256)"),
        ("max-connections", "client connections of a listener on each loop; 0: as open files allow (0)"),
        (
            "max-handshakes",
            "connections of a listener in their TLS handshake on each loop, then the oldest goes; 0: no bound (2048)"
        ),
        ("memory-per-connection", "bytes held for one client connection; 0: no bound (32m)"),
        ("memory-per-loop", "bytes held on one loop; 0: no bound (256m)"),
        ("memory-per-worker", "bytes held by one worker; 0: no bound (1g)"),
        ("max-resets", "RST_STREAM of a client a second, beyond its streams that end well; 0: no bound (100)"),
        ("max-provoked-resets", "streams a second that a client's errors make the gateway reset; 0: no bound (100)"),
        ("max-control-frames", "PING, SETTINGS and other cheap frames of a client a second; 0: no bound (1000)"),
        ("max-continuations", "CONTINUATION frames of one header block; 0: no bound (64)"),
        ("header-decode-factor", "times max-header-list-size up to which a header block is decoded; 0: no bound (4)"),
        ("stream-stall-timeout", "in which a client must take 1 KiB of what waits for it (5m)"),
        ("requests-per-turn", "requests of a connection begun before the others' turn; 0: no bound (256)"),
        ("replay-size", "bytes of a request's body that are kept for another try; 0: none (64k)"),
        ("connect-timeout", "to establish a connection to an endpoint (5s)"),
        ("max-endpoint-connections", "connections of each loop to one endpoint; 0: as open files allow (0)"),
        ("upstream-idle-timeout", "for which an upstream connection without a stream is kept (60s)"),
    ]

    package static var help: String {
        "Timeout or limit of the gateway as NAME=VALUE; may be repeated. Names, with what they bound and their defaults: "
            + names.map { "\($0.name): \($0.help)" }.joined(separator: "; ") + "."
    }

    /// Sets one from `NAME=VALUE`. Times take `ms`, `s` (also without a unit), `m` or `h`; 0: off.
    package mutating func set(_ assignment: String) throws(StartError) {
        let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw StartError("--setting \(assignment): write NAME=VALUE.")
        }
        let name = String(parts[0])
        let value = String(parts[1])
        switch name {
        case "tls-handshake-timeout": limits.tlsHandshakeTimeout = try Self.time(name, value)
        case "request-headers-timeout": limits.requestHeadersTimeout = try Self.time(name, value)
        case "request-progress-timeout": limits.requestProgressTimeout = try Self.time(name, value)
        case "connection-idle-timeout": limits.connectionIdleTimeout = try Self.time(name, value)
        case "max-header-list-size": limits.maxHeaderListSize = try Self.number(name, value, 4_096...262_144)
        case "max-concurrent-streams": limits.maxConcurrentStreams = try Self.number(name, value, 1...65_535)
        case "max-connections": limits.maxConnections = try Self.number(name, value, 0...10_000_000)
        case "max-handshakes": limits.maxHandshakes = try Self.number(name, value, 0...10_000_000)
        case "memory-per-connection": limits.memoryPerConnection = try Self.size(name, value)
        case "memory-per-loop": limits.memoryPerLoop = try Self.size(name, value)
        case "memory-per-worker": limits.memoryPerWorker = try Self.size(name, value)
        case "max-resets": limits.maxResets = try Self.number(name, value, 0...1_000_000)
        case "max-provoked-resets": limits.maxProvokedResets = try Self.number(name, value, 0...1_000_000)
        case "max-control-frames": limits.maxControlFrames = try Self.number(name, value, 0...1_000_000)
        case "max-continuations": limits.maxContinuations = try Self.number(name, value, 0...65_535)
        case "header-decode-factor": limits.headerDecodeFactor = try Self.number(name, value, 0...1_024)
        case "stream-stall-timeout": limits.streamStallTimeout = try Self.time(name, value)
        case "requests-per-turn": limits.requestsPerTurn = try Self.number(name, value, 0...1_000_000)
        case "replay-size": limits.replaySize = UInt32(try Self.size(name, value, most: 64 << 20, zero: "none"))
        case "connect-timeout": connectTimeout = try Self.time(name, value, 1...600_000)
        case "max-endpoint-connections":
            maxEndpointConnections = try Self.number(name, value, 0...10_000_000)
        case "upstream-idle-timeout": upstreamIdleTimeout = try Self.time(name, value)
        default:
            let known = Self.names.map(\.name).joined(separator: ", ")
            throw StartError("--setting \(name) is not known; there are \(known).")
        }
    }

    private static func time(
        _ name: String, _ text: String, _ range: ClosedRange<UInt32> = 0...86_400_000
    ) throws(StartError) -> UInt32 {
        guard let milliseconds = TimeText.milliseconds(text).flatMap({ UInt32(exactly: $0) }) else {
            throw StartError("--setting \(name)=\(text): write a time such as 500ms, 10s, 5m or 1h, or 0 for off.")
        }
        guard range.contains(milliseconds) else {
            throw StartError(
                "--setting \(name)=\(text) is out of range: \(range.lowerBound)ms to \(range.upperBound / 1_000)s.")
        }
        return milliseconds
    }

    private static func number(
        _ name: String, _ text: String, _ range: ClosedRange<UInt32>
    ) throws(StartError) -> UInt32 {
        guard let number = UInt32(text), range.contains(number) else {
            throw StartError(
                "--setting \(name)=\(text): write a number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    /// Bytes, also as `512k`, `64m` or `2g`.
    private static func size(
        _ name: String, _ text: String, most: UInt64 = 1 << 60, zero: String = "no bound"
    ) throws(StartError) -> UInt64 {
        let shifts: [Character: UInt64] = ["k": 10, "m": 20, "g": 30]
        let shift = text.last.flatMap { shifts[$0] }
        guard let number = UInt64(shift == nil ? text[...] : text.dropLast()), number <= 1 << 30,
            number << (shift ?? 0) <= most
        else {
            let bound = most < 1 << 60 ? ", \(most >> 20)m at most" : ""
            throw StartError(
                "--setting \(name)=\(text): write bytes such as 65536, 512k, 64m or 2g\(bound), or 0 for \(zero).")
        }
        return number << (shift ?? 0)
    }
}
