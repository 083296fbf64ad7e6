// A table from hashes to endpoints that hardly changes when an endpoint comes or goes: Maglev (Eisenbud et al., NSDI 2016,
// §3.4), with weights. Built when a cluster's addresses change; a look-up is one division and one load.

/// Values only but for its memory: whoever makes one deallocates it.
package struct MaglevTable {
    private let slots: UnsafeMutablePointer<UInt16>
    package let count: Int

    /// Primes; the first with a hundred slots for each share keeps shares within a percent of what they should be. Very uneven
    /// weights get less, so that building one holds up a loop for a millisecond at most.
    private static let sizes = [1_021, 4_093, 16_381, 65_521, 262_139, 1_048_573]
    package static let maxEndpoints = 65_535

    /// nil: nothing to choose from. `identities` must stay the same for the same endpoint from table to table.
    package init?(identities: [UInt64], weights: [Int]) {
        let endpoints = min(identities.count, weights.count, Self.maxEndpoints)
        guard endpoints > 0 else { return nil }
        let weights = weights.prefix(endpoints).map { max(1, $0) }
        let smallest = weights.min() ?? 1
        let largest = weights.max() ?? 1
        let shares = weights.reduce(0, +) / smallest
        let wanted = max(100 * endpoints, min(100 * shares, 65_521))
        let size = Self.sizes.first { $0 >= wanted } ?? 1_048_573
        count = size
        slots = .allocate(capacity: size)
        slots.initialize(repeating: .max, count: size)
        var places = identities.prefix(endpoints).map { Int($0 % UInt64(size)) }
        let steps = identities.prefix(endpoints).map { Int(mixed($0) % UInt64(size - 1)) + 1 }
        // Each endpoint takes its next free slot in turn; a lighter one misses turns.
        var credit = weights.map { _ in 0 }
        var taken = 0
        while taken < size {
            for endpoint in 0..<endpoints {
                credit[endpoint] += weights[endpoint]
                guard credit[endpoint] >= largest else { continue }
                credit[endpoint] -= largest
                var place = places[endpoint]
                while slots[place] != .max { place = (place + steps[endpoint]) % size }
                slots[place] = UInt16(endpoint)
                places[endpoint] = (place + steps[endpoint]) % size
                taken += 1
                if taken == size { break }
            }
        }
    }

    /// The position of the endpoint for a hash.
    @inline(__always)
    package func lookUp(_ hash: UInt64) -> Int { Int(slots[Int(hash % UInt64(count))]) }

    package func deallocate() { slots.deallocate() }
}

/// Spreads what is in a few bits over all of them (the finaliser of MurmurHash3).
@inline(__always)
package func mixed(_ value: UInt64) -> UInt64 {
    var x = value
    x ^= x >> 33
    x &*= 0xff51_afd7_ed55_8ccd
    x ^= x >> 33
    x &*= 0xc4ce_b9fe_1a85_ec53
    return x ^ x >> 33
}

/// A hash that is the same in every process (FNV-1a, mixed): loops and workers must agree on it.
package func stableHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes {
        hash ^= UInt64(byte)
        hash &*= 0x100_0000_01b3
    }
    return mixed(hash)
}
