// What waits for one reader of server-sent events, and how its answer ends. The reader's own speed never holds up those who
// send: a queue that is full, or a write that nobody takes, ends the connection.

import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// The events for one reader, in order.
package final class EventQueue: Sendable {
    private enum Item: Sendable {
        case event(ServerSentEvent)
        /// Time to look whether the reader still may, and to show a sign of life.
        case beat
        case check
    }

    private struct State {
        var waitingBytes = 0
        /// The reader was too slow, or nobody is there any more.
        var isOver = false
        var writingSince: ContinuousClock.Instant?
        var patience = EventQueue.patience
        var close: (@Sendable () -> Void)?
    }

    static let heartbeat = Duration.seconds(15)
    /// For which a write may wait for its reader.
    private static let patience = Duration.seconds(10)

    private let items: AsyncStream<Item>
    private let queue: AsyncStream<Item>.Continuation
    private let state = Mutex(State())
    private let mostBytes: Int
    private let leave: @Sendable () -> Void

    /// At most so many events wait, of so many bytes. `leave` is called once nobody reads any more.
    package init(mostEvents: Int, mostBytes: Int, leave: @escaping @Sendable () -> Void = {}) {
        (items, queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(mostEvents))
        self.mostBytes = mostBytes
        self.leave = leave
    }

    deinit {
        leave()
    }

    /// Whether it was dropped or ended; what is sent then goes nowhere.
    package var isOver: Bool { state.withLock { $0.isOver } }

    /// `false`: the reader was too slow, and is dropped.
    @discardableResult
    package func send(_ event: ServerSentEvent) -> Bool {
        let size = event.bytes.readableBytes
        let fits = state.withLock { state in
            guard !state.isOver, state.waitingBytes + size <= mostBytes else { return false }
            state.waitingBytes += size
            return true
        }
        if fits, case .enqueued = queue.yield(.event(event)) { return true }
        drop()
        return false
    }

    /// Asks again whether the reader still may read.
    func check() {
        queue.yield(.check)
    }

    /// Ends the answer well after what waits, which the reader has to take at once.
    func end() {
        state.withLock { $0.patience = .seconds(1) }
        queue.finish()
    }

    /// Ends the connection.
    private func drop() {
        let close = state.withLock { state in
            state.isOver = true
            return state.close
        }
        queue.finish()
        close?()
    }

    // MARK: The answer

    /// The answer that goes on until the queue ends, the reader goes, may not read any more, or the process ends.
    func response(
        to request: Request, context: AdminContext, isAllowed: @escaping @Sendable () async -> Bool = { true }
    ) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .accelBuffering: "no"],
            body: ResponseBody { [self] writer in
                state.withLock { $0.close = { [channel = context.channel] in channel.close(promise: nil) } }
                defer { state.withLock { $0.isOver = true } }
                _ = try await request.body.consumeWithInboundCloseHandler { _ in
                    try await withGracefulShutdownHandler {
                        try await withThrowingTaskGroup { group in
                            group.addTask { [self] in try await watch() }
                            try await write(to: &writer, isAllowed)
                            group.cancelAll()
                        }
                    } onGracefulShutdown: {
                        self.end()
                    }
                } onInboundClosed: {
                    // The client went, or the process ends.
                    self.end()
                }
                try await writer.finish(nil)
            })
    }

    private func write(to writer: inout any ResponseBodyWriter, _ isAllowed: @Sendable () async -> Bool) async throws {
        for await item in items {
            var bytes = ServerSentEvent.heartbeat.bytes
            switch item {
            case .event(let event):
                bytes = event.bytes
                state.withLock { $0.waitingBytes -= event.bytes.readableBytes }
            case .beat:
                guard await isAllowed() else { return }
            case .check:
                guard await isAllowed() else { return }
                continue
            }
            state.withLock { $0.writingSince = .now }
            try await writer.write(bytes)
            state.withLock { $0.writingSince = nil }
        }
    }

    private func watch() async throws {
        var next = ContinuousClock.now + Self.heartbeat
        while true {
            try await Task.sleep(for: .seconds(1))
            let isStuck = state.withLock { state in
                state.writingSince.map { $0 + state.patience < .now } ?? false
            }
            if isStuck { return drop() }
            if next <= .now {
                queue.yield(.beat)
                next = .now + Self.heartbeat
            }
        }
    }
}

extension HTTPField.Name {
    /// Tells nginx and its like not to gather what is sent bit by bit.
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
