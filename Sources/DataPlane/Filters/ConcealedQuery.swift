// Credentials in query parameters, kept out of what people read: the access log and the list of streams.

internal import Glibc
internal import RouteMatching

extension ExchangePointer {
    /// The path and query of a request as it may be shown: values of parameters that consumers are known by are `***`. Valid until
    /// the loop shows the next one.
    func shown(_ target: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let shared = pointee.snapshot?.pointee.shared, let start = target.baseAddress,
            let mark = memchr(start, Int32(UInt8(ascii: "?")), target.count)
        else { return target }
        return shared._withUnsafeGuaranteedRef { active in
            let keys = active.consumers.queryKeys
            guard !keys.isEmpty else { return target }
            return loop.conceal(target, from: start.distance(to: UnsafeRawPointer(mark)) + 1, keys)
        }
    }
}

extension LoopPointer {
    fileprivate func conceal(_ target: UnsafeRawBufferPointer, from query: Int, _ keys: [[UInt8]])
        -> UnsafeRawBufferPointer
    {
        pointee.shownTarget.removeAll()
        pointee.shownTarget.append(UnsafeRawBufferPointer(rebasing: target[..<query]))
        var start = query
        while start < target.count {
            let end = target[start...].firstIndex(of: UInt8(ascii: "&")) ?? target.count
            let equals = target[start..<end].firstIndex(of: UInt8(ascii: "=")) ?? end
            if equals < end, isAmong(keys, target, start, equals) {
                pointee.shownTarget.append(UnsafeRawBufferPointer(rebasing: target[start...equals]))
                pointee.shownTarget.append("***")
            } else {
                pointee.shownTarget.append(UnsafeRawBufferPointer(rebasing: target[start..<end]))
            }
            if end < target.count { pointee.shownTarget.append(UInt8(ascii: "&")) }
            start = end + 1
        }
        return UnsafeRawBufferPointer(start: pointee.shownTarget.start, count: pointee.shownTarget.count)
    }

    private func isAmong(_ keys: [[UInt8]], _ target: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        for key in keys {
            let isThis = key.withUnsafeBytes { bytes in
                bytes.baseAddress.map { PercentDecoding.equal(target, start, end, key: $0, bytes.count) } ?? false
            }
            if isThis { return true }
        }
        return false
    }
}
