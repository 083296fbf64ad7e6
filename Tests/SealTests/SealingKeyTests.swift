// Sealing: what opens, what does not, and the key's file.

import Foundation
import Seal
import Testing

@Suite struct SealingKeyTests {
    private let key = SealingKey.generate()

    @Test func whatWasSealedOpensInItsPlaceOnly() throws {
        for size in [0, 1, 15, 16, 17, 100_000] {
            let plaintext = Random.bytes(size)
            let sealed = try key.seal(plaintext, context: "certificates/1/key")
            #expect(try key.open(sealed, context: "certificates/1/key") == plaintext)
            for context in ["certificates/2/key", "", "certificates/1/key "] {
                #expect(throws: SealError.notAuthentic) { try key.open(sealed, context: context) }
            }
        }
    }

    @Test func equalPlaintextsLookDifferent() throws {
        let all = try (0..<20).map { _ in try key.seal([1, 2, 3], context: "") }
        #expect(Set(all).count == 20)
    }

    @Test func anyChangedByteIsNoticed() throws {
        let sealed = try key.seal(Array("private".utf8), context: "c")
        for place in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[place] ^= 1 << UInt8(bit)
                let error = #expect(throws: SealError.self) { try key.open(changed, context: "c") }
                switch place {
                case 0: #expect(error == .malformed)
                case 1..<9: #expect(error == .otherKey(id: Hex.encode(Array(changed[1..<9]))))
                default: #expect(error == .notAuthentic)
                }
            }
        }
    }

    @Test func anyCutIsNoticed() throws {
        let sealed = try key.seal(Array("private".utf8), context: "c")
        for length in 0..<sealed.count {
            #expect(throws: SealError.self) { try key.open(Array(sealed[..<length]), context: "c") }
        }
        #expect(throws: SealError.notAuthentic) { try key.open(sealed + [0], context: "c") }
    }

    @Test func anotherKeyIsToldByItsId() throws {
        let other = SealingKey.generate()
        #expect(other.id != key.id)
        let sealed = try other.seal([1], context: "")
        #expect(throws: SealError.otherKey(id: other.id)) { try key.open(sealed, context: "") }
    }

    @Test func theIdIsTheStartOfTheKeysHashAndTheKeyDoesNotPrint() throws {
        let bytes = [UInt8](repeating: 7, count: 32)
        let known = try #require(SealingKey(Secret(bytes)))
        #expect(known.id == String(SHA256.hash(bytes).hex.prefix(16)))
        #expect("\(known)" == "key \(known.id)")
        #expect(SealingKey(Secret([1, 2])) == nil)
        var dumped = ""
        dump(known, to: &dumped)
        #expect(!dumped.contains("7, 7") && dumped.contains("[redacted]"))
    }
}

@Suite struct SealingKeyFileTests {
    /// A folder that goes with the closure.
    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "seal-\(Hex.encode(Random.bytes(8)))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    private func write(_ text: String, _ path: String, mode: Int = 0o600) throws {
        let made = FileManager.default.createFile(
            atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: mode])
        try #require(made)
    }

    @Test func aNewKeyIsKeptAndFoundAgain() throws {
        try inFolder { folder in
            let first = try SealingKey(loadingOrCreatingAt: "\(folder)/key")
            let again = try SealingKey(loadingOrCreatingAt: "\(folder)/key")
            #expect(first.id == again.id)
            #expect(try again.open(try first.seal([1], context: "x"), context: "x") == [1])
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/key")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["key"])
        }
    }

    @Test func aKeyThatHasToExistIsNotMade() throws {
        try inFolder { folder in
            let error = #expect(throws: SealingKeyError.self) { try SealingKey(loadingFrom: "\(folder)/key") }
            #expect(error?.description == "sealing key \(folder)/key: the file does not exist")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left == [])
        }
    }

    @Test func aKeyThatOthersMayReadIsRefused() throws {
        try inFolder { folder in
            for mode in [0o640, 0o604, 0o620, 0o602] {
                let path = "\(folder)/key\(mode)"
                try write(String(repeating: "0", count: 64), path, mode: 0o600)
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
                let error = #expect(throws: SealingKeyError.self) { try SealingKey(loadingFrom: path) }
                #expect(error?.reason.hasPrefix("may be read or changed by others") == true)
            }
        }
    }

    @Test(arguments: [
        "", "\n", "00", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
        String(repeating: "g", count: 64), String(repeating: "0", count: 64) + "\n\n",
        String(repeating: "0", count: 66),
        String(repeating: "x", count: 10_000),
    ])
    func filesWithoutAKeyAreRefusedAndLeftAlone(content: String) throws {
        try inFolder { folder in
            try write(content, "\(folder)/key")
            let error = #expect(throws: SealingKeyError.self) { try SealingKey(loadingOrCreatingAt: "\(folder)/key") }
            #expect(error?.reason == "does not hold a key (64 hexadecimal digits)")
            #expect(error?.path == "\(folder)/key")
            #expect(FileManager.default.contents(atPath: "\(folder)/key") == Data(content.utf8))
        }
    }

    @Test func placesWhereNoKeyCanBeAreNamed() throws {
        try inFolder { folder in
            for path in [folder, "\(folder)/missing/key"] {
                let error = #expect(throws: SealingKeyError.self) { try SealingKey(loadingOrCreatingAt: path) }
                #expect(error?.description.hasPrefix("sealing key \(path): ") == true)
            }
        }
    }

    @Test func allWhoMakeTheKeyAtOnceGetTheSame() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "seal-\(Hex.encode(Random.bytes(8)))").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { try SealingKey(loadingOrCreatingAt: path).id } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
    }
}
