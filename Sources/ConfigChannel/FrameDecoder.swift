// Bytes to messages. What arrives comes from another process: every length is checked before it is believed, and the first
// thing that is wrong ends the connection with a reason.

import ConfigModel
import Seal

/// Why the bytes of a peer are no messages.
package enum ChannelError: Error, Hashable, Sendable, CustomStringConvertible {
    case unknownType(UInt8)
    case tooLong(MessageType, Int)
    /// The payload ends too early, goes on too long, or holds a value out of range; the text names the field.
    case malformed(MessageType, String)
    case unsupportedProtocol(UInt16)

    package var description: String {
        switch self {
        case .unknownType(let type): "unknown message type \(type)"
        case .tooLong(let type, let count): "\(type) of \(count) bytes is too long"
        case .malformed(let type, let field): "malformed \(type): \(field)"
        case .unsupportedProtocol(let version):
            "protocol version \(version) is not understood, this side speaks \(ChannelLimits.protocolVersion)"
        }
    }
}

/// Takes bytes as they come and gives messages. Call `next()` until it returns `nil` after each `append`: then it never
/// holds more than one incomplete frame.
package struct FrameDecoder {
    private var bytes: [UInt8] = []
    private var start = 0
    private var failure: ChannelError?

    package init() {}

    package mutating func append(_ more: some Collection<UInt8>) {
        guard failure == nil else { return }
        // What was read is dropped when it is the larger part, so that each byte is moved at most once on average.
        if start > 0, start >= bytes.count - start {
            bytes.removeSubrange(..<start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    package mutating func append(_ more: UnsafeRawBufferPointer) {
        append(more.bindMemory(to: UInt8.self))
    }

    /// Bytes of a frame that is not complete yet.
    package var buffered: Int { bytes.count - start }

    /// The next complete message. After an error the decoder gives nothing but that error.
    package mutating func next() throws(ChannelError) -> Message? {
        if let failure { throw failure }
        do {
            return try take()
        } catch {
            failure = error
            bytes = []
            start = 0
            throw error
        }
    }

    private mutating func take() throws(ChannelError) -> Message? {
        guard buffered >= ChannelLimits.headerBytes else { return nil }
        let count = (0..<4).reduce(0) { $0 << 8 | Int(bytes[start + $1]) }
        guard let type = MessageType(rawValue: bytes[start + 4]) else { throw .unknownType(bytes[start + 4]) }
        guard count <= ChannelLimits.payload(type) else { throw .tooLong(type, count) }
        guard buffered - ChannelLimits.headerBytes >= count else { return nil }
        let payload = start + ChannelLimits.headerBytes
        var reader = WireReader(type: type, bytes: bytes[payload..<payload + count])
        let message = try reader.message()
        start = payload + count
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= ChannelLimits.chunkBytes)
            start = 0
        }
        return message
    }
}

/// Reads one payload.
struct WireReader {
    let type: MessageType
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(type: MessageType, bytes: ArraySlice<UInt8>) {
        self.type = type
        self.bytes = bytes
        position = bytes.startIndex
    }

    mutating func message() throws(ChannelError) -> Message {
        let message = try body()
        guard position == bytes.endIndex else { throw .malformed(type, "bytes after the end") }
        return message
    }

    private mutating func body() throws(ChannelError) -> Message {
        switch type {
        case .hello: return .hello(try hello())
        case .refused: return .refused(Refused(try choice("code"), try text("reason", ChannelLimits.reasonBytes)))
        case .publishBegin: return .publishBegin(try publishBegin())
        case .objects: return .objects(try entries())
        case .publishEnd: return .publishEnd(nonce: try integer("nonce"))
        case .ack:
            return .ack(
                Ack(
                    nonce: try integer("nonce"), history: try history(), version: try integer("version"),
                    degraded: try reports()))
        case .nack:
            return .nack(
                Nack(
                    nonce: try integer("nonce"), history: try history(), version: try integer("version"),
                    reasons: try reports()))
        case .status:
            return .status(
                Status(
                    state: try choice("state"), servedVersion: try integer("version"),
                    activeConnections: try integer("connections"), activeStreams: try integer("streams"),
                    degraded: try reports()))
        case .statistics: return .statistics(Array(try take(bytes.endIndex - position, "statistics")))
        }
    }

    private mutating func hello() throws(ChannelError) -> Hello {
        let version: UInt16 = try integer("protocol version")
        // What follows the version may look different in another protocol.
        guard version == ChannelLimits.protocolVersion else { throw .unsupportedProtocol(version) }
        var hello = Hello(
            protocolVersion: version, workerID: try text("worker id", ChannelLimits.nameBytes),
            incarnation: try integer("incarnation"), softwareVersion: try text("software", ChannelLimits.nameBytes),
            pid: try integer("pid"), state: try choice("state"), served: nil)
        guard !hello.workerID.isEmpty else { throw .malformed(type, "empty worker id") }
        if try flag("served") {
            hello.served = ServedVersion(
                history: try history(), version: try integer("version"), versionRoot: try hash("version root"),
                root: try hash("root"))
        }
        return hello
    }

    private mutating func publishBegin() throws(ChannelError) -> PublishBegin {
        let begin = PublishBegin(
            nonce: try integer("nonce"), history: try history(), version: try integer("version"),
            versionRoot: try hash("version root"), root: try flag("root") ? try hash("root") : nil,
            base: try flag("base") ? try hash("base") : nil, objectCount: try integer("object count"))
        guard begin.objectCount <= ChannelLimits.objects else { throw .malformed(type, "object count") }
        return begin
    }

    private mutating func entries() throws(ChannelError) -> [ObjectEntry] {
        var entries: [ObjectEntry] = []
        while position < bytes.endIndex {
            let kind: UInt8 = try integer("kind")
            let name = try text("name", ChannelLimits.nameBytes)
            let form: UInt8 = try integer("form")
            switch form {
            case 0: entries.append(ObjectEntry(kind: kind, name: name, form: .kept))
            case 1:
                let bytes = Array(try counted("object", ChannelLimits.objectBytes))
                entries.append(ObjectEntry(kind: kind, name: name, form: .bytes(bytes)))
            case 2: entries.append(ObjectEntry(kind: kind, name: name, form: .removed))
            default: throw .malformed(type, "form is unknown")
            }
        }
        return entries
    }

    private mutating func reports() throws(ChannelError) -> [ProblemReport] {
        let count: UInt32 = try integer("report count")
        guard count <= ChannelLimits.reports else { throw .malformed(type, "report count") }
        var reports: [ProblemReport] = []
        for _ in 0..<count {
            reports.append(
                ProblemReport(
                    kind: try integer("kind"), name: try text("name", ChannelLimits.nameBytes),
                    field: try text("field", ChannelLimits.nameBytes),
                    reason: try text("reason", ChannelLimits.reasonBytes)))
        }
        return reports
    }

    // MARK: Fields

    private mutating func take(_ count: Int, _ field: String) throws(ChannelError) -> ArraySlice<UInt8> {
        guard count <= bytes.endIndex - position else { throw .malformed(type, "\(field) is cut off") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    private mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ field: String) throws(ChannelError) -> T {
        try take(T.bitWidth / 8, field).reduce(T.zero) { T(truncatingIfNeeded: UInt64($0) << 8 | UInt64($1)) }
    }

    private mutating func choice<T: RawRepresentable<UInt8>>(_ field: String) throws(ChannelError) -> T {
        guard let value = T(rawValue: try integer(field)) else { throw .malformed(type, "\(field) is unknown") }
        return value
    }

    private mutating func flag(_ field: String) throws(ChannelError) -> Bool {
        let value: UInt8 = try integer(field)
        guard value <= 1 else { throw .malformed(type, "\(field) is neither 0 nor 1") }
        return value == 1
    }

    private mutating func counted(_ field: String, _ limit: Int) throws(ChannelError) -> ArraySlice<UInt8> {
        let count: UInt32 = try integer(field)
        guard count <= limit else { throw .malformed(type, "\(field) is too long") }
        return try take(Int(count), field)
    }

    private mutating func text(_ field: String, _ limit: Int) throws(ChannelError) -> String {
        guard let value = String(validating: try counted(field, limit), as: UTF8.self) else {
            throw .malformed(type, "\(field) is not UTF-8")
        }
        return value
    }

    private mutating func history() throws(ChannelError) -> HistoryID {
        guard let value = HistoryID(try take(HistoryID.byteCount, "history")) else { throw .malformed(type, "history") }
        return value
    }

    private mutating func hash(_ field: String) throws(ChannelError) -> Hash256 {
        guard let value = Hash256(try take(Hash256.byteCount, field)) else { throw .malformed(type, field) }
        return value
    }
}
