// Messages between two workers, which may be of two versions.

import DataPlane
import Testing

struct HandoverMessageTests {
    private let samples: [HandoverMessage] = [
        .offer(ticketKeys: Array(0..<160), rotatesIn: 3_599, descriptors: 70_000),
        .descriptors([
            HandedDescriptor(.lock), HandedDescriptor(.listener, loop: 259, name: "http"),
            HandedDescriptor(.metrics), HandedDescriptor(.inspect),
        ]),
        .descriptors([]), .ready, .go(served: "17 history"), .serving, .refused("no"),
    ]

    @Test func whatIsWrittenIsRead() throws {
        for message in samples { #expect(try HandoverMessage(message.bytes) == message) }
    }

    @Test func unknownFieldsArePassedOver() throws {
        for message in samples { #expect(try HandoverMessage(message.bytes + [200, 0, 2, 1, 1]) == message) }
    }

    @Test func whatIsCutOffOrUnknownIsAnError() {
        for message in samples where message.bytes.count > 1 {
            for count in 0..<message.bytes.count where count != 1 {
                // Cut between two fields something may be left that means less; it is never misread.
                guard let read = try? HandoverMessage(message.bytes.prefix(count)) else { continue }
                guard case .descriptors(let list) = read, case .descriptors(let all) = message else {
                    Issue.record("\(count) bytes of \(message) were read as \(read)")
                    continue
                }
                #expect(all.starts(with: list))
            }
        }
        #expect(throws: HandoverFailure.self) { try HandoverMessage([99]) }
        #expect(throws: HandoverFailure.self) { try HandoverMessage([2, 5, 0, 3, 77, 0, 0]) }
    }

    @Test func anotherProtocolIsRefused() {
        var bytes = HandoverMessage.offer(ticketKeys: [1], rotatesIn: 1, descriptors: 1).bytes
        bytes[5] = 9
        #expect(throws: HandoverFailure("protocol 9 is not 1")) { try HandoverMessage(bytes) }
    }
}
