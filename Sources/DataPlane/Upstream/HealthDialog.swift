// What a check says to an endpoint and what counts as a good answer, for each kind. Bytes in, bytes out, no socket. A check
// has a thread of its own to run on, so that here clarity comes before speed.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

/// nil: not yet known. An empty reason: passed.
protocol HealthDialog: AnyObject {
    /// Bytes to send now.
    func takeOutput() -> [UInt8]
    func receive(_ bytes: UnsafeBufferPointer<UInt8>)
    var verdict: HealthVerdict? { get }
}

enum HealthVerdict: Equatable {
    case passed
    case failed(String)
}

extension HealthCheck {
    func accepts(status: Int) -> Bool {
        statuses.isEmpty
            ? (200...299).contains(status) : statuses.contains { ($0.low...$0.high).contains(UInt16(status)) }
    }
}

/// GET over HTTP/1.1, on a connection of its own.
final class HTTP1Dialog: HealthDialog {
    private let check: HealthCheck
    private var output: [UInt8]
    private var line: [UInt8] = []
    private(set) var verdict: HealthVerdict?

    init(_ check: HealthCheck, authority: String) {
        self.check = check
        output = Array(
            "GET \(check.path) HTTP/1.1\r\nHost: \(authority)\r\nUser-Agent: causeway-health\r\nConnection: close\r\n\r\n"
                .utf8)
    }

    func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard verdict == nil else { return }
        line.append(contentsOf: bytes.prefix(64 - min(64, line.count)))
        guard line.count >= 13 else { return }
        guard line.starts(with: "HTTP/1.".utf8), line[8] == UInt8(ascii: " "),
            let status = Int(String(decoding: line[9..<12], as: UTF8.self)), (100...599).contains(status)
        else {
            verdict = .failed("the answer is not HTTP/1.1")
            return
        }
        verdict = check.accepts(status: status) ? .passed : .failed("status \(status)")
    }
}

/// GET, or `grpc.health.v1.Health/Check`, over HTTP/2 with prior knowledge or ALPN.
final class HTTP2Dialog: HealthDialog {
    private let check: HealthCheck
    private var session: OpaquePointer?
    private var status = 0
    private var grpcStatus: Int?
    private var message: [UInt8] = []
    private var request: [UInt8] = []
    private(set) var verdict: HealthVerdict?

    init?(_ check: HealthCheck, authority: String, secure: Bool) {
        self.check = check
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0 else { return nil }
        defer { nghttp2_session_callbacks_del(callbacks) }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, _, name, nameLength, value, valueLength, _, me in
            HTTP2Dialog.of(me)?.received(bytes(name, nameLength), bytes(value, valueLength))
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, _, data, count, me in
            HTTP2Dialog.of(me)?.received(body: bytes(data, count))
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, _, code, me in
            HTTP2Dialog.of(me)?.ended(code)
            return 0
        }
        guard nghttp2_session_client_new(&session, callbacks, Unmanaged.passUnretained(self).toOpaque()) == 0 else {
            return nil
        }
        guard nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil, 0) == 0,
            submit(authority, secure)
        else { return nil }
    }

    deinit { nghttp2_session_del(session) }

    private static func of(_ pointer: UnsafeMutableRawPointer?) -> HTTP2Dialog? {
        pointer.map { Unmanaged<HTTP2Dialog>.fromOpaque($0).takeUnretainedValue() }
    }

    private func submit(_ authority: String, _ secure: Bool) -> Bool {
        let isGRPC = check.kind == .grpc
        var fields = [
            (":method", isGRPC ? "POST" : "GET"), (":scheme", secure ? "https" : "http"),
            (":path", isGRPC ? "/grpc.health.v1.Health/Check" : check.path), (":authority", authority),
            ("user-agent", "causeway-health"),
        ]
        if isGRPC {
            fields += [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "\(check.timeout)m")]
            // HealthCheckRequest { string service = 1; }, in gRPC's frame.
            let name = Array(check.service.utf8)
            var body: [UInt8] = []
            if !name.isEmpty {
                body = [0x0a]
                var length = name.count
                while length >= 0x80 {
                    body.append(UInt8(length & 0x7f) | 0x80)
                    length >>= 7
                }
                body.append(UInt8(length))
                body += name
            }
            request = [0, 0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xff)] + body
        }
        // One block of memory that the fields point into while they are submitted; nghttp2 copies them.
        var text: [UInt8] = fields.flatMap { Array($0.0.utf8) + Array($0.1.utf8) }
        let stream = text.withUnsafeMutableBufferPointer { memory -> Int32 in
            var offset = 0
            let list = fields.map { name, value -> nghttp2_nv in
                let start = memory.baseAddress.map { $0 + offset }
                offset += name.utf8.count + value.utf8.count
                return nghttp2_nv(
                    name: start, value: start.map { $0 + name.utf8.count }, namelen: name.utf8.count,
                    valuelen: value.utf8.count, flags: 0)
            }
            guard isGRPC else { return nghttp2_submit_request(session, nil, list, list.count, nil, nil) }
            var provider = nghttp2_data_provider()
            provider.read_callback = { _, _, buffer, room, flags, _, me in
                guard let dialog = HTTP2Dialog.of(me), let buffer, let flags, dialog.request.count <= room else {
                    return -1
                }
                for (index, byte) in dialog.request.enumerated() { buffer[index] = byte }
                flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue)
                return dialog.request.count
            }
            return nghttp2_submit_request(session, nil, list, list.count, &provider, nil)
        }
        return stream > 0
    }

    func takeOutput() -> [UInt8] {
        var output: [UInt8] = []
        var data: UnsafePointer<UInt8>?
        while true {
            let count = nghttp2_session_mem_send(session, &data)
            guard count > 0, let data else { return output }
            output += UnsafeBufferPointer(start: data, count: count)
        }
    }

    func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard verdict == nil else { return }
        if nghttp2_session_mem_recv(session, bytes.baseAddress, bytes.count) < 0 {
            verdict = .failed("the answer is not HTTP/2")
        }
    }

    private func received(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        if name.elementsEqual(":status".utf8) { status = Int(String(decoding: value, as: UTF8.self)) ?? 0 }
        if name.elementsEqual("grpc-status".utf8) { grpcStatus = Int(String(decoding: value, as: UTF8.self)) ?? 2 }
        if check.kind == .http, status >= 200 {
            verdict = check.accepts(status: status) ? .passed : .failed("status \(status)")
        }
    }

    private func received(body: UnsafeBufferPointer<UInt8>) {
        message += body.prefix(64 - min(64, message.count))
    }

    private func ended(_ code: UInt32) {
        guard verdict == nil else { return }
        guard check.kind == .grpc else {
            verdict = .failed("the stream was reset (\(code))")
            return
        }
        if let grpcStatus, grpcStatus != 0 {
            verdict = .failed("gRPC status \(grpcStatus)")
        } else if status != 200 || grpcStatus == nil {
            verdict = .failed(status == 200 ? "no gRPC status" : "status \(status)")
        } else if message.count == 7, message.starts(with: [0, 0, 0, 0, 2, 0x08]) {
            // HealthCheckResponse { ServingStatus status = 1; }: 1 is SERVING; 0, UNKNOWN, is left out on the wire.
            verdict =
                message[6] == 1 ? .passed : .failed(message[6] == 2 ? "NOT_SERVING" : "not serving (\(message[6]))")
        } else {
            verdict = .failed("not serving")
        }
    }
}

private func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: start, count: start == nil ? 0 : count)
}
