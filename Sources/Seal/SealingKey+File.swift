// The file of a sealing key: 64 hexadecimal digits and a line feed, mode 0600. Losing it loses what it sealed, so it is
// written completely and durably before its name appears, and a file that is there is never replaced.

import Glibc

/// Why a key file could not be used. The text names the file.
package struct SealingKeyError: Error, Hashable, Sendable, CustomStringConvertible {
    package var path: String
    package var reason: String

    package var description: String { "sealing key \(path): \(reason)" }
}

extension SealingKey {
    /// Reads the key of that file; makes the file with a new key if there is none.
    package init(loadingOrCreatingAt path: String) throws(SealingKeyError) {
        if let existing = try Self.load(path) {
            self = existing
            return
        }
        let fresh = SealingKey.generate()
        if try Self.create(path, fresh) {
            self = fresh
        } else {
            // Another process was faster: its key is the one.
            try self.init(loadingFrom: path)
        }
    }

    /// Reads the key of a file that has to be there: something is sealed by it already.
    package init(loadingFrom path: String) throws(SealingKeyError) {
        guard let existing = try Self.load(path) else {
            throw SealingKeyError(path: path, reason: "the file does not exist")
        }
        self = existing
    }

    /// Writes the key to a file that must not be there yet.
    package func create(at path: String) throws(SealingKeyError) {
        guard try Self.create(path, self) else { throw SealingKeyError(path: path, reason: "there is a file already") }
    }

    /// `nil` when there is no such file.
    private static func load(_ path: String) throws(SealingKeyError) -> SealingKey? {
        func failure(_ reason: String) -> SealingKeyError { SealingKeyError(path: path, reason: reason) }
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 && errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw failure("cannot be opened: \(Self.reason(errno))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot be examined: \(Self.reason(errno))") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("is not a regular file") }
        guard status.st_mode & 0o077 == 0 else {
            throw failure("may be read or changed by others; `chmod 600` it, and consider whether somebody has")
        }
        var content = [UInt8](repeating: 0, count: 256)
        var count = 0
        while count < content.count {
            let got = content[count...].withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw failure("cannot be read: \(Self.reason(errno))") }
            if got == 0 { break }
            count += got
        }
        var text = content[..<count]
        if text.last == UInt8(ascii: "\n") { text.removeLast() }
        guard let key = Hex.decode(String(decoding: text, as: UTF8.self)).flatMap({ SealingKey(Secret($0)) }) else {
            throw failure("does not hold a key (64 hexadecimal digits)")
        }
        return key
    }

    /// Returns false when the name was taken in the meantime.
    private static func create(_ path: String, _ key: SealingKey) throws(SealingKeyError) -> Bool {
        func failure(_ what: String) -> SealingKeyError {
            SealingKeyError(path: path, reason: "\(what): \(Self.reason(errno))")
        }
        let temporary = "\(path).\(Hex.encode(Random.bytes(8)))"
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be created") }
        defer {
            close(descriptor)
            unlink(temporary)
        }
        let text = Array((Hex.encode(key.secret.bytes) + "\n").utf8)
        var written = 0
        while written < text.count {
            let put = text[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if put < 0 && errno == EINTR { continue }
            guard put > 0 else { throw failure("cannot be written") }
            written += put
        }
        guard fsync(descriptor) == 0 else { throw failure("cannot be made durable") }
        // Unlike `rename`, `link` never replaces.
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { return false }
            throw failure("cannot be created")
        }
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("cannot be made durable") }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure("cannot be made durable") }
        return true
    }

    private static func reason(_ code: Int32) -> String {
        String(cString: strerror(code))
    }
}
