// The events of `GET /v1/events`: numbered, the newest kept, handed to everybody who listens. A reader that comes back says
// which it saw last and gets those since; where they are not kept any more it is told to read anew.

package import ConsoleModel
import HTTPTypes
import NIOCore
import Seal
import Synchronization

/// Tells what happens to those who listen.
package final class EventFeed: Sendable {
    /// Listeners at once; each holds a connection and a queue.
    package static let mostListeners = 64
    /// Events that are kept for those who come back.
    package static let remembered = 256
    /// Events, and bytes of them, that wait for one listener.
    private static let mostWaiting = 512
    private static let mostBytes = 1 << 20

    private struct Event {
        var number: UInt64
        var role: Console.Role
        var event: ServerSentEvent
    }

    private struct Listener {
        var role: Console.Role
        /// Weak: a listener whose answer ended, or never began, leaves by its end.
        weak var queue: EventQueue?
    }

    private struct State {
        var last: UInt64 = 0
        var recent: [Event] = []
        var bytes = 0
        var listeners: [UInt64: Listener] = [:]
        var lastListener: UInt64 = 0
    }

    /// Tells this process's numbers from those of one before.
    private let origin = Hex.encode(Random.bytes(6))
    private let state = Mutex(State())

    package init() {}

    /// For those who have at least the role.
    package func tell(_ name: String, _ value: some Encodable, to role: Console.Role = .viewer) {
        guard let data = try? ConsoleJSON.encode(value) else { return }
        let queues = state.withLock { state -> [EventQueue] in
            state.last += 1
            let event = ServerSentEvent(name, id: id(state.last), json: String(decoding: data, as: UTF8.self))
            state.recent.append(Event(number: state.last, role: role, event: event))
            state.bytes += event.bytes.readableBytes
            while state.recent.count > Self.remembered || state.bytes > Self.mostBytes {
                state.bytes -= state.recent.removeFirst().event.bytes.readableBytes
            }
            // In the lock, so that everybody has them in one order; nothing waits here.
            let listening = state.listeners.values.filter { $0.role >= role }.compactMap(\.queue)
            for queue in listening { queue.send(event) }
            // The last reference to one may be this: it leaves, which takes the lock.
            return listening
        }
        _ = queues
    }

    /// More has happened than is told: they have to read anew.
    func tellReset(to role: Console.Role = .viewer) {
        tell("reset", [String: String](), to: role)
    }

    /// Somebody's rights may have changed: everybody is asked again.
    func checkListeners() {
        let queues = state.withLock { $0.listeners.values.compactMap(\.queue) }
        for queue in queues { queue.check() }
    }

    /// A queue that begins after the event of that id; `nil`: with what comes. Throws when there are too many.
    package func listen(after id: String?, role: Console.Role) throws(Problem) -> EventQueue {
        let opened = state.withLock { state -> EventQueue? in
            guard state.listeners.count < Self.mostListeners else { return nil }
            state.lastListener += 1
            let number = state.lastListener
            let queue = EventQueue(mostEvents: Self.mostWaiting, mostBytes: 2 * Self.mostBytes) { [weak self] in
                self?.leave(number)
            }
            state.listeners[number] = Listener(role: role, queue: queue)
            queue.send(.beginning(at: self.id(state.last)))
            guard let id else { return queue }
            if let seen = self.number(id), seen <= state.last, state.last - seen <= UInt64(state.recent.count) {
                for event in state.recent where event.number > seen && role >= event.role { queue.send(event.event) }
            } else {
                queue.send(ServerSentEvent("reset", id: self.id(state.last), json: "{}"))
            }
            return queue
        }
        guard let opened else {
            throw Problem(
                .serviceUnavailable, .busy,
                "\(Self.mostListeners) listen to events already. Close a page that is open elsewhere, then try again.",
                retryAfter: 5)
        }
        return opened
    }

    private func leave(_ number: UInt64) {
        state.withLock { _ = $0.listeners.removeValue(forKey: number) }
    }

    private func id(_ number: UInt64) -> String { "\(origin)-\(number)" }

    /// `nil`: not one of this process.
    private func number(_ id: String) -> UInt64? {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0] == origin ? UInt64(parts[1]) : nil
    }
}
