// The access log's way out: loops fill line buffers of their own and hand them over when they are large or a second old; one
// thread writes them, so that a slow disk holds up no loop. What cannot be written is dropped and counted. The newest lines stay
// in memory for those who look on; where nothing is written they are made for as long as somebody does.

internal import Glibc
package import Logging
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

    /// Whether anybody takes lines: else none need be made.
    var isWanted: Bool { log._withUnsafeGuaranteedRef { $0.isWanted.load(ordering: .relaxed) } }

    /// Appends a line; true when it is time to hand over.
    func append(_ record: borrowing AccessLogRecord) -> Bool {
        lines.pointee.append(record)
        return lines.pointee.count >= 32 * 1024
    }

    /// Gives the lines to the writer. Returns how many buffers were dropped since the last time, of whatever loop: the writer was too
    /// far behind, or could not write.
    func handOver() -> Int {
        guard !lines.pointee.isEmpty else { return log._withUnsafeGuaranteedRef { $0.takeLost() } }
        let lost = log._withUnsafeGuaranteedRef { log in lines.pointee.withUnsafeBytes { log.enqueue($0) } }
        lines.pointee.removeAll()
        return lost
    }
}

/// The writer of the access log.
package final class AccessLog: Sendable {
    /// Where the lines go.
    package enum Target: Hashable, Sendable {
        case off
        case standardOutput
        case file(String)
    }

    private let target: Target
    private let logger: Logger
    private let state = Lock<State>(State())
    private let lost = Atomic(0)
    fileprivate let isWanted: Atomic<Bool>
    private let wake: WakeUp

    private struct State {
        var chunks: [[UInt8]] = []
        var size = 0
        var reopen = false
        var stopped = false
        var recent = RecentLines()
        /// Steady nanoseconds; somebody looks on until then.
        var watchedUntil: UInt64 = 0
    }

    /// Bytes that may wait.
    private static let limit = 8 << 20
    /// Nanoseconds for which lines are made after somebody has looked.
    private static let watch: UInt64 = 10_000_000_000

    /// Opens the file for appending. nil where it cannot be opened (`errno` tells), unless the disk may take it later.
    package init?(_ target: Target, logger: Logger) {
        self.target = target
        self.logger = logger
        isWanted = Atomic(target != .off)
        guard let wake = WakeUp() else { return nil }
        self.wake = wake
        guard case .file(let path) = target else { return }
        let file = Self.open(path)
        if file < 0, ![EROFS, ENOSPC, EDQUOT, EIO].contains(errno) { return nil }
        if file >= 0 { close(file) }
    }

    /// Returns how many buffers were lost since the last time.
    fileprivate func enqueue(_ bytes: UnsafeRawBufferPointer) -> Int {
        let accepted = state.withLock { state in
            let chunk = Array(bytes)
            if target == .off, state.watchedUntil < Clock.monotonicNanoseconds() {
                isWanted.store(false, ordering: .relaxed)
                state.recent.clear()
                return true
            }
            state.recent.append(chunk)
            guard target != .off else { return true }
            guard state.size + chunk.count <= Self.limit else { return false }
            state.chunks.append(chunk)
            state.size += chunk.count
            return true
        }
        wake.signal()
        return takeLost() + (accepted ? 0 : 1)
    }

    fileprivate func takeLost() -> Int {
        lost.load(ordering: .relaxed) == 0 ? 0 : lost.exchange(0, ordering: .relaxed)
    }

    /// The newest lines after a place, and the place behind them. For some seconds from now lines are made, if none were.
    func recent(after place: UInt64?) -> (lines: [UInt8], next: UInt64, isWhole: Bool) {
        defer { isWanted.store(true, ordering: .relaxed) }
        return state.withLock { state in
            state.watchedUntil = Clock.monotonicNanoseconds() + Self.watch
            return state.recent.lines(after: place)
        }
    }

    /// Whether lines are made only while somebody looks on.
    var isOff: Bool { target == .off }

    /// Opens the file again (after a rotation).
    package func reopen() {
        state.withLock { $0.reopen = true }
        wake.signal()
    }

    package func stop() {
        state.withLock { $0.stopped = true }
        wake.signal()
    }

    /// Writes until stopped. The writer's thread runs this.
    package func run() {
        var file = openFile()
        var isFailing = false
        while true {
            wake.wait()
            wake.take()
            let (chunks, reopens, stops) = state.withLock { state in
                let taken = (state.chunks, state.reopen, state.stopped)
                state.chunks = []
                state.size = 0
                state.reopen = false
                return taken
            }
            for chunk in chunks {
                if file < 0 { file = openFile() }
                let isWritten = file >= 0 && writeAll(file, chunk)
                if !isWritten { lost.add(1, ordering: .relaxed) }
                if isWritten == isFailing { tell(isFailing: !isWritten, errno) }
                isFailing = !isWritten
            }
            if reopens, isFile {
                if file >= 0 { close(file) }
                file = openFile()
            }
            if stops { break }
        }
        if isFile, file >= 0 { close(file) }
    }

    private var isFile: Bool { if case .file = target { true } else { false } }

    private func tell(isFailing: Bool, _ code: Int32) {
        let path = if case .file(let path) = target { path } else { "-" }
        if isFailing {
            logger.error(
                "the access log cannot be written; its lines are lost",
                metadata: ["access-log": "\(path)", "reason": "\(String(cString: strerror(code)))"])
        } else {
            logger.notice("the access log is written again", metadata: ["access-log": "\(path)"])
        }
    }

    private func openFile() -> Int32 {
        switch target {
        case .off: -1
        case .standardOutput: STDOUT_FILENO
        case .file(let path): Self.open(path)
        }
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    }

    /// False: not all of it could be written (`errno` tells).
    private func writeAll(_ file: Int32, _ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = write(file, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset)
                if count < 0, errno != EINTR { return false }
                if count > 0 { offset += count }
            }
            return true
        }
    }
}
