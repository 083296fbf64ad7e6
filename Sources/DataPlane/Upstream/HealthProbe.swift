// One check of one endpoint: connects, speaks TLS where the cluster does, and leads a dialog to its verdict. Non-blocking;
// the checker's thread calls `advance` when the socket is ready.

internal import COpenSSL
internal import ConfigModel
internal import Glibc

/// What is checked, and how it is reached.
struct HealthTarget: Hashable {
    let cluster: String
    let check: HealthCheck
    let isHTTP2: Bool
    let tls: UpstreamTLS?
    /// As configured: SNI and, with the port, the authority.
    let host: String
    let port: UInt16
    /// What the proxy server is asked for; nil: there is none.
    let tunnel: String?
    /// The endpoint's name.
    let endpoint: String

    var authority: String {
        if let given = check.host { return given }
        if host.hasPrefix("unix:") { return "localhost" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// Opens the tunnel that a check goes through.
private final class TunnelDialog {
    enum Step {
        case waits(Int16)
        case open
        case failed(String)
    }

    private var output: [UInt8]
    private var answer: [UInt8] = []

    init(_ target: String) { output = Array(ProxyTunnel.request(target).utf8) }

    func advance(_ descriptor: Int32) -> Step {
        while !output.isEmpty {
            let count = write(descriptor, output, output.count)
            if count < 0 { return errno == EAGAIN ? .waits(Int16(POLLOUT)) : .failed("the proxy server hung up") }
            output.removeFirst(count)
        }
        while true {
            // One byte at a time: what follows the head is the endpoint's.
            var byte: UInt8 = 0
            let count = read(descriptor, &byte, 1)
            if count < 0, errno == EAGAIN { return .waits(Int16(POLLIN)) }
            guard count == 1 else { return .failed("the proxy server hung up") }
            answer.append(byte)
            guard byte == UInt8(ascii: "\n") || answer.count <= 12 || answer.count >= ProxyTunnel.longestHead else {
                continue
            }
            switch answer.withUnsafeBufferPointer(ProxyTunnel.answer) {
            case .incomplete: continue
            case .open: return .open
            case .refused(let status): return .failed("the proxy server answered \(status)")
            case .malformed: return .failed("the proxy server did not answer in HTTP/1")
            }
        }
    }
}

final class HealthProbe {
    let descriptor: Int32
    /// What `advance` waits for, as in poll(2).
    private(set) var events = Int16(POLLOUT)
    private let target: HealthTarget
    private let dialog: (any HealthDialog)?
    private var ssl: OpaquePointer?
    private var isConnected = false
    private var tunnel: TunnelDialog?
    private var isSecured = false
    private var output: [UInt8] = []

    /// nil: out of descriptors or memory.
    init?(
        _ target: HealthTarget, _ address: SocketAddress, _ context: OpaquePointer, _ material: UpstreamTLSMaterial?
    ) {
        self.target = target
        descriptor = socket(
            address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
            0)
        switch target.check.kind {
        case .tcp: dialog = nil
        case .http where !target.isHTTP2: dialog = HTTP1Dialog(target.check, authority: target.authority)
        case .http, .grpc:
            dialog = HTTP2Dialog(target.check, authority: target.authority, secure: target.tls != nil)
        }
        tunnel = target.tunnel.map { TunnelDialog($0) }
        guard descriptor >= 0, target.check.kind == .tcp || dialog != nil else { return nil }
        // An error shows at the first `advance`.
        _ = address.withSockaddr { connect(descriptor, $0, $1) }
        if dialog != nil, let tls = target.tls, !startTLS(tls, context, material) { return nil }
    }

    deinit {
        if let ssl { SSL_free(ssl) }
        if descriptor >= 0 { close(descriptor) }
    }

    private func startTLS(_ tls: UpstreamTLS, _ context: OpaquePointer, _ material: UpstreamTLSMaterial?) -> Bool {
        guard let ssl = SSL_new(context) else { return false }
        self.ssl = ssl
        guard SSL_set_fd(ssl, descriptor) == 1 else { return false }
        SSL_set_connect_state(ssl)
        if let material, !material.use(on: ssl) { return false }
        let protocols: [UInt8] = target.isHTTP2 ? [2] + Array("h2".utf8) : []
        SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count))
        let name = tls.serverName ?? target.host
        if SocketAddress(literal: name, port: 0) == nil {
            return causeway_set_server_name(ssl, name, tls.verify ? 1 : 0) == 1
        }
        return !tls.verify || causeway_verify_address(ssl, name) == 1
    }

    /// nil: waits for `events`.
    func advance() -> HealthVerdict? {
        if !isConnected {
            var error: Int32 = 0
            var size = socklen_t(4)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
            guard error == 0 else { return .failed(String(cString: strerror(error))) }
            isConnected = true
        }
        if let opening = tunnel {
            switch opening.advance(descriptor) {
            case .waits(let events): self.events = events
            case .failed(let reason): return .failed(reason)
            case .open: tunnel = nil
            }
            if tunnel != nil { return nil }
        }
        guard let dialog else { return .passed }
        if let ssl, !isSecured {
            ERR_clear_error()
            let result = SSL_do_handshake(ssl)
            if result != 1 { return waits(ssl, result) ? nil : .failed("TLS failed") }
            isSecured = true
            if target.isHTTP2 {
                var name: UnsafePointer<UInt8>?
                let length = causeway_alpn(ssl, &name)
                guard length == 2, let name, name[0] == UInt8(ascii: "h"), name[1] == UInt8(ascii: "2") else {
                    return .failed("TLS did not agree on HTTP/2")
                }
            }
        }
        return talk(dialog)
    }

    private func talk(_ dialog: any HealthDialog) -> HealthVerdict? {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            output += dialog.takeOutput()
            while !output.isEmpty {
                let count = output.withUnsafeBytes { send($0) }
                if count < 0 { return wouldBlock ? nil : .failed("the connection broke") }
                output.removeFirst(count)
            }
            let count = buffer.withUnsafeMutableBytes { receive($0) }
            if count < 0 { return wouldBlock ? nil : .failed("the connection broke") }
            if count == 0 { return .failed("the connection was closed without an answer") }
            buffer.withUnsafeBufferPointer { dialog.receive(UnsafeBufferPointer(rebasing: $0[..<count])) }
            if let verdict = dialog.verdict { return verdict }
        }
    }

    /// Whether the last call only has to be made again later.
    private var wouldBlock = false

    /// Below 0: see `wouldBlock`.
    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        if let ssl {
            ERR_clear_error()
            let count = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
            if count <= 0 { wouldBlock = waits(ssl, count) }
            return count > 0 ? Int(count) : -1
        }
        let count = write(descriptor, bytes.baseAddress, bytes.count)
        if count < 0 {
            wouldBlock = errno == EAGAIN
            events = Int16(POLLOUT)
        }
        return count
    }

    private func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        if let ssl {
            ERR_clear_error()
            let count = SSL_read(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
            guard count <= 0 else { return Int(count) }
            if SSL_get_error(ssl, count) == SSL_ERROR_ZERO_RETURN { return 0 }
            wouldBlock = waits(ssl, count)
            return -1
        }
        let count = read(descriptor, bytes.baseAddress, bytes.count)
        if count < 0 {
            wouldBlock = errno == EAGAIN
            events = Int16(POLLIN)
        }
        return count
    }

    private func waits(_ ssl: OpaquePointer, _ result: Int32) -> Bool {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: events = Int16(POLLIN)
        case SSL_ERROR_WANT_WRITE: events = Int16(POLLOUT)
        default: return false
        }
        return true
    }
}
