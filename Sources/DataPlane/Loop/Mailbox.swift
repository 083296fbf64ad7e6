// How other threads speak to a loop: a locked list and an eventfd that wakes it.

internal import COpenSSL
internal import Glibc
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
    /// An eventfd in non-blocking mode.
    let descriptor: Int32
    private let messages = Lock<[LoopMessage]>([])

    init?() {
        descriptor = causeway_eventfd(1)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    func post(_ message: LoopMessage) {
        messages.withLock { $0.append(message) }
        var one: UInt64 = 1
        // A full counter (EAGAIN) means that the loop is about to wake up anyway.
        _ = write(descriptor, &one, 8)
    }

    /// Everything posted since the last call. Called by the loop.
    func take() -> [LoopMessage] {
        var counter: UInt64 = 0
        _ = read(descriptor, &counter, 8)
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
    /// Readable once the count is zero.
    let descriptor: Int32

    init?(_ count: Int) {
        remaining = Atomic(count)
        descriptor = causeway_eventfd(0)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    func countDown() {
        guard remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Waits until the count is zero; false when `milliseconds` have passed before.
    func wait(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }
}
