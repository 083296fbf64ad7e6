// What a connection keeps for HTTP/1.1 (RFC 9112): where it stands in the message that comes in, how the one that goes out
// is framed, and whether the connection lives on afterwards.

/// Where the incoming message stands.
enum HTTP1Receive: UInt8 {
    case head
    /// A body of known length.
    case length
    case chunkSize
    case chunkData
    case chunkEnd
    case trailers
    /// A response body that ends with the connection (RFC 9112 §6.3, rule 8).
    case untilClose
    /// Bytes of an upgraded connection.
    case tunnel
    /// The message is complete; the next one waits until the exchange is over.
    case complete
}

/// How the outgoing message is framed.
enum HTTP1Framing: UInt8 {
    /// No body follows the head.
    case none
    case length
    case chunked
    case untilClose
    case tunnel
}

struct HTTP1State {
    /// The message under way, on either side.
    var half: HalfPointer?
    /// Bytes left of the body or of the chunk.
    var remaining = 0
    /// How much of an incomplete head has been searched for its end.
    var searched = 0
    /// Exchanges that this connection has carried before the one under way.
    var served = 0
    let isServer: Bool
    var receive: HTTP1Receive = .head
    var framing: HTTP1Framing = .none
    var keepsAlive = true
    /// The last message was broken off before its end.
    var isCut = false
    /// `inbound` holds bytes that can be used now.
    var hasUnparsed = false

    static let maxChunkLine = 256

    init(isServer: Bool) {
        self.isServer = isServer
    }
}
