// The worker's own small HTTP endpoint on loopback: `/metrics`, `/ready`, `/listeners`. It has a thread of its own, so that
// it answers while loops are busy and while the control plane is away. One request a connection, bounded in size and time.

internal import COpenSSL
internal import Glibc
internal import Logging
internal import Telemetry

final class InspectServer: Sendable {
    private let descriptor: Int32
    private let page: MetricsPage
    let port: UInt16

    private static let maxRequest = 8_192

    /// Listens on 127.0.0.1.
    init(port: UInt16, page: MetricsPage) throws(ListenFailure) {
        guard let address = SocketAddress(literal: "127.0.0.1", port: port) else {
            throw ListenFailure(reason: "no loopback address")
        }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        guard descriptor >= 0, address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 16) == 0
        else {
            throw ListenFailure(reason: "127.0.0.1 port \(port): \(String(cString: strerror(errno)))")
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        self.descriptor = descriptor
        self.port = PeerAddress(storage).port
        self.page = page
    }

    /// Answers until the process ends.
    func run() {
        while true {
            let client = accept(descriptor, nil, nil)
            guard client >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                // Out of descriptors: there is nothing to be told from here until some are free.
                poll(nil, 0, 100)
                continue
            }
            var timeout = timeval(tv_sec: 2, tv_usec: 0)
            setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            serve(client)
            close(client)
        }
    }

    private func serve(_ client: Int32) {
        var request: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 2_048)
        while request.count < Self.maxRequest {
            let count = recv(client, &chunk, chunk.count, 0)
            guard count > 0 else { return }
            request += chunk[..<count]
            if request.count >= 4, request.suffix(4).elementsEqual([13, 10, 13, 10]) { break }
        }
        let line = request.prefix { $0 != 13 }
        let parts = line.split(separator: 32)
        guard parts.count == 3, parts[0].elementsEqual("GET".utf8) else {
            return answer(client, "405 Method Not Allowed", "text/plain", Array("only GET is served here\n".utf8))
        }
        let status = page.status.read()
        switch String(decoding: parts[1].prefix { $0 != 63 }, as: UTF8.self) {
        case "/metrics":
            answer(client, "200 OK", PrometheusText.contentType, page.text())
        case "/ready":
            if status.isServing {
                answer(client, "200 OK", "text/plain", Array("serving version \(status.version)\n".utf8))
            } else {
                let reason = status.isDraining ? "draining\n" : "no configuration yet\n"
                answer(client, "503 Service Unavailable", "text/plain", Array(reason.utf8))
            }
        case "/listeners":
            var lines = LineBuffer()
            for listener in status.bound {
                lines.append("{\"name\":")
                lines.append(json: listener.name)
                lines.append(",\"address\":")
                lines.append(json: listener.address)
                lines.append(",\"port\":")
                lines.append(decimal: UInt64(listener.port))
                lines.append("}\n")
            }
            answer(client, "200 OK", "application/x-ndjson", lines.withUnsafeBytes { Array($0) })
        default:
            answer(client, "404 Not Found", "text/plain", Array("try /metrics, /ready or /listeners\n".utf8))
        }
    }

    private func answer(_ client: Int32, _ status: String, _ type: String, _ body: [UInt8]) {
        let head =
            "HTTP/1.1 \(status)\r\ncontent-type: \(type)\r\ncontent-length: \(body.count)\r\nconnection: close\r\n\r\n"
        let bytes = Array(head.utf8) + body
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                send(client, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            offset += count
        }
    }
}
