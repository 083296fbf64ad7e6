// Whether one candidate takes a request: the only place where conditions are judged. `match` stops at the first candidate
// that passes; `trace` asks for all of them and keeps the verdicts.

import Glibc

extension FlatTables {
    func check(_ candidate: UnsafePointer<Candidate>, _ head: borrowing RequestHead) -> Verdict {
        guard pathHolds(candidate, head.path) else { return .path }
        if candidate.pointee.methods.count != 0, !methodHolds(candidate.pointee.methods, head.method) {
            return .method
        }
        for offset in 0..<candidate.pointee.headers.count {
            let condition = conditions + Int(candidate.pointee.headers.first &+ offset)
            if !headerHolds(condition, head) { return .header(Int(candidate.pointee.headers.first &+ offset)) }
        }
        for offset in 0..<candidate.pointee.query.count {
            let condition = conditions + Int(candidate.pointee.query.first &+ offset)
            if !queryHolds(condition, head.query) { return .query(Int(candidate.pointee.query.first &+ offset)) }
        }
        return .matched
    }

    @inline(__always)
    private func pathHolds(_ candidate: UnsafePointer<Candidate>, _ path: UnsafeRawBufferPointer) -> Bool {
        let pattern = candidate.pointee.path
        let count = Int(pattern.count)
        guard let base = path.baseAddress, path.count >= count else { return false }
        switch candidate.pointee.kind {
        case .exact:
            return path.count == count && samePath(candidate, base, count)
        case .prefix:
            // Whole segments: the pattern has lost its last slash, so one must follow, or the end. The root has become
            // empty; it asks for a path (not `*`).
            if path.count != count || count == 0 {
                guard path.count > count, base.load(fromByteOffset: count, as: UInt8.self) == 0x2f else { return false }
            }
            return samePath(candidate, base, count)
        case .regex:
            guard let regex = candidate.pointee.regex, FoldedBytes.identical(base, key: pointer(pattern), count: count)
            else { return false }
            return RegularExpression.matches(regex, path, whole: false)
        }
    }

    @inline(__always)
    private func samePath(_ candidate: UnsafePointer<Candidate>, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        candidate.pointee.caseSensitive
            ? FoldedBytes.identical(base, key: pointer(candidate.pointee.path), count: count)
            : FoldedBytes.equal(base, key: pointer(candidate.pointee.path), count: count)
    }

    private func methodHolds(_ allowed: Slice, _ method: UnsafeRawBufferPointer) -> Bool {
        guard let base = method.baseAddress else { return false }
        for offset in 0..<allowed.count {
            let name = methods[Int(allowed.first &+ offset)]
            if Int(name.count) == method.count, FoldedBytes.identical(base, key: pointer(name), count: method.count) {
                return true
            }
        }
        return false
    }

    // MARK: Headers

    private func headerHolds(_ condition: UnsafePointer<Condition>, _ head: borrowing RequestHead) -> Bool {
        switch condition.pointee.subject {
        case .field: fieldHolds(condition, head.fields)
        case .method: holds(condition, head.method)
        case .scheme: holds(condition, head.scheme)
        case .authority: authorityHolds(condition, head.authority)
        case .path: pathAndQueryHold(condition, head.path, head.query)
        case .query: false
        }
    }

    private func fieldHolds(_ condition: UnsafePointer<Condition>, _ fields: UnsafeBufferPointer<HeaderField>) -> Bool {
        let name = condition.pointee.key
        let key = pointer(name)
        var found = -1
        var more = 0
        for index in 0..<fields.count where fields[index].nameLength == Int(name.count) {
            guard let base = fields[index].name, FoldedBytes.identical(base, key: key, count: Int(name.count)) else {
                continue
            }
            if found < 0 { found = index } else { more &+= 1 }
        }
        guard found >= 0 else { return false }
        if more == 0 { return holds(condition, fields[found].bytes) }
        return joinedFieldHolds(condition, fields)
    }

    /// A field that occurs more than once is judged as the one line that it stands for: joined by a comma (RFC 9110 §5.3),
    /// cookies by `; ` (RFC 9113 §8.2.3). No blank behind the comma, as Envoy has it: patterns may count on that.
    private func joinedFieldHolds(
        _ condition: UnsafePointer<Condition>, _ fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        let name = condition.pointee.key
        let key = pointer(name)
        func same(_ field: HeaderField) -> Bool {
            guard field.nameLength == Int(name.count), let base = field.name else { return false }
            return FoldedBytes.identical(base, key: key, count: Int(name.count))
        }
        let isCookie = name.count == 6 && memcmp(key, "cookie", 6) == 0
        var size = 0
        for field in fields where same(field) { size += field.bytes.count + 2 }
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { buffer in
            var used = 0
            var isFirst = true
            for field in fields where same(field) {
                if !isFirst {
                    buffer[used] = isCookie ? 0x3b : 0x2c
                    used += 1
                    if isCookie {
                        buffer[used] = 0x20
                        used += 1
                    }
                }
                isFirst = false
                UnsafeMutableRawBufferPointer(rebasing: buffer[used...]).copyMemory(from: field.bytes)
                used += field.bytes.count
            }
            return holds(condition, UnsafeRawBufferPointer(rebasing: buffer[..<used]))
        }
    }

    /// With the port or without it, in any letter case: a client that names the gateway's port means the same host.
    private func authorityHolds(_ condition: UnsafePointer<Condition>, _ authority: UnsafeRawBufferPointer) -> Bool {
        holds(condition, authority, folded: true)
            || holds(condition, FlatTables.hostName(authority), folded: true)
    }

    /// `:path` is path and query, as clients send it.
    private func pathAndQueryHold(
        _ condition: UnsafePointer<Condition>, _ path: UnsafeRawBufferPointer, _ query: UnsafeRawBufferPointer
    ) -> Bool {
        guard let tail = query.baseAddress, query.count > 0, let start = path.baseAddress else {
            return holds(condition, path)
        }
        return withUnsafeTemporaryAllocation(byteCount: path.count + 1 + query.count, alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return false }
            memcpy(base, start, path.count)
            buffer[path.count] = 0x3f
            memcpy(base + path.count + 1, tail, query.count)
            return holds(condition, UnsafeRawBufferPointer(buffer))
        }
    }

    // MARK: Query

    /// The first parameter of that name counts. Names and values are compared after percent-decoding; `+` is a plus.
    private func queryHolds(_ condition: UnsafePointer<Condition>, _ query: UnsafeRawBufferPointer) -> Bool {
        var start = 0
        while start < query.count {
            var end = start
            var equals = -1
            while end < query.count, query[end] != 0x26 {
                if query[end] == 0x3d, equals < 0 { equals = end }
                end &+= 1
            }
            let nameEnd = equals < 0 ? end : equals
            if PercentDecoding.equal(
                query, start, nameEnd, key: pointer(condition.pointee.key), Int(condition.pointee.key.count))
            {
                let valueStart = equals < 0 ? end : equals &+ 1
                return PercentDecoding.decoded(query, valueStart, end) { holds(condition, $0) }
            }
            start = end &+ 1
        }
        return false
    }

    // MARK: Values

    @inline(__always)
    private func holds(
        _ condition: UnsafePointer<Condition>, _ subject: UnsafeRawBufferPointer, folded: Bool = false
    ) -> Bool {
        let count = Int(condition.pointee.value.count)
        switch condition.pointee.kind {
        case .exact: return subject.count == count && begins(condition, subject, count, folded)
        case .prefix: return subject.count >= count && begins(condition, subject, count, folded)
        case .regex:
            guard let regex = condition.pointee.regex else { return false }
            return RegularExpression.matches(regex, subject, whole: true)
        }
    }

    @inline(__always)
    private func begins(
        _ condition: UnsafePointer<Condition>, _ subject: UnsafeRawBufferPointer, _ count: Int, _ folded: Bool
    ) -> Bool {
        guard count > 0, let base = subject.baseAddress else { return count == 0 }
        let value = pointer(condition.pointee.value)
        return folded
            ? FoldedBytes.equal(base, key: value, count: count) : FoldedBytes.identical(base, key: value, count: count)
    }
}

extension HeaderField {
    @inline(__always)
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueLength) }
}
