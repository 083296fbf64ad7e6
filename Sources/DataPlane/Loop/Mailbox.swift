// How other threads speak to a loop: a locked list, and what wakes it.

internal import Synchronization

/// What a loop can be told.
enum LoopMessage: Sendable {
    /// Serve this snapshot from now on; the changes are against the one before. `done` counts down when the loop has taken it.
    case swap(ActiveSnapshot, SnapshotChanges, listeners: [ListenerSocket], done: Latch)
    /// Resolved addresses of a host name.
    case resolved(host: String, addresses: [ResolvedAddress])
    /// Seal session tickets with these from now on.
    case ticketKeys(TicketKeys)
    /// An endpoint's checks have changed their mind.
    case health(cluster: String, endpoint: String, isHealthy: Bool)
    /// Look through what runs.
    case walk(StreamWalk)
    /// Tell how endpoints stand.
    case lookAtEndpoints(EndpointWalk)
    /// Begin to accept: until now another worker did.
    case accept(done: Latch)
    /// Show that the loop turns.
    case beat(Latch)
    /// Accept nothing more, end what can be ended, stop at the deadline (milliseconds from now). `handedOver`: another worker
    /// accepts on the same sockets, what waits in their queues is its.
    case drain(UInt64, handedOver: Bool)
    case stop
}

final class Mailbox: Sendable {
    private let wake: WakeUp
    private let messages = Lock<[LoopMessage]>([])

    /// nil: out of descriptors.
    init?() {
        guard let wake = WakeUp() else { return nil }
        self.wake = wake
    }

    /// Readable while there are messages.
    var descriptor: Int32 { wake.descriptor }

    func post(_ message: LoopMessage) {
        messages.withLock { $0.append(message) }
        wake.signal()
    }

    /// Everything posted since the last call. Called by the loop.
    func take() -> [LoopMessage] {
        wake.take()
        return messages.withLock { list in
            let taken = list
            list.removeAll(keepingCapacity: true)
            return taken
        }
    }
}

/// Counts down to zero; one thread waits.
final class Latch: Sendable {
    private let remaining: Atomic<Int>
    private let end: WakeUp

    /// nil: out of descriptors.
    init?(_ count: Int) {
        guard let end = WakeUp() else { return nil }
        remaining = Atomic(count)
        self.end = end
    }

    /// Readable once the count is zero.
    var descriptor: Int32 { end.descriptor }

    func countDown() {
        if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { end.signal() }
    }

    /// Waits until the count is zero; false when `milliseconds` have passed before.
    func wait(milliseconds: Int32) -> Bool { end.wait(milliseconds: milliseconds) }
}
