// Frames from the peer (RFC 9113 §4–6). Works on the loop's read buffer in place: whole frames, except DATA, whose payload
// is passed on as it comes. A violation of the connection ends it with GOAWAY; one of a stream resets the stream.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

extension LoopPointer {
    /// Sends the preface and our settings.
    func startHTTP2(_ connection: ConnectionPointer, server: Bool) {
        let state = UnsafeMutablePointer<HTTP2State>.allocate(capacity: 1)
        state.initialize(to: HTTP2State(isServer: server))
        connection.pointee.http2 = state
        connection.pointee.wire = .http2
        if !server { connection.pointee.output.append(HTTP2Preface.text) }
        let window = server ? HTTP2State.downstreamConnectionWindow : HTTP2State.upstreamConnectionWindow
        let limits = connection.pointee.listener?.pointee.limits
        let list = UInt32(maxHeaderList(connection))
        var entries: [(UInt16, UInt32)] = [(4, UInt32(HTTP2State.streamWindow)), (6, list)]
        entries.append(server ? (3, limits?.maxConcurrentStreams ?? 256) : (2, 0))
        // Extended CONNECT (RFC 8441 §3).
        if server { entries.append((8, 1)) }
        writeSettings(connection, entries)
        writeWindowUpdate(connection, 0, window - 65_535)
        state.pointee.receiveWindow = window
    }

    /// Returns how many bytes were used; an incomplete frame is left.
    func receiveHTTP2(_ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        guard let state = connection.pointee.http2 else { return count }
        var p = bytes
        var n = count
        if state.pointee.awaitsPreface {
            guard n >= 24 else {
                if memcmp(p, HTTP2Preface.text.utf8Start, n) != 0 { fail(connection, .protocolError) }
                return 0
            }
            guard memcmp(p, HTTP2Preface.text.utf8Start, 24) == 0 else {
                fail(connection, .protocolError)
                return count
            }
            p += 24
            n &-= 24
            state.pointee.awaitsPreface = false
        }
        while !connection.pointee.isClosed, !connection.pointee.closesAfterFlush {
            if state.pointee.inData {
                let taken = receiveDataPayload(connection, state, p, n)
                p += taken
                n &-= taken
                if state.pointee.inData { break }
                continue
            }
            guard n >= 9 else { break }
            let word = loadBigEndian32(p)
            let length = Int(word >> 8)
            let type = UInt8(truncatingIfNeeded: word)
            let flags = p[4]
            let stream = Int32(bitPattern: loadBigEndian32(p + 5) & 0x7fff_ffff)
            guard length <= 16_384 else {
                fail(connection, .frameSizeError)
                return count
            }
            if state.pointee.blockStream != 0, type != FrameType.continuation || stream != state.pointee.blockStream {
                fail(connection, .protocolError)
                return count
            }
            if !state.pointee.settingsReceived, type != FrameType.settings || flags & FrameFlag.ack != 0 {
                fail(connection, .protocolError)
                return count
            }
            if type == FrameType.data {
                guard let used = beginData(connection, state, p, n, length, flags, stream) else { return count }
                if used == 0 { break }
                p += used
                n &-= used
                continue
            }
            guard n >= 9 &+ length else { break }
            if type == FrameType.headers {
                // A header block is what costs most: others have their turn after some (house rule of a tick).
                guard pointee.turn > 0 else {
                    connection.pointee.isTurnOver = true
                    break
                }
                pointee.turn &-= 1
            }
            if let error = receiveFrame(connection, state, type, flags, stream, p + 9, length) {
                fail(connection, error)
                return count
            }
            p += 9 &+ length
            n &-= 9 &+ length
        }
        return connection.pointee.isClosed || connection.pointee.closesAfterFlush ? count : count &- n
    }

    /// Any frame but DATA. Returns the connection error, if it is one.
    @inline(__always)
    private func receiveFrame(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ type: UInt8, _ flags: UInt8,
        _ stream: Int32, _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        switch type {
        case FrameType.headers:
            return receiveHeaders(connection, state, flags, stream, payload, length)
        case FrameType.windowUpdate:
            return receiveWindowUpdate(connection, state, stream, payload, length)
        case FrameType.settings:
            return receiveSettings(connection, state, flags, stream, payload, length)
        case FrameType.ping:
            guard length == 8 else { return .frameSizeError }
            guard stream == 0 else { return .protocolError }
            if flags & FrameFlag.ack != 0 {
                receivedPingAnswer(state)
                return nil
            }
            if let error = spend(connection, state, 1, .pingFlood) { return error }
            writePing(connection, payload, ack: true)
            return nil
        case FrameType.resetStream:
            return receiveReset(connection, state, stream, payload, length)
        case FrameType.goAway:
            guard length >= 8 else { return .frameSizeError }
            guard stream == 0 else { return .protocolError }
            let last = Int32(bitPattern: loadBigEndian32(payload) & 0x7fff_ffff)
            guard last <= state.pointee.goAwayLastStream else { return .protocolError }
            state.pointee.goAwayReceived = true
            state.pointee.goAwayLastStream = last
            if !state.pointee.isServer { upstreamGoAway(connection, lastStream: last) }
            return nil
        case FrameType.continuation:
            return receiveContinuation(connection, state, flags, stream, payload, length)
        case FrameType.priority:
            // Ignored (RFC 9113 §5.3.2), but its form is checked.
            guard stream != 0 else { return .protocolError }
            if length != 5 {
                // A stream error; an idle stream cannot be reset (§6.4), a closed one has nothing left to lose.
                if let half = state.pointee.streams.find(stream) {
                    failStream(half, .frameSizeError)
                } else if isIdle(state, stream) {
                    return .frameSizeError
                }
            }
            return spend(connection, state, 1, .priorityFlood)
        case FrameType.pushPromise:
            return .protocolError
        default:
            return spend(connection, state, 1, .unknownFrames)
        }
    }

    private func receiveSettings(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ flags: UInt8, _ stream: Int32,
        _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        guard stream == 0 else { return .protocolError }
        if flags & FrameFlag.ack != 0 { return length == 0 ? nil : .frameSizeError }
        guard length % 6 == 0 else { return .frameSizeError }
        if let error = spend(connection, state, 1 + length / 60, .settingsFlood) { return error }
        if !state.pointee.settingsReceived { state.pointee.peerMaxStreams = HTTP2State.unlimitedStreams }
        var i = 0
        while i < length {
            let key = UInt16(payload[i]) << 8 | UInt16(payload[i + 1])
            let value = loadBigEndian32(payload + i + 2)
            switch key {
            case 1:
                let size = min(Int(value), HTTP2State.deflaterTable)
                // RFC 7541 §4.2: a smaller table is acknowledged in the next block, by a context that is made now if need be.
                if state.pointee.deflater != nil || size < state.pointee.deflaterLimit {
                    guard makeDeflater(state) else { return .internalError }
                    nghttp2_hd_deflate_change_table_size(state.pointee.deflater, size)
                }
                state.pointee.deflaterLimit = size
            case 2:
                if value > 1 || (value == 1 && !state.pointee.isServer) { return .protocolError }
            case 3:
                state.pointee.peerMaxStreams = value
            case 4:
                guard value <= 0x7fff_ffff else { return .flowControlError }
                if let error = changeInitialWindow(connection, state, Int(value)) { return error }
            case 5:
                guard value >= 16_384, value <= 16_777_215 else { return .protocolError }
                state.pointee.peerMaxFrame = Int(value)
            case 8:
                guard value <= 1 else { return .protocolError }
                state.pointee.peerTakesExtendedConnect = value == 1
            default:
                break
            }
            i += 6
        }
        writeFrameHeader(connection, 0, FrameType.settings, FrameFlag.ack, 0)
        if !state.pointee.isServer { noteExtendedConnect(connection, offered: state.pointee.peerTakesExtendedConnect) }
        if !state.pointee.settingsReceived {
            state.pointee.settingsReceived = true
            settingsReceived(connection)
        }
        return nil
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams (RFC 9113 §6.9.2); they may go below zero.
    private func changeInitialWindow(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ size: Int
    ) -> HTTP2Error? {
        let change = size - state.pointee.peerInitialWindow
        state.pointee.peerInitialWindow = size
        var overflow = false
        state.pointee.streams.forEach { half in
            half.pointee.sendWindow &+= change
            if half.pointee.sendWindow > 0x7fff_ffff { overflow = true }
            if change > 0, half.pointee.hasQueued { enqueueBlocked(connection, half) }
        }
        if overflow { return .flowControlError }
        if change > 0 { markDirty(connection) }
        return nil
    }

    private func receiveWindowUpdate(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ stream: Int32,
        _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        guard length == 4 else { return .frameSizeError }
        let increment = Int(loadBigEndian32(payload) & 0x7fff_ffff)
        if increment < HTTP2State.smallIncrement, state.pointee.isServer,
            let error = spend(connection, state, 1, .windowUpdateFlood)
        {
            return error
        }
        if stream == 0 {
            guard increment > 0 else { return .protocolError }
            let before = state.pointee.sendWindow
            state.pointee.sendWindow &+= increment
            guard state.pointee.sendWindow <= 0x7fff_ffff else { return .flowControlError }
            if before <= 0, state.pointee.sendWindow > 0 { markDirty(connection) }
            return nil
        }
        guard let half = state.pointee.streams.find(stream) else {
            return isIdle(state, stream)
                ? .protocolError : state.pointee.isServer ? spend(connection, state, 1, .windowUpdateFlood) : nil
        }
        guard increment > 0 else {
            failStream(half, .protocolError)
            return nil
        }
        half.pointee.sendWindow &+= increment
        guard half.pointee.sendWindow <= 0x7fff_ffff else {
            failStream(half, .flowControlError)
            return nil
        }
        half.pointee.exchange.pointee.lastProgress = pointee.milliseconds
        if half.pointee.hasQueued {
            enqueueBlocked(connection, half)
            markDirty(connection)
        }
        return nil
    }

    private func receiveReset(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ stream: Int32,
        _ payload: UnsafeMutablePointer<UInt8>, _ length: Int
    ) -> HTTP2Error? {
        guard length == 4 else { return .frameSizeError }
        guard stream != 0, !isIdle(state, stream) else { return .protocolError }
        guard let half = state.pointee.streams.find(stream) else {
            return state.pointee.isServer ? spend(connection, state, 1, .rapidReset) : nil
        }
        let code = loadBigEndian32(payload)
        pointee.statistics.streamsReset.increment()
        let error = state.pointee.isServer ? spendReset(connection, state) : nil
        detach(half)
        half.pointee.exchange.halfReset(half, code)
        return error
    }

    /// Whether a stream has never been opened (RFC 9113 §5.1).
    @inline(__always)
    func isIdle(_ state: UnsafeMutablePointer<HTTP2State>, _ stream: Int32) -> Bool {
        if state.pointee.isServer { return stream & 1 == 0 || stream > state.pointee.lastPeerStream }
        return stream & 1 == 0 || stream >= state.pointee.nextStream
    }
}

enum HTTP2Preface {
    /// RFC 9113 §3.4.
    static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
}

@inline(__always)
func loadBigEndian32(_ p: UnsafePointer<UInt8>) -> UInt32 {
    UInt32(bigEndian: UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
}
