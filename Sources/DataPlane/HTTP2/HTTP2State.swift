// What a connection keeps for HTTP/2 (RFC 9113): HPACK contexts, the stream table, windows, and the frame at hand.

internal import CNghttp2
internal import Glibc

struct HTTP2State {
    let isServer: Bool
    var awaitsPreface: Bool
    var settingsReceived = false

    // HPACK. Made at first use: an idle connection has neither.
    /// The peer still has the table of a context that we gave up: the next block has to say that it is empty.
    var deflaterRestarts = false
    /// Blocks that were sent without one, since there was one.
    var blocksWithoutTable: UInt8 = 0
    var peerTakesExtendedConnect = false
    /// What is on an upstream connection in long streams (`Crowding`), and when that was looked at, in the lower bits of the
    /// loop's milliseconds.
    var burden: UInt16 = 0
    var inflater: OpaquePointer?
    var deflater: OpaquePointer?
    /// What the peer allows for it.
    var deflaterLimit = HTTP2State.deflaterTable

    var streams = StreamTable()
    /// Highest stream id that the peer opened.
    var lastPeerStream: Int32 = 0
    /// Next id for a stream of ours (client side: odd).
    var nextStream: Int32 = 1
    /// Streams that we reset lately: what the peer had sent before it knew is ignored.
    var resetStreams = RecentStreams()

    // The peer's settings (RFC 9113 §6.5.2), and what we may send.
    /// Towards an upstream one stream goes ahead of its SETTINGS, which may allow fewer than the usual hundred.
    var peerMaxStreams: UInt32 = 1
    var peerInitialWindow = 65_535
    var peerMaxFrame = 16_384
    /// Since when there has been more to send than window or socket take, without a pause; 0: there is not.
    var shutSince: UInt32 = 0
    /// Microseconds from a PING of ours to its answer; 0: none was measured yet.
    var roundTrip: UInt32 = 0
    var sendWindow = 65_535

    // What the peer may send.
    var receiveWindow = 65_535
    /// Body bytes received and not yet taken by the other side's kernel (downstream connections).
    var undelivered = 0
    /// Bytes by which stream windows have grown beyond their first size.
    var grownWindows: Int32 = 0
    var burdenSeen: UInt32 = 0

    // A header block that goes on in CONTINUATION frames.
    var block = ByteQueue()
    var blockStream: Int32 = 0
    var continuations: Int32 = 0
    var blockEndsStream = false

    // A DATA frame whose payload is still coming.
    var dataEndsStream = false
    var inData = false
    var dataRemaining = 0
    var dataPadding = 0
    var dataStream: HalfPointer?

    // GOAWAY.
    var goAwaySent = false
    var goAwayReceived = false
    /// PINGs of ours that the peer has not answered.
    var pingsUnanswered: UInt8 = 0
    /// The last stream that our GOAWAY said would be processed.
    var goAwayPromised = Int32.max
    var goAwayLastStream = Int32.max

    /// When the last PING of ours went out, in the lower bits of the loop's microseconds.
    var pingedAt: UInt32 = 0

    // Streams with something to send that the connection could not take.
    var blockedHead: HalfPointer?
    var blockedTail: HalfPointer?

    // What an honest peer does rarely: refilled by time and by work, the connection ends when it is used up.
    var control = Allowance()
    var controlEarned: Int32 = 0
    var resets = Allowance()
    var resetsEarned: Int32 = 0
    var provoked = Allowance()

    /// Where the peer names no limit (RFC 9113 §6.5.2).
    static let unlimitedStreams: UInt32 = 1 << 20
    static let streamWindow = 128 * 1024
    /// Half of that. Half of a window that has grown would leave too little on a long way while it comes in bursts.
    static let leastCredit = 64 * 1024
    /// So that what a stalled stream has pulled stays below 1 MiB, frame headers included.
    static let maxStreamWindow = 960 * 1024
    static let downstreamConnectionWindow = 1 << 20
    static let downstreamWindowFloor = 256 * 1024
    static let upstreamConnectionWindow = 16 << 20
    static let growthBudget: Int32 = 16 << 20
    /// WINDOW_UPDATE below this is of little use, and counts as a cheap frame.
    static let smallIncrement = 1_024
    /// What libnghttp2 forgives a client is 1,000 resets and 33 a second; streams that run when no more are taken need room.
    static let upstreamResets = 500
    static let upstreamResetRate = 33
    static let deflaterTable = 4_096
    /// Four calls of gRPC.
    static let blocksWithoutTable: UInt8 = 8

    init(isServer: Bool) {
        self.isServer = isServer
        awaitsPreface = isServer
    }

    mutating func slim() {
        block.slim()
        if streams.count == 0 { streams.release() }
        if let deflater {
            nghttp2_hd_deflate_del(deflater)
            self.deflater = nil
            deflaterRestarts = true
            blocksWithoutTable = 0
        }
    }

    mutating func release() {
        if let inflater { nghttp2_hd_inflate_del(inflater) }
        if let deflater { nghttp2_hd_deflate_del(deflater) }
        streams.release()
        resetStreams.release()
        block.release()
    }
}

/// Error codes (RFC 9113 §7).
enum HTTP2Error: UInt32, Error {
    case noError = 0x0
    case protocolError = 0x1
    case internalError = 0x2
    case flowControlError = 0x3
    case settingsTimeout = 0x4
    case streamClosed = 0x5
    case frameSizeError = 0x6
    case refusedStream = 0x7
    case cancel = 0x8
    case compressionError = 0x9
    case connectError = 0xa
    case enhanceYourCalm = 0xb
    case inadequateSecurity = 0xc
    case http11Required = 0xd
}

/// Frame types (RFC 9113 §6).
enum FrameType {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let resetStream: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
}

enum FrameFlag {
    static let endStream: UInt8 = 0x1
    static let ack: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
}

/// Which of the latest 1,024 stream ids were reset here: a bit each. More than a connection may have open at once by default,
/// so that a stream is not forgotten before the peer can know of its reset; older ones count as not reset. Most connections
/// reset nothing: the bits are made with the first.
package struct RecentStreams {
    package init() {}

    private var bits: UnsafeMutablePointer<UInt64>?
    /// Number of the latest stream that was inserted; ids of one side grow by two.
    private var latest: Int32 = -1

    private static let span: Int32 = 1_024
    private static let words = Int(span / 64)

    package mutating func insert(_ stream: Int32) {
        let number = stream >> 1
        let bits = self.bits ?? .allocate(capacity: Self.words)
        if self.bits == nil || number - latest >= Self.span {
            bits.initialize(repeating: 0, count: Self.words)
            self.bits = bits
            latest = number
        }
        while latest < number {
            latest += 1
            bits[Self.word(latest)] &= ~(1 << UInt64(latest & 63))
        }
        guard number > latest - Self.span else { return }
        bits[Self.word(number)] |= 1 << UInt64(number & 63)
    }

    package func contains(_ stream: Int32) -> Bool {
        let number = stream >> 1
        guard let bits, number <= latest, number > latest - Self.span else { return false }
        return bits[Self.word(number)] >> UInt64(number & 63) & 1 != 0
    }

    /// Whether it was there.
    package mutating func remove(_ stream: Int32) -> Bool {
        guard contains(stream), let bits else { return false }
        bits[Self.word(stream >> 1)] &= ~(1 << UInt64(stream >> 1 & 63))
        return true
    }

    package mutating func release() {
        bits?.deallocate()
        bits = nil
    }

    @inline(__always)
    private static func word(_ number: Int32) -> Int { Int(number >> 6) & (words - 1) }
}
