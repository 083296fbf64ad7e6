// The access log: one JSON line for each exchange, written when it ends. Names and order of the fields are an interface:
// people parse them. The record points at memory of the exchange, so building one copies nothing.

/// What a line of the access log says. Pointers need to hold only while `LineBuffer.append(_:)` runs.
package struct AccessLogRecord {
    package enum ApplicationProtocol: UInt8, Sendable {
        case http1, http2, websocket
    }

    /// Why another try that was due was not made.
    package enum RetryRefusal: UInt8, Sendable {
        /// More of the request had been sent than is kept for another try.
        case notKept = 1
        case budget
    }

    /// Longer texts are cut here, so that one request cannot write megabytes of log.
    package static let maxTextBytes = 8_192

    /// When the exchange began, in milliseconds since 1970.
    package var time: Int64 = 0
    package var listener = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Address and port of the connection's other end as text; that which a PROXY protocol header told, where one did.
    package var peer = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Address of the client, where a proxy that is believed has told it; else empty.
    package var client = UnsafeRawBufferPointer(start: nil, count: 0)
    /// TLS version, empty on clear connections.
    package var tls = UnsafeRawBufferPointer(start: nil, count: 0)
    package var sni = UnsafeRawBufferPointer(start: nil, count: 0)
    package var method = UnsafeRawBufferPointer(start: nil, count: 0)
    package var authority = UnsafeRawBufferPointer(start: nil, count: 0)
    package var path = UnsafeRawBufferPointer(start: nil, count: 0)
    package var applicationProtocol = ApplicationProtocol.http1
    package var route = UnsafeRawBufferPointer(start: nil, count: 0)
    package var cluster = UnsafeRawBufferPointer(start: nil, count: 0)
    package var endpoint = UnsafeRawBufferPointer(start: nil, count: 0)
    /// 0: none was sent.
    package var status: UInt16 = 0
    /// `nil` unless the exchange is gRPC.
    package var grpcStatus: UInt32?
    /// Response flag; empty for none, which is written as `-`.
    package var flag = UnsafeRawBufferPointer(start: nil, count: 0)
    package var reason = UnsafeRawBufferPointer(start: nil, count: 0)
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Whole messages from the client and to it; `nil` unless the exchange is gRPC or an open WebSocket.
    package var messages: (incoming: UInt64, outgoing: UInt64)?
    /// `nil` unless a WebSocket has ended.
    package var closeCode: UInt16?
    /// Nanoseconds from the first byte of the request to the end of the exchange.
    package var duration: UInt64 = 0
    /// Nanoseconds from the first try to the upstream's response head; `nil` when none was awaited.
    package var upstreamDuration: UInt64?
    package var tries: UInt32 = 0
    /// `nil` unless another try was due and not made.
    package var retryRefusal: RetryRefusal?
    /// Version of the snapshot that the exchange began with.
    package var version: UInt64 = 0
    package var traceID = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Name of the consumer whose credential was shown; empty: none's.
    package var consumer = UnsafeRawBufferPointer(start: nil, count: 0)

    package init() {}
}

extension LineBuffer {
    /// Appends the record as one line.
    package mutating func append(_ record: borrowing AccessLogRecord) {
        append("{\"ts\":\"")
        append(rfc3339: record.time)
        append("\"")
        field(",\"listener\":\"", record.listener)
        field(",\"peer\":\"", record.peer)
        field(",\"client\":\"", record.client)
        field(",\"tls\":\"", record.tls)
        field(",\"sni\":\"", record.sni)
        field(",\"method\":\"", record.method)
        field(",\"authority\":\"", record.authority)
        field(",\"path\":\"", record.path)
        switch record.applicationProtocol {
        case .http1: append(",\"protocol\":\"http/1.1\"")
        case .http2: append(",\"protocol\":\"h2\"")
        case .websocket: append(",\"protocol\":\"websocket\"")
        }
        field(",\"route\":\"", record.route)
        field(",\"cluster\":\"", record.cluster)
        field(",\"endpoint\":\"", record.endpoint)
        field(",\"status\":", UInt64(record.status))
        if let status = record.grpcStatus {
            field(",\"grpc_status\":", UInt64(status))
        } else {
            append(",\"grpc_status\":null")
        }
        if record.flag.isEmpty {
            append(",\"flag\":\"-\"")
        } else {
            field(",\"flag\":\"", record.flag)
        }
        field(",\"reason\":\"", record.reason)
        field(",\"bytes_in\":", record.bytesIn)
        field(",\"bytes_out\":", record.bytesOut)
        if let messages = record.messages {
            field(",\"messages_in\":", messages.incoming)
            field(",\"messages_out\":", messages.outgoing)
        } else {
            append(",\"messages_in\":null,\"messages_out\":null")
        }
        if let code = record.closeCode {
            field(",\"close_code\":", UInt64(code))
        } else {
            append(",\"close_code\":null")
        }
        append(",\"duration_ms\":")
        append(milliseconds: record.duration)
        if let duration = record.upstreamDuration {
            append(",\"upstream_ms\":")
            append(milliseconds: duration)
        } else {
            append(",\"upstream_ms\":null")
        }
        field(",\"tries\":", UInt64(record.tries))
        switch record.retryRefusal {
        case nil: append(",\"retry_refused\":null")
        case .notKept: append(",\"retry_refused\":\"not kept\"")
        case .budget: append(",\"retry_refused\":\"budget\"")
        }
        field(",\"version\":", record.version)
        field(",\"trace_id\":\"", record.traceID)
        field(",\"consumer\":\"", record.consumer)
        append("}\n")
    }

    private mutating func field(_ name: StaticString, _ value: UInt64) {
        append(name)
        append(decimal: value)
    }

    private mutating func field(_ name: StaticString, _ text: UnsafeRawBufferPointer) {
        append(name)
        if text.count > AccessLogRecord.maxTextBytes {
            append(escaped: UnsafeRawBufferPointer(rebasing: text[..<AccessLogRecord.maxTextBytes]))
            append("…")
        } else {
            append(escaped: text)
        }
        append("\"")
    }
}
