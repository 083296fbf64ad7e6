// One try-out: a connection to a listener of our own, what comes of it as events, and what is sent to it. It ends once, by
// whatever comes first: the other side, an error, a bound, its user, or the reader of its events who goes.

import ConsoleModel
import Foundation
import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Persistence
import ProtobufMessages
import Synchronization

/// A listener of our own, as it is reached on this machine.
struct TryDoor: Sendable {
    var address: SocketAddress
    var isSecure: Bool
    /// This machine is among the peers that begin with a PROXY protocol header there.
    var wantsProxyHeader = false
}

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
        /// Of gRPC, what does it all, and closes what it opened.
        var task: Task<Void, Never>?
        var call: Call?
        var isHalfClosed = false
        var bytes = 0
        var isOver = false
    }

    let id: String
    let owner: Int64
    let request: Console.TryRequest
    let door: TryDoor
    let limits: TryOuts.Limits
    private let state: Mutex<State>
    /// Once messages can be sent.
    let opened: EventLoopPromise<any Channel>

    init(
        id: String, owner: Int64, request: Console.TryRequest, door: TryDoor, limits: TryOuts.Limits,
        leave: @escaping @Sendable () -> Void
    ) {
        self.id = id
        self.owner = owner
        self.request = request
        self.door = door
        self.limits = limits
        let queue = EventQueue(mostEvents: Self.mostEvents, mostBytes: Self.mostEventBytes, leave: leave)
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        opened = loop.makePromise(of: (any Channel).self)
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
        /// Of a gRPC call: the version of the reflection that told of its types, or why there are none.
        var reflection: String?
        var reason: String?
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
        var json: JSONValue?
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

    func tell(_ name: String, _ value: some Encodable) {
        guard let event = try? ServerSentEvent(name, value) else { return }
        state.withLock { $0.isOver ? nil : $0.queue }?.send(event)
    }

    /// The listener took the connection.
    func tellOpened(_ channel: any Channel, reflection: String? = nil, reason: String? = nil) {
        tell(
            "open",
            Opened(
                address: channel.remoteAddress.map(Self.text) ?? request.listener, tls: door.isSecure,
                reflection: reflection, reason: reason))
    }

    static func text(_ address: SocketAddress) -> String {
        let host = address.ipAddress ?? ""
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }

    func tell(_ head: HTTPResponseHead) {
        tell("headers", Head(status: Int(head.status.code), headers: fields(head.headers)))
    }

    func tell(trailers: HTTPHeaders) {
        tell("trailers", Head(headers: fields(trailers)))
    }

    func tell(head: HPACKHeaders) {
        tell("headers", Head(status: head.first(name: ":status").flatMap { Int($0) }, headers: fields(head)))
    }

    func tell(trailers: HPACKHeaders) {
        tell("trailers", Head(headers: fields(trailers)))
    }

    private func fields(_ headers: HTTPHeaders) -> [Field] {
        headers.map { Field(name: $0.name, value: $0.value) }
    }

    private func fields(_ headers: HPACKHeaders) -> [Field] {
        headers.filter { !$0.name.hasPrefix(":") }.map { Field(name: $0.name, value: $0.value) }
    }

    /// `false`: that is more than may be relayed.
    private func charge(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.bytes + bytes <= limits.bytes else { return false }
            state.bytes += bytes
            return true
        }
    }

    /// Text where it is meant as such or may be, and is UTF-8. `false`: that is more than may be relayed.
    @discardableResult
    func tell(_ payload: ByteBuffer, isText: Bool = true, direction: String = "in") -> Bool {
        guard charge(payload.readableBytes) else { return false }
        let text = isText ? String(validating: payload.readableBytesView, as: UTF8.self) : nil
        let base64 = text == nil ? Data(payload.readableBytesView).base64EncodedString() : nil
        tell(
            "message",
            Message(
                direction: direction, text: text, base64: base64, time: Timestamp.text(WallClock.milliseconds())))
        return true
    }

    /// A message of that type, as JSON where its type is known and it is of it. `false`: that is more than may be relayed.
    func tell(_ message: [UInt8], of type: String?, _ types: MessageTypes, direction: String) -> Bool {
        // Empty ones count too.
        guard charge(GRPCMessages.prefix + message.count) else { return false }
        let json = type.flatMap {
            try? MessageReader.json(of: $0, in: message, by: types, most: Self.mostEventBytes / 2)
        }
        let base64 = json == nil ? Data(message).base64EncodedString() : nil
        tell(
            "message",
            Message(
                direction: direction, json: json, base64: base64, time: Timestamp.text(WallClock.milliseconds())))
        return true
    }

    // MARK: gRPC

    /// The call has begun: messages can be sent.
    func begin(_ call: Call) {
        state.withLock { $0.call = call }
        opened.succeed(call.stream)
    }

    var currentCall: Call? { state.withLock { $0.isOver ? nil : $0.call } }

    /// Takes one message more, or the end.
    func mayStillSend(isLast: Bool) -> Bool {
        state.withLock { state in
            if state.isHalfClosed { return false }
            state.isHalfClosed = isLast
            return true
        }
    }

    // MARK: The end

    /// The other side has ended it, or its user.
    func close(code: Int? = nil, _ reason: String) { finish("closed", Closed(code: code, reason: reason)) }

    /// With a close frame (1001, going away) where there is somebody to read it.
    func end(_ reason: String) {
        let channel = state.withLock { $0.isOver ? nil : $0.channel }
        if let channel, request.isWebSocket {
            let frame = WebSocketFrame(closing: 1001, "")
            opened.futureResult.whenSuccess { _ in channel.writeAndFlush(frame, promise: nil) }
        }
        close(reason)
    }

    func fail(_ reason: String) { finish("error", Failure(reason: reason)) }

    func failBeyondBytes() { fail("More than \(limits.bytes) bytes came and went, the most that there is.") }

    private func finish(_ name: String, _ value: some Encodable) {
        let event = try? ServerSentEvent(name, value)
        let (queue, channel, task) = state.withLock { state -> (EventQueue?, (any Channel)?, Task<Void, Never>?) in
            guard !state.isOver else { return (nil, nil, nil) }
            state.isOver = true
            return (state.queue, state.channel, state.task)
        }
        if let event { queue?.send(event) }
        queue?.end()
        // Resets the stream, if it is still open, and closes the connection.
        task?.cancel()
        // After what was written before.
        channel?.eventLoop.execute { channel?.close(promise: nil) }
        opened.fail(ChannelError.alreadyClosed)
    }

    deinit {
        state.withLock { $0.timer?.cancel() }
        opened.fail(ChannelError.alreadyClosed)
    }

    // MARK: Sending

    var isOverProblem: Problem { Problem(.conflict, .inUse, "The try-out \(id) is over. Begin another one.") }

    /// Sends once the WebSocket is open. What is sent is told, before what it brings about.
    func send(_ message: Console.TryMessage) async throws {
        if request.isGRPC, request.path != nil { return try await sendToCall(message) }
        guard request.isWebSocket else {
            throw Problem(
                .conflict, .inUse,
                request.isGRPC
                    ? "The services are asked for, which takes no messages. A call begins with a path."
                    : "An HTTP request is tried with the body that it began with.")
        }
        guard let channel = try? await opened.futureResult.get(), !isOver else { throw isOverProblem }
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

    func connect() {
        guard request.isGRPC else { return connectHTTP() }
        let task = Task { await runCall() }
        let isOver = state.withLock { state in
            state.task = task
            return state.isOver
        }
        if isOver { task.cancel() }
    }

    func take(_ channel: any Channel) throws {
        try state.withLock { state in
            if state.isOver { throw ChannelError.alreadyClosed }
            state.channel = channel
        }
    }
}
