// Frames to the peer, appended to the connection's output; the flush at the end of the tick sends them all at once.

internal import CNghttp2
internal import Glibc

extension LoopPointer {
    @inline(__always)
    func writeFrameHeader(
        _ connection: ConnectionPointer, _ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: Int32
    ) {
        putFrameHeader(connection.pointee.output.reserve(9), length, type, flags, stream)
        connection.pointee.output.commit(9)
        markDirty(connection)
    }

    @inline(__always)
    private func writeFrame32(
        _ connection: ConnectionPointer, _ type: UInt8, _ stream: Int32, _ value: UInt32
    ) {
        let frame = connection.pointee.output.reserve(13)
        putFrameHeader(frame, 4, type, 0, stream)
        (UnsafeMutableRawPointer(frame) + 9).storeBytes(of: value.bigEndian, as: UInt32.self)
        connection.pointee.output.commit(13)
        markDirty(connection)
    }

    func writeWindowUpdate(_ connection: ConnectionPointer, _ stream: Int32, _ increment: Int) {
        writeFrame32(connection, FrameType.windowUpdate, stream, UInt32(increment))
    }

    func writeSettings(_ connection: ConnectionPointer, _ entries: [(UInt16, UInt32)]) {
        writeFrameHeader(connection, entries.count * 6, FrameType.settings, 0, 0)
        for (key, value) in entries {
            let entry = UnsafeMutableRawPointer(connection.pointee.output.reserve(6))
            entry.storeBytes(of: key.bigEndian, as: UInt16.self)
            (entry + 2).storeBytes(of: value.bigEndian, as: UInt32.self)
            connection.pointee.output.commit(6)
        }
    }

    func writePing(_ connection: ConnectionPointer, _ opaque: UnsafePointer<UInt8>, ack: Bool) {
        writeFrameHeader(connection, 8, FrameType.ping, ack ? FrameFlag.ack : 0, 0)
        connection.pointee.output.append(opaque, 8)
    }

    func writeGoAway(_ connection: ConnectionPointer, lastStream: Int32, _ error: HTTP2Error) {
        writeFrameHeader(connection, 8, FrameType.goAway, 0, 0)
        let payload = UnsafeMutableRawPointer(connection.pointee.output.reserve(8))
        payload.storeBytes(of: UInt32(bitPattern: lastStream).bigEndian, as: UInt32.self)
        (payload + 4).storeBytes(of: error.rawValue.bigEndian, as: UInt32.self)
        connection.pointee.output.commit(8)
        connection.pointee.http2?.pointee.goAwaySent = true
    }

    /// Ends the connection because of what the peer did: GOAWAY, then close once it is sent (RFC 9113 §5.4.1).
    func fail(_ connection: ConnectionPointer, _ error: HTTP2Error) {
        guard !connection.pointee.isClosed, !connection.pointee.closesAfterFlush, let state = connection.pointee.http2
        else { return }
        if state.pointee.isServer, error != .noError {
            pointee.statistics.connectionErrors.increment()
            if error == .enhanceYourCalm { pointee.statistics.connectionsAbusive.increment() }
        }
        while let half = state.pointee.streams.any() {
            detach(half)
            if state.pointee.isServer, error != .noError {
                half.pointee.exchange.clientEnded(error == .enhanceYourCalm ? .clientAbusive : .badRequest)
            } else {
                half.pointee.exchange.connectionLost(half)
            }
        }
        writeGoAway(connection, lastStream: state.pointee.lastPeerStream, error)
        endAfterFlush(connection)
    }

    /// RST_STREAM for a stream that no exchange holds (any more).
    func resetStream(_ connection: ConnectionPointer, _ stream: Int32, _ error: HTTP2Error) {
        connection.pointee.http2?.pointee.resetStreams.insert(stream)
        writeFrame32(connection, FrameType.resetStream, stream, error.rawValue)
        switch error {
        case .protocolError, .flowControlError, .streamClosed, .frameSizeError:
            if let state = connection.pointee.http2, state.pointee.isServer { spendProvoked(connection, state) }
        default:
            break
        }
    }

    /// A stream error: resets the stream and tells its exchange.
    func failStream(_ half: HalfPointer, _ error: HTTP2Error) {
        guard let connection = half.pointee.connection else { return }
        resetStream(connection, half.pointee.stream, error)
        detach(half)
        half.pointee.exchange.peerBrokeRules(half)
    }

    // MARK: - Header blocks

    /// What encodes the next block. The first ones to a client go without a table, by an encoder that all connections share: most of
    /// those that are never used again have none by then. nil: out of memory.
    @inline(__always)
    private func deflater(_ state: UnsafeMutablePointer<HTTP2State>) -> OpaquePointer? {
        if let deflater = state.pointee.deflater { return deflater }
        guard state.pointee.isServer, state.pointee.blocksWithoutTable < HTTP2State.blocksWithoutTable else {
            return makeDeflater(state) ? state.pointee.deflater : nil
        }
        state.pointee.blocksWithoutTable &+= 1
        return pointee.plainDeflater ?? makePlainDeflater()
    }

    @inline(never)
    private func makePlainDeflater() -> OpaquePointer? {
        guard nghttp2_hd_deflate_new(&pointee.plainDeflater, 0) == 0 else { return nil }
        // Its first block says how small its table is, which concerns nobody: a table without entries needs no word.
        var field = constant("te", "trailers")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) {
            _ = nghttp2_hd_deflate_hd(pointee.plainDeflater, $0.baseAddress, $0.count, &field, 1)
        }
        return pointee.plainDeflater
    }

    @inline(never)
    func makeDeflater(_ state: UnsafeMutablePointer<HTTP2State>) -> Bool {
        if state.pointee.deflater != nil { return true }
        guard nghttp2_hd_deflate_new(&state.pointee.deflater, HTTP2State.deflaterTable) == 0 else { return false }
        if state.pointee.deflaterRestarts {
            // RFC 7541 §4.2: the smallest size in between is told as well, and 0 empties the peer's table.
            state.pointee.deflaterRestarts = false
            nghttp2_hd_deflate_change_table_size(state.pointee.deflater, 0)
            nghttp2_hd_deflate_change_table_size(state.pointee.deflater, state.pointee.deflaterLimit)
        } else if state.pointee.deflaterLimit < HTTP2State.deflaterTable {
            nghttp2_hd_deflate_change_table_size(state.pointee.deflater, state.pointee.deflaterLimit)
        }
        return true
    }

    /// Encodes fields as HEADERS, and CONTINUATION where they do not fit one frame. `trace`: whose `traceparent` goes behind
    /// them.
    @inline(__always)
    func writeHeaders(
        _ connection: ConnectionPointer, _ stream: Int32, _ fields: UnsafeMutablePointer<nghttp2_nv>, _ count: Int,
        endsStream: Bool, trace: ExchangePointer? = nil
    ) {
        guard let state = connection.pointee.http2, let deflater = deflater(state) else {
            return close(connection, because: .overload)
        }
        let bound = nghttp2_hd_deflate_bound(deflater, fields, count)
        let frame = connection.pointee.output.reserve(9 &+ bound &+ (trace == nil ? 0 : TraceContext.literalLength))
        var size = nghttp2_hd_deflate_hd(deflater, frame + 9, bound, fields, count)
        guard size >= 0 else { return close(connection, because: .overload) }
        if let trace {
            trace.writeTraceLiteral(to: frame + 9 + size)
            size &+= TraceContext.literalLength
        }
        let end = endsStream ? FrameFlag.endStream : 0
        if size <= state.pointee.peerMaxFrame {
            putFrameHeader(frame, size, FrameType.headers, FrameFlag.endHeaders | end, stream)
            connection.pointee.output.commit(9 &+ size)
            markDirty(connection)
        } else {
            writeContinued(connection, stream, size, state.pointee.peerMaxFrame, end)
        }
    }

    /// The block lies behind the 9 bytes at the end of `output`, not yet committed: cut it into frames.
    @inline(never)
    private func writeContinued(
        _ connection: ConnectionPointer, _ stream: Int32, _ size: Int, _ maxFrame: Int, _ end: UInt8
    ) {
        var block = ByteQueue()
        defer { block.release() }
        block.append(connection.pointee.output.reserve(9 + size) + 9, size)
        var first = true
        while first || !block.isEmpty {
            let part = min(maxFrame, block.count)
            let last = part == block.count
            writeFrameHeader(
                connection, part, first ? FrameType.headers : FrameType.continuation,
                (last ? FrameFlag.endHeaders : 0) | (first ? end : 0), stream)
            if part > 0 {
                connection.pointee.output.append(block.start, part)
                block.consume(part)
            }
            first = false
        }
    }

    // MARK: - Bodies

    /// Frames as much of a body as windows, frame size and the connection's output allow; returns the bytes taken.
    /// `end` goes with the last byte.
    @inline(__always)
    func writeData(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>?, _ count: Int, end: Bool) -> Int {
        guard let connection = half.pointee.connection, let state = connection.pointee.http2 else { return 0 }
        var offset = 0
        repeat {
            guard connection.pointee.takesBody else { break }
            var size = count &- offset
            if size > state.pointee.peerMaxFrame { size = state.pointee.peerMaxFrame }
            let wanted = size
            if size > half.pointee.sendWindow { size = half.pointee.sendWindow }
            if size > state.pointee.sendWindow { size = state.pointee.sendWindow }
            // SETTINGS may have taken a window below zero; an empty frame needs none (RFC 9113 §6.9.1).
            if size < 0 { size = 0 }
            if size == 0, count > offset {
                if state.pointee.sendWindow <= 0 { noteShut(state) }
                break
            }
            let last = end && offset &+ size == count
            if size == 0, !last { break }
            let frame = connection.pointee.output.reserve(9 &+ size)
            putFrameHeader(frame, size, FrameType.data, last ? FrameFlag.endStream : 0, half.pointee.stream)
            if size > 0 { memcpy(frame + 9, bytes.unsafelyUnwrapped + offset, size) }
            connection.pointee.output.commit(9 &+ size)
            half.pointee.sendWindow &-= size
            state.pointee.sendWindow &-= size
            offset &+= size
            // For each such frame a reader may say twice that it has taken it, and measure the way by a PING, as gRPC's own
            // do for small messages. A window that is opened a byte at a time earns nothing.
            if size == wanted, size > 0 { state.pointee.controlEarned &+= 3 }
            if last { half.pointee.endSent = true }
        } while offset < count
        if offset > 0 || half.pointee.endSent {
            markDirty(connection)
            noteOutput(connection)
        }
        return offset
    }
}

@inline(__always)
private func putFrameHeader(
    _ frame: UnsafeMutablePointer<UInt8>, _ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: Int32
) {
    let raw = UnsafeMutableRawPointer(frame)
    raw.storeBytes(of: (UInt32(truncatingIfNeeded: length) << 8 | UInt32(type)).bigEndian, as: UInt32.self)
    frame[4] = flags
    (raw + 5).storeBytes(of: UInt32(bitPattern: stream).bigEndian, as: UInt32.self)
}
