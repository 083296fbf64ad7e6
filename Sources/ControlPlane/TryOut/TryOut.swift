// One try-out: a connection to a listener of our own, what comes of it as events, and what is sent to it. It ends once, by
// whatever comes first: the other side, an error, a bound, its user, or the reader of its events who goes.

import ConsoleModel
import Foundation
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import Persistence
import Synchronization

/// A request under way through the gateway, for somebody who looks on.
final class TryOut: Sendable {
    /// Events, and bytes of them, that are kept until somebody reads.
    private static let mostEvents = 4_096
    private static let mostEventBytes = 8 << 20

    private struct State {
        /// Until a reader takes it.
        var unread: EventQueue?
        /// Weak: the reader's answer holds it, and its end is the end of the try-out.
        weak var queue: EventQueue?
        var channel: (any Channel)?
        var timer: Scheduled<Void>?
        var bytes = 0
        var isOver = false
    }

    let id: String
    let owner: Int64
    let request: Console.TryRequest
    private let limits: TryOuts.Limits
    private let state: Mutex<State>
    private let websocket: EventLoopPromise<any Channel>

    init(
        id: String, owner: Int64, request: Console.TryRequest, limits: TryOuts.Limits,
        leave: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.owner = owner
        self.request = request
        self.limits = limits
        let queue = EventQueue(mostEvents: Self.mostEvents, mostBytes: Self.mostEventBytes, leave: leave)
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        websocket = loop.makePromise(of: (any Channel).self)
        state = Mutex(State(unread: queue, queue: queue, bytes: request.body?.utf8.count ?? 0))
        let timer = loop.scheduleTask(in: TimeAmount(limits.lifetime)) { [weak self, limits] in
            self?.fail("It was open for \(limits.lifetime.components.seconds) s, the most that there is.")
            leave()
        }
        state.withLock { $0.timer = timer }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    /// The events from the beginning, for one reader.
    func takeEvents() throws(Problem) -> EventQueue {
        let queue = state.withLock { state in
            defer { state.unread = nil }
            return state.unread
        }
        guard let queue else {
            throw Problem(.conflict, .inUse, "The events of the try-out \(id) are read already. Begin another one.")
        }
        return queue
    }

    // MARK: Events

    private struct Opened: Encodable {
        var address: String
        var tls: Bool
    }

    private struct Field: Encodable {
        var name: String
        var value: String
    }

    private struct Head: Encodable {
        var status: Int?
        var headers: [Field]
    }

    private struct Message: Encodable {
        var direction: String
        var text: String?
        var base64: String?
        var time: String
    }

    private struct Closed: Encodable {
        @JSONField var code: Int?
        var reason: String
    }

    private struct Failure: Encodable {
        var reason: String
    }

    private func tell(_ name: String, _ value: some Encodable) {
        guard let event = try? ServerSentEvent(name, value) else { return }
        state.withLock { $0.isOver ? nil : $0.queue }?.send(event)
    }

    /// The listener took the connection.
    func tellOpened(_ channel: any Channel) {
        tell(
            "open",
            Opened(
                address: channel.remoteAddress.map(Self.text) ?? request.listener, tls: request.listener == "https"))
    }

    private static func text(_ address: SocketAddress) -> String {
        let host = address.ipAddress ?? ""
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }

    func tell(_ head: HTTPResponseHead) {
        tell("headers", Head(status: Int(head.status.code), headers: fields(head.headers)))
    }

    func tell(trailers: HTTPHeaders) {
        tell("trailers", Head(headers: fields(trailers)))
    }

    private func fields(_ headers: HTTPHeaders) -> [Field] {
        headers.map { Field(name: $0.name, value: $0.value) }
    }

    /// Text where it is meant as such or may be, and is UTF-8. `false`: that is more than may be relayed.
    @discardableResult
    func tell(_ payload: ByteBuffer, isText: Bool = true, direction: String = "in") -> Bool {
        let fits = state.withLock { state in
            guard state.bytes + payload.readableBytes <= limits.bytes else { return false }
            state.bytes += payload.readableBytes
            return true
        }
        guard fits else { return false }
        let text = isText ? String(validating: payload.readableBytesView, as: UTF8.self) : nil
        let base64 = text == nil ? Data(payload.readableBytesView).base64EncodedString() : nil
        tell(
            "message",
            Message(
                direction: direction, text: text, base64: base64, time: Timestamp.text(WallClock.milliseconds())))
        return true
    }

    // MARK: The end

    /// The other side has ended it, or its user.
    func close(code: Int? = nil, _ reason: String) { finish("closed", Closed(code: code, reason: reason)) }

    /// With a close frame (1001, going away) where there is somebody to read it.
    func end(_ reason: String) {
        let channel = state.withLock { $0.isOver ? nil : $0.channel }
        if let channel, request.isWebSocket {
            let frame = WebSocketFrame(closing: 1001, "")
            websocket.futureResult.whenSuccess { _ in channel.writeAndFlush(frame, promise: nil) }
        }
        close(reason)
    }

    func fail(_ reason: String) { finish("error", Failure(reason: reason)) }

    func failBeyondBytes() { fail("More than \(limits.bytes) bytes came and went, the most that there is.") }

    private func finish(_ name: String, _ value: some Encodable) {
        let event = try? ServerSentEvent(name, value)
        let (queue, channel) = state.withLock { state -> (EventQueue?, (any Channel)?) in
            guard !state.isOver else { return (nil, nil) }
            state.isOver = true
            return (state.queue, state.channel)
        }
        if let event { queue?.send(event) }
        queue?.end()
        // After what was written before.
        channel?.eventLoop.execute { channel?.close(promise: nil) }
        websocket.fail(ChannelError.alreadyClosed)
    }

    deinit {
        state.withLock { $0.timer?.cancel() }
        websocket.fail(ChannelError.alreadyClosed)
    }

    // MARK: Sending

    /// Sends once the WebSocket is open. What is sent is told, before what it brings about.
    func send(_ message: Console.TryMessage) async throws {
        guard request.isWebSocket else {
            throw Problem(.conflict, .inUse, "An HTTP request is tried with the body that it began with.")
        }
        guard let channel = try? await websocket.futureResult.get(), !isOver else {
            throw Problem(.conflict, .inUse, "The try-out \(id) is over. Begin another one.")
        }
        if message.end == true {
            try? await channel.writeAndFlush(WebSocketFrame(closing: message.code ?? 1000, message.reason ?? ""))
            return
        }
        let isText = message.text != nil
        let payload =
            message.text.map { ByteBuffer(string: $0) }
            ?? ByteBuffer(bytes: message.base64.flatMap { Data(base64Encoded: $0) } ?? Data())
        guard tell(payload, isText: isText, direction: "out") else { throw Problem.tooLarge(limits.bytes) }
        let frame = WebSocketFrame(fin: true, opcode: isText ? .text : .binary, maskKey: .random(), data: payload)
        // Whether it arrives is told by the events; a slow back end must not hold up the answer to who sends.
        channel.writeAndFlush(frame, promise: nil)
    }

    // MARK: The connection

    func connect(to address: SocketAddress) {
        let isSecure = request.listener == "https"
        let head = requestHead()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let upgraded = loop.makePromise(of: Void.self)
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(5))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try take(channel)
                    let pipeline = channel.pipeline.syncOperations
                    if isSecure { try pipeline.addHandler(try tlsHandler()) }
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

    private func take(_ channel: any Channel) throws {
        try state.withLock { state in
            if state.isOver { throw ChannelError.alreadyClosed }
            state.channel = channel
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
    private func tlsHandler() throws -> NIOSSLClientHandler {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.applicationProtocols = ["http/1.1"]
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
                websocket.succeed(channel)
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
