// Small fields made here: constants that live as long as the process, and the reply that a loop puts together.

internal import CNghttp2
internal import Glibc
internal import RouteMatching

/// A field of two constants. libnghttp2 takes mutable pointers and does not write.
@inline(__always)
func constant(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
    nghttp2_nv(
        name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: value.utf8Start),
        namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount, flags: 0)
}

extension LoopPointer {
    /// Starts a reply in the loop's own list: the list of decoded fields may still be in use.
    func beginReply(status: Int) {
        pointee.replyCount = 0
        pointee.replyBytes.removeAll()
        // Values are pointed at: the queue must not move while a reply is put together.
        _ = pointee.replyBytes.reserve(256)
        addReply(decimal: status, named: ":status")
    }

    func addReply(_ field: nghttp2_nv) {
        pointee.reply[pointee.replyCount] = field
        pointee.replyCount += 1
    }

    func addReply(decimal value: Int, named name: StaticString) {
        let before = pointee.replyBytes.count
        pointee.replyBytes.append(decimal: value)
        var field = constant(name, "")
        field.value = pointee.replyBytes.start + before
        field.valuelen = pointee.replyBytes.count - before
        addReply(field)
    }

    /// Path and query of `:path`; nil when the path holds what no path may (RFC 3986 §3.3), or the rule for paths
    /// refuses it. `*` of OPTIONS is a path of its own.
    func splitPath(_ field: nghttp2_nv) -> (path: UnsafeRawBufferPointer, query: UnsafeRawBufferPointer)? {
        guard let start = field.value, field.valuelen > 0, nghttp2_check_path(start, field.valuelen) != 0 else {
            return nil
        }
        guard start[0] == UInt8(ascii: "/") || (field.valuelen == 1 && start[0] == UInt8(ascii: "*")) else {
            return nil
        }
        let mark = memchr(start, Int32(UInt8(ascii: "?")), field.valuelen)
        let length = mark.map { UnsafeRawPointer($0) - UnsafeRawPointer(start) } ?? field.valuelen
        let rest = mark == nil ? 0 : field.valuelen - length - 1
        return (
            UnsafeRawBufferPointer(start: start, count: length),
            UnsafeRawBufferPointer(start: start + length + (mark == nil ? 0 : 1), count: rest)
        )
    }

    /// Applies the one rule for paths (`PathNormalizer`) to the head in the list: routes and the upstream see the result.
    /// False: refused.
    func normalizePath() -> Bool {
        let field = pointee.fields[FieldSlot.path]
        guard let (path, query) = splitPath(field) else { return false }
        if path.count == 1, path[0] == UInt8(ascii: "*") { return true }
        guard field.valuelen <= Loop.rewriteSize else { return false }
        let space = UnsafeMutableRawBufferPointer(start: pointee.pathBuffer, count: Loop.rewriteSize)
        switch PathNormalizer.normalize(path, into: space) {
        case .unchanged:
            return true
        case .refused:
            return false
        case .changed(var length):
            if query.count > 0 {
                pointee.pathBuffer[length] = UInt8(ascii: "?")
                memcpy(pointee.pathBuffer + length + 1, query.baseAddress.unsafelyUnwrapped, query.count)
                length += 1 + query.count
            }
            pointee.fields[FieldSlot.path].value = pointee.pathBuffer
            pointee.fields[FieldSlot.path].valuelen = length
            return true
        }
    }

    /// Takes the admin page's cookie out of a cookie field. False: nothing is left of the field. What remains goes
    /// behind that of the fields before it (HTTP/2 clients split cookies), so `cookies` must have room for them all.
    func removeSessionCookie(_ field: inout nghttp2_nv) -> Bool {
        guard let value = field.value else { return false }
        let before = pointee.cookies.count
        var rest = UnsafeRawBufferPointer(start: value, count: field.valuelen)
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
            var part = UnsafeRawBufferPointer(rebasing: rest[..<end])
            rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 1, rest.endIndex)...])
            let name = UnsafeRawBufferPointer(rebasing: part[(part.firstIndex { $0 != 32 } ?? part.endIndex)...])
            if name.isEmpty || name.starts(with: "_hi_sess=".utf8) { continue }
            if pointee.cookies.count == before {
                part = name
            } else {
                pointee.cookies.append(UInt8(ascii: ";"))
            }
            pointee.cookies.append(part)
        }
        field.valuelen = pointee.cookies.count - before
        guard field.valuelen > 0 else { return false }
        field.value = pointee.cookies.start + before
        return true
    }

    /// Passes on what is left of the caller's deadline (gRPC over HTTP/2, "Timeout").
    func reduceTimeout(_ field: inout nghttp2_nv, _ exchange: ExchangePointer) {
        let now = milliseconds
        let left = exchange.pointee.deadline > now ? exchange.pointee.deadline - now : 1
        let isWhole = exchange.pointee.deadlineIsCallers && now == exchange.pointee.startedAt / 1_000_000
        guard !isWhole, left < 100_000_000 else { return }
        pointee.replyBytes.removeAll()
        _ = pointee.replyBytes.reserve(32)
        pointee.replyBytes.append(decimal: Int(left))
        pointee.replyBytes.append(UInt8(ascii: "m"))
        field.value = pointee.replyBytes.start
        field.valuelen = pointee.replyBytes.count
    }
}

extension LoopPointer {
    @inline(__always) var milliseconds: UInt64 { pointee.milliseconds }
}
