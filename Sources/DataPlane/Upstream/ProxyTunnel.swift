// Tunnels through a proxy server: CONNECT and its answer (RFC 9110 §9.3.6, RFC 9112 §3.2.3), in front of whatever is spoken with
// the endpoint. What stands here serves loops and health checks alike.

internal import Glibc

/// The dialog by which a tunnel opens.
package enum ProxyTunnel {
    /// Bytes that an answer's head may have.
    package static let longestHead = 16 * 1024

    static func request(_ target: some StringProtocol) -> String {
        "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n\r\n"
    }

    package enum Answer: Equatable {
        case incomplete
        /// The bytes of the head; what follows is the endpoint's.
        case open(Int)
        case refused(Int)
        /// Not an answer of HTTP/1, or one that does not end.
        case malformed
    }

    /// Reads what has come so far. Answers with 1xx go before the one that counts (RFC 9110 §15.2).
    package static func answer(_ bytes: UnsafeBufferPointer<UInt8>) -> Answer {
        let incomplete: Answer = bytes.count < longestHead ? .incomplete : .malformed
        var start = 0
        while true {
            let rest = UnsafeBufferPointer(rebasing: bytes[start...])
            // `HTTP/1.1 200`
            guard rest.count >= 12 else { return "HTTP/1.".utf8.starts(with: rest.prefix(7)) ? incomplete : .malformed }
            guard rest.starts(with: "HTTP/1.".utf8), rest[8] == UInt8(ascii: " "),
                let status = Int(String(decoding: rest[9..<12], as: UTF8.self)), (100...599).contains(status)
            else { return .malformed }
            guard let length = headLength(rest) else { return incomplete }
            start += length
            guard start <= longestHead else { return .malformed }
            switch status {
            case 101: return .malformed
            case ..<200: continue
            case ..<300: return .open(start)
            default: return .refused(status)
            }
        }
    }

    /// Up to and with the empty line. A lone LF ends a line as well (RFC 9112 §2.2).
    private static func headLength(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var lineIsEmpty = false
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "\n") {
                if lineIsEmpty { return index + 1 }
                lineIsEmpty = true
            } else if byte != UInt8(ascii: "\r") {
                lineIsEmpty = false
            }
        }
        return nil
    }
}

extension LoopPointer {
    /// The proxy server has taken the connection.
    func askForTunnel(_ connection: ConnectionPointer, to target: FixedText) {
        guard let endpoint = connection.pointee.endpoint else { return }
        connection.pointee.isTunneling = true
        setDeadline(connection, after: endpoint.pointee.cluster.pointee.connectTimeout)
        var request = ProxyTunnel.request(target.string)
        request.withUTF8 { connection.pointee.output.append(UnsafeRawBufferPointer($0)) }
        markDirty(connection)
    }

    /// Bytes of the proxy server's answer; returns how many are used up.
    func receiveTunnelAnswer(
        _ connection: ConnectionPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Int {
        switch ProxyTunnel.answer(UnsafeBufferPointer(start: bytes, count: count)) {
        case .incomplete: return 0
        case .refused, .malformed:
            connectionFailed(connection, .proxyRefused)
            return count
        case .open(let head):
            // Of servers only those of HTTP/2 speak first, with their SETTINGS (RFC 9113 §3.4).
            let speaksFirst =
                connection.pointee.wantsHTTP1 || connection.pointee.endpoint?.pointee.cluster.pointee.usesTLS == true
            guard head == count || !speaksFirst else {
                connectionFailed(connection, .upstreamProtocol)
                return count
            }
            connection.pointee.isTunneling = false
            connected(connection)
            guard head < count, !connection.pointee.isClosed else { return count }
            return head + consume(connection, bytes + head, count - head)
        }
    }
}
