// TLS on a connection: the server's and the client's contexts, the handshake, and the choice of a certificate by SNI.
// OpenSSL reads and writes the loop's buffers through the BIO of COpenSSL; it makes no system call.

internal import CNghttp2
internal import COpenSSL
internal import Glibc
internal import Seal

extension LoopPointer {
    func configureServerContext() {
        let context = pointee.serverContext
        let argument = UnsafeMutableRawPointer(self)
        SSL_CTX_set_client_hello_cb(
            context,
            { ssl, alert, argument in
                guard let ssl, let loop = argument?.assumingMemoryBound(to: Loop.self), loop.helloReceived(ssl) else {
                    alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
                    return SSL_CLIENT_HELLO_ERROR
                }
                return SSL_CLIENT_HELLO_SUCCESS
            }, argument)
        SSL_CTX_set_cert_cb(
            context,
            { ssl, argument in
                guard let ssl, let loop = argument?.assumingMemoryBound(to: Loop.self),
                    let identity = loop.pointee.inHandshake?.pointee.identity
                else { return 0 }
                return identity._withUnsafeGuaranteedRef { $0.use(on: ssl) } ? 1 : 0
            }, argument)
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, length, offered, offeredLength, _ in
                guard let chosen, let length, let offered else { return SSL_TLSEXT_ERR_NOACK }
                return selectProtocol(chosen, length, offered, Int(offeredLength))
            }, nil)
    }

    func configureClientContext() {
        let protocols: [UInt8] = [2] + Array("h2".utf8)
        // Clusters that speak HTTP/1.1 clear the list on their own connections.
        SSL_CTX_set_alpn_protos(pointee.clientContext, protocols, UInt32(protocols.count))
    }

    /// Starts TLS on a fresh connection. False: out of memory.
    func startTLS(_ connection: ConnectionPointer, server: Bool) -> Bool {
        guard let ssl = SSL_new(server ? pointee.serverContext : pointee.clientContext) else { return false }
        guard causeway_attach(ssl, pointee.tls) == 1 else {
            SSL_free(ssl)
            return false
        }
        if server { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
        connection.pointee.ssl = ssl
        connection.pointee.isHandshaking = true
        return true
    }

    /// Goes on with the handshake on the bytes at hand. False: the connection is closed.
    func handshake(_ connection: ConnectionPointer) -> Bool {
        guard let ssl = connection.pointee.ssl else { return false }
        ERR_clear_error()
        pointee.inHandshake = connection
        let begun = Clock.monotonicNanoseconds()
        let result = SSL_do_handshake(ssl)
        pointee.handshakeTime &-= Int(Clock.monotonicNanoseconds() &- begun)
        pointee.inHandshake = nil
        guard takeTLSOutput(connection) else { return false }
        if result == 1 {
            connection.pointee.isHandshaking = false
            if connection.pointee.role == .downstream {
                handshakeEnds(connection)
                causeway_handshake_over(ssl)
            }
            pointee.statistics.tlsHandshakes.increment()
            connection.pointee.listener?.pointee.counters.handshakes.increment()
            handshakeDone(connection, ssl)
            return !connection.pointee.isClosed
        }
        let error = SSL_get_error(ssl, result)
        if error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE { return true }
        pointee.statistics.tlsErrors.increment()
        close(connection, because: .tls)
        return false
    }

    private func handshakeDone(_ connection: ConnectionPointer, _ ssl: OpaquePointer) {
        var name: UnsafePointer<UInt8>?
        let isHTTP2 = causeway_alpn(ssl, &name) == 2 && name?[0] == 0x68 && name?[1] == 0x32
        switch connection.pointee.role {
        case .downstream:
            startWire(connection, isHTTP2 ? .http2 : .http1)
        default:
            upstreamHandshakeDone(connection, isHTTP2: isHTTP2)
        }
    }

    /// The client hello: picks identity and client policy by SNI from the loop's snapshot and remembers both on the
    /// connection. This is before any ticket is opened, and `cert_cb` does not run on a resumed handshake: a session may only
    /// be resumed under the policy that it was made under, which the context of its id says.
    private func helloReceived(_ ssl: OpaquePointer) -> Bool {
        guard let connection = pointee.inHandshake,
            let snapshot = pointee.snapshot?.pointee.shared.takeUnretainedValue()
        else { return false }
        var length = 0
        let sent = causeway_hello_server_name(ssl, &length)
        connection.pointee.hadServerName = sent != nil
        let host = snapshot.host(forServerName: UnsafeRawBufferPointer(start: sent, count: length))
        guard let identity = snapshot.identity(of: host) else { return false }
        let policy = snapshot.handshakePolicy(of: host)
        connection.pointee.identity?.release()
        connection.pointee.identity = Unmanaged.passRetained(identity)
        connection.pointee.handshakePolicy?.release()
        connection.pointee.handshakePolicy = policy.map { Unmanaged.passRetained($0) }
        let named = (policy?.context ?? HandshakePolicy.none).withUnsafeBytes { context in
            let bytes = context.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return SSL_set_session_id_context(ssl, bytes, UInt32(context.count)) == 1
        }
        return named && policy?.apply(to: ssl) ?? true
    }
}

/// ALPN (RFC 7301 §3.2): `h2` before `http/1.1`, whatever the client's order; no overlap ends the handshake.
private func selectProtocol(
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ length: UnsafeMutablePointer<UInt8>,
    _ offered: UnsafePointer<UInt8>, _ count: Int
) -> Int32 {
    var http1: UnsafePointer<UInt8>?
    var i = 0
    while i < count {
        let size = Int(offered[i])
        guard i + 1 + size <= count else { break }
        let name = offered + i + 1
        if size == 2, memcmp(name, "h2", 2) == 0 {
            chosen.pointee = name
            length.pointee = 2
            return SSL_TLSEXT_ERR_OK
        }
        if size == 8, memcmp(name, "http/1.1", 8) == 0 { http1 = name }
        i += 1 + size
    }
    guard let http1 else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    chosen.pointee = http1
    length.pointee = 8
    return SSL_TLSEXT_ERR_OK
}
