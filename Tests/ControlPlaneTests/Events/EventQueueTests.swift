// A reader of events that is too slow is dropped, and nothing waits for it any more.

import ControlPlane
import Synchronization
import Testing

struct EventQueueTests {
    private final class Left: Sendable {
        let count = Mutex(0)
    }

    private static let event = ServerSentEvent("version", json: "{}")

    @Test func moreEventsThanMayWaitDropTheReader() {
        let queue = EventQueue(mostEvents: 3, mostBytes: 1 << 20)
        for _ in 0..<3 { #expect(queue.send(Self.event)) }
        #expect(!queue.isOver)
        #expect(!queue.send(Self.event))
        #expect(queue.isOver)
        #expect(!queue.send(Self.event))
    }

    @Test func moreBytesThanMayWaitDropTheReader() {
        // An event has 25.
        let queue = EventQueue(mostEvents: 100, mostBytes: 50)
        #expect(queue.send(Self.event))
        #expect(queue.send(Self.event))
        #expect(!queue.send(Self.event))
        #expect(queue.isOver)
    }

    @Test func aReaderThatIsDroppedLeavesOnceNobodyHoldsIt() {
        let left = Left()
        var queue: EventQueue? = EventQueue(mostEvents: 1, mostBytes: 1 << 20) { left.count.withLock { $0 += 1 } }
        queue?.send(Self.event)
        queue?.send(Self.event)
        #expect(queue?.isOver == true)
        #expect(left.count.withLock { $0 } == 0)
        queue = nil
        #expect(left.count.withLock { $0 } == 1)
    }
}
