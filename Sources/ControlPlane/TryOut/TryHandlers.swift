// The ends of a try-out's connection: what the gateway answers, made into events.

import ConsoleModel
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Sends a request, where it is given one, and tells the answer.
final class HTTPTryHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let tryOut: TryOut
    private let request: HTTPRequestHead?
    private let body: ByteBuffer?
    /// The beginning of a character whose rest has not come yet.
    private var rest = ByteBuffer()

    init(_ tryOut: TryOut, request: HTTPRequestHead? = nil, body: ByteBuffer? = nil) {
        self.tryOut = tryOut
        self.request = request
        self.body = body
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let request else { return }
        tryOut.tellOpened(context.channel)
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        if let body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            tryOut.tell(head)
        case .body(let part):
            rest.writeImmutableBuffer(part)
            let unfinished = Self.unfinished(rest.readableBytesView)
            tell(rest.readableBytes - unfinished)
        case .end(let trailers):
            tell(rest.readableBytes)
            if let trailers { tryOut.tell(trailers: trailers) }
            tryOut.close("The answer is complete.")
        }
    }

    private func tell(_ length: Int) {
        guard length > 0, let piece = rest.readSlice(length: length) else { return }
        if !tryOut.tell(piece) { tryOut.failBeyondBytes() }
        rest.discardReadBytes()
    }

    /// Bytes at the end that begin a character of UTF-8 and do not end it.
    static func unfinished(_ bytes: ByteBufferView) -> Int {
        for (back, byte) in bytes.suffix(3).reversed().enumerated() where byte & 0xc0 != 0x80 {
            let length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
            return length > back + 1 ? back + 1 : 0
        }
        return 0
    }

    func channelInactive(context: ChannelHandlerContext) {
        tryOut.fail("The connection ended before the answer was complete.")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        tryOut.fail(TryOut.words(error, isSecure: tryOut.door.isSecure))
        context.close(promise: nil)
    }
}

/// Says first, where that is asked, that the connection is for nobody else (the PROXY protocol, version 1).
final class ProxyHeaderHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "PROXY UNKNOWN\r\n")), promise: nil)
        context.fireChannelActive()
    }
}

/// Tells the messages of an open WebSocket.
final class WebSocketTryHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let tryOut: TryOut
    /// RFC 6455 §5.5.1: nothing is sent after a close frame.
    private var hasSentClose = false

    init(_ tryOut: TryOut) {
        self.tryOut = tryOut
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !hasSentClose else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        hasSentClose = unwrapOutboundIn(data).opcode == .connectionClose
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary:
            if !tryOut.tell(frame.unmaskedData, isText: frame.opcode == .text) {
                end(context, 1009)
                tryOut.failBeyondBytes()
            }
        case .ping:
            let pong = WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData)
            context.writeAndFlush(wrapOutboundOut(pong), promise: nil)
        case .connectionClose:
            var data = frame.unmaskedData
            // RFC 6455 §7.1.5: a frame without a code counts as 1005.
            let code = data.readInteger(as: UInt16.self).map { Int($0) }
            end(context, code ?? 1000)
            tryOut.close(code: code ?? 1005, String(buffer: data))
        default:
            break
        }
    }

    private func end(_ context: ChannelHandlerContext, _ code: Int) {
        // Unless ours came first and this is its answer.
        if !hasSentClose {
            hasSentClose = true
            context.writeAndFlush(wrapOutboundOut(WebSocketFrame(closing: code, "")), promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        tryOut.close(code: 1006, "The connection ended without a close frame.")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength, NIOWebSocketFrameAggregator.Error.accumulatedFrameSizeIsTooLarge:
            end(context, 1009)
            tryOut.failBeyondBytes()
        case is NIOWebSocketError, is NIOWebSocketFrameAggregator.Error:
            end(context, 1002)
            tryOut.fail("A frame breaks the rules of RFC 6455. (\(error))")
        default:
            tryOut.close(code: 1006, "The connection ended without a close frame. (\(error))")
        }
    }
}
