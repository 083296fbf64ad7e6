// Header fields that a route takes away, replaces and adds, on the list at hand, in place.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

struct HeaderFilter {
    /// Taken away: those to remove, and those that are set anew.
    private let gone: UnsafeMutableBufferPointer<FixedText>
    /// Put behind the others.
    private let new: UnsafeMutableBufferPointer<nghttp2_nv>
    private let texts: UnsafeMutableBufferPointer<FixedText>

    init(_ edits: HeaderEdits) {
        let values = edits.set + edits.add
        let names = values.map { FixedText($0.name) }
        let contents = values.map { FixedText($0.value) }
        texts = .copy(names + contents)
        gone = .copy(edits.remove.map { FixedText($0) } + edits.set.map { FixedText($0.name) })
        new = .copy(
            zip(names, contents).map { name, value in
                // Secrets towards an upstream that other clients share stay out of its compression table (RFC 7541 §7.1).
                let isSecret = ["authorization", "cookie", "x-api-key"].contains(name.string)
                return nghttp2_nv(
                    name: name.mutableStart, value: value.mutableStart, namelen: name.bytes.count,
                    valuelen: value.bytes.count, flags: isSecret ? UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) : 0)
            })
    }

    /// The most fields that any route may add: the loop's list has room for them.
    static let maxAdded = 128

    /// Edits the fields from `first` to `count`; returns the new count.
    func apply(_ fields: UnsafeMutablePointer<nghttp2_nv>, from first: Int, count: Int) -> Int {
        var kept = first
        for index in first..<count where !isGone(fields[index]) {
            fields[kept] = fields[index]
            kept &+= 1
        }
        for field in new {
            fields[kept] = field
            kept &+= 1
        }
        return kept
    }

    private func isGone(_ field: nghttp2_nv) -> Bool {
        for name in gone where name.bytes.count == field.namelen {
            if let start = name.bytes.baseAddress, memcmp(start, field.name, field.namelen) == 0 { return true }
        }
        return false
    }

    func deallocate() {
        for text in texts { text.deallocate() }
        // Names that are removed only; those that are set share nothing with `texts`.
        for text in gone { text.deallocate() }
        texts.deallocate()
        gone.deallocate()
        new.deallocate()
    }
}
