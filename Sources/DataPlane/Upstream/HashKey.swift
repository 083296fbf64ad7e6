// What a consistent hash is made of, read from the request head that the exchange keeps.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

/// A balancing policy laid out for a loop.
struct LoopBalancing {
    let policy: BalancingPolicy
    /// With `consistentHash` only.
    let hashKind: HashSourceKind
    let hashName: FixedText

    init(_ config: LoadBalancing) {
        // Without a source there is nothing to hash: validation refuses it, and turns are what is left.
        policy = config.policy == .consistentHash && config.hashOn == nil ? .roundRobin : config.policy
        hashKind = config.hashOn?.kind ?? .path
        hashName = FixedText(config.hashOn?.name ?? "")
    }

    func deallocate() { hashName.deallocate() }
}

extension ExchangePointer {
    /// nil: the request has no such part.
    func hashKey(_ balancing: LoopBalancing) -> UInt64? {
        switch balancing.hashKind {
        case .clientAddress:
            let client = pointee.client.address
            return mixed(client.0 ^ mixed(client.1))
        case .host: return nonempty(field(at: FieldSlot.authority))
        case .path: return nonempty(field(at: FieldSlot.path))
        case .header: return hashHeader(balancing.hashName.bytes)
        case .queryParameter: return hashParameter(balancing.hashName.bytes)
        case .cookie: return cookie(balancing.hashName.bytes).flatMap(nonempty)
        }
    }

    private func nonempty(_ bytes: UnsafeRawBufferPointer) -> UInt64? { bytes.isEmpty ? nil : stableHash(bytes) }

    private func field(at slot: Int) -> UnsafeRawBufferPointer {
        var reader = StoredFields(pointee.head)
        for _ in 0..<slot { _ = reader.next() }
        return reader.next()?.value ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    private func hashHeader(_ name: UnsafeRawBufferPointer) -> UInt64? {
        var reader = StoredFields(pointee.head)
        while let field = reader.next() {
            if equal(field.name, name) { return nonempty(field.value) }
        }
        return nil
    }

    /// The first occurrence counts; compared and hashed as it is written.
    private func hashParameter(_ name: UnsafeRawBufferPointer) -> UInt64? {
        let path = field(at: FieldSlot.path)
        guard let mark = path.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        return find(name, in: UnsafeRawBufferPointer(rebasing: path[(mark + 1)...]), between: UInt8(ascii: "&"))
            .flatMap(nonempty)
    }

    /// HTTP/2 clients may send several cookie fields (RFC 9113 §8.2.3). The value points into the kept head.
    func cookie(_ name: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var reader = StoredFields(pointee.head)
        while let field = reader.next() {
            guard field.name.elementsEqual("cookie".utf8) else { continue }
            if let value = find(name, in: field.value, between: UInt8(ascii: ";")) { return value }
        }
        return nil
    }

    /// The value in `name=value` among parts of a text.
    private func find(
        _ name: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer, between mark: UInt8
    ) -> UnsafeRawBufferPointer? {
        var start = 0
        while start < text.count {
            while start < text.count, text[start] == UInt8(ascii: " ") { start += 1 }
            var end = start
            while end < text.count, text[end] != mark { end += 1 }
            let part = UnsafeRawBufferPointer(rebasing: text[start..<end])
            if part.count > name.count, part[name.count] == UInt8(ascii: "="),
                equal(UnsafeRawBufferPointer(rebasing: part[..<name.count]), name)
            {
                return UnsafeRawBufferPointer(rebasing: part[(name.count + 1)...])
            }
            start = end + 1
        }
        return nil
    }

    private func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        guard let x = a.baseAddress, let y = b.baseAddress else { return a.count == 0 }
        return memcmp(x, y, a.count) == 0
    }
}

/// Reads what `storeField` wrote.
private struct StoredFields {
    private var position: UnsafeMutablePointer<UInt8>?
    private var left: Int

    init(_ queue: ByteQueue) {
        position = queue.isEmpty ? nil : queue.start
        left = queue.count
    }

    mutating func next() -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
        guard left > 0, let start = position else { return nil }
        let raw = UnsafeRawPointer(start)
        let name = Int(raw.loadUnaligned(as: UInt32.self) & 0x7fff_ffff)
        let value = Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        position = start + 8 + name + value
        left -= 8 + name + value
        return (
            UnsafeRawBufferPointer(start: raw + 8, count: name),
            UnsafeRawBufferPointer(start: raw + 8 + name, count: value)
        )
    }
}
