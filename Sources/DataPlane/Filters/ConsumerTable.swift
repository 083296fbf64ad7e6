// Consumers by what they show. Of keys and passwords the worker has hashes only: it hashes what a request shows and looks that up,
// so that neither a dump nor the time of a comparison tells a credential. Tokens are found by who issued them to whom. Persistent
// structures: one changed consumer costs the same among many as among few.

package import ConfigModel
internal import Glibc
internal import HashTreeCollections
internal import RouteMatching
internal import Seal
internal import Synchronization

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

    /// A place where tokens are looked for, and the credentials that they may belong to.
    struct TokenPlace: Sendable {
        let source: CredentialSource
        let key: String
        /// By issuer and subject.
        fileprivate var forms = TreeDictionary<Hash256, TokenMaterial.Reference>()
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

    /// Of all tables that there ever were: what is remembered of one says nothing of another.
    private static let generations = Atomic<UInt64>(0)

    /// By source, then key: the order in which they are looked at.
    package let places: [Place]
    /// Query parameters that hold credentials.
    let queryKeys: [[UInt8]]
    private let known: TreeDictionary<String, Known>
    private let texts: SlotVector<FixedText>
    private let numbers: SlotNumbers
    /// In the same order.
    let tokenPlaces: [TokenPlace]
    /// By consumer; owns what the places refer to.
    private let materials: TreeDictionary<String, [TokenMaterial]>
    /// Headers that claims are told in: what clients send there is dropped.
    let claimHeaders: HeaderNames
    let generation: UInt64
    /// Keys that cannot be used.
    package let problems: [ObjectProblem]

    /// Of a snapshot without consumers.
    package convenience init() {
        self.init(
            places: [], known: TreeDictionary(), texts: SlotVector(), numbers: SlotNumbers(), tokenPlaces: [],
            materials: TreeDictionary(), claimHeaders: HeaderNames(), problems: [])
    }

    private init(
        places: [Place], known: TreeDictionary<String, Known>, texts: SlotVector<FixedText>, numbers: SlotNumbers,
        tokenPlaces: [TokenPlace], materials: TreeDictionary<String, [TokenMaterial]>, claimHeaders: HeaderNames,
        problems: [ObjectProblem]
    ) {
        self.places = places
        self.known = known
        self.texts = texts
        self.numbers = numbers
        self.tokenPlaces = tokenPlaces
        self.materials = materials
        self.claimHeaders = claimHeaders
        self.problems = problems
        generation = Self.generations.add(1, ordering: .relaxed).newValue
        queryKeys =
            places.compactMap { $0.source == .query ? Array($0.key.utf8) : nil }
            + tokenPlaces.compactMap { $0.source == .query ? Array($0.key.utf8) : nil }
    }

    /// The table of the snapshot that the changes lead to. A consumer keeps its number for as long as it is there.
    package func following(_ diff: SnapshotDiff) -> ConsumerTable {
        var (places, known, texts, numbers) = (places, known, texts, numbers)
        var (tokenPlaces, materials, problems) = (tokenPlaces, materials, [ObjectProblem]())
        // A credential may go from one consumer to another.
        for case .consumer(let consumer) in (diff.removed + diff.changed.map(\.old)).map(\.object) {
            for credential in consumer.credentials { Self.remove(credential, from: &places) }
            for material in materials.removeValue(forKey: consumer.name) ?? [] {
                Self.remove(material, from: &tokenPlaces)
            }
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
            let own = Self.materials(of: consumer, one.number, &problems)
            guard !own.isEmpty else { continue }
            materials[consumer.name] = own
            for material in own { Self.add(material, to: &tokenPlaces) }
        }
        return ConsumerTable(
            places: places, known: known, texts: texts, numbers: numbers, tokenPlaces: tokenPlaces,
            materials: materials,
            claimHeaders: claimHeaders.following(materials.values.joined().flatMap(\.headers)), problems: problems)
    }

    private static func materials(
        of consumer: Consumer, _ number: Int, _ problems: inout [ObjectProblem]
    ) -> [TokenMaterial] {
        var materials: [TokenMaterial] = []
        for (index, token) in consumer.tokens.enumerated() {
            do {
                materials.append(try TokenMaterial(token, consumer: number))
            } catch {
                problems.append(
                    ObjectProblem(
                        key: ObjectKey(.consumer, consumer.name), field: "tokens[\(index)].jwks.keys[\(error.index)]",
                        reason: error.reason))
            }
        }
        return materials
    }

    private static func add(_ material: TokenMaterial, to places: inout [TokenPlace]) {
        if let index = index(of: material, in: places) {
            places[index].forms[material.claim] = material.reference
            return
        }
        var place = TokenPlace(source: material.source, key: material.key)
        place.forms[material.claim] = material.reference
        let isBehind = { (other: TokenPlace) in
            place.source == other.source ? place.key < other.key : place.source.rawValue < other.source.rawValue
        }
        places.insert(place, at: places.firstIndex(where: isBehind) ?? places.count)
    }

    private static func remove(_ material: TokenMaterial, from places: inout [TokenPlace]) {
        guard let index = index(of: material, in: places) else { return }
        places[index].forms[material.claim] = nil
        if places[index].forms.isEmpty { places.remove(at: index) }
    }

    private static func index(of material: TokenMaterial, in places: [TokenPlace]) -> Int? {
        places.firstIndex { $0.source == material.source && $0.key == material.key }
    }

    /// The credential that a token in that place belongs to: of its subject, else of any of its issuer's. `scratch` has room for
    /// both texts and a byte.
    func token(
        at place: Int, issuer: UnsafeRawBufferPointer, subject: UnsafeRawBufferPointer?,
        scratch: UnsafeMutablePointer<UInt8>
    ) -> TokenFormPointer? {
        guard let start = issuer.baseAddress else { return nil }
        memcpy(scratch, start, issuer.count)
        scratch[issuer.count] = 0
        var count = issuer.count + 1
        if let subject, let start = subject.baseAddress, subject.count > 0 {
            memcpy(scratch + count, start, subject.count)
            count += subject.count
            let claim = SHA256.hash(UnsafeRawBufferPointer(start: scratch, count: count))
            // Compared as well: a text with a zero in it could pass for the two.
            if let form = tokenPlaces[place].forms[claim]?.form, same(form.pointee.issuer.bytes, issuer),
                same(form.pointee.subject.bytes, subject)
            {
                return form
            }
        }
        let claim = SHA256.hash(UnsafeRawBufferPointer(start: scratch, count: issuer.count + 1))
        guard let form = tokenPlaces[place].forms[claim]?.form, same(form.pointee.issuer.bytes, issuer),
            form.pointee.subject.bytes.isEmpty
        else { return nil }
        return form
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
