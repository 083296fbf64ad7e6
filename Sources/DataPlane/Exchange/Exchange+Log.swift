// The last phase: the counters, and a line in the access log.

internal import CNghttp2
internal import COpenSSL
internal import Glibc
internal import Telemetry

extension ExchangePointer {
    func record() {
        let loop = loop
        let duration = loop.pointee.now &- pointee.startedAt
        if let route = pointee.route, !pointee.isMirror {
            route.pointee.counters.record(
                status: pointee.status, grpcStatus: pointee.grpcStatus, bytesIn: pointee.requestBytes,
                bytesOut: pointee.responseBytes, duration: duration)
            if pointee.isGRPC || pointee.isTunnel {
                let (incoming, outgoing) = messages
                route.pointee.counters.record(messagesIn: incoming, messagesOut: outgoing)
            }
        }
        if pointee.isWebSocket || pointee.error?.isBadHandshake == true { recordWebSocket() }
        if let cluster = pointee.cluster {
            cluster.pointee.counters.exchanges.increment()
            if pointee.answeredAt > pointee.sentAt, pointee.sentAt > 0 {
                cluster.pointee.counters.response.record((pointee.answeredAt &- pointee.sentAt) / 1_000)
            }
            if let error = pointee.error, error.row.source == .upstream {
                cluster.pointee.counters.failures.increment()
                pointee.lastEndpoint?.pointee.counters.failures.increment()
            }
        }
        judgeEndpoint()
        if let log = loop.pointee.accessLog, log.isWanted, !pointee.isMirror { writeLogLine(log, duration) }
    }

    /// Whole messages from the client and to it.
    var messages: (incoming: UInt64, outgoing: UInt64) {
        if let tunnel = pointee.tunnel {
            return (tunnel.pointee.fromClient.messages, tunnel.pointee.fromUpstream.messages)
        }
        return (pointee.requestFrames.count, pointee.responseFrames.count)
    }

    /// nil: no WebSocket, or one that never opened.
    private var closeCode: UInt16? {
        guard pointee.isTunnel, let code = pointee.tunnel?.pointee.closeCode else { return nil }
        return code == 0 ? WebSocketClose.abnormal : code
    }

    private func recordWebSocket() {
        if let code = closeCode {
            loop.pointee.statistics.webSocketsClosed(code).increment()
        } else {
            loop.pointee.statistics.webSocketsFailed.increment()
        }
    }

    private func writeLogLine(_ log: AccessLogBuffer, _ duration: UInt64) {
        var record = AccessLogRecord()
        record.time = Clock.wallMilliseconds() - Int64(duration / 1_000_000)
        if !pointee.head.isEmpty {
            let count = loop.loadFields(pointee.head, from: 0)
            let fields = loop.pointee.fields
            if count >= FieldSlot.regular {
                record.method = bytes(fields[FieldSlot.method])
                record.authority = bytes(fields[FieldSlot.authority])
                record.path = shown(bytes(fields[FieldSlot.path]))
            }
        }
        if let origin = pointee.origin {
            record.peer = origin.addressText(in: loop)
            if pointee.trustsForwarded {
                loop.pointee.forwarded.removeAll()
                let length = pointee.client.write(to: loop.pointee.forwarded.reserve(48))
                loop.pointee.forwarded.commit(length)
                record.client = UnsafeRawBufferPointer(start: loop.pointee.forwarded.start, count: length)
            }
            if let ssl = origin.pointee.ssl, let version = SSL_get_version(ssl) {
                record.tls = UnsafeRawBufferPointer(start: version, count: strlen(version))
                if let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) {
                    record.sni = UnsafeRawBufferPointer(start: name, count: strlen(name))
                }
            }
            record.applicationProtocol =
                pointee.isWebSocket ? .websocket : origin.pointee.wire == .http2 ? .http2 : .http1
            if let listener = origin.pointee.listener { record.listener = listener.pointee.nameBytes }
        }
        if let route = pointee.route { record.route = route.pointee.nameBytes }
        if let cluster = pointee.cluster { record.cluster = cluster.pointee.nameBytes }
        record.status = UInt16(clamping: pointee.status)
        if pointee.isGRPC { record.grpcStatus = pointee.grpcStatus >= 0 ? UInt32(pointee.grpcStatus) : nil }
        if let error = pointee.error {
            record.flag = text(error.row.flag)
            record.reason = text(error.row.reason)
        }
        record.bytesIn = UInt64(pointee.requestBytes)
        record.bytesOut = UInt64(pointee.responseBytes)
        if pointee.isGRPC || pointee.isTunnel { record.messages = messages }
        record.closeCode = closeCode
        record.duration = duration
        if pointee.answeredAt > 0, pointee.sentAt > 0 { record.upstreamDuration = pointee.answeredAt &- pointee.sentAt }
        record.tries = UInt32(pointee.sends)
        record.retryRefusal = pointee.retryRefusal
        record.version = pointee.snapshot?.pointee.version ?? 0
        record.traceID = traceIDText()
        if let consumer = consumerName { record.consumer = consumer.bytes }
        if let endpoint = pointee.lastEndpoint { record.endpoint = endpoint.pointee.addressBytes }
        if log.append(record) { handOver(log) }
    }

    private func handOver(_ log: AccessLogBuffer) {
        loop.pointee.statistics.accessLogDropped.add(log.handOver())
    }

    private func bytes(_ field: nghttp2_nv) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: field.value, count: field.value == nil ? 0 : field.valuelen)
    }

    private func text(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}

extension ConnectionPointer {
    /// `address:port` of the peer, in the loop's scratch memory.
    func addressText(in loop: LoopPointer) -> UnsafeRawBufferPointer {
        let buffer = loop.pointee.addressBuffer
        var length = pointee.peer.write(to: buffer + 1)
        var start = 1
        if memchr(buffer + 1, Int32(UInt8(ascii: ":")), length) != nil {
            buffer[0] = UInt8(ascii: "[")
            buffer[length + 1] = UInt8(ascii: "]")
            start = 0
            length += 2
        }
        var end = start + length
        buffer[end] = UInt8(ascii: ":")
        end += 1
        var digits = ByteQueue()
        digits.append(decimal: Int(pointee.peer.port))
        memcpy(buffer + end, digits.start, digits.count)
        end += digits.count
        digits.release()
        return UnsafeRawBufferPointer(start: buffer + start, count: end - start)
    }
}
