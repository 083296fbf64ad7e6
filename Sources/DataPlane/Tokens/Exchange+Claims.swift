// What tokens change of a request: fields that only the gateway may write are dropped, a token that the service shall not see is taken
// out, and its claims are put in. Once, in the kept head, from which every try and every copy is sent.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// Drops what the client sent under the name of a claim's header.
    func dropClaimHeaders() {
        guard let shared = pointee.snapshot?.pointee.shared else { return }
        shared._withUnsafeGuaranteedRef { active in
            let names = active.consumers.claimHeaders
            guard names.names.count > 0 else { return }
            let fields = loop.pointee.fields
            for index in FieldSlot.regular..<max(FieldSlot.regular, loop.pointee.fieldCount)
            where names.holds(fields[index]) {
                return rewriteHead { field, _ in names.holds(field) ? nil : field }
            }
        }
    }

    /// The token that the route let in. `text` is where the head's list has it.
    func take(_ token: AuthenticationFilter.Token) {
        let form = token.form
        if form.pointee.claims.count == 0, form.pointee.keepsToken, form.pointee.source != .header { return }
        let before = pointee.head.count
        loop.tokens.claims(of: token.text, form) { header, value in
            let text = value.baseAddress.map {
                UnsafeMutablePointer<UInt8>(mutating: $0.assumingMemoryBound(to: UInt8.self))
            }
            storeField(
                nghttp2_nv(
                    name: header.mutableStart, value: text, namelen: header.bytes.count, valuelen: value.count, flags: 0
                ),
                in: &pointee.head)
        }
        hold(pointee.head.count - before)
        let keeps = form.pointee.keepsToken
        switch form.pointee.source {
        case .query:
            rewriteHead { field, index in
                keeps || index != FieldSlot.path ? field : Self.without(form.pointee.key, field)
            }
        case .header:
            rewriteHead { field, index in
                guard index >= FieldSlot.regular, Self.isNamed(field, form.pointee.key) else { return field }
                // A secret towards an upstream that other clients share stays out of its compression table (RFC 7541 §7.1).
                var field = field
                field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
                return keeps ? field : nil
            }
        case .bearer, .basic:
            rewriteHead { field, index in
                keeps || index < FieldSlot.regular || !Self.isNamed(field, "authorization") ? field : nil
            }
        }
    }

    /// Passes each field of the kept head through `body`, which may drop it or give a shorter one that begins at the same place,
    /// and puts what is left into the loop's list.
    private func rewriteHead(_ body: (nghttp2_nv, Int) -> nghttp2_nv?) {
        guard !pointee.head.isEmpty else { return }
        let before = pointee.head.count
        var source = pointee.head.start
        let end = source + before
        var target = source
        var index = 0
        while source < end {
            let raw = UnsafeMutableRawPointer(source)
            let mark = raw.loadUnaligned(as: UInt32.self)
            let nameLength = Int(mark & 0x7fff_ffff)
            let size = 8 + nameLength + Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let field = nghttp2_nv(
                name: source + 8, value: source + 8 + nameLength, namelen: nameLength, valuelen: size - 8 - nameLength,
                flags: mark >> 31 != 0 ? UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) : 0)
            if let kept = body(field, index) {
                let isSecret = kept.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0
                let length = 8 + nameLength + kept.valuelen
                memmove(target, source, length)
                let place = UnsafeMutableRawPointer(target)
                place.storeBytes(of: UInt32(truncatingIfNeeded: nameLength) | (isSecret ? 1 << 31 : 0), as: UInt32.self)
                place.storeBytes(of: UInt32(truncatingIfNeeded: kept.valuelen), toByteOffset: 4, as: UInt32.self)
                target += length
            }
            source += size
            index += 1
        }
        pointee.head.shorten(to: target - pointee.head.start)
        hold(pointee.head.count - before)
        reloadHead()
    }

    /// The loop's list is that of the kept head from here on.
    private func reloadHead() {
        loop.pointee.fieldCount = loop.loadFields(pointee.head, from: 0)
        loop.pointee.fieldsOwner = self
        // The one place of a field that is looked at later.
        loop.pointee.facts.grpcTimeout = 0
        let fields = loop.pointee.fields
        for index in FieldSlot.regular..<max(FieldSlot.regular, loop.pointee.fieldCount)
        where Self.isNamed(fields[index], "grpc-timeout") {
            loop.pointee.facts.grpcTimeout = index
        }
    }

    private static func isNamed(_ field: nghttp2_nv, _ name: StaticString) -> Bool {
        guard let own = field.name, field.namelen == name.utf8CodeUnitCount else { return false }
        return memcmp(own, name.utf8Start, field.namelen) == 0
    }

    private static func isNamed(_ field: nghttp2_nv, _ name: FixedText) -> Bool {
        guard let own = field.name, let wanted = name.bytes.baseAddress, field.namelen == name.bytes.count else {
            return false
        }
        return memcmp(own, wanted, field.namelen) == 0
    }

    /// A path without a query parameter, shortened where it stands.
    private static func without(_ key: FixedText, _ field: nghttp2_nv) -> nghttp2_nv {
        guard let start = field.value, let wanted = key.bytes.baseAddress,
            let mark = memchr(start, Int32(UInt8(ascii: "?")), field.valuelen)
        else { return field }
        let text = UnsafeRawBufferPointer(start: start, count: field.valuelen)
        var position = UnsafePointer(start).distance(to: mark.assumingMemoryBound(to: UInt8.self)) + 1
        let query = position
        var target = position
        while position < text.count {
            let end = text[position...].firstIndex(of: UInt8(ascii: "&")) ?? text.count
            let equals = text[position..<end].firstIndex(of: UInt8(ascii: "=")) ?? end
            if !PercentDecoding.equal(text, position, equals, key: wanted, key.bytes.count) {
                if target > query {
                    start[target] = UInt8(ascii: "&")
                    target += 1
                }
                memmove(start + target, start + position, end - position)
                target += end - position
            }
            position = end + 1
        }
        var field = field
        field.valuelen = target == query ? query - 1 : target
        return field
    }
}

extension LoopPointer {
    /// Made with the first token.
    var tokens: TokenVerifier {
        if let verifier = pointee.tokenVerifier { return verifier }
        let verifier = TokenVerifier()
        pointee.tokenVerifier = verifier
        return verifier
    }
}
