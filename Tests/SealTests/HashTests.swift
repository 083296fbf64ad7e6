// Hash256, SHA256, HMAC and Hex against published vectors (FIPS 180-4, RFC 4231).

import Seal
import Testing

@Suite struct HashTests {
    @Test func sha256MatchesTheStandardsVectors() {
        #expect(SHA256.hash("").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hash("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hash([UInt8](repeating: 0x61, count: 1_000_000)).hex
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func hashingInPiecesEqualsHashingAtOnce() {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hash = SHA256()
        hash.update(bytes[0])
        hash.update(Array(bytes[1..<500]))
        hash.update([])
        hash.update(Array(bytes[500...]))
        #expect(hash.finish() == SHA256.hash(bytes))
    }

    @Test func aByteAndWhatFollowsItAreHashedAsOne() {
        let bytes = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for count in [0, 1, 63, 1_023, 1_024, 5_000] {
            let hash = bytes[..<count].withUnsafeBytes { SHA256.hash(7, $0) }
            #expect(hash == SHA256.hash([7] + bytes[..<count]), "\(count) bytes")
        }
    }

    @Test func hmacMatchesTheStandardsVectors() {
        let data = Array("what do ya want for nothing?".utf8)
        #expect(
            HMAC.sha256(data, key: Secret("Jefe")).hex
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let long = Secret([UInt8](repeating: 0xaa, count: 131))
        #expect(
            HMAC.sha256(Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8), key: long).hex
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        #expect(
            HMAC.sha256([], key: Secret([])).hex
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test func hexIsReadInBothCasesAndNothingElseIs() throws {
        let hash = SHA256.hash("abc")
        #expect(Hash256(hex: hash.hex) == hash)
        #expect(Hash256(hex: hash.hex.uppercased()) == hash)
        #expect(Hash256(hex: String(hash.hex.dropLast())) == nil)
        #expect(Hash256(hex: String(hash.hex.dropLast(2))) == nil)
        #expect(Hash256(hex: hash.hex + "00") == nil)
        #expect(Hash256(hex: String(hash.hex.dropLast()) + "g") == nil)
        #expect(Hex.decode("0é") == nil)
        #expect(Hex.decode("00ff") == [0, 255])
    }

    @Test func hashesSortLikeTheirBytes() throws {
        for position in 0..<32 {
            var low = [UInt8](repeating: 7, count: 32)
            var high = low
            low[position] = 1
            high[position] = 200
            if position < 31 { low[position + 1] = 255 }
            let a = try #require(Hash256(low))
            let b = try #require(Hash256(high))
            #expect(a < b)
            #expect(!(b < a))
            #expect(a.bytes == low)
        }
    }

    @Test func equalityLooksAtEveryByte() throws {
        let bytes = SHA256.hash("abc").bytes
        for position in 0..<32 {
            var other = bytes
            other[position] ^= 1
            let a = try #require(Hash256(bytes))
            let b = try #require(Hash256(other))
            #expect(a != b)
            #expect(!constantTimeEqual(a, b))
            #expect(constantTimeEqual(a, a))
        }
    }
}

@Suite struct RandomTests {
    @Test func bytesHaveTheirNumberAndDiffer() {
        #expect(Random.bytes(0).isEmpty)
        let first = Random.bytes(33)
        #expect(first.count == 33)
        #expect(first != Random.bytes(33))
    }
}

@Suite struct ConstantTimeTests {
    @Test func equalOnlyWhenLengthAndBytesAgree() {
        #expect(constantTimeEqual([], []))
        #expect(constantTimeEqual([1, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2]))
        #expect(constantTimeEqual(Secret("a"), Secret("a")))
        #expect(!constantTimeEqual(Secret("a"), Secret("b")))
    }
}

@Suite struct SecretTests {
    @Test func neverPrintsWhatItHolds() {
        struct Holder { let secret = Secret("hunter2") }
        var dumped = ""
        dump(Holder(), to: &dumped)
        for text in ["\(Secret("hunter2"))", String(reflecting: Secret("hunter2")), "\(Holder())", dumped] {
            #expect(!text.contains("hunter2"))
            #expect(!text.contains("104"), "the bytes must not show either")
        }
        #expect("\(Secret("hunter2"))" == "[redacted]")
    }
}
