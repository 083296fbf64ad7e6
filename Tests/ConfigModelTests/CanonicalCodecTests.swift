// The canonical form: one value, one sequence of bytes, both ways; and nothing that bytes can hold makes it trap.

import ConfigModel
import Seal
import Testing

@Suite struct CanonicalCodecTests {
    private let route = ConfigObject.route(
        Route(
            name: "r", virtualHosts: ["h"], order: 300, path: PathPredicate(kind: .prefix, value: "/"),
            destinations: [Destination(cluster: "c")]))

    @Test func whatIsWrittenIsReadBackEqual() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for round in 0..<2_000 {
            let object = generator.object()
            let bytes = object.canonicalBytes()
            let read = try ConfigObject(kind: object.key.kind, canonicalBytes: bytes)
            // Bytes are compared as well: `String` holds texts for equal that differ in Unicode composition.
            let same = read == object && read.canonicalBytes() == bytes && read.hash == object.hash
            #expect(same, "seed \(seed), round \(round)")
            let known = try SnapshotObject(kind: object.key.kind, canonicalBytes: ([9] + bytes).dropFirst())
            let alike = known.object == object && known.hash == object.hash && known.key == object.key
            #expect(alike, "seed \(seed), round \(round)")
        }
    }

    @Test func whateverIsAcceptedWouldBeWrittenTheSame() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        for round in 0..<20_000 {
            let object = generator.object()
            var bytes = object.canonicalBytes()
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch UInt8.random(in: 0...3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: 0...20, using: &generator), at: place)
                default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &generator))
                }
            }
            let kind = ObjectKind.allCases.randomElement(using: &generator) ?? .route
            guard let read = try? ConfigObject(kind: kind, canonicalBytes: bytes) else { continue }
            accepted += 1
            let same = read.canonicalBytes() == bytes
            #expect(same, "seed \(seed), round \(round)")
        }
        #expect(accepted > 100, "mutations that survive are what this test is about")
    }

    @Test func aRouteWhoseFiltersHaveGoneIsLikeOneThatNeverHadAny() {
        let never = Route(
            name: "r", virtualHosts: [], order: 1, path: PathPredicate(kind: .prefix, value: "/"), destinations: [])
        var route = never
        route.filters.httpsOnly = true
        route.filters.mirror = Mirror(cluster: "c")
        #expect(route != never && route.filters.httpsOnly && route.filters.mirror?.cluster == "c")
        route.filters.mirror = nil
        route.filters.httpsOnly = false
        #expect(route == never && route.hashValue == never.hashValue && route.filters.isEmpty)
        #expect(ConfigObject.route(route).canonicalBytes() == ConfigObject.route(never).canonicalBytes())
    }

    @Test func noProperPrefixOfAFieldIsAccepted() throws {
        let bytes = route.canonicalBytes()
        // Cutting between fields may leave another value; cutting inside one never does.
        var accepted: [Int] = []
        for length in 0..<bytes.count where (try? ConfigObject(kind: .route, canonicalBytes: bytes[..<length])) != nil {
            accepted.append(length)
        }
        let name = 3, host = 3, order = 3, path = 7
        #expect(accepted == [name + host + order + path])
    }

    /// A worker from before there were tokens knows such a route, and what it wrote down is read as what it means now.
    @Test func aRouteForAllCredentialsIsWhatItWas() throws {
        func bytes(_ kinds: [CredentialKind]) -> [UInt8] {
            var route = Route(
                name: "r", virtualHosts: [], order: 1, path: PathPredicate(kind: .prefix, value: "/"), destinations: [])
            route.filters.authentication = RouteAuthentication(kinds: kinds)
            return ConfigObject.route(route).canonicalBytes()
        }
        let (all, both, key) = (bytes([.key, .basic, .token]), bytes([.key, .basic]), bytes([.key]))
        #expect(all.count == both.count - 2 && key.count == all.count - 2)
        let consumer = ConfigObject.consumer(
            Consumer(name: "c", credentials: [Credential(source: .bearer, hash: SHA256.hash("x"))]))
        #expect(consumer.canonicalBytes().count == 3 + 2 + 2 + 34, "name, and one credential")
    }

    @Test func randomBytesNeverTrap() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let bytes = generator.bytes()
            for kind in ObjectKind.allCases {
                if let read = try? ConfigObject(kind: kind, canonicalBytes: bytes) {
                    #expect(read.canonicalBytes() == bytes, "seed \(seed)")
                }
            }
        }
    }

    @Test func defaultsAreLeftOut() {
        #expect(ConfigObject.listener(Listener(name: "", address: "", port: 0, tls: false)).canonicalBytes() == [])
        #expect(ConfigObject.virtualHost(VirtualHost(name: "", hosts: [])).canonicalBytes() == [])
        let cluster = Cluster(name: "c", endpoints: [Endpoint(host: "h", port: 80)], protocol: .http2)
        #expect(ConfigObject.cluster(cluster).canonicalBytes() == [1, 1, 0x63, 2, 5, 1, 1, 0x68, 2, 80, 3, 2])
    }

    @Test func theFormDoesNotChangeFromVersionToVersion() {
        // Stored hashes depend on these bytes: a change here makes every worker reload everything.
        #expect(
            route.canonicalBytes() == [
                1, 1, 0x72, 2, 1, 0x68, 3, 0xac, 2, 4, 5, 1, 2, 2, 1, 0x2f, 8, 3, 1, 1, 0x63,
            ])
        #expect(route.hash == SHA256.hash([5] + route.canonicalBytes()))
    }

    @Test func hashesOfEqualBytesDifferByKind() {
        let listener = ConfigObject.listener(Listener(name: "a", address: "", port: 0, tls: false))
        let host = ConfigObject.virtualHost(VirtualHost(name: "a", hosts: []))
        #expect(listener.canonicalBytes() == host.canonicalBytes())
        #expect(listener.hash != host.hash)
    }

    @Test(
        arguments: [
            ([1], .truncated),
            ([1, 2, 0x61], .truncated),
            ([1, 0xff], .truncated),
            ([1, 0x81, 0x00, 0x61], .badVarint),
            ([3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], .badVarint),
            ([1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .truncated),
            ([1, 0], .explicitDefault(1)),
            ([3, 0], .explicitDefault(3)),
            ([3, 0x80, 0x80, 0x04], .outOfRange(3)),
            ([4, 2], .outOfRange(4)),
            ([5, 0], .explicitDefault(5)),
            ([5, 3, 1, 0x90, 0x4e], .explicitDefault(1)),
            ([1, 1, 0xff], .badUTF8(1)),
            ([1, 2, 0xc0, 0x80], .badUTF8(1)),
            ([1, 3, 0xed, 0xa0, 0x80], .badUTF8(1)),
            ([2, 1, 0x61, 1, 1, 0x61], .unexpectedField(1)),
            ([1, 1, 0x61, 1, 1, 0x61], .unexpectedField(1)),
            ([9, 1], .unexpectedField(9)),
            ([0], .unexpectedField(0)),
            ([5, 2, 99, 9], .unexpectedField(99)),
        ] as [([UInt8], CanonicalCodingError.Reason)])
    func badBytesOfAListenerAreRefusedWithTheReason(bytes: [UInt8], reason: CanonicalCodingError.Reason) {
        let error = #expect(throws: CanonicalCodingError.self) {
            try ConfigObject(kind: .listener, canonicalBytes: bytes)
        }
        #expect(error?.reason == reason)
        #expect((error?.offset ?? -1) <= bytes.count)
    }

    @Test func fieldsWithoutADefaultMustBeThere() {
        for (kind, tag) in [(ObjectKind.cluster, UInt8(3)), (.route, 4)] {
            let error = #expect(throws: CanonicalCodingError.self) { try ConfigObject(kind: kind, canonicalBytes: []) }
            #expect(error?.reason == .missingField(tag))
        }
    }

    @Test func aSliceIsReadFromItsOwnStart() throws {
        let bytes = [9, 9, 9] + route.canonicalBytes() + [7]
        #expect(try ConfigObject(kind: .route, canonicalBytes: bytes[3..<bytes.count - 1]) == route)
        let error = #expect(throws: CanonicalCodingError.self) {
            try ConfigObject(kind: .route, canonicalBytes: bytes[3...])
        }
        #expect(error == CanonicalCodingError(.unexpectedField(7), offset: route.canonicalBytes().count))
    }
}
