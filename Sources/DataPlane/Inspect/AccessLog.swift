// The access log's way out: loops fill line buffers of their own and hand them over when they are large or a second old; one
// thread writes them, so that a slow disk holds up no loop. What cannot be written in time is dropped and counted.

internal import COpenSSL
internal import Glibc
internal import Synchronization
internal import Telemetry

/// Lines of one loop that wait for the writer. Behind a pointer: the loop holds it in a trivial struct.
struct AccessLogBuffer {
    private let lines: UnsafeMutablePointer<LineBuffer>
    private let log: Unmanaged<AccessLog>

    init(_ log: AccessLog) {
        lines = .allocate(capacity: 1)
        lines.initialize(to: LineBuffer(capacity: 64 * 1024))
        self.log = Unmanaged.passRetained(log)
    }

    /// Appends a line; true when it is time to hand over.
    func append(_ record: borrowing AccessLogRecord) -> Bool {
        lines.pointee.append(record)
        return lines.pointee.count >= 32 * 1024
    }

    /// Gives the lines to the writer. False: they were dropped, the writer is too far behind.
    func handOver() -> Bool {
        guard !lines.pointee.isEmpty else { return true }
        let accepted = log._withUnsafeGuaranteedRef { log in lines.pointee.withUnsafeBytes { log.enqueue($0) } }
        lines.pointee.removeAll()
        return accepted
    }
}

/// The writer of the access log.
package final class AccessLog: Sendable {
    /// nil: standard output.
    private let path: String?
    private let state = Mutex<State>(State())
    private let wake: Int32

    private struct State {
        var chunks: [[UInt8]] = []
        var size = 0
        var reopen = false
        var stopped = false
    }

    /// Bytes that may wait.
    private static let limit = 8 << 20

    /// Opens the file for appending. nil where it cannot be opened (`errno` tells).
    package init?(path: String?) {
        self.path = path
        wake = causeway_eventfd(0)
        guard wake >= 0 else { return nil }
        guard let path else { return }
        let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard file >= 0 else { return nil }
        close(file)
    }

    func enqueue(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let accepted = state.withLock { state in
            guard state.size + bytes.count <= Self.limit else { return false }
            state.chunks.append(Array(bytes))
            state.size += bytes.count
            return true
        }
        signal()
        return accepted
    }

    /// Opens the file again (after a rotation).
    package func reopen() {
        state.withLock { $0.reopen = true }
        signal()
    }

    package func stop() {
        state.withLock { $0.stopped = true }
        signal()
    }

    /// Writes until stopped. The writer's thread runs this.
    package func run() {
        var file = openFile()
        while true {
            var counter: UInt64 = 0
            _ = read(wake, &counter, 8)
            let (chunks, reopens, stops) = state.withLock { state in
                let taken = (state.chunks, state.reopen, state.stopped)
                state.chunks = []
                state.size = 0
                state.reopen = false
                return taken
            }
            for chunk in chunks { writeAll(file, chunk) }
            if reopens, path != nil {
                if file >= 0 { close(file) }
                file = openFile()
            }
            if stops { break }
        }
        if path != nil, file >= 0 { close(file) }
    }

    private func openFile() -> Int32 {
        guard let path else { return STDOUT_FILENO }
        return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    }

    private func writeAll(_ file: Int32, _ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = write(file, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset)
                if count < 0, errno != EINTR { return }
                if count > 0 { offset += count }
            }
        }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }
}
