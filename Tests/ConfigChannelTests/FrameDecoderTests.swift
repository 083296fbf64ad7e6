// Frames: every message survives the way through bytes, in pieces of any size; hostile bytes give errors, never a trap.

import ConfigChannel
import ConfigModel
import Seal
import Testing

@Suite struct FrameDecoderTests {
    private static let served = ServedVersion(
        history: .mint(), version: 7, versionRoot: SHA256.hash([1]), root: SHA256.hash([2]))
    private static let report = ProblemReport(kind: 5, name: "röute", field: "path.value", reason: "no")

    static let samples: [Message] = [
        .hello(
            Hello(
                workerID: "w1", incarnation: .max, softwareVersion: "1.0", pid: 42, state: .serving, served: served)),
        .hello(Hello(workerID: "w", incarnation: 0, softwareVersion: "", pid: 0, state: .starting, served: nil)),
        .refused(Refused(.replaced, "another connection")),
        .publishBegin(
            PublishBegin(
                nonce: 3, history: served.history, version: 8, versionRoot: served.root, root: served.versionRoot,
                objectCount: 2)),
        .publishBegin(
            PublishBegin(
                nonce: 3, history: served.history, version: 8, versionRoot: served.root, root: nil, objectCount: 2)),
        .publishBegin(
            PublishBegin(
                nonce: 3, history: served.history, version: 8, versionRoot: served.root, root: served.root,
                base: served.versionRoot, objectCount: 0)),
        .objects([
            ObjectEntry(kind: 1, name: "a", form: .bytes([1, 2, 3])), ObjectEntry(kind: 200, name: "b", form: .kept),
            ObjectEntry(kind: 5, name: "d", form: .removed),
            ObjectEntry(kind: 2, name: "c", form: .bytes([])),
        ]),
        .objects([]), .publishEnd(nonce: 3), .ack(Ack(nonce: 3, history: served.history, version: 8)),
        .ack(Ack(nonce: 3, history: served.history, version: 8, degraded: [report, report])),
        .nack(Nack(nonce: 3, history: served.history, version: 8, reasons: [report, ProblemReport(reason: "all")])),
        .status(
            Status(
                state: .draining, servedVersion: 8, activeConnections: 5, activeStreams: 6,
                degraded: [ProblemReport(reason: "the disk is full")])),
        .statistics([9, 9, 9]), .statistics([]),
    ]

    @Test(arguments: samples) func everyMessageSurvivesTheWay(_ message: Message) throws {
        var decoder = FrameDecoder()
        decoder.append(encode(message))
        #expect(try decoder.next() == message)
        #expect(try decoder.next() == nil)
        #expect(decoder.buffered == 0)
    }

    @Test(arguments: [1, 2, 3, 5, 64, 1_000]) func framesMayComeInPiecesOfAnySize(_ size: Int) throws {
        let stream = Self.samples.flatMap { encode($0) }
        var decoder = FrameDecoder()
        var received: [Message] = []
        for start in stride(from: 0, to: stream.count, by: size) {
            decoder.append(stream[start..<min(start + size, stream.count)])
            while let message = try decoder.next() { received.append(message) }
        }
        #expect(received == Self.samples)
    }

    @Test(arguments: samples) func aPayloadThatIsCutOrGoesOnIsAnError(_ message: Message) {
        let frame = encode(message)
        let payload = frame.count - 5
        for count in 0..<payload {
            var decoder = FrameDecoder()
            decoder.append(Self.frame(frame[4], Array(frame[5..<5 + count])))
            // A shorter list of objects or shorter statistics can be whole messages of their own.
            switch message {
            case .statistics, .objects: _ = try? decoder.next()
            default: #expect(throws: ChannelError.self) { try decoder.next() }
            }
        }
        var decoder = FrameDecoder()
        decoder.append(Self.frame(frame[4], Array(frame[5...]) + [0]))
        if case .statistics = message { return }
        #expect(throws: ChannelError.self) { try decoder.next() }
    }

    @Test func anUnknownTypeIsAnErrorThatStays() {
        var decoder = FrameDecoder()
        decoder.append([0, 0, 0, 0, 99])
        #expect(throws: ChannelError.unknownType(99)) { try decoder.next() }
        decoder.append(encode(.publishEnd(nonce: 1)))
        #expect(throws: ChannelError.unknownType(99)) { try decoder.next() }
        #expect(decoder.buffered == 0)
    }

    @Test(arguments: MessageType.allCases) func aLengthOverTheBoundIsRefusedBeforeItsBytesCome(_ type: MessageType) {
        var decoder = FrameDecoder()
        decoder.append([0x7f, 0xff, 0xff, 0xff, type.rawValue])
        #expect(throws: ChannelError.tooLong(type, 0x7fff_ffff)) { try decoder.next() }
    }

    @Test func anotherProtocolIsNamed() {
        var frame = encode(Self.samples[0])
        frame[6] = 1
        var decoder = FrameDecoder()
        decoder.append(frame)
        #expect(throws: ChannelError.unsupportedProtocol(1)) { try decoder.next() }
        // Whatever else a later protocol says in its hello.
        decoder = FrameDecoder()
        decoder.append([0, 0, 0, 4, MessageType.hello.rawValue, 0, 3, 0xff, 0xff])
        #expect(throws: ChannelError.unsupportedProtocol(3)) { try decoder.next() }
    }

    @Test func tooManyReportsAreCountedInTheLastOne() throws {
        let reports = (0..<1_500).map {
            ProblemReport(kind: 5, name: "r\($0)", reason: String(repeating: "ü", count: 600))
        }
        var decoder = FrameDecoder()
        decoder.append(encode(.nack(Nack(nonce: 1, history: .mint(), version: 1, reasons: reports))))
        guard case .nack(let nack)? = try decoder.next() else {
            Issue.record("no NACK")
            return
        }
        #expect(nack.reasons.count == ChannelLimits.reports)
        #expect(nack.reasons.last?.reason == "and 501 more")
        #expect(nack.reasons[0].reason == String(repeating: "ü", count: 512))
    }

    @Test func randomFramesNeverTrap() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        var decoded = 0
        for _ in 0..<20_000 {
            var bytes = encode(Self.samples[Int(random.next() % UInt64(Self.samples.count))])
            for _ in 0..<Int(random.next() % 4) where !bytes.isEmpty {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                }
            }
            var decoder = FrameDecoder()
            decoder.append(bytes)
            do {
                while let message = try decoder.next() {
                    decoded += 1
                    var again = FrameDecoder()
                    again.append(encode(message))
                    #expect(try again.next() == message, "seed \(seed)")
                }
            } catch {}
        }
        #expect(decoded > 2_000, "seed \(seed): hardly anything decodes, the test shows nothing")
    }

    static func frame(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0) } + [type] + payload
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
