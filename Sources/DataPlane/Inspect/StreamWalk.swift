// What runs now, for those who ask the worker: a loop goes through its connections a few each tick, so that nobody on it waits
// for the list, and gives what it found to the thread that asked. Streams that a change of configuration ends are found this
// way, too.

internal import CNghttp2
internal import Glibc
internal import Telemetry

/// One look through a loop.
final class StreamWalk: Sendable {
    enum Purpose: Sendable {
        /// A line of JSON for each exchange that is a second old, of one route or of all.
        case list(route: String?, limit: Int)
        /// Ends the exchange with that number.
        case end(UInt64)
        /// Ends what a change of configuration says.
        case endRoute(PendingEnd)
    }

    struct Found: Sendable {
        var lines: [UInt8] = []
        var count = 0
        /// There were more than the limit.
        var more = false
    }

    let purpose: Purpose
    private let found = Lock<Found>(Found())
    /// nil: nobody waits.
    private let done: Latch?

    init?(_ purpose: Purpose) {
        guard let done = Latch(1) else { return nil }
        self.purpose = purpose
        self.done = done
    }

    /// Of a loop's own accord.
    init(ending pending: PendingEnd) {
        purpose = .endRoute(pending)
        done = nil
    }

    /// What the loop has found; nil: it did not answer in time.
    func wait(milliseconds: Int32) -> Found? {
        done?.wait(milliseconds: milliseconds) ?? false ? found.withLock { $0 } : nil
    }

    fileprivate func finish(_ result: Found) {
        found.withLock { $0 = result }
        done?.countDown()
    }

    /// Milliseconds from which an exchange is listed.
    static let minimumAge: UInt64 = 1_000
    static let connectionsPerTick = 64
    static let maxText = 1_024
}

/// Where a loop stands in its walks; the first one is under way.
struct StreamWalks {
    fileprivate var waiting: [StreamWalk] = []
    fileprivate var found = StreamWalk.Found()
    /// The connection that is looked at next. `close` moves it on.
    var cursor: ConnectionPointer?

    var isEmpty: Bool { waiting.isEmpty }
}

extension LoopPointer {
    func beginWalk(_ walk: StreamWalk) {
        pointee.walks.waiting.append(walk)
        if pointee.walks.waiting.count == 1 { restartWalk() }
    }

    private func restartWalk() {
        pointee.walks.cursor = pointee.connections
        pointee.walks.found = StreamWalk.Found()
    }

    /// A tick's share. Connections that come meanwhile stand before the cursor: nothing on them is a second old.
    func walkOn() {
        guard let walk = pointee.walks.waiting.first else { return }
        var left = StreamWalk.connectionsPerTick
        var isDone = false
        while left > 0, !isDone, let connection = pointee.walks.cursor {
            pointee.walks.cursor = connection.pointee.next
            left -= 1
            if connection.pointee.role == .downstream, !connection.pointee.isClosed {
                isDone = look(at: connection, walk)
            }
        }
        guard isDone || pointee.walks.cursor == nil else { return }
        pointee.walks.waiting.removeFirst()
        walk.finish(pointee.walks.found)
        restartWalk()
    }

    /// True: what was asked for is complete.
    private func look(at connection: ConnectionPointer, _ walk: StreamWalk) -> Bool {
        var exchanges: [ExchangePointer] = []
        if let half = connection.pointee.http1?.pointee.half {
            exchanges.append(half.pointee.exchange)
        } else if let state = connection.pointee.http2 {
            state.pointee.streams.forEach { exchanges.append($0.pointee.exchange) }
        }
        switch walk.purpose {
        case .end(let serial):
            guard let exchange = exchanges.first(where: { $0.pointee.serial == serial }) else { return false }
            pointee.walks.found.count = 1
            exchange.end(.endedByOperator)
            return true
        case .endRoute(let pending):
            for exchange in exchanges where pending.concerns(exchange) { exchange.end(.routeChanged) }
            return false
        case .list(let route, let limit):
            for exchange in exchanges where exchange.isListed(route) {
                guard pointee.walks.found.count < limit else {
                    pointee.walks.found.more = true
                    return true
                }
                pointee.walks.found.count += 1
                pointee.walks.found.lines += exchange.line(on: connection)
            }
            return false
        }
    }
}

extension ExchangePointer {
    /// Ends it here and now: a WebSocket with close frames where they fit, others as a failure would.
    func end(_ error: ProxyError) {
        if pointee.isTunnel { closeTunnel(error) } else { fail(error) }
    }

    fileprivate func isListed(_ route: String?) -> Bool {
        guard !pointee.isFinished, age >= StreamWalk.minimumAge else { return false }
        guard let route else { return true }
        return pointee.route?.pointee.name.bytes.elementsEqual(route.utf8) ?? false
    }

    private var age: UInt64 { (loop.pointee.now &- pointee.startedAt) / 1_000_000 }

    fileprivate func line(on connection: ConnectionPointer) -> [UInt8] {
        var line = LineBuffer()
        line.append("{\"id\":\"")
        line.append(decimal: UInt64(loop.pointee.index))
        line.append("-")
        line.append(decimal: pointee.serial)
        line.append("\"")
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        append(",\"listener\":\"", connection.pointee.listener?.pointee.nameBytes ?? none, to: &line)
        append(",\"peer\":\"", connection.addressText(in: loop), to: &line)
        let isHTTP2 = connection.pointee.wire == .http2
        let name: StaticString = pointee.isWebSocket ? "websocket" : isHTTP2 ? "h2" : "http/1.1"
        append(
            ",\"protocol\":\"", UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), to: &line)
        if loop.loadFields(pointee.head, from: 0) >= FieldSlot.regular {
            let fields = loop.pointee.fields
            for (key, slot) in [
                (",\"method\":\"" as StaticString, FieldSlot.method), (",\"authority\":\"", FieldSlot.authority),
                (",\"path\":\"", FieldSlot.path),
            ] {
                let value = UnsafeRawBufferPointer(start: fields[slot].value, count: fields[slot].valuelen)
                append(key, slot == FieldSlot.path ? shown(value) : value, to: &line)
            }
        }
        append(",\"route\":\"", pointee.route?.pointee.nameBytes ?? none, to: &line)
        append(",\"cluster\":\"", pointee.cluster?.pointee.nameBytes ?? none, to: &line)
        let endpoint = pointee.endpoint ?? pointee.lastEndpoint
        append(",\"endpoint\":\"", endpoint?.pointee.addressBytes ?? none, to: &line)
        append(",\"trace_id\":\"", traceIDText(), to: &line)
        append(",\"consumer\":\"", consumerName?.bytes ?? none, to: &line)
        append(",\"version\":", pointee.snapshot?.pointee.version ?? 0, to: &line)
        append(",\"age_ms\":", age, to: &line)
        // Before the first byte of a body its head was the last that came.
        let last = max(pointee.lastProgress, pointee.startedAt / 1_000_000)
        append(",\"idle_ms\":", loop.milliseconds &- min(last, loop.milliseconds), to: &line)
        append(",\"bytes_in\":", UInt64(pointee.requestBytes), to: &line)
        append(",\"bytes_out\":", UInt64(pointee.responseBytes), to: &line)
        if pointee.isGRPC || pointee.isTunnel {
            let (incoming, outgoing) = messages
            append(",\"messages_in\":", incoming, to: &line)
            append(",\"messages_out\":", outgoing, to: &line)
        } else {
            line.append(",\"messages_in\":null,\"messages_out\":null")
        }
        line.append("}\n")
        return line.withUnsafeBytes { Array($0) }
    }

    private func append(_ name: StaticString, _ value: UInt64, to line: inout LineBuffer) {
        line.append(name)
        line.append(decimal: value)
    }

    private func append(_ name: StaticString, _ text: UnsafeRawBufferPointer, to line: inout LineBuffer) {
        line.append(name)
        line.append(escaped: UnsafeRawBufferPointer(rebasing: text.prefix(StreamWalk.maxText)))
        line.append("\"")
    }
}
