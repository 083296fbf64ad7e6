// Consumers by what they show. The worker has hashes only: it hashes what a request shows and looks that up, so that neither a
// dump nor the time of a comparison tells a credential.

internal import ConfigModel
internal import RouteMatching
internal import Seal

/// Unchecked: the memory behind `fixedNames` is written in `init` only.
final class ConsumerTable: @unchecked Sendable {
    /// A place where credentials are looked for.
    struct Place: Hashable, Sendable {
        let source: CredentialSource
        let key: String
    }

    private struct Shown: Hashable, Sendable {
        let place: Int
        let hash: Hash256
    }

    let names: [String]
    /// The same for holders that must stay trivial; they live as long as the table.
    let fixedNames: UnsafeBufferPointer<FixedText>
    let places: [Place]
    /// Query parameters that hold credentials.
    let queryKeys: [[UInt8]]
    private let owners: [Shown: Int]

    init(_ consumers: [Consumer]) {
        names = consumers.map(\.name)
        fixedNames = UnsafeBufferPointer(UnsafeMutableBufferPointer.copy(names.map { FixedText($0) }))
        var places: [Place] = []
        var owners: [Shown: Int] = [:]
        for (index, consumer) in consumers.enumerated() {
            for credential in consumer.credentials {
                let place = Place(source: credential.source, key: credential.key)
                let position = places.firstIndex(of: place) ?? places.count
                if position == places.count { places.append(place) }
                owners[Shown(place: position, hash: credential.hash)] = index
            }
        }
        self.places = places
        queryKeys = places.compactMap { $0.source == .query ? Array($0.key.utf8) : nil }
        self.owners = owners
    }

    deinit {
        for name in fixedNames { name.deallocate() }
        fixedNames.deallocate()
    }

    func owner(of value: UnsafeRawBufferPointer, at place: Int) -> Int? {
        owners[Shown(place: place, hash: SHA256.hash(value))]
    }
}
