// The rule for request paths, line by line, and on random bytes.

import RouteMatching
import Testing

@Suite struct PathNormalizerTests {
    private enum Outcome: Equatable {
        case path(String)
        case refused(PathNormalizer.Refusal)
    }

    private func normalize(_ path: [UInt8]) -> PathNormalizer.Result {
        var buffer = [UInt8](repeating: 0, count: path.count)
        return path.withUnsafeBytes { path in
            buffer.withUnsafeMutableBytes { PathNormalizer.normalize(path, into: $0) }
        }
    }

    private func outcome(_ path: [UInt8]) -> (PathNormalizer.Result, [UInt8]) {
        var buffer = [UInt8](repeating: 0, count: path.count)
        let result = path.withUnsafeBytes { path in
            buffer.withUnsafeMutableBytes { PathNormalizer.normalize(path, into: $0) }
        }
        if case .changed(let count) = result { return (result, Array(buffer[..<count])) }
        return (result, path)
    }

    @Test(arguments: [
        "/", "/a/b", "/helloworld.Greeter/SayHello", "/a//b", "//", "/a/...", "/a/b..", "/a/..b", "/a;x=1/b", "/a%2Fb",
        "/a%5Cb", "/%C3%BC", "/ü", "/a+b&c=d:e@f,g!$'()*", "/.well-known/x", "/a/b.html",
    ]) func aNormalPathStays(_ path: String) {
        #expect(normalize(Array(path.utf8)) == .unchanged)
    }

    @Test(arguments: [
        ("/%61%2d%2E%5f%7Eb", "/a-._~b"), ("/a%2fb%3a", "/a%2Fb%3A"), ("/a/./b", "/a/b"), ("/a/.", "/a/"), ("/./", "/"),
        ("/.", "/"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/a/b/../", "/a/"), ("/a/b/%2e%2E/c", "/a/c"),
        ("/a//../b", "/a/b"),
        ("//..", "/"), ("/a/..", "/"), ("/a/b/c/./../../g", "/a/g"), ("/%2e/a", "/a"),
    ]) func aPathIsBroughtToItsNormalForm(_ path: String, _ normal: String) {
        let (result, bytes) = outcome(Array(path.utf8))
        #expect(result == .changed(normal.utf8.count))
        #expect(String(decoding: bytes, as: UTF8.self) == normal)
    }

    @Test(
        arguments: [
            ("", .notAbsolute), ("a", .notAbsolute), ("*", .notAbsolute), ("/a b", .forbiddenCharacter),
            ("/a\u{0}", .forbiddenCharacter), ("/a\r\n", .forbiddenCharacter), ("/a\u{7f}", .forbiddenCharacter),
            ("/a\\b", .forbiddenCharacter), ("/a#b", .forbiddenCharacter), ("/%", .badEscape), ("/%4", .badEscape),
            ("/%zz", .badEscape), ("/a%00b", .badEscape), ("/..", .aboveRoot), ("/a/../..", .aboveRoot),
            ("/%2e%2e/a", .aboveRoot),
            ("/a/..%2fb", .ambiguousDots), ("/a/b%2F..", .ambiguousDots), ("/a/x%5c..%5Cb", .ambiguousDots),
            ("/a/..;x/b", .ambiguousDots), ("/a/%2e%2e%2fb", .ambiguousDots), ("/a/b%2f..;x", .ambiguousDots),
        ] as [(String, PathNormalizer.Refusal)]) func aDangerousPathIsRefused(
            _ path: String, _ refusal: PathNormalizer.Refusal
        )
    {
        #expect(normalize(Array(path.utf8)) == .refused(refusal))
    }

    @Test func normalisingTwiceChangesNothingMoreOnRandomPaths() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let pieces: [[UInt8]] = ["/", "/", ".", "..", "%2e", "%2E", "%2f", "%5C", "a", ";", "%41", "%c3", "%"].map {
            Array($0.utf8)
        }
        var changed = 0
        for _ in 0..<20_000 {
            var path: [UInt8] = [0x2f]
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                path += random.chance(2) ? [UInt8.random(in: 0...255, using: &random)] : random.pick(pieces)
            }
            let (result, once) = outcome(path)
            if case .refused = result { continue }
            if case .changed = result { changed += 1 }
            #expect(once.first == 0x2f && once.count <= path.count, "seed \(seed): \(path)")
            #expect(outcome(once).0 == .unchanged, "seed \(seed): \(path) became \(once)")
            let segments = once.split(separator: 0x2f).map { Array($0) }
            #expect(
                !segments.contains([0x2e]) && !segments.contains([0x2e, 0x2e]), "seed \(seed): \(path) became \(once)")
        }
        #expect(changed > 500, "seed \(seed): hardly any path changed, the test shows nothing")
    }
}
