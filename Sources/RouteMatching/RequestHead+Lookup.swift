// Single fields and parameters of a head, for whoever looks for one by its name.

extension RequestHead {
    /// The value of the first field of that name (lower case).
    package func field(named name: String) -> UnsafeRawBufferPointer? {
        var name = name
        return name.withUTF8 { name in
            for field in fields where field.nameLength == name.count {
                guard let start = field.name, let wanted = name.baseAddress,
                    FoldedBytes.identical(start, key: UnsafeRawPointer(wanted), count: name.count)
                else { continue }
                return field.bytes
            }
            return nil
        }
    }

    /// How many fields have that name (lower case).
    package func count(of name: String) -> Int {
        var name = name
        return name.withUTF8 { name in
            fields.count { field in
                guard field.nameLength == name.count, let start = field.name, let wanted = name.baseAddress else {
                    return false
                }
                return FoldedBytes.identical(start, key: UnsafeRawPointer(wanted), count: name.count)
            }
        }
    }

    /// The first value of a query parameter as it stands there, and how many there are.
    package func queryParameter(_ name: String) -> (value: UnsafeRawBufferPointer, count: Int) {
        var name = name
        return name.withUTF8 { name in
            var first = UnsafeRawBufferPointer(start: nil, count: 0)
            var (start, count) = (0, 0)
            guard let key = name.baseAddress else { return (first, 0) }
            while start < query.count {
                let end = query[start...].firstIndex(of: UInt8(ascii: "&")) ?? query.count
                let equals = query[start..<end].firstIndex(of: UInt8(ascii: "=")) ?? end
                if PercentDecoding.equal(query, start, equals, key: key, name.count) {
                    if count == 0 { first = UnsafeRawBufferPointer(rebasing: query[min(equals + 1, end)..<end]) }
                    count += 1
                }
                start = end + 1
            }
            return (first, count)
        }
    }

    /// Gives the first value of a query parameter, percent-decoded, to `body`; nil: there is none.
    package func withQueryParameter<R>(_ name: String, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        var name = name
        return name.withUTF8 { name -> R? in
            let key = UnsafeRawBufferPointer(name)
            guard let keyStart = key.baseAddress else { return nil }
            var start = 0
            while start < query.count {
                let end = query[start...].firstIndex(of: UInt8(ascii: "&")) ?? query.count
                let equals = query[start..<end].firstIndex(of: UInt8(ascii: "=")) ?? end
                if PercentDecoding.equal(query, start, equals, key: keyStart, key.count) {
                    var result: R?
                    _ = PercentDecoding.decoded(query, min(equals + 1, end), end) {
                        result = body($0)
                        return true
                    }
                    return result
                }
                start = end + 1
            }
            return nil
        }
    }
}
