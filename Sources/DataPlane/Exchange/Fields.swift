// The fields of the head at hand, in one form for both protocols: pseudo-header fields in fixed slots at the front of the
// loop's list, the others behind them, and what the proxy must know of them noted in one pass.

internal import CNghttp2
internal import COpenSSL
internal import Glibc

/// Positions of pseudo-header fields in the loop's list.
enum FieldSlot {
    static let method = 0
    static let scheme = 1
    static let authority = 2
    static let path = 3
    /// Of a response; the other slots are empty then.
    static let status = 0
    /// RFC 8441 §4.
    static let `protocol` = 4
    static let regular = 5

    /// The slot of a pseudo-header field, or nil when this kind of block must not carry it.
    @inline(__always)
    static func slot(of field: nghttp2_nv, _ kind: BlockKind) -> Int? {
        guard let name = field.name else { return nil }
        if kind == .response {
            return field.namelen == 7 && memcmp(name, ":status", 7) == 0 ? status : nil
        }
        switch field.namelen {
        case 5: return memcmp(name, ":path", 5) == 0 ? path : nil
        case 7:
            if memcmp(name, ":method", 7) == 0 { return method }
            return memcmp(name, ":scheme", 7) == 0 ? scheme : nil
        case 9: return memcmp(name, ":protocol", 9) == 0 ? `protocol` : nil
        case 10: return memcmp(name, ":authority", 10) == 0 ? authority : nil
        default: return nil
        }
    }
}

/// What is noted while a head is read. Indexes are positions in the loop's list; 0: absent.
struct FieldFacts {
    /// nil: no content-length; a second one is refused by `note`.
    var contentLength: Int?
    var grpc: GRPCForm = .none
    var contentType = 0
    var grpcTimeout = 0
    var grpcStatus = 0
    var host = 0
    var hosts = 0
    var expectsContinue = false
    var hasSessionCookie = false
    /// -1: more than one, which is as good as none (W3C Trace Context §3.2).
    var traceParent = 0

    /// Looks at one regular field. False: HTTP/2 must not carry it (RFC 9113 §8.2.2), or it contradicts another.
    @inline(__always)
    mutating func note(_ field: nghttp2_nv, at index: Int) -> Bool {
        let name = field.name.unsafelyUnwrapped
        switch field.namelen {
        case 2:
            if memcmp(name, "te", 2) == 0 {
                return field.valuelen == 8 && memcmp(field.value, "trailers", 8) == 0
            }
        case 4:
            if memcmp(name, "host", 4) == 0 {
                host = index
                hosts &+= 1
            }
        case 6:
            if memcmp(name, "expect", 6) == 0 { expectsContinue = equals(field, "100-continue") }
            if memcmp(name, "cookie", 6) == 0 {
                hasSessionCookie = hasSessionCookie || causeway_contains(field.value, field.valuelen, "_hi_sess") != 0
            }
        case 7:
            if memcmp(name, "upgrade", 7) == 0 { return false }
        case 10:
            if memcmp(name, "connection", 10) == 0 || memcmp(name, "keep-alive", 10) == 0 { return false }
        case 11:
            if memcmp(name, "grpc-status", 11) == 0 {
                grpcStatus = index
            } else if memcmp(name, "traceparent", 11) == 0 {
                traceParent = traceParent == 0 ? index : -1
            }
        case 12:
            if memcmp(name, "content-type", 12) == 0 {
                contentType = index
                grpc = GRPCForm(field)
            } else if memcmp(name, "grpc-timeout", 12) == 0 {
                grpcTimeout = index
            }
        case 14:
            if memcmp(name, "content-length", 14) == 0 {
                // Twice, even with the same value, is a smuggler's tool.
                guard contentLength == nil, let value = parseDecimal(field.value, field.valuelen) else { return false }
                contentLength = value
            }
        case 16:
            if memcmp(name, "proxy-connection", 16) == 0 { return false }
        case 17:
            if memcmp(name, "transfer-encoding", 17) == 0 { return false }
        default:
            break
        }
        return true
    }
}

/// Digits only, at most 18 of them.
func parseDecimal(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int? {
    guard let bytes, count > 0, count <= 18 else { return nil }
    var value = 0
    for i in 0..<count {
        let digit = bytes[i] &- 48
        guard digit < 10 else { return nil }
        value = value &* 10 &+ Int(digit)
    }
    return value
}

/// ASCII comparison without regard to case.
func equals(_ field: nghttp2_nv, _ text: StaticString) -> Bool {
    field.valuelen == text.utf8CodeUnitCount
        && field.value.withMemoryRebound(to: CChar.self, capacity: field.valuelen) { value in
            text.utf8Start.withMemoryRebound(to: CChar.self, capacity: field.valuelen) { wanted in
                strncasecmp(value, wanted, field.valuelen) == 0
            }
        }
}

// MARK: - Serialised fields

/// Appends a field: two 32-bit lengths (the top bit of the first: never indexed), name, value.
@inline(__always)
func storeField(_ field: nghttp2_nv, in queue: inout ByteQueue) {
    let size = 8 &+ field.namelen &+ field.valuelen
    let start = queue.reserve(size)
    let raw = UnsafeMutableRawPointer(start)
    let secret: UInt32 = field.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0 ? 1 << 31 : 0
    raw.storeBytes(of: UInt32(truncatingIfNeeded: field.namelen) | secret, as: UInt32.self)
    raw.storeBytes(of: UInt32(truncatingIfNeeded: field.valuelen), toByteOffset: 4, as: UInt32.self)
    if field.namelen > 0 { memcpy(start + 8, field.name, field.namelen) }
    if field.valuelen > 0 { memcpy(start + 8 + field.namelen, field.value, field.valuelen) }
    queue.commit(size)
}

extension LoopPointer {
    /// Puts serialised fields into the loop's list, from a position on; returns the position behind the last. The
    /// values stay where they are: valid until the queue changes.
    func loadFields(_ queue: ByteQueue, from first: Int) -> Int {
        var index = first
        guard !queue.isEmpty else { return index }
        pointee.fieldsOwner = nil
        var p = queue.start
        let end = p + queue.count
        while p < end {
            let raw = UnsafeRawPointer(p)
            let name = raw.loadUnaligned(as: UInt32.self)
            let nameLength = Int(name & 0x7fff_ffff)
            let valueLength = Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            pointee.fields[index] = nghttp2_nv(
                name: p + 8, value: p + 8 + nameLength, namelen: nameLength, valuelen: valueLength,
                flags: name >> 31 != 0 ? UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) : 0)
            p += 8 + nameLength + valueLength
            index += 1
        }
        return index
    }
}
