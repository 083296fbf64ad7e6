// Bytes between a connection and the kernel. Reading: at most four reads a tick, through TLS where there is one, into the
// loop's buffers. Writing: everything that a tick has put into `output`, in as few system calls as the kernel allows.

internal import COpenSSL
internal import ConfigModel
internal import Glibc

extension LoopPointer {
    // MARK: - Reading

    func readable(_ connection: ConnectionPointer) {
        if connection.pointee.awaitsProxyHeader, !takeProxyHeader(connection) { return }
        let limit = Int(connection.pointee.listener?.pointee.limits.requestsPerTurn ?? 256)
        pointee.turn = limit == 0 ? .max : limit
        if connection.pointee.isTurnOver, !connection.pointee.isReadPaused, !isFull(connection) { takeTurn(connection) }
        parseHeldBack(connection)
        var rounds = 0
        while rounds < 4 {
            flushBulky()
            if connection.pointee.isReadPaused || connection.pointee.isClosed { return noteHangup(connection) }
            if isFull(connection) { return }
            if connection.pointee.isTurnOver { break }
            rounds += 1
            let wasDrained: Bool
            if connection.pointee.ssl != nil {
                guard let drained = readTLS(connection) else { return }
                wasDrained = drained
            } else {
                guard let drained = readClear(connection) else { return }
                wasDrained = drained
            }
            if wasDrained, !connection.pointee.sawHangup, !connection.pointee.isTurnOver { return }
        }
        markReady(connection)
    }

    /// The FIN of a client that is left unread because its upload waits: no read will find it in time.
    @inline(__always)
    private func noteHangup(_ connection: ConnectionPointer) {
        guard connection.pointee.sawHangup, connection.pointee.role == .downstream, !connection.pointee.isClosed else {
            return
        }
        clientEndsInput(connection)
    }

    /// A peer that asks and asks and does not read the answers: nothing more is read before they are with the kernel.
    @inline(__always)
    private func isFull(_ connection: ConnectionPointer) -> Bool {
        guard connection.pointee.output.count >= Connection.outputLimit else { return false }
        connection.pointee.awaitsDrain = true
        return true
    }

    /// What was left when the connection's share of a tick was used up, before anything more is read.
    private func takeTurn(_ connection: ConnectionPointer) {
        connection.pointee.isTurnOver = false
        let have = takeInbound(connection)
        guard have > 0 else { return }
        let used = consume(connection, pointee.plainBuffer, have)
        keepUnused(connection, used, have)
    }

    /// Bytes of the next message, or of a tunnel that has opened, that were kept in `inbound`.
    private func parseHeldBack(_ connection: ConnectionPointer) {
        guard let state = connection.pointee.http1, state.pointee.hasUnparsed, state.pointee.receive != .complete,
            !connection.pointee.isClosed
        else { return }
        state.pointee.hasUnparsed = false
        let have = takeInbound(connection)
        let used = consume(connection, pointee.plainBuffer, have)
        keepUnused(connection, used, have)
    }

    @inline(__always)
    private func keepUnused(_ connection: ConnectionPointer, _ used: Int, _ total: Int) {
        guard !connection.pointee.isClosed else { return }
        if used < total { connection.pointee.inbound.append(pointee.plainBuffer + used, total &- used) }
        noteIncomplete(connection, used: used)
        countKept(connection)
    }

    /// One read of a clear connection. True: the kernel has no more; nil: stop reading (ended or closed).
    private func readClear(_ connection: ConnectionPointer) -> Bool? {
        let have = takeInbound(connection)
        let count = recv(connection.pointee.fd, pointee.plainBuffer + have, Loop.readSize, 0)
        if count <= 0 {
            restoreInbound(connection, have)
            return readFailed(connection, count)
        }
        deliver(connection, have, count)
        return count < Loop.readSize
    }

    private func readTLS(_ connection: ConnectionPointer) -> Bool? {
        if connection.pointee.isHandshaking, pointee.handshakeTime <= 0 {
            markReady(connection)
            return nil
        }
        let count = recv(connection.pointee.fd, pointee.cipherBuffer, Loop.readSize, 0)
        if count <= 0 { return readFailed(connection, count) }
        let bytes = pointee.tls
        bytes.pointee.input = UnsafePointer(pointee.cipherBuffer)
        bytes.pointee.input_length = count
        if connection.pointee.isHandshaking {
            guard handshake(connection) else { return nil }
            if connection.pointee.isHandshaking { return count < Loop.readSize }
        }
        guard let ssl = connection.pointee.ssl else { return nil }
        let have = takeInbound(connection)
        var plain = 0
        var ended = false
        while true {
            ERR_clear_error()
            let space = Loop.plainSize - have - plain
            let n = SSL_read(ssl, pointee.plainBuffer + have + plain, Int32(space))
            if n > 0 {
                plain &+= Int(n)
                if bytes.pointee.input_length == 0, SSL_has_pending(ssl) == 0 { break }
                continue
            }
            let error = SSL_get_error(ssl, n)
            if error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE { break }
            if error == SSL_ERROR_ZERO_RETURN {
                ended = true
                break
            }
            pointee.statistics.tlsErrors.increment()
            failTLS(connection)
            return nil
        }
        bytes.pointee.input_length = 0
        // A key update or an alert may have to be answered.
        guard takeTLSOutput(connection) else { return nil }
        if plain > 0 { deliver(connection, have, plain) } else { restoreInbound(connection, have) }
        if ended, !connection.pointee.isClosed {
            endOfInput(connection)
            return nil
        }
        return count < Loop.readSize
    }

    /// A record that cannot be read, or OpenSSL has given up. Its alert goes out here: left in the loop's buffer it would go
    /// to whichever connection writes next.
    private func failTLS(_ connection: ConnectionPointer) {
        pointee.tls.pointee.input_length = 0
        guard takeTLSOutput(connection) else { return }
        close(connection, because: .transport)
    }

    /// Puts an unfinished head or frame in front of what comes.
    @inline(__always)
    private func takeInbound(_ connection: ConnectionPointer) -> Int {
        let have = connection.pointee.inbound.count
        if have > 0 {
            memcpy(pointee.plainBuffer, connection.pointee.inbound.start, have)
            connection.pointee.inbound.removeAll()
        }
        return have
    }

    private func restoreInbound(_ connection: ConnectionPointer, _ have: Int) {
        if have > 0 { connection.pointee.inbound.append(pointee.plainBuffer, have) }
    }

    private func readFailed(_ connection: ConnectionPointer, _ count: Int) -> Bool? {
        if count == 0 {
            endOfInput(connection, unconfirmed: connection.pointee.ssl != nil)
            return nil
        }
        if errno == EAGAIN {
            connection.pointee.sawHangup = false
            return true
        }
        if errno == EINTR { return false }
        close(connection, because: .transport)
        return nil
    }

    /// Hands `have + count` plain bytes to the protocol and keeps what it could not use.
    private func deliver(_ connection: ConnectionPointer, _ have: Int, _ count: Int) {
        let total = have &+ count
        pointee.statistics.bytesReceived(connection.pointee.role).add(count)
        let used = consume(connection, pointee.plainBuffer, total)
        keepUnused(connection, used, total)
        if connection.pointee.inbound.count > Loop.plainSize - Loop.readSize - 32 * 1024 {
            close(connection, because: .transport)
        }
    }

    /// Gives bytes to the protocol; returns how many it used up.
    func consume(_ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        if connection.pointee.stage == .lingering { return count }
        switch connection.pointee.wire {
        case .http2: return receiveHTTP2(connection, bytes, count)
        case .http1: return receiveHTTP1(connection, bytes, count)
        case .unknown where connection.pointee.isTunneling: return receiveTunnelAnswer(connection, bytes, count)
        case .unknown: return detectWire(connection, bytes, count)
        }
    }

    /// Bytes that a paused protocol left in `inbound` are looked at again, and the socket is read on.
    func resumeReading(_ connection: ConnectionPointer) {
        guard connection.pointee.isReadPaused, !connection.pointee.isClosed else { return }
        connection.pointee.isReadPaused = false
        markReady(connection)
    }

    // MARK: - Writing

    /// Writes `output`; closes the connection when the peer is gone.
    func flush(_ connection: ConnectionPointer) {
        if connection.pointee.isHandshaking || connection.pointee.isConnecting || connection.pointee.isBlocked {
            return
        }
        if connection.pointee.isBroken {
            connection.pointee.output.removeAll()
            return drained(connection)
        }
        let written = connection.pointee.ssl == nil ? flushClear(connection) : flushTLS(connection)
        guard written, !connection.pointee.isClosed else { return }
        if connection.pointee.isBlocked { noteStuck(connection) } else { drained(connection) }
        if connection.pointee.isQuiet {
            // One that sends now and then keeps no memory for it.
            connection.pointee.isQuiet = false
            connection.pointee.output.slim()
        }
        if connection.pointee.timer == nil, connection.pointee.stage == .active { watchQuiet(connection) }
        countKept(connection)
    }

    /// The peer takes no more. An upstream may have answered before it closed, while the request was still being sent
    /// (RFC 9112 §9.5): what has come from it is read before its end counts.
    private func writeFailed(_ connection: ConnectionPointer) {
        guard connection.pointee.role == .upstream, connection.pointee.stage == .active,
            !connection.pointee.inputEnded
        else { return close(connection, because: .transport) }
        connection.pointee.isBroken = true
        connection.pointee.isBlocked = false
        connection.pointee.sawHangup = true
        connection.pointee.output.removeAll()
        connection.pointee.unsent.removeAll()
        removeFromPool(connection)
        markDirty(connection)
        markReady(connection)
    }

    private func flushClear(_ connection: ConnectionPointer) -> Bool {
        while !connection.pointee.output.isEmpty {
            let count = send(
                connection.pointee.fd, connection.pointee.output.start, connection.pointee.output.count,
                Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN {
                    connection.pointee.isBlocked = true
                    return true
                }
                writeFailed(connection)
                return !connection.pointee.isClosed
            }
            pointee.statistics.bytesSent(connection.pointee.role).add(count)
            connection.pointee.output.consume(count)
        }
        return true
    }

    private func flushTLS(_ connection: ConnectionPointer) -> Bool {
        guard let ssl = connection.pointee.ssl else { return true }
        while !connection.pointee.output.isEmpty {
            let size = min(connection.pointee.output.count, 16_384)
            ERR_clear_error()
            let count = SSL_write(ssl, connection.pointee.output.start, Int32(size))
            guard count > 0 else {
                failTLS(connection)
                return false
            }
            pointee.statistics.bytesSent(connection.pointee.role).add(Int(count))
            connection.pointee.output.consume(Int(count))
            if pointee.tls.pointee.output_length >= Loop.readSize || connection.pointee.output.isEmpty {
                guard takeTLSOutput(connection) else { return false }
                if connection.pointee.isBlocked { return true }
            }
        }
        return true
    }

    /// Sends what OpenSSL has produced; the kernel's leavings go to `unsent`. False: the connection is closed.
    func takeTLSOutput(_ connection: ConnectionPointer) -> Bool {
        let bytes = pointee.tls
        let length = bytes.pointee.output_length
        guard length > 0, let start = bytes.pointee.output else { return true }
        bytes.pointee.output_length = 0
        if connection.pointee.isBroken { return true }
        var offset = 0
        while offset < length, connection.pointee.unsent.isEmpty {
            let count = send(connection.pointee.fd, start + offset, length - offset, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { break }
                writeFailed(connection)
                return !connection.pointee.isClosed
            }
            offset += count
        }
        if offset < length {
            connection.pointee.unsent.append(start + offset, length - offset)
            connection.pointee.isBlocked = true
        }
        return true
    }

    /// EPOLLOUT after the kernel was full.
    func writeUnsent(_ connection: ConnectionPointer) {
        while !connection.pointee.unsent.isEmpty {
            let count = send(
                connection.pointee.fd, connection.pointee.unsent.start, connection.pointee.unsent.count,
                Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { writeFailed(connection) }
                return
            }
            connection.pointee.unsent.consume(count)
            if connection.pointee.stuckSince > 0 { connection.pointee.stuckSince = milliseconds }
        }
        connection.pointee.isBlocked = false
        connection.pointee.stuckSince = 0
        progressed(connection)
        markDirty(connection)
    }
}
