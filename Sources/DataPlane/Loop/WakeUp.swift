// How a thread that waits in poll(2) or epoll is woken by others: an eventfd.

internal import COpenSSL
internal import Glibc

/// What one thread waits for and any other can give it. Given several times before it is taken, it counts once.
final class WakeUp: Sendable {
    /// In non-blocking mode; readable from `signal` to `take`.
    let descriptor: Int32

    /// nil: out of descriptors (`errno` tells).
    init?() {
        descriptor = causeway_eventfd()
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        // A full counter (EAGAIN) wakes as well.
        _ = write(descriptor, &one, 8)
    }

    /// To be called before what was told is looked at, so that nothing that is told meanwhile is missed.
    func take() {
        var counter: UInt64 = 0
        _ = read(descriptor, &counter, 8)
    }

    /// For poll(2), among others.
    var entry: pollfd { pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0) }

    /// Until it is signalled, or for so long; -1: without an end. It stays signalled.
    @discardableResult
    func wait(milliseconds: Int32 = -1) -> Bool {
        var entry = entry
        return poll(&entry, 1, milliseconds) == 1
    }
}
