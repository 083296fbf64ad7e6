// Bytes that are held for clients, counted where they are kept: heads, bodies that wait (`pending`), request bytes kept for
// another try (`replay`), and what a connection could not send or not yet use. Each exchange's bytes count for its client's
// connection, for the loop and for the worker. Over half of a budget windows stop growing; over all of it new streams are
// refused. What is in a connection's `output` within a tick is bounded elsewhere (`Connection.takesBody`).

internal import COpenSSL
internal import ConfigModel
internal import Glibc
internal import Synchronization

/// Bytes held by all loops of the worker. Each loop adds what has changed when that is worth it.
final class HeldByWorker: Sendable {
    let bytes = Atomic<Int>(0)
}

extension ExchangePointer {
    /// `count` more (or fewer) bytes are held for this exchange.
    @inline(__always)
    func hold(_ count: Int) {
        pointee.held &+= count
        loop.pointee.held &+= count
        // A copy may outlive the client that it was made for.
        if !pointee.isMirror, let origin = pointee.origin { origin.pointee.held &+= count }
    }
}

extension LoopPointer {
    /// Counts what the connection itself keeps, where that is anything or was.
    @inline(__always)
    func countKept(_ connection: ConnectionPointer) {
        let kept = connection.pointee.isBlocked || !connection.pointee.inbound.isEmpty
        if kept || connection.pointee.kept != 0 { recount(connection) }
    }

    @inline(never)
    private func recount(_ connection: ConnectionPointer) {
        guard !connection.pointee.isClosed else { return }
        let block = connection.pointee.http2?.pointee.block.count ?? 0
        let kept =
            connection.pointee.output.count + connection.pointee.unsent.count + connection.pointee.inbound.count + block
        let change = kept - connection.pointee.kept
        connection.pointee.kept = kept
        connection.pointee.held &+= change
        pointee.held &+= change
    }

    /// The budget that is used up; nil: there is room for another stream of this connection.
    @inline(__always)
    func exhaustedBudget(_ connection: ConnectionPointer) -> AbuseKind? {
        guard let listener = connection.pointee.listener else { return nil }
        if connection.pointee.held < listener.pointee.memoryPerConnection,
            pointee.held < listener.pointee.memoryPerLoop,
            pointee.heldByWorker < listener.pointee.memoryPerWorker
        {
            return nil
        }
        if connection.pointee.held >= listener.pointee.memoryPerConnection { return .memoryConnection }
        return pointee.held >= listener.pointee.memoryPerLoop ? .memoryLoop : .memoryWorker
    }

    /// Whether a window of this half's stream may have so much more: half of each budget is left for what is held already and for what
    /// grown windows let come.
    func mayGrow(_ half: HalfPointer, by more: Int) -> Bool {
        let exchange = half.pointee.exchange
        guard !exchange.pointee.isMirror, let origin = exchange.pointee.origin, let listener = origin.pointee.listener
        else { return false }
        guard origin.pointee.held &+ origin.pointee.grown &+ more <= listener.pointee.memoryPerConnection / 2,
            pointee.held &+ pointee.grown &+ more <= listener.pointee.memoryPerLoop / 2,
            pointee.heldByWorker &+ more <= listener.pointee.memoryPerWorker / 2
        else {
            pointee.statistics.windowsNotGrown.increment()
            return false
        }
        origin.pointee.grown &+= more
        pointee.grown &+= more
        return true
    }

    /// The stream is over: what its window had grown by is free again.
    func giveBackGrowth(_ half: HalfPointer) {
        let grown = half.pointee.windowSize &- HTTP2State.streamWindow
        half.pointee.windowSize = HTTP2State.streamWindow
        guard grown > 0 else { return }
        half.pointee.exchange.pointee.origin?.pointee.grown &-= grown
        pointee.grown &-= grown
    }

    /// At the end of a tick: what others see.
    @inline(__always)
    func publishHeld() {
        let burden = self.burden
        if burden > pointee.peakBurden { pointee.peakBurden = burden }
        let change = pointee.held &- pointee.heldPublished
        if change.magnitude >= 64 * 1024 { publishHeld(change) }
        pointee.heldByWorker = pointee.worker?._withUnsafeGuaranteedRef { $0.bytes.load(ordering: .relaxed) } ?? 0
    }

    @inline(__always)
    private var burden: Int {
        pointee.held &+ pointee.downstreamCount &* Loop.connectionBurden &+ pointee.handshaking &* Loop.handshakeBurden
    }

    /// Once a second: what a burst has taken goes back to the kernel. malloc keeps it otherwise, for as long as anything small
    /// lies above it.
    func giveBackMemory() {
        // Exchanges kept for the next ones go by halves: a burst is over when they are not taken again.
        var spare = (pointee.freeExchangeCount - Exchange.leastFree) / 2
        while spare > 0, let exchange = pointee.freeExchanges {
            pointee.freeExchanges = exchange.pointee.next
            pointee.freeExchangeCount -= 1
            pointee.peakBurden += Loop.slimmedBurden
            exchange.free()
            spare -= 1
        }
        let burden = burden
        let isCalm = pointee.events < Loop.calmEvents
        pointee.events = 0
        guard pointee.peakBurden &- burden > (isCalm ? Loop.trimmedWhenCalm : Loop.trimmedBurden) else { return }
        pointee.peakBurden = burden
        causeway_give_back_memory()
    }

    @inline(never)
    private func publishHeld(_ change: Int) {
        pointee.heldPublished = pointee.held
        pointee.statistics.setHeld(pointee.held)
        pointee.worker?._withUnsafeGuaranteedRef { _ = $0.bytes.add(change, ordering: .relaxed) }
    }
}

extension ListenerState {
    /// A new setting: budgets as they are compared, where none is the largest.
    mutating func take(_ limits: ListenerLimits) {
        self.limits = limits
        memoryPerConnection = Self.budget(limits.memoryPerConnection)
        memoryPerLoop = Self.budget(limits.memoryPerLoop)
        memoryPerWorker = Self.budget(limits.memoryPerWorker)
    }

    /// The listener as it is from now on. True: its connections begin otherwise than before.
    mutating func take(_ socket: ListenerSocket) -> Bool {
        take(socket.listener.limits)
        let differs = tls != socket.listener.tls || trust._withUnsafeGuaranteedRef { $0 !== socket.trust }
        guard differs else { return false }
        tls = socket.listener.tls
        trust.release()
        trust = .passRetained(socket.trust)
        return true
    }

    private static func budget(_ bytes: UInt64) -> Int {
        bytes == 0 ? .max : Int(clamping: bytes)
    }
}
