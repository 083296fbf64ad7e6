// Files that must survive a crash: written and synced, appended and synced, moved; and records in an appended file, where the last
// one may be cut off.

internal import Glibc

/// Why the store could not do what it was asked.
package struct StoreFailure: Error, CustomStringConvertible {
    package let description: String
    /// What the kernel said; 0: it is about contents.
    let code: Int32

    init(description: String) {
        self.description = description
        code = 0
    }

    init(_ what: String, _ path: String, _ code: Int32) {
        description = "\(what) \(path): \(String(cString: strerror(code)))"
        self.code = code
    }

    /// The disk, or who may write to it: it may be otherwise later, and what is there can be read meanwhile.
    var isOfDisk: Bool { Self.isOfDisk(code) }

    static func isOfDisk(_ code: Int32) -> Bool {
        [EROFS, ENOSPC, EDQUOT, EIO, EACCES, EPERM].contains(code)
    }

    /// What to do about it, for whoever operates the machine.
    var advice: String {
        switch code {
        case EROFS: "make its file system writable again (`dmesg` says why it is not)"
        case ENOSPC, EDQUOT: "make room"
        case EACCES, EPERM: "give the folder and what is in it to the worker's user"
        case EWOULDBLOCK: "end the other worker that uses this folder"
        default: "look at its disk (`dmesg`)"
        }
    }
}

enum StoreFile {
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(StoreFailure) {
        do {
            try write(bytes, path, O_TRUNC, mode)
        } catch {
            // On a full disk half a file is in the way.
            unlink(path)
            throw error
        }
    }

    static func append(_ bytes: [UInt8], to path: String) throws(StoreFailure) {
        try write(bytes, path, O_APPEND, 0o600)
    }

    /// Whether files can be made and written here: throws when not.
    static func probe(_ path: String) throws(StoreFailure) {
        defer { unlink(path) }
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw StoreFailure("open", path, errno) }
        defer { close(file) }
        let block = [UInt8](repeating: 0, count: 4_096)
        guard Glibc.write(file, block, block.count) == block.count else { throw StoreFailure("write", path, errno) }
    }

    private static func write(
        _ bytes: [UInt8], _ path: String, _ flags: Int32, _ mode: mode_t
    ) throws(StoreFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode)
        guard file >= 0 else { throw StoreFailure("open", path, errno) }
        defer { close(file) }
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StoreFailure("write", path, errno) }
            offset += count
        }
        guard fsync(file) == 0 else { throw StoreFailure("fsync", path, errno) }
    }

    /// Nothing happens when there is no such file.
    static func move(_ path: String, to other: String) throws(StoreFailure) {
        if rename(path, other) != 0, errno != ENOENT { throw StoreFailure("rename to", other, errno) }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func syncFolder(_ folder: String) throws(StoreFailure) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StoreFailure("open", folder, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw StoreFailure("fsync", folder, errno) }
    }

    /// A file may say that it is as long as it likes.
    private static let largestReserve = 64 << 20

    /// Nil: there is no such file.
    static func read(_ path: String) throws(StoreFailure) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw StoreFailure("open", path, errno)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var known = stat()
        if fstat(file, &known) == 0 { bytes.reserveCapacity(min(Int(known.st_size), largestReserve)) }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StoreFailure("read", path, errno) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
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
