// The folder that belongs to one worker: a lock (two workers on one folder would overwrite each other), the worker's id, and
// the key that seals its disk copy. On a disk that takes no writes the worker starts all the same, from what is there: the lock is
// taken on what can be read, and what should have been written is tried again later.

internal import Glibc
internal import Seal

final class StateFolder: Sendable {
    let path: String
    let workerID: String
    let key: SealingKey
    private let state: Lock<State>

    private struct State {
        /// Held for the process's life, and by the worker that comes after it: of the lock's file, or of the folder where that file
        /// cannot be made.
        var lock: Int32
        var locksFile: Bool
        /// Small files that could not be written, by name.
        var unwritten: [String: String] = [:]
        /// Why the folder cannot be written; nil: as far as is known, it can.
        var problem: StoreFailure?
    }

    /// `handedLock`: the lock as the worker before holds it.
    init(_ path: String, handedLock: Int32? = nil) throws(WorkerStartFailure) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            // Read-only comes before "is there already".
            let reason = errno
            guard StoreFile.exists(path) else { throw Self.failure("--state \(path)", reason) }
        }
        var now = try Self.lock(path, handedLock)
        do {
            try StoreFile.probe(path + "/worker.probe")
        } catch {
            guard error.isOfDisk else { throw WorkerStartFailure(description: "--state: \(error)") }
            now.problem = error
        }
        do {
            key = try SealingKey(loadingOrCreatingAt: path + "/worker.key")
        } catch {
            throw WorkerStartFailure(description: "--state: \(error)")
        }
        if let known = Self.readID(path + "/worker.id") {
            workerID = known
        } else {
            workerID = Hex.encode(Random.bytes(16))
            now.unwritten["worker.id"] = workerID + "\n"
        }
        state = Lock(now)
        writeWhatIsMissing()
    }

    /// Whoever holds the lock may write here.
    var lock: Int32 { state.withLock { $0.lock } }

    /// Why nothing can be written, as of the last try.
    var problem: StoreFailure? { state.withLock { $0.problem } }

    /// Writes a small file for others to read; later, if the disk does not take it now.
    func write(_ name: String, _ text: String) {
        state.withLock { $0.unwritten[name] = text }
        writeWhatIsMissing()
    }

    private func writeWhatIsMissing() {
        if problem == nil { try? mend() }
    }

    /// Does what the disk did not let happen before. Returns when all of it is done.
    func mend() throws(StoreFailure) {
        let result = state.withLock { state -> Result<Void, StoreFailure> in
            do throws(StoreFailure) {
                try mend(&state)
                state.problem = nil
                return .success(())
            } catch {
                state.problem = error
                return .failure(error)
            }
        }
        try result.get()
    }

    private func mend(_ state: inout State) throws(StoreFailure) {
        if !state.locksFile {
            // Another worker may have come first, once the disk let it.
            let file = open(path + "/worker.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw StoreFailure("open", path + "/worker.lock", errno) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                let reason = errno
                close(file)
                throw StoreFailure("lock", path + "/worker.lock", reason)
            }
            close(state.lock)
            state.lock = file
            state.locksFile = true
        }
        if state.problem != nil { try StoreFile.probe(path + "/worker.probe") }
        for (name, text) in state.unwritten {
            let temporary = path + "/" + name + ".new"
            try StoreFile.write(Array(text.utf8), to: temporary, mode: 0o644)
            try StoreFile.move(temporary, to: path + "/" + name)
            state.unwritten[name] = nil
        }
    }

    // MARK: - Lock

    private static func lock(_ path: String, _ handed: Int32?) throws(WorkerStartFailure) -> State {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("--state \(path)", errno) }
        let (file, reason) = openLock(path + "/worker.lock")
        if let handed {
            defer {
                close(folder)
                if file >= 0 { close(file) }
            }
            let isFile = file >= 0 && isSame(handed, file)
            guard isFile || isSame(handed, folder) else {
                throw WorkerStartFailure(description: "--state \(path): the worker before this one has another folder")
            }
            try take(handed, path)
            return State(lock: handed, locksFile: isFile)
        }
        // Also where there is a file: whoever came when it could not be made holds the folder.
        try take(folder, path, isSure: file >= 0)
        if file >= 0 {
            try take(file, path)
            close(folder)
            return State(lock: file, locksFile: true)
        }
        // One that is there and cannot be read may be held by another user's worker.
        guard !StoreFile.exists(path + "/worker.lock"), StoreFailure.isOfDisk(reason) else {
            throw failure("--state \(path)/worker.lock", reason)
        }
        return State(lock: folder, locksFile: false)
    }

    /// A lock needs no more than to read.
    private static func openLock(_ path: String) -> (descriptor: Int32, reason: Int32) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file >= 0 { return (file, 0) }
        let reason = errno
        return (open(path, O_RDONLY | O_CLOEXEC), reason)
    }

    /// `isSure` false: some file systems lock no folders, and another lock follows.
    private static func take(_ descriptor: Int32, _ path: String, isSure: Bool = false) throws(WorkerStartFailure) {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
        guard errno == EWOULDBLOCK else {
            if isSure { return }
            throw failure("--state \(path): locking", errno)
        }
        throw WorkerStartFailure(description: "--state \(path): another worker uses this folder")
    }

    private static func isSame(_ one: Int32, _ other: Int32) -> Bool {
        var first = stat()
        var second = stat()
        return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev
            && first.st_ino == second.st_ino
    }

    private static func readID(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Glibc.read(file, &bytes, bytes.count)
        let text = bytes.prefix(max(0, count)).prefix { $0 != 10 }
        guard text.count == 32, text.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102) }) else {
            return nil
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func failure(_ what: String, _ reason: Int32) -> WorkerStartFailure {
        WorkerStartFailure(description: "\(what): \(String(cString: strerror(reason)))")
    }
}
