// The log of both processes: one JSON object a line, on standard error. `ts`, `level`, `label` and `message` come first;
// metadata follows as fields of the same object, numbers and booleans as such, so that a line can be filtered by them.

import Glibc
package import Logging
import Synchronization

/// Writes log events as JSON lines.
package struct JSONLinesLogHandler: LogHandler {
    /// Takes one whole line. Called from any thread, by one at a time or many.
    package typealias Sink = @Sendable (UnsafeRawBufferPointer) -> Void

    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let threshold: LogThreshold
    private let sink: Sink
    private var own: Logger.Level?

    package init(label: String, threshold: LogThreshold, sink: @escaping Sink = Self.standardError) {
        self.label = label
        self.threshold = threshold
        self.sink = sink
    }

    /// Makes every `Logger(label:)` of this process log here. To be called once, at start.
    package static func bootstrap(_ threshold: LogThreshold) {
        LoggingSystem.bootstrap { JSONLinesLogHandler(label: $0, threshold: threshold) }
    }

    /// The shared threshold until a level is set on this very logger.
    package var logLevel: Logger.Level {
        get { own ?? threshold.level }
        set { own = newValue }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = LineBuffer(capacity: 512)
        line.append("{\"ts\":\"")
        line.append(rfc3339: Self.now())
        line.append("\",\"level\":")
        line.append(json: event.level.rawValue)
        line.append(",\"label\":")
        line.append(json: label)
        line.append(",\"message\":")
        line.append(json: event.message.description)
        if let error = event.error {
            line.append(",\"error\":")
            line.append(json: "\(error)")
        }
        for (key, value) in merged(event.metadata).sorted(by: { $0.key < $1.key }) {
            line.append(",")
            line.append(json: Self.reserved.contains(key) ? "metadata.\(key)" : key)
            line.append(":")
            line.append(json: value)
        }
        line.append("}\n")
        line.withUnsafeBytes(sink)
    }

    private static let reserved: Set<String> = ["ts", "level", "label", "message", "error"]

    /// The nearer wins: the call's own over the provider's over the logger's.
    private func merged(_ own: Logger.Metadata?) -> Logger.Metadata {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own { all.merge(own) { $1 } }
        return all
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// One line at a time, so that lines of different threads do not mix in a pipe that takes less than a line.
    private static let writing = Mutex(())

    /// Whole lines to descriptor 2. What cannot be written is dropped: there is no other place to say so.
    package static let standardError: Sink = { line in
        writing.withLock { _ in
            var rest = line
            while let base = rest.baseAddress, rest.count > 0 {
                let written = write(2, base, rest.count)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}

extension LineBuffer {
    fileprivate mutating func append(json value: Logger.MetadataValue) {
        switch value {
        case .string(let text):
            append(json: text)
        case .stringConvertible(let value):
            append(json: value)
        case .array(let values):
            append("[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(",") }
                append(json: value)
            }
            append("]")
        case .dictionary(let values):
            append("{")
            for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { append(",") }
                append(json: key)
                append(":")
                append(json: value)
            }
            append("}")
        }
    }

    private mutating func append(json value: any CustomStringConvertible & Sendable) {
        switch value {
        case let value as Bool: append(utf8: value ? "true" : "false")
        case let value as any FixedWidthInteger & Sendable: append(utf8: "\(value)")
        case let value as Double where value.isFinite: append(utf8: "\(value)")
        default: append(json: value.description)
        }
    }
}
