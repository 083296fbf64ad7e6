// One control plane per data folder: an exclusive flock, held for the life of the process. The kernel releases it when the
// process ends, however it ends. SQLite 3.40 can damage a WAL that two processes write, so this is not a courtesy.

import Glibc

/// The lock on a data folder.
package final class ControlLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock or tells who holds it.
    package init(at path: String) throws(StoreError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError(.locked, "Cannot open the lock file \(path): \(StoreError.reason(errno)).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.processID(in: descriptor)
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw StoreError(.locked, "Cannot lock \(path): \(StoreError.reason(code)).")
            }
            let process = holder.map { "process \($0)" } ?? "another process"
            throw StoreError(
                .locked,
                "The data folder is in use by \(process) (lock file \(path)). Stop it, or choose another folder.")
        }
        self.descriptor = descriptor
        let text = "\(getpid())\n"
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.utf8.count, 0) == text.utf8.count else {
            let code = errno
            close(descriptor)
            throw StoreError(.locked, "Cannot write the lock file \(path): \(StoreError.reason(code)).")
        }
    }

    deinit {
        close(descriptor)
    }

    private static func processID(in descriptor: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: buffer[..<count], as: UTF8.self).prefix(while: \.isNumber))
    }
}
