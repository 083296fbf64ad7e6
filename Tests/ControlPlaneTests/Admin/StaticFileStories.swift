// The admin page's files, and that nothing else is one.

import ConsoleModel
import ControlPlane
import Foundation
import HTTPTypes
import HummingbirdTesting
import Seal
import Testing

struct StaticFileStories {
    private let harness: AdminHarness
    private static let long = String(repeating: "let a = 1;\n", count: 400)

    init() async throws {
        let folder = NSTemporaryDirectory() + "causeway-page-\(Hex.encode(Random.bytes(8)))"
        try FileManager.default.createDirectory(atPath: "\(folder)/page/css", withIntermediateDirectories: true)
        for (name, text) in [
            ("page/index.html", "<p>page</p>"), ("page/css/a.css", "p {}"), ("page/app.js", Self.long),
            ("secret.txt", "secret"),
        ] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        harness = try await AdminHarness(staticFolder: "\(folder)/page") {
            $0.apiDocument = APIDocument(
                yaml: "b: 'x'\na: &one [1, 2.5, true, null, 2020-01-01, \"q\\\"\"]\nc: *one\n\"200\": {}\n")
        }
    }

    @Test(
        arguments: [
            ("/", 200, "<p>page</p>"), ("/index.html", 200, "<p>page</p>"), ("/css/a.css", 200, "p {}"),
            ("/login", 200, "<p>page</p>"), ("/css/b.css", 404, nil), ("/login/deeper", 404, nil), ("/v1", 404, nil),
            ("/missing.js", 404, nil), ("/../secret.txt", 400, nil), ("/%2e%2e/secret.txt", 400, nil),
            ("/css%00.css", 400, nil), ("/%ff", 400, nil),
        ] as [(String, Int, String?)])
    func filesOfThePageAreServed(path: String, status: Int, text: String?) async throws {
        try await harness.story { client in
            let answer = try await client.call(.get, path, credentials: nil)
            #expect(answer.status == status)
            if let text { #expect(answer.text == text) }
            #expect(!answer.text.contains("secret"))
            #expect(answer.headers[.contentSecurityPolicy] == "default-src 'self'")
            #expect(answer.headers[.xContentTypeOptions] == "nosniff")
        }
    }

    @Test func onlyReadsGetFiles() async throws {
        try await harness.story { client in
            let answer = try await client.call(.post, "/login", "{}", credentials: nil)
            #expect(answer.status == 404)
        }
    }

    @Test func aFileIsCompressedForThoseWhoTakeIt() async throws {
        try await harness.story { client in
            let plain = try await client.call(.get, "/app.js", credentials: nil)
            #expect(plain.text == Self.long && plain.headers[.contentEncoding] == nil)
            #expect(plain.headers[.vary] == "Accept-Encoding")
            let tag = try #require(plain.headers[.eTag])
            var first: String?
            for _ in 0..<2 {
                let answer = try await client.call(
                    .get, "/app.js", credentials: nil, headers: [.acceptEncoding: "br, gzip;q=0.5"])
                #expect(answer.status == 200 && answer.headers[.contentEncoding] == "gzip")
                #expect(answer.headers[.vary] == "Accept-Encoding")
                let length = try #require(answer.headers[.contentLength].flatMap { Int($0) })
                #expect(length < 200)
                let made = try #require(answer.headers[.eTag])
                #expect(made != tag && (first ?? made) == made)
                first = made
            }
            let known = try #require(first)
            for (tag, encoding) in [(known, "gzip"), (tag, "identity")] {
                let again = try await client.call(
                    .get, "/app.js", credentials: nil, headers: [.acceptEncoding: encoding, .ifNoneMatch: tag])
                #expect(again.status == 304 && again.headers[.eTag] == tag && again.text.isEmpty)
            }
            let refused = try await client.call(
                .get, "/app.js", credentials: nil, headers: [.acceptEncoding: "gzip;q=0, *"])
            #expect(refused.text == Self.long)
            let part = try await client.call(
                .get, "/app.js", credentials: nil, headers: [.acceptEncoding: "gzip", .range: "bytes=0-3"])
            #expect(part.status == 206 && part.text == "let ")
            let small = try await client.call(.get, "/css/a.css", credentials: nil, headers: [.acceptEncoding: "gzip"])
            #expect(small.text == "p {}")
        }
    }

    @Test func theAPIDocumentIsToldInJSONInItsOrder() async throws {
        try await harness.story { client in
            let yaml = try await client.call(.get, "/openapi.yaml", credentials: nil)
            #expect(yaml.text.hasPrefix("b: 'x'"))
            let json = try await client.call(.get, "/openapi.json", credentials: nil)
            let list = #"[1,2.5,true,null,"2020-01-01","q\""]"#
            #expect(json.text == #"{"b":"x","a":"# + list + #","c":"# + list + #","200":{}}"#)
            let tag = try #require(json.headers[.eTag])
            let again = try await client.call(.get, "/openapi.json", credentials: nil, headers: [.ifNoneMatch: tag])
            #expect(again.status == 304 && again.text.isEmpty)
        }
    }
}
