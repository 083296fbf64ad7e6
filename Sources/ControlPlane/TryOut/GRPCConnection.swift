// HTTP/2 to a listener of our own, for gRPC: by ALPN where it has TLS, by prior knowledge where it has not.

import ConsoleModel
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import NIOSSL
import NIOTLS

/// What comes on a stream.
enum GRPCPart: Sendable {
    case head(HPACKHeaders)
    case message(ByteBuffer)
    /// Of a body that is not gRPC.
    case other(ByteBuffer)
    case trailers(HPACKHeaders)
    case end
}

/// A connection.
struct GRPCConnection: Sendable {
    typealias Stream = NIOAsyncChannel<GRPCPart, HTTP2Frame.FramePayload>

    let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<Void>
    private let most: Int

    /// Nothing accepted it.
    struct Refused: Error {}

    /// `tls` makes the handler, where there is TLS. Messages have at most `most` bytes.
    static func open(
        _ address: SocketAddress, most: Int, wantsProxyHeader: Bool,
        tls: @escaping @Sendable () throws -> NIOSSLClientHandler?
    ) async throws -> GRPCConnection {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let ready = loop.makePromise(of: Void.self)
        let made: GRPCConnection
        do {
            made = try await ClientBootstrap(group: loop)
                .connectTimeout(.seconds(5))
                .connect(to: address) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        if wantsProxyHeader { try pipeline.addHandler(ProxyHeaderHandler()) }
                        if let tls = try tls() {
                            try pipeline.addHandler(tls)
                            try pipeline.addHandler(HandshakeHandler(ready))
                        } else {
                            ready.succeed()
                        }
                        let multiplexer = try pipeline.configureAsyncHTTP2Pipeline(mode: .client) { channel in
                            // Nothing was asked that a server could push.
                            channel.close()
                        }
                        return GRPCConnection(channel: channel, multiplexer: multiplexer, most: most)
                    }
                }
        } catch {
            ready.fail(error)
            throw Refused()
        }
        try await withTaskCancellationHandler {
            try await ready.futureResult.get()
        } onCancel: {
            made.channel.close(promise: nil)
        }
        return made
    }

    /// A stream that has begun with those headers.
    func stream(_ headers: HPACKHeaders) async throws -> Stream {
        let stream = try await multiplexer.openStream { [most] channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(GRPCAnswerHandler(most: most))
                return try NIOAsyncChannel(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(inboundType: GRPCPart.self, outboundType: HTTP2Frame.FramePayload.self))
            }
        }
        Self.write(.headers(.init(headers: headers)), to: stream.channel)
        return stream
    }

    /// Whether it arrives is told by what comes; that it cannot be sent at all, as an error that comes.
    static func write(_ payload: HTTP2Frame.FramePayload, to stream: any Channel) {
        stream.writeAndFlush(payload).whenFailure { stream.pipeline.fireErrorCaught($0) }
    }

    func close() async {
        try? await channel.close()
    }
}

/// Waits for the handshake and looks what it agreed on.
private final class HandshakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let ready: EventLoopPromise<Void>

    init(_ ready: EventLoopPromise<Void>) {
        self.ready = ready
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let chosen)? = event as? TLSUserEvent {
            if chosen == "h2" {
                ready.succeed()
            } else {
                ready.fail(GRPCFault("The listener does not speak HTTP/2 there (ALPN: \(chosen ?? "none"))."))
                context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(ChannelError.eof)
        context.fireChannelInactive()
    }
}

/// Frames of a stream into parts of an answer.
private final class GRPCAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = GRPCPart

    private let most: Int
    private var hasHead = false
    /// `nil`: the answer is no gRPC.
    private var messages: GRPCMessages?

    init(most: Int) {
        self.most = most
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            switch unwrapInboundIn(data) {
            case .headers(let frame): try read(frame, context)
            case .data(let frame): try read(frame, context)
            default: break
            }
        } catch {
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }

    private func read(_ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext) throws {
        let headers = frame.headers
        if hasHead {
            try end(context, with: .trailers(headers))
        } else if !frame.endStream, headers.first(name: ":status")?.hasPrefix("1") == true {
            // RFC 9110 §15.2: another head follows.
        } else {
            hasHead = true
            if headers.first(name: "content-type")?.lowercased().hasPrefix("application/grpc") == true {
                messages = GRPCMessages(most: most, encoding: headers.first(name: "grpc-encoding"))
            }
            context.fireChannelRead(wrapInboundOut(.head(headers)))
            if frame.endStream { context.fireChannelRead(wrapInboundOut(.end)) }
        }
    }

    private func read(_ frame: HTTP2Frame.FramePayload.Data, _ context: ChannelHandlerContext) throws {
        guard case .byteBuffer(let bytes) = frame.data else { return }
        if messages == nil {
            context.fireChannelRead(wrapInboundOut(.other(bytes)))
        } else {
            messages?.append(bytes)
            while let message = try messages?.next() { context.fireChannelRead(wrapInboundOut(.message(message))) }
        }
        if frame.endStream { try end(context, with: .end) }
    }

    private func end(_ context: ChannelHandlerContext, with part: GRPCPart) throws {
        if messages?.isWhole == false { throw GRPCFault("The answer ended within a message.") }
        context.fireChannelRead(wrapInboundOut(part))
    }
}
