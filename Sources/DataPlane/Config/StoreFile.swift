// Files that must survive a crash: written and synced, appended and synced, moved; and records in an appended file, where the last
// one may be cut off.

internal import Glibc

enum StoreFile {
    static func write(_ bytes: [UInt8], to path: String) throws(StoreFailure) {
        try write(bytes, path, O_TRUNC)
    }

    static func append(_ bytes: [UInt8], to path: String) throws(StoreFailure) {
        try write(bytes, path, O_APPEND)
    }

    private static func write(_ bytes: [UInt8], _ path: String, _ mode: Int32) throws(StoreFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0o600)
        guard file >= 0 else { throw failure("open \(path)") }
        defer { close(file) }
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write \(path)") }
            offset += count
        }
        guard fsync(file) == 0 else { throw failure("fsync \(path)") }
    }

    /// Nothing happens when there is no such file.
    static func move(_ path: String, to other: String) throws(StoreFailure) {
        if rename(path, other) != 0, errno != ENOENT { throw failure("rename to \(other)") }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func syncFolder(_ folder: String) throws(StoreFailure) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open \(folder)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("fsync \(folder)") }
    }

    /// Nil: there is no such file.
    static func read(_ path: String) throws(StoreFailure) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open \(path)")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read \(path)") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    private static func failure(_ what: String) -> StoreFailure {
        StoreFailure(description: "\(what): \(String(cString: strerror(errno)))")
    }

    // MARK: - Records

    /// A record's length (4 bytes, big endian) and the record.
    static func framed(_ record: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: record.count).bigEndian) { Array($0) } + record
    }

    /// Takes the next record off; nil at the end. One that is cut off was never acknowledged: the crash that cut it came before.
    static func nextRecord(_ rest: inout ArraySlice<UInt8>) throws(StoreFailure) -> ArraySlice<UInt8>? {
        if rest.isEmpty { return nil }
        let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard rest.count >= 4, rest.count - 4 >= count else {
            throw StoreFailure(description: "its last change is cut off")
        }
        let record = rest.dropFirst(4).prefix(count)
        rest = rest.dropFirst(4 + count)
        return record
    }
}
