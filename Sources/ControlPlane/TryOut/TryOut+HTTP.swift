// How a try-out connects, and what it sends first, as HTTP/1.1 or a WebSocket.

import ConsoleModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

extension TryOut {
    func connectHTTP() {
        let address = door.address
        let isSecure = door.isSecure
        let head = requestHead()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let upgraded = loop.makePromise(of: Void.self)
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(5))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try take(channel)
                    let pipeline = channel.pipeline.syncOperations
                    if door.wantsProxyHeader { try pipeline.addHandler(ProxyHeaderHandler()) }
                    if isSecure { try pipeline.addHandler(try tlsHandler(["http/1.1"])) }
                    if request.isWebSocket {
                        try upgrade(pipeline, head).cascade(to: upgraded)
                    } else {
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(
                            HTTPTryHandler(self, request: head, body: request.body.map { ByteBuffer(string: $0) }))
                    }
                }
            }
            .connect(to: address)
            .whenComplete { [self] connected in
                // An upgrade without a connection fails as well, before or after, and says less.
                switch connected {
                case .failure(let error):
                    fail("Nothing accepts connections at \(Self.text(address)). Does the worker run?")
                    upgraded.fail(error)
                case .success where request.isWebSocket:
                    upgraded.futureResult.whenFailure { [self] error in fail(Self.words(error, isSecure: isSecure)) }
                case .success:
                    upgraded.succeed()
                }
            }
    }

    private func requestHead() -> HTTPRequestHead {
        var headers = HTTPHeaders()
        headers.add(name: "host", value: request.authority)
        for (name, value) in (request.headers ?? [:]).sorted(by: { $0.key < $1.key }) {
            headers.add(name: name, value: value)
        }
        if !request.isWebSocket {
            headers.add(name: "connection", value: "close")
            if let body = request.body { headers.add(name: "content-length", value: String(body.utf8.count)) }
        }
        return HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method ?? "GET"), uri: request.path ?? "/",
            headers: headers)
    }

    /// The certificate is not checked, which is right here and nowhere else: the address is a loopback address of a listener
    /// that we published ourselves, so whom we speak to is known, and a try-out has to work with certificates that are
    /// self-signed, expired or of another name. What is sent never leaves the machine on this connection.
    func tlsHandler(_ protocols: [String]) throws -> NIOSSLClientHandler {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.applicationProtocols = protocols
        let context = try NIOSSLContext(configuration: configuration)
        let host = request.host
        let isAddress = Syntax.isIPv4(host) || Syntax.isIPv6(host)
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }

    private func upgrade(
        _ pipeline: ChannelPipeline.SynchronousOperations, _ head: HTTPRequestHead
    ) throws -> EventLoopFuture<Void> {
        let upgrader = NIOTypedWebSocketClientUpgrader<Void>(
            maxFrameSize: limits.bytes, enableAutomaticErrorHandling: false
        ) { [self] channel, head in
            channel.eventLoop.makeCompletedFuture {
                tellOpened(channel)
                tell(head)
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(
                    NIOWebSocketFrameAggregator(
                        minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 4_096,
                        maxAccumulatedFrameSize: limits.bytes))
                try pipeline.addHandler(WebSocketTryHandler(self))
                opened.succeed(channel)
            }
        }
        var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
            upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
                upgradeRequestHead: head, upgraders: [upgrader]
            ) { [self] channel in
                // Refused: an answer like any other.
                channel.eventLoop.makeCompletedFuture {
                    tellOpened(channel)
                    try channel.pipeline.syncOperations.addHandler(HTTPTryHandler(self))
                }
            })
        // A back end may speak right behind its 101.
        configuration.leftOverBytesStrategy = .forwardBytes
        return try pipeline.configureUpgradableHTTPClientPipeline(configuration: configuration)
    }

    static func words(_ error: any Error, isSecure: Bool) -> String {
        switch error {
        case is NIOSSLError, is BoringSSLError:
            "TLS failed: is there a domain of that name with a certificate? (\(error))"
        case is HTTPParserError: "The answer is not HTTP/1.1. (\(error))"
        default:
            isSecure
                ? "The connection ended without an answer: is there a domain of that name with a certificate? (\(error))"
                : "The connection ended without an answer. (\(error))"
        }
    }
}

extension WebSocketFrame {
    /// A client's close frame.
    init(closing code: Int, _ reason: String) {
        var data = ByteBuffer()
        data.write(webSocketErrorCode: WebSocketErrorCode(codeNumber: code))
        data.writeString(reason)
        self.init(fin: true, opcode: .connectionClose, maskKey: .random(), data: data)
    }
}
