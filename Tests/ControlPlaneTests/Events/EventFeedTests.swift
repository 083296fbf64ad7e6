// Who is told, and that a reader who does not read costs the others nothing.

import ConsoleModel
import ControlPlane
import Testing

struct EventFeedTests {
    private static func tell(_ feed: EventFeed, _ count: Int, bytes: Int = 1) {
        for _ in 0..<count { feed.tell("version", String(repeating: "x", count: bytes)) }
    }

    @Test func aReaderWhoDoesNotReadIsDroppedAndTheOthersAreNot() throws {
        let feed = EventFeed()
        let slow = try feed.listen(after: nil, role: .viewer)
        Self.tell(feed, 400)
        #expect(!slow.isOver)
        let other = try feed.listen(after: nil, role: .viewer)
        Self.tell(feed, 200)
        #expect(slow.isOver)
        #expect(!other.isOver)
    }

    @Test func whatWaitsForAReaderIsBoundedInBytes() throws {
        let feed = EventFeed()
        let slow = try feed.listen(after: nil, role: .viewer)
        Self.tell(feed, 10, bytes: 1 << 18)
        #expect(slow.isOver)
    }

    @Test func whatIsForAdminsDoesNotWaitForOthers() throws {
        let feed = EventFeed()
        let viewer = try feed.listen(after: nil, role: .viewer)
        let admin = try feed.listen(after: nil, role: .admin)
        for _ in 0..<600 { feed.tell("audit", "x", to: .admin) }
        #expect(!viewer.isOver)
        #expect(admin.isOver)
    }

    @Test func aReaderWhoWasDroppedMakesRoomWhenItsAnswerEnds() throws {
        let feed = EventFeed()
        var queues = try (0..<EventFeed.mostListeners).map { _ in try feed.listen(after: nil, role: .viewer) }
        #expect(throws: Problem.self) { try feed.listen(after: nil, role: .viewer) }
        Self.tell(feed, 600)
        #expect(queues.filter(\.isOver).count == queues.count)
        queues.removeLast()
        let another = try feed.listen(after: nil, role: .viewer)
        #expect(!another.isOver)
    }
}
