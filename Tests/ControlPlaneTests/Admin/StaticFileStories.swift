// The admin page's files, and that nothing else is one.

import ConsoleModel
import Foundation
import HTTPTypes
import HummingbirdTesting
import Seal
import Testing

struct StaticFileStories {
    private let harness: AdminHarness

    init() async throws {
        let folder = NSTemporaryDirectory() + "causeway-page-\(Hex.encode(Random.bytes(8)))"
        try FileManager.default.createDirectory(atPath: "\(folder)/page/css", withIntermediateDirectories: true)
        for (name, text) in [("page/index.html", "<p>page</p>"), ("page/css/a.css", "p {}"), ("secret.txt", "secret")] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        harness = try await AdminHarness(staticFolder: "\(folder)/page")
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
}
