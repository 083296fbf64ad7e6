// The folder that belongs to one worker: a lock (two workers on one folder would overwrite each other), the worker's id, and
// the key that seals its disk copy.

internal import Glibc
internal import Seal

struct StateFolder {
    let path: String
    let workerID: String
    let key: SealingKey
    /// Held for the process's life, and by the worker that comes after it.
    let lock: Int32

    /// `handedLock`: the lock as the worker before holds it.
    init(_ path: String, handedLock: Int32? = nil) throws(WorkerStartFailure) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw Self.failure("--state \(path)") }
        var lock = open(path + "/worker.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw Self.failure("--state \(path)/worker.lock") }
        if let handedLock {
            guard Self.isSame(handedLock, lock) else {
                throw WorkerStartFailure(description: "--state \(path): the worker before this one has another folder")
            }
            close(lock)
            lock = handedLock
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw WorkerStartFailure(description: "--state \(path): another worker uses this folder")
        }
        self.lock = lock
        do {
            key = try SealingKey(loadingOrCreatingAt: path + "/worker.key")
        } catch {
            throw WorkerStartFailure(description: "--state: \(error)")
        }
        workerID = try Self.loadOrCreateID(path + "/worker.id")
    }

    private static func isSame(_ one: Int32, _ other: Int32) -> Bool {
        var first = stat()
        var second = stat()
        return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev
            && first.st_ino == second.st_ino
    }

    /// Writes a small file for others to read.
    func write(_ name: String, _ text: String) throws(WorkerStartFailure) {
        try Self.write(path + "/" + name, text)
    }

    private static func loadOrCreateID(_ path: String) throws(WorkerStartFailure) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file >= 0 {
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = Glibc.read(file, &bytes, bytes.count)
            let text = bytes.prefix(max(0, count)).prefix { $0 != 10 }
            if text.count == 32, text.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102) }) {
                return String(decoding: text, as: UTF8.self)
            }
        }
        let id = Hex.encode(Random.bytes(16))
        try write(path, id + "\n")
        return id
    }

    private static func write(_ path: String, _ text: String) throws(WorkerStartFailure) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure("--state \(temporary)") }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0, rename(temporary, path) == 0
        else {
            throw failure("--state \(path)")
        }
    }

    private static func failure(_ what: String) -> WorkerStartFailure {
        WorkerStartFailure(description: "\(what): \(String(cString: strerror(errno)))")
    }
}
