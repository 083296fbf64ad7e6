// Files of endpoints, looked at twice a second on a thread of their own: a stat tells of a rename, of another target of a symbolic
// link (as Kubernetes mounts ConfigMaps) and of a change in place, on every file system, network ones too. What hangs there holds up
// neither names nor loops. A file that is missing or not right changes nothing of what is served.

internal import Glibc
internal import Logging

final class EndpointFiles: Sendable {
    private let loops: [Mailbox]
    private let health: HealthChecker
    private let logger: Logger
    private let state = Lock<State>(State())
    private let wake: WakeUp

    private struct State {
        var paths: Set<String> = []
        /// Looked at once at least.
        var answered: Set<String> = []
        /// By path.
        var problems: [String: String] = [:]
        var changes: UInt64 = 0
        /// Woken when problems are others.
        var listener: WakeUp?
        /// Counts down when each was looked at.
        var looked: Latch?
        var stopped = false

        var isSettled: Bool { answered == paths }
    }

    /// Milliseconds.
    private static let interval: Int32 = 500

    init?(loops: [Mailbox], health: HealthChecker, logger: Logger) {
        self.loops = loops
        self.health = health
        self.logger = logger
        guard let wake = WakeUp() else { return nil }
        self.wake = wake
    }

    // MARK: - Told and asked by other threads

    /// The files to know, in place of those before. Returns when each was looked at, or after so many milliseconds.
    func watch(_ paths: Set<String>, milliseconds: Int32) {
        let looked = state.withLock { state in
            state.paths = paths
            state.answered.formIntersection(paths)
            state.problems = state.problems.filter { paths.contains($0.key) }
            state.looked = state.isSettled ? nil : Latch(1)
            return state.looked
        }
        wake.signal()
        _ = looked?.wait(milliseconds: milliseconds)
    }

    /// What is wrong, by path. Made anew under the lock: ThreadSanitizer does not see how Swift shares a dictionary's storage.
    var problems: [String: String] {
        state.withLock { state in
            var told: [String: String] = [:]
            for path in state.paths {
                told[path] =
                    state.answered.contains(path)
                    ? state.problems[path] : Self.told(path, "it is not read yet: is its file system there?")
            }
            return told
        }
    }

    /// Times that files brought other endpoints, and files that are not taken as they are.
    var counts: (changes: UInt64, failing: Int) {
        let failing = problems.count
        return state.withLock { ($0.changes, failing) }
    }

    /// Whom to wake when problems are others.
    func tell(_ listener: WakeUp) {
        state.withLock { $0.listener = listener }
    }

    func stop() {
        state.withLock { $0.stopped = true }
        wake.signal()
    }

    // MARK: - The thread

    /// Looks until stopped.
    func run() {
        var files: [String: EndpointFileState] = [:]
        while true {
            wake.take()
            let (paths, stops) = state.withLock { ($0.paths, $0.stopped) }
            if stops { return }
            files = files.filter { paths.contains($0.key) }
            for path in paths { look(path, &files[path, default: EndpointFileState()]) }
            wake.wait(milliseconds: paths.isEmpty ? -1 : Self.interval)
        }
    }

    private func look(_ path: String, _ file: inout EndpointFileState) {
        let before = file.problem
        let result: EndpointFileState.OnLook
        var status = stat()
        if stat(path, &status) != 0 {
            result = file.failed(Self.reason(errno), nil)
        } else {
            let stamp = FileStamp(status)
            if file.wantsReading(stamp) {
                do throws(FileRefusal) {
                    result = file.read(try Self.entries(path, status), stamp)
                } catch {
                    result = file.failed(error.reason, stamp)
                }
            } else {
                result = .unchanged
            }
        }
        if case .endpoints(let entries) = result {
            let (host, addresses) = ("file:" + path, entries.map { ResolvedAddress($0) })
            for loop in loops { loop.post(.resolved(host: host, addresses: addresses)) }
            health.resolved(host, addresses)
        }
        report(path, file, result, before)
    }

    private func report(
        _ path: String, _ file: EndpointFileState, _ result: EndpointFileState.OnLook, _ before: String?
    ) {
        if let problem = file.problem {
            if problem != before {
                logger.warning(
                    "a file of endpoints is not taken; endpoints read before stay in use",
                    metadata: ["path": "\(path)", "reason": "\(problem)"])
            }
        } else if result != .unchanged || before != nil {
            logger.notice(
                "a file of endpoints is taken",
                metadata: ["path": "\(path)", "endpoints": "\(file.entries?.count ?? 0)"])
        }
        let listener: WakeUp? = state.withLock { state in
            guard state.paths.contains(path) else { return nil }
            state.answered.insert(path)
            state.problems[path] = file.problem.map { Self.told(path, $0) }
            if state.isSettled {
                state.looked?.countDown()
                state.looked = nil
            }
            if result != .unchanged, file.problem == nil { state.changes += 1 }
            return file.problem == before ? nil : state.listener
        }
        listener?.signal()
    }

    /// For `degraded`.
    private static func told(_ path: String, _ problem: String) -> String {
        "\(path): \(problem). Endpoints that were read before stay in use; it is read again when it changes"
    }

    // MARK: - One file

    private struct FileRefusal: Error {
        let reason: String
    }

    private static func reason(_ code: Int32) -> String {
        code == ENOENT
            ? "there is no such file on the worker's machine"
            : "the worker cannot read it: \(String(cString: strerror(code)))"
    }

    /// `before`: what stat said. Opening what is no file can do things (a device) or wait (a FIFO), so that comes first.
    private static func entries(_ path: String, _ before: stat) throws(FileRefusal) -> [EndpointFile.Entry] {
        try check(before)
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw FileRefusal(reason: reason(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileRefusal(reason: reason(errno)) }
        try check(status)
        let opened = FileStamp(status)
        let bytes = try contents(descriptor, Int(status.st_size))
        guard fstat(descriptor, &status) == 0, FileStamp(status) == opened else {
            throw FileRefusal(reason: "it changes while it is read; write another file and rename it to this one")
        }
        do throws(EndpointFile.Problem) {
            return try EndpointFile.read(bytes)
        } catch {
            throw FileRefusal(reason: "\(error)")
        }
    }

    private static func check(_ status: stat) throws(FileRefusal) {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileRefusal(reason: "it is no regular file, but a folder, a device, a pipe or a socket")
        }
        guard status.st_size <= EndpointFile.largest else { throw FileRefusal(reason: tooLarge) }
    }

    private static let tooLarge =
        "it has more than \(EndpointFile.largest) bytes: spread the endpoints over several files"

    /// What the size says is no more than a beginning: files of the kernel's have none.
    private static func contents(_ descriptor: Int32, _ size: Int) throws(FileRefusal) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileRefusal(reason: reason(errno)) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > EndpointFile.largest { throw FileRefusal(reason: tooLarge) }
        }
    }
}
