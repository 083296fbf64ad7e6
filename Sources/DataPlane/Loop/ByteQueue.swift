// A growable queue of bytes in malloc'ed memory: what a connection or a stream keeps when the other side cannot take it
// yet. A trivial struct, so that holders stay trivial; whoever owns one calls `release`.

internal import Glibc

/// Bytes appended at the end and consumed at the front. Not a value type in spirit: copies share memory.
package struct ByteQueue {
    package init() {}

    private var storage: UnsafeMutablePointer<UInt8>?
    private var head = 0
    private var tail = 0
    private var capacity = 0

    /// Memory that an empty queue may keep, so that a busy one does not allocate again each time.
    package static let keptWhenEmpty = 16 * 1024

    package var count: Int { tail &- head }
    package var isEmpty: Bool { tail == head }

    /// The first byte; valid until the next mutation, and only where `count` is not 0.
    package var start: UnsafeMutablePointer<UInt8> { storage.unsafelyUnwrapped + head }

    /// Room for `count` more bytes; follow with `commit`.
    @inline(__always)
    package mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if tail &+ count > capacity { grow(count) }
        return storage.unsafelyUnwrapped + tail
    }

    @inline(__always)
    package mutating func commit(_ count: Int) { tail &+= count }

    @inline(__always)
    package mutating func append(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        guard count > 0 else { return }
        memcpy(reserve(count), bytes, count)
        tail &+= count
    }

    @inline(__always)
    package mutating func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        tail &+= 1
    }

    package mutating func append(_ text: StaticString) {
        append(text.utf8Start, text.utf8CodeUnitCount)
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        append(base.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    package mutating func append(decimal value: Int) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var i = buffer.count
            var rest = value.magnitude
            repeat {
                i -= 1
                buffer[i] = UInt8(48 + rest % 10)
                rest /= 10
            } while rest > 0
            append(UnsafeRawBufferPointer(rebasing: buffer[i...]))
        }
    }

    @inline(__always)
    package mutating func consume(_ count: Int) {
        head &+= count
        if head == tail { empty() }
    }

    @inline(__always)
    package mutating func removeAll() {
        head = tail
        empty()
    }

    /// Drops what is behind the first `count` bytes.
    package mutating func shorten(to count: Int) {
        if count < self.count { tail = head &+ count }
    }

    /// Empties it; memory over a bound is given back, whatever `keptWhenEmpty` says.
    package mutating func trim(to bound: Int) {
        if capacity > bound { release() } else { removeAll() }
    }

    /// Gives its memory back where it is empty.
    package mutating func slim() {
        if isEmpty, capacity > 0 { release() }
    }

    package mutating func release() {
        free(storage)
        storage = nil
        head = 0
        tail = 0
        capacity = 0
    }

    @inline(__always)
    private mutating func empty() {
        if capacity > Self.keptWhenEmpty { return release() }
        head = 0
        tail = 0
    }

    @inline(never)
    private mutating func grow(_ count: Int) {
        let used = tail - head
        if head > 0 {
            if used > 0 { memmove(storage.unsafelyUnwrapped, storage.unsafelyUnwrapped + head, used) }
            head = 0
            tail = used
        }
        guard used + count > capacity else { return }
        capacity = max(512, (used + count) * 2)
        guard let grown = realloc(storage, capacity) else {
            preconditionFailure("out of memory: a queue of \(capacity) bytes")
        }
        storage = grown.assumingMemoryBound(to: UInt8.self)
    }
}
