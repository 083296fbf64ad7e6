// One side of an exchange: a stream of an HTTP/2 connection, or the message under way on an HTTP/1.1 connection. Holds what
// waits to be sent on that side, and what was received from it and not yet taken by the other.

internal import Glibc

typealias HalfPointer = UnsafeMutablePointer<Half>

struct Half {
    let exchange: ExchangePointer
    /// nil before an upstream connection is found, and after the stream has ended.
    var connection: ConnectionPointer?
    /// HTTP/2 stream id; 0 for HTTP/1.1.
    var stream: Int32 = 0
    let isUpstream: Bool

    // Sending.
    var headSent = false
    /// The end (with trailers, if there are any) follows `pending`.
    var endQueued = false
    var endSent = false
    var sendWindow = 0
    /// Body bytes that the connection could not take.
    var pending = ByteQueue()
    /// Bytes of credit that the peer got since `reviewedAt`.
    var credited: UInt32 = 0
    /// Trailers to send behind `pending`, serialised.
    var trailers = ByteQueue()

    // Receiving.
    var receiveWindow = 0
    var windowSize = HTTP2State.streamWindow
    /// Body bytes received and not yet taken by the other side's kernel.
    var outstanding = 0
    var headReceived = false
    var endReceived = false

    var isBlocked = false
    var isAwaiting = false
    /// When it was last seen whether its window should grow, in the lower bits of the loop's microseconds; 0: not yet.
    var reviewedAt: UInt32 = 0
    var nextBlocked: HalfPointer?
    var previousBlocked: HalfPointer?
    var nextAwaiting: HalfPointer?
    var previousAwaiting: HalfPointer?

    var hasQueued: Bool { !pending.isEmpty || (endQueued && !endSent) }

    /// HTTP/1.1 senders are left unread above the first and read on below the second (bytes).
    static let highWater = 64 * 1024
    static let lowWater = 32 * 1024
    /// Before the upstream is connected this much of a request body is taken.
    static let pendingLimit = 64 * 1024

    init(exchange: ExchangePointer, isUpstream: Bool) {
        self.exchange = exchange
        self.isUpstream = isUpstream
    }
}

extension HalfPointer {
    /// What waits goes nowhere.
    @inline(__always)
    func dropPending() {
        guard !pointee.pending.isEmpty else { return pointee.pending.release() }
        pointee.exchange.loop.pointee.statistics.bytesHeld.add(-pointee.pending.count)
        pointee.pending.release()
    }

    var peer: HalfPointer {
        pointee.isUpstream ? pointee.exchange.pointee.downstream : pointee.exchange.pointee.upstream
    }
}
