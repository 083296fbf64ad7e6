// Mirrors ConsumerTable.swift: a table that followed changes knows what one that was made at once does.

import ConfigModel
import DataPlane
import Seal
import Testing

@Suite struct ConsumerTableTests {
    private func snapshot(_ consumers: [Consumer]) throws -> Snapshot {
        try Snapshot(historyID: HistoryID.mint(), version: 1, objects: consumers.map { .consumer($0) })
    }

    private func credential(_ source: CredentialSource, _ key: String, _ value: String) -> Credential {
        Credential(source: source, key: key, hash: SHA256.hash(value))
    }

    /// The name of whoever shows this there.
    private func owner(_ table: ConsumerTable, _ source: CredentialSource, _ key: String, _ value: String) -> String? {
        table.places.first { $0.source == source && $0.key == key }
            .flatMap { place in Array(value.utf8).withUnsafeBytes { place.owner(of: $0) } }
            .flatMap { table.text(of: $0) }
    }

    @Test func aCredentialMayGoFromOneToAnother() throws {
        let one = try snapshot([
            Consumer(name: "a", credentials: [credential(.bearer, "", "x"), credential(.query, "k", "y")]),
            Consumer(name: "b", credentials: [credential(.bearer, "", "z")]),
        ])
        let table = ConsumerTable().following(SnapshotDiff(from: nil, to: one))
        let two = try snapshot([
            Consumer(name: "a", credentials: [credential(.bearer, "", "z")]),
            Consumer(name: "b", credentials: [credential(.bearer, "", "x")]),
        ])
        let next = table.following(SnapshotDiff(from: one, to: two))
        #expect(owner(next, .bearer, "", "x") == "b" && owner(next, .bearer, "", "z") == "a")
        #expect(next.places.map(\.source) == [.bearer], "a place without credentials is not looked at")
        #expect(next.number(of: "a") == table.number(of: "a"))
        // What an exchange began with stays as it was.
        #expect(owner(table, .bearer, "", "x") == "a" && owner(table, .query, "k", "y") == "a")
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>) func followsWhateverChanges(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var before: Snapshot?
        var table = ConsumerTable()
        let places: [(CredentialSource, String)] = [
            (.basic, ""), (.header, "x-key"), (.query, "k"), (.bearer, ""), (.query, "a"),
        ]
        for _ in 0..<200 {
            var values = Array(0..<40).shuffled(using: &generator)
            var consumers: [Consumer] = []
            for name in 0..<20 where Bool.random(using: &generator) {
                let own = values.prefix(Int.random(in: 0...2, using: &generator))
                values.removeFirst(own.count)
                consumers.append(
                    Consumer(
                        name: "c\(name)",
                        credentials: own.map { credential(places[$0 % 5].0, places[$0 % 5].1, "v\($0)") }))
            }
            let next = try snapshot(consumers)
            table = table.following(SnapshotDiff(from: before, to: next))
            before = next
            let whole = ConsumerTable().following(SnapshotDiff(from: nil, to: next))
            #expect(table.places.map { "\($0.source) \($0.key)" } == whole.places.map { "\($0.source) \($0.key)" })
            for value in 0..<40 {
                let (source, key) = places[value % 5]
                #expect(owner(table, source, key, "v\(value)") == owner(whole, source, key, "v\(value)"))
            }
            for name in (0..<20).map({ "c\($0)" }) {
                #expect((table.number(of: name) == nil) == (whole.number(of: name) == nil))
                #expect(table.number(of: name).map { table.text(of: $0) == name } ?? true)
            }
        }
    }

    @Test func aKeyThatIsNoneIsTold() throws {
        func table(_ material: [UInt8], _ type: TokenKeyType) throws -> ConsumerTable {
            let keys = [
                TokenKey(type: .octets, material: Secret("s")), TokenKey(type: type, material: Secret(material)),
            ]
            let one = try snapshot([
                Consumer(
                    name: "a", credentials: [], tokens: [TokenCredential(source: .bearer, issuer: "i", keys: keys)])
            ])
            return ConsumerTable().following(SnapshotDiff(from: nil, to: one))
        }
        #expect(try table([1], .octets).problems.isEmpty)
        #expect(
            try table([0x30, 0x00], .p256).problems.map(\.description)
                == ["consumer a: tokens[0].jwks.keys[1]: is not a point of the curve P-256"])
    }
}
