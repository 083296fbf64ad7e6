// What a client may do to the gateway that an honest one does not: each kind has a limit (`ListenerLimits`), a counter, and
// an end: GOAWAY ENHANCE_YOUR_CALM, RST_STREAM, or a closed connection.

/// A limit that a client has run into. The names are labels of `causeway_downstream_abuse_total`.
enum AbuseKind: Int, CaseIterable {
    /// Streams opened and reset at once (CVE-2023-44487).
    case rapidReset
    /// Streams that the client makes the gateway reset (CVE-2025-8671).
    case provokedReset
    case pingFlood
    case settingsFlood
    case priorityFlood
    case emptyData
    /// Increments too small to be of use, or for streams that are over.
    case windowUpdateFlood
    /// Frames of types that are not known.
    case unknownFrames
    /// Streams over `max-concurrent-streams`, again and again.
    case streamLimit
    /// CVE-2024-27316.
    case continuationFlood
    case hpackBomb
    case slowHandshake
    case slowHead
    case slowBody
    /// A stream whose window stays shut while bytes wait for it.
    case stalledStream
    /// A connection that takes nothing from the kernel's buffer.
    case slowRead
    case connectionLimit
    /// A connection that would take a descriptor of those kept for the worker itself.
    case descriptorReserve
    case handshakeLimit
    case memoryConnection
    case memoryLoop
    case memoryWorker

    /// Something that all clients share has run out: who comes next is refused, honest or not.
    var isShortage: Bool {
        switch self {
        case .connectionLimit, .descriptorReserve, .memoryLoop, .memoryWorker: true
        default: false
        }
    }

    var label: String {
        switch self {
        case .rapidReset: "rapid_reset"
        case .provokedReset: "provoked_reset"
        case .pingFlood: "ping_flood"
        case .settingsFlood: "settings_flood"
        case .priorityFlood: "priority_flood"
        case .emptyData: "empty_data"
        case .windowUpdateFlood: "window_update_flood"
        case .unknownFrames: "unknown_frames"
        case .streamLimit: "stream_limit"
        case .continuationFlood: "continuation_flood"
        case .hpackBomb: "hpack_bomb"
        case .slowHandshake: "slow_handshake"
        case .slowHead: "slow_head"
        case .slowBody: "slow_body"
        case .stalledStream: "stalled_stream"
        case .slowRead: "slow_read"
        case .connectionLimit: "connection_limit"
        case .descriptorReserve: "descriptor_reserve"
        case .handshakeLimit: "handshake_limit"
        case .memoryConnection: "memory_connection"
        case .memoryLoop: "memory_loop"
        case .memoryWorker: "memory_worker"
        }
    }
}
