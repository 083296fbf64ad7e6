// Consumers by what they show. The worker has hashes only: it hashes what a request shows and looks that up, so that neither a
// dump nor the time of a comparison tells a credential. Persistent structures: one changed consumer costs the same among many as
// among few.

package import ConfigModel
internal import HashTreeCollections
internal import RouteMatching
internal import Seal

/// Unchecked: the memory behind `texts` is written when a name is made, and belongs to `known`.
package final class ConsumerTable: @unchecked Sendable {
    /// A place where credentials are looked for, and whose they are.
    package struct Place: Sendable {
        package let source: CredentialSource
        package let key: String
        fileprivate var owners = TreeDictionary<Hash256, Int>()

        fileprivate func stands(before other: Place) -> Bool {
            source == other.source ? key < other.key : source.rawValue < other.source.rawValue
        }

        /// The number of whoever shows this here.
        package func owner(of value: UnsafeRawBufferPointer) -> Int? { owners[SHA256.hash(value)] }
    }

    /// A consumer's name in memory that stays for as long as any table knows it.
    private final class Known: @unchecked Sendable {
        let number: Int
        let text: FixedText

        init(_ name: String, _ number: Int) {
            self.number = number
            text = FixedText(name)
        }

        deinit { text.deallocate() }
    }

    /// By source, then key: the order in which they are looked at.
    package let places: [Place]
    /// Query parameters that hold credentials.
    let queryKeys: [[UInt8]]
    private let known: TreeDictionary<String, Known>
    private let texts: SlotVector<FixedText>
    private let numbers: SlotNumbers

    /// Of a snapshot without consumers.
    package convenience init() {
        self.init(places: [], known: TreeDictionary(), texts: SlotVector(), numbers: SlotNumbers())
    }

    private init(
        places: [Place], known: TreeDictionary<String, Known>, texts: SlotVector<FixedText>, numbers: SlotNumbers
    ) {
        self.places = places
        self.known = known
        self.texts = texts
        self.numbers = numbers
        queryKeys = places.compactMap { $0.source == .query ? Array($0.key.utf8) : nil }
    }

    /// The table of the snapshot that the changes lead to. A consumer keeps its number for as long as it is there.
    package func following(_ diff: SnapshotDiff) -> ConsumerTable {
        var (places, known, texts, numbers) = (places, known, texts, numbers)
        // A credential may go from one consumer to another.
        for case .consumer(let consumer) in (diff.removed + diff.changed.map(\.old)).map(\.object) {
            for credential in consumer.credentials { Self.remove(credential, from: &places) }
        }
        for case .consumer(let consumer) in diff.removed.map(\.object) {
            guard let gone = known.removeValue(forKey: consumer.name) else { continue }
            texts[gone.number] = nil
            numbers.giveBack(gone.number)
        }
        for case .consumer(let consumer) in (diff.changed.map(\.new) + diff.added).map(\.object) {
            let one = known[consumer.name] ?? Known(consumer.name, numbers.take())
            known[consumer.name] = one
            texts[one.number] = one.text
            for credential in consumer.credentials { Self.add(credential, of: one.number, to: &places) }
        }
        return ConsumerTable(places: places, known: known, texts: texts, numbers: numbers)
    }

    private static func add(_ credential: Credential, of number: Int, to places: inout [Place]) {
        if let index = index(of: credential, in: places) {
            places[index].owners[credential.hash] = number
            return
        }
        var place = Place(source: credential.source, key: credential.key)
        place.owners[credential.hash] = number
        places.insert(place, at: places.firstIndex(where: place.stands(before:)) ?? places.count)
    }

    private static func remove(_ credential: Credential, from places: inout [Place]) {
        guard let index = index(of: credential, in: places) else { return }
        places[index].owners[credential.hash] = nil
        if places[index].owners.isEmpty { places.remove(at: index) }
    }

    private static func index(of credential: Credential, in places: [Place]) -> Int? {
        places.firstIndex { $0.source == credential.source && $0.key == credential.key }
    }

    /// nil: there is no such consumer.
    package func number(of name: String) -> Int? { known[name]?.number }

    /// Lives for as long as the table.
    func name(of number: Int) -> FixedText? { texts[number] }

    /// The same to look at.
    package func text(of number: Int) -> String? { texts[number]?.string }
}
