// Where limits on clients act: cheap frames and resets by rate, frames and header blocks that do not end, connections that take
// nothing, handshakes that are only begun. The rates are those of the listener; what an upstream may send has fixed ones.

internal import ConfigModel
internal import Glibc

extension LoopPointer {
    /// Takes `cost` from what the connection may send of cheap frames. The error that ends it when that is used up.
    func spend(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ cost: Int, _ kind: AbuseKind
    ) -> HTTP2Error? {
        let rate = Int(connection.pointee.listener?.pointee.limits.maxControlFrames ?? 1_000)
        state.pointee.control.earn(state.pointee.controlEarned)
        state.pointee.controlEarned = 0
        return state.pointee.control.spend(cost, rate: rate, now: milliseconds) ? nil : abused(state, kind)
    }

    /// A stream that the client has reset. It may do so for each stream that it let end well, and some more.
    func spendReset(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>) -> HTTP2Error? {
        let rate = Int(connection.pointee.listener?.pointee.limits.maxResets ?? 0)
        state.pointee.resets.earn(state.pointee.resetsEarned)
        state.pointee.resetsEarned = 0
        return state.pointee.resets.spend(1, rate: rate, now: milliseconds) ? nil : abused(state, .rapidReset)
    }

    /// A stream that is reset here for the client's fault.
    func spendProvoked(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>) {
        let rate = Int(connection.pointee.listener?.pointee.limits.maxProvokedResets ?? 0)
        if state.pointee.provoked.spend(1, rate: rate, now: milliseconds) { return }
        fail(connection, abused(state, .provokedReset))
    }

    /// A stream was reset upstream. Servers count resets and throw out who sends many: clients that reset theirs must not cost
    /// strangers the connection that they share. Before that it takes no new streams, and another is made.
    func spareUpstream(_ connection: ConnectionPointer) {
        guard connection.pointee.isPooled, let state = connection.pointee.http2 else { return }
        if !state.pointee.resets.spend(
            1, rate: HTTP2State.upstreamResetRate, burst: HTTP2State.upstreamResets, now: milliseconds)
        {
            removeFromPool(connection)
            markDirty(connection)
        }
    }

    func abused(_ state: UnsafeMutablePointer<HTTP2State>, _ kind: AbuseKind) -> HTTP2Error {
        if state.pointee.isServer { pointee.statistics.abuse(kind).increment() }
        return .enhanceYourCalm
    }

    // MARK: - What takes too long

    /// A frame or a header block has begun and not ended: it gets the time of a request head. A frame gets it anew when one
    /// has been completed, a header block does not (its CONTINUATION frames are whole frames).
    @inline(__always)
    func noteIncomplete(_ connection: ConnectionPointer, used: Int) {
        guard let state = connection.pointee.http2, state.pointee.isServer else { return }
        if state.pointee.blockStream != 0 {
            if connection.pointee.incompleteSince == 0 { expectWhole(connection) }
        } else if connection.pointee.inbound.isEmpty {
            connection.pointee.incompleteSince = 0
        } else if used > 0 || connection.pointee.incompleteSince == 0 {
            expectWhole(connection)
        }
    }

    @inline(never)
    private func expectWhole(_ connection: ConnectionPointer) {
        connection.pointee.incompleteSince = milliseconds
        armConnection(connection, at: incompleteDeadline(connection))
    }

    /// 0: none.
    func incompleteDeadline(_ connection: ConnectionPointer) -> UInt64 {
        let timeout = UInt64(connection.pointee.listener?.pointee.limits.requestHeadersTimeout ?? 0)
        let since = connection.pointee.incompleteSince
        return since > 0 && timeout > 0 ? since + timeout : 0
    }

    /// The kernel has no room for more: from here on a client has to take something, or is left; an upstream is spared.
    func noteStuck(_ connection: ConnectionPointer) {
        guard connection.pointee.role == .downstream else {
            if let state = connection.pointee.http2 { noteShut(state) }
            return
        }
        connection.pointee.stuckSince = milliseconds
        armConnection(connection, at: stuckDeadline(connection))
    }

    func stuckDeadline(_ connection: ConnectionPointer) -> UInt64 {
        let timeout = UInt64(connection.pointee.listener?.pointee.limits.streamStallTimeout ?? 0)
        let since = connection.pointee.stuckSince
        return since > 0 && timeout > 0 ? since + timeout : 0
    }

    // MARK: - Handshakes

    /// Puts a connection at the end of those in their handshake. Over the limit the oldest goes: an honest client needs
    /// milliseconds, so that a flood throws out its own.
    func handshakeBegins(_ connection: ConnectionPointer, _ listener: ListenerPointer) {
        connection.pointee.previousPooled = listener.pointee.newestHandshake
        listener.pointee.newestHandshake?.pointee.nextPooled = connection
        listener.pointee.newestHandshake = connection
        if listener.pointee.oldestHandshake == nil { listener.pointee.oldestHandshake = connection }
        listener.pointee.handshakes += 1
        pointee.handshaking += 1
        let limit = Int(listener.pointee.limits.maxHandshakes)
        if limit > 0, listener.pointee.handshakes > limit, let oldest = listener.pointee.oldestHandshake {
            pointee.statistics.abuse(.handshakeLimit).increment()
            close(oldest, because: .overload)
        }
    }

    func handshakeEnds(_ connection: ConnectionPointer) {
        guard let listener = connection.pointee.listener else { return }
        let previous = connection.pointee.previousPooled
        let next = connection.pointee.nextPooled
        if let previous { previous.pointee.nextPooled = next } else { listener.pointee.oldestHandshake = next }
        if let next { next.pointee.previousPooled = previous } else { listener.pointee.newestHandshake = previous }
        connection.pointee.previousPooled = nil
        connection.pointee.nextPooled = nil
        listener.pointee.handshakes -= 1
        pointee.handshaking -= 1
    }
}
