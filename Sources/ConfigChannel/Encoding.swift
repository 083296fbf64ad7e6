// Messages to bytes. A frame is the length of its payload (4 bytes, big endian), a type byte, and the payload: fields in
// fixed order, numbers as big-endian integers of fixed size, texts with a 4-byte length, optionals with a byte before them.

import ConfigModel
import Seal

/// The frame of a message.
package func encode(_ message: Message) -> [UInt8] {
    var writer = WireWriter()
    let type = message.write(to: &writer)
    return writer.frame(type)
}

struct WireWriter {
    /// The header's place is kept free from the start, so that a frame is never copied.
    private(set) var bytes = [UInt8](repeating: 0, count: ChannelLimits.headerBytes)

    var payloadCount: Int { bytes.count - ChannelLimits.headerBytes }

    mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func raw(_ value: some Collection<UInt8>) {
        bytes.append(contentsOf: value)
    }

    mutating func counted(_ value: some Collection<UInt8>) {
        integer(UInt32(truncatingIfNeeded: value.count))
        bytes.append(contentsOf: value)
    }

    /// Cut to the bound at a character's edge: what the other end would refuse is not sent.
    mutating func text(_ value: String, limit: Int) {
        guard value.utf8.count > limit else { return counted(value.utf8) }
        var end = value.utf8.index(value.startIndex, offsetBy: limit)
        while end > value.startIndex, end.samePosition(in: value.unicodeScalars) == nil {
            value.utf8.formIndex(before: &end)
        }
        counted(value[..<end].utf8)
    }

    mutating func reports(_ reports: [ProblemReport]) {
        let fits = reports.count <= ChannelLimits.reports
        let shown = fits ? reports[...] : reports.prefix(ChannelLimits.reports - 1)
        integer(UInt32(truncatingIfNeeded: fits ? shown.count : shown.count + 1))
        for report in shown { self.report(report) }
        if !fits { report(ProblemReport(reason: "and \(reports.count - shown.count) more")) }
    }

    private mutating func report(_ report: ProblemReport) {
        integer(report.kind)
        text(report.name, limit: ChannelLimits.nameBytes)
        text(report.field, limit: ChannelLimits.nameBytes)
        text(report.reason, limit: ChannelLimits.reasonBytes)
    }

    mutating func frame(_ type: MessageType) -> [UInt8] {
        let count = UInt32(truncatingIfNeeded: payloadCount)
        for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: count >> UInt32(24 - 8 * index)) }
        bytes[4] = type.rawValue
        return bytes
    }
}

extension Message {
    fileprivate func write(to writer: inout WireWriter) -> MessageType {
        switch self {
        case .hello(let value):
            value.write(to: &writer)
            return .hello
        case .refused(let value):
            writer.integer(value.code.rawValue)
            writer.text(value.reason, limit: ChannelLimits.reasonBytes)
            return .refused
        case .publishBegin(let value):
            value.write(to: &writer)
            return .publishBegin
        case .objects(let entries):
            for entry in entries { entry.write(to: &writer) }
            return .objects
        case .publishEnd(let nonce):
            writer.integer(nonce)
            return .publishEnd
        case .ack(let value):
            Message.answer(value.nonce, value.history, value.version, value.degraded, &writer)
            return .ack
        case .nack(let value):
            Message.answer(value.nonce, value.history, value.version, value.reasons, &writer)
            return .nack
        case .status(let value):
            writer.integer(value.state.rawValue)
            writer.integer(value.servedVersion)
            writer.integer(value.activeConnections)
            writer.integer(value.activeStreams)
            writer.reports(value.degraded)
            return .status
        case .statistics(let bytes):
            writer.raw(bytes.prefix(ChannelLimits.statisticsBytes))
            return .statistics
        }
    }

    private static func answer(
        _ nonce: UInt64, _ history: HistoryID, _ version: UInt64, _ reports: [ProblemReport], _ writer: inout WireWriter
    ) {
        writer.integer(nonce)
        writer.raw(history.bytes)
        writer.integer(version)
        writer.reports(reports)
    }
}

extension Hello {
    fileprivate func write(to writer: inout WireWriter) {
        writer.integer(protocolVersion)
        writer.text(workerID, limit: ChannelLimits.nameBytes)
        writer.integer(incarnation)
        writer.text(softwareVersion, limit: ChannelLimits.nameBytes)
        writer.integer(pid)
        writer.integer(state.rawValue)
        writer.integer(UInt8(served == nil ? 0 : 1))
        guard let served else { return }
        writer.raw(served.history.bytes)
        writer.integer(served.version)
        writer.raw(served.versionRoot.bytes)
        writer.raw(served.root.bytes)
    }
}

extension PublishBegin {
    fileprivate func write(to writer: inout WireWriter) {
        writer.integer(nonce)
        writer.raw(history.bytes)
        writer.integer(version)
        writer.raw(versionRoot.bytes)
        writer.integer(UInt8(root == nil ? 0 : 1))
        if let root { writer.raw(root.bytes) }
        writer.integer(UInt8(base == nil ? 0 : 1))
        if let base { writer.raw(base.bytes) }
        writer.integer(objectCount)
    }
}

extension ObjectEntry {
    func write(to writer: inout WireWriter) {
        writer.integer(kind)
        writer.text(name, limit: ChannelLimits.nameBytes)
        switch form {
        case .kept: writer.integer(UInt8(0))
        case .bytes(let bytes):
            writer.integer(UInt8(1))
            writer.counted(bytes)
        case .removed: writer.integer(UInt8(2))
        }
    }
}
