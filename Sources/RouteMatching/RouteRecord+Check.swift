// Whether one route takes a request: the only place where conditions are judged. `match` stops at the first route that passes;
// `trace` asks for all of them and keeps the verdicts.

import Glibc

extension RoutePointer {
    @inline(__always)
    func check(_ head: borrowing RequestHead) -> Verdict {
        guard pathHolds(head.path) else { return .path }
        if pointee.methods.count != 0, !methodHolds(head.method) { return .method }
        for index in 0..<pointee.headers.count {
            let condition = pointee.headers.baseAddress.unsafelyUnwrapped + index
            if !condition.headerHolds(head) { return .header(condition) }
        }
        for index in 0..<pointee.query.count {
            let condition = pointee.query.baseAddress.unsafelyUnwrapped + index
            if !condition.queryHolds(head.query) { return .query(condition) }
        }
        return .matched
    }

    @inline(__always)
    private func pathHolds(_ path: UnsafeRawBufferPointer) -> Bool {
        let count = pointee.path.count
        guard let base = path.baseAddress, path.count >= count else { return false }
        switch pointee.kind {
        case .exact:
            return path.count == count && samePath(base, count)
        case .prefix:
            // Whole segments: the pattern has lost its last slash, so one must follow, or the end. The root has become
            // empty; it asks for a path (not `*`).
            if path.count != count || count == 0 {
                guard path.count > count, base.load(fromByteOffset: count, as: UInt8.self) == 0x2f else { return false }
            }
            return samePath(base, count)
        case .regex:
            guard let regex = pointee.regex, FoldedBytes.identical(base, key: pointee.path.start, count: count)
            else { return false }
            return RegularExpression.matches(regex, path, whole: false)
        }
    }

    @inline(__always)
    private func samePath(_ base: UnsafeRawPointer, _ count: Int) -> Bool {
        pointee.caseSensitive
            ? FoldedBytes.identical(base, key: pointee.path.start, count: count)
            : FoldedBytes.equal(base, key: pointee.path.start, count: count)
    }

    private func methodHolds(_ method: UnsafeRawBufferPointer) -> Bool {
        guard let base = method.baseAddress else { return false }
        for name in pointee.methods
        where name.count == method.count && FoldedBytes.identical(base, key: name.start, count: method.count) {
            return true
        }
        return false
    }
}

extension UnsafePointer<Condition> {
    // MARK: Headers

    func headerHolds(_ head: borrowing RequestHead) -> Bool {
        switch pointee.subject {
        case .field: fieldHolds(head.fields)
        case .method: holds(head.method)
        case .scheme: holds(head.scheme)
        case .authority: authorityHolds(head.authority)
        case .path: pathAndQueryHold(head.path, head.query)
        case .query: false
        }
    }

    private func fieldHolds(_ fields: UnsafeBufferPointer<HeaderField>) -> Bool {
        let name = pointee.key
        let key = name.start
        var found = -1
        var more = 0
        for index in 0..<fields.count where fields[index].nameLength == name.count {
            guard let base = fields[index].name, FoldedBytes.identical(base, key: key, count: name.count) else {
                continue
            }
            if found < 0 { found = index } else { more &+= 1 }
        }
        guard found >= 0 else { return false }
        if more == 0 { return holds(fields[found].bytes) }
        return joinedFieldHolds(fields)
    }

    /// A field that occurs more than once is judged as the one line that it stands for: joined by a comma (RFC 9110 §5.3),
    /// cookies by `; ` (RFC 9113 §8.2.3). No blank behind the comma, as Envoy has it: patterns may count on that.
    private func joinedFieldHolds(
        _ fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        let name = pointee.key
        let key = name.start
        func same(_ field: HeaderField) -> Bool {
            guard field.nameLength == name.count, let base = field.name else { return false }
            return FoldedBytes.identical(base, key: key, count: name.count)
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
            return holds(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
        }
    }

    /// With the port or without it, in any letter case: a client that names the gateway's port means the same host.
    private func authorityHolds(_ authority: UnsafeRawBufferPointer) -> Bool {
        holds(authority, folded: true)
            || holds(RouteTable.hostName(authority), folded: true)
    }

    /// `:path` is path and query, as clients send it.
    private func pathAndQueryHold(
        _ path: UnsafeRawBufferPointer, _ query: UnsafeRawBufferPointer
    ) -> Bool {
        guard let tail = query.baseAddress, query.count > 0, let start = path.baseAddress else {
            return holds(path)
        }
        return withUnsafeTemporaryAllocation(byteCount: path.count + 1 + query.count, alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return false }
            memcpy(base, start, path.count)
            buffer[path.count] = 0x3f
            memcpy(base + path.count + 1, tail, query.count)
            return holds(UnsafeRawBufferPointer(buffer))
        }
    }

    // MARK: Query

    /// The first parameter of that name counts. Names and values are compared after percent-decoding; `+` is a plus.
    func queryHolds(_ query: UnsafeRawBufferPointer) -> Bool {
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
                query, start, nameEnd, key: pointee.key.start, pointee.key.count)
            {
                let valueStart = equals < 0 ? end : equals &+ 1
                return PercentDecoding.decoded(query, valueStart, end) { holds($0) }
            }
            start = end &+ 1
        }
        return false
    }

    // MARK: Values

    @inline(__always)
    private func holds(
        _ subject: UnsafeRawBufferPointer, folded: Bool = false
    ) -> Bool {
        let count = pointee.value.count
        switch pointee.kind {
        case .exact: return subject.count == count && begins(subject, count, folded)
        case .prefix: return subject.count >= count && begins(subject, count, folded)
        case .regex:
            guard let regex = pointee.regex else { return false }
            return RegularExpression.matches(regex, subject, whole: true)
        }
    }

    @inline(__always)
    private func begins(
        _ subject: UnsafeRawBufferPointer, _ count: Int, _ folded: Bool
    ) -> Bool {
        guard count > 0, let base = subject.baseAddress else { return count == 0 }
        let value = pointee.value.start
        return folded
            ? FoldedBytes.equal(base, key: value, count: count) : FoldedBytes.identical(base, key: value, count: count)
    }
}

extension HeaderField {
    @inline(__always)
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueLength) }
}
