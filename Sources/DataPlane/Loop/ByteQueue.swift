// A growable queue of bytes in malloc'ed memory: what a connection or a stream keeps when the other side cannot take it
// yet. A trivial struct, so that holders stay trivial; whoever owns one calls `release`.

internal import Glibc

/// Bytes appended at the end and consumed at the front. Not a value type in spirit: copies share memory.
package struct ByteQueue {
    package init() {}

    private var storage: UnsafeMutablePointer<UInt8>?
    // Every holder has a bound far below 4 GiB, and a connection has several of these.
    private var head: UInt32 = 0
    private var tail: UInt32 = 0
    private var capacity: UInt32 = 0

    /// Memory that an empty queue may keep, so that a busy one does not allocate again each time.
    package static let keptWhenEmpty = 16 * 1024

    package var count: Int { Int(tail &- head) }
    package var isEmpty: Bool { tail == head }

    /// The first byte; valid until the next mutation, and only where `count` is not 0.
    package var start: UnsafeMutablePointer<UInt8> { storage.unsafelyUnwrapped + Int(head) }

    /// Room for `count` more bytes; follow with `commit`.
    @inline(__always)
    package mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if Int(tail) &+ count > Int(capacity) { grow(count) }
        return storage.unsafelyUnwrapped + Int(tail)
    }

    @inline(__always)
    package mutating func commit(_ count: Int) { tail &+= UInt32(truncatingIfNeeded: count) }

    @inline(__always)
    package mutating func append(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        guard count > 0 else { return }
        memcpy(reserve(count), bytes, count)
        commit(count)
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
        head &+= UInt32(truncatingIfNeeded: count)
        if head == tail { empty() }
    }

    @inline(__always)
    package mutating func removeAll() {
        head = tail
        empty()
    }

    /// Drops what is behind the first `count` bytes.
    package mutating func shorten(to count: Int) {
        if count < self.count { tail = head &+ UInt32(truncatingIfNeeded: count) }
    }

    /// Empties it; memory over a bound is given back, whatever `keptWhenEmpty` says.
    package mutating func trim(to bound: Int) {
        if Int(capacity) > bound { release() } else { removeAll() }
    }

    /// Gives its memory back where it is empty; returns how much that was.
    @discardableResult
    package mutating func slim() -> Int {
        guard isEmpty, capacity > 0 else { return 0 }
        defer { release() }
        return Int(capacity)
    }

    /// Gives back what lies behind its bytes, where nothing was consumed yet: nothing more is appended for long.
    package mutating func fit() {
        guard head == 0, tail > 0, tail < capacity, let fitting = realloc(storage, Int(tail)) else { return }
        storage = fitting.assumingMemoryBound(to: UInt8.self)
        capacity = tail
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
        if Int(capacity) > Self.keptWhenEmpty { return release() }
        head = 0
        tail = 0
    }

    @inline(never)
    private mutating func grow(_ count: Int) {
        let used = self.count
        if head > 0 {
            if used > 0 { memmove(storage.unsafelyUnwrapped, start, used) }
            head = 0
            tail = UInt32(used)
        }
        guard used + count > Int(capacity) else { return }
        let wanted = max(512, (used + count) * 2)
        guard let fitting = UInt32(exactly: wanted), let grown = realloc(storage, wanted) else {
            preconditionFailure("out of memory: a queue of \(wanted) bytes")
        }
        capacity = fitting
        storage = grown.assumingMemoryBound(to: UInt8.self)
    }
}
