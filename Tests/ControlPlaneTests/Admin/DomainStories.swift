// Domains from birth to end, and the manners that all resources share: paging, locking, shapes, versions.

import ConfigModel
import ConsoleModel
import ControlPlane
import HTTPTypes
import HummingbirdTesting
import Testing

struct DomainStories {
    private let harness: AdminHarness

    init() async throws {
        harness = try await AdminHarness()
    }

    @Test func aDomainLives() async throws {
        try await harness.story { client in
            let made = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            #expect(made.status == 201)
            #expect(made.headers[.init("Causeway-Version")!] == "1")
            #expect(made.headers[.init("Causeway-Live")!] == nil)
            #expect(made["version"] == "1")
            #expect(made["enableHttps"] == "off")
            #expect(made["success"] == nil)
            #expect(made["warnings"] == nil)

            let shown = try await client.call(.get, "/v1/domains/a.test")
            #expect(shown["success"] == .bool(true))
            #expect(shown["message"] == .null)
            #expect(shown["data"] == made.json)

            let changed = try await client.call(.put, "/v1/domains/a.test", #"{"version":"1","enableHttps":"OFF"}"#)
            #expect(changed["version"] == "1", "nothing changed")
            #expect(try await client.call(.delete, "/v1/domains/a.test").status == 204)
            let gone = try await client.call(.get, "/v1/domains/a.test")
            #expect(gone.status == 404)
            #expect(gone.text.isEmpty)
        }
    }

    @Test func namesInThePathAreDecoded() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"*.a.test"}"#)
            #expect(try await client.call(.get, "/v1/domains/%2A.a.test")["data", "name"] == "*.a.test")
            #expect(try await client.call(.get, "/v1/domains/*.a.test")["data", "name"] == "*.a.test")
            #expect(try await client.call(.get, "/v1/domains/a%00b").status == 400)
            #expect(try await client.call(.get, "/v1/domains/%ff").status == 400)
        }
    }

    @Test func whatIsUnknownCannotBeChanged() async throws {
        try await harness.story { client in
            for (method, body) in [(HTTPRequest.Method.put, #"{"name":"x.test"}"#), (.delete, nil)] {
                let answer = try await client.call(method, "/v1/domains/x.test", body)
                #expect(answer.status == 404)
                #expect(answer["code"] == "not_found")
                #expect(answer["success"] == .bool(false))
                #expect(answer["data"] == .null)
            }
        }
    }

    @Test func aDuplicateIsAConflict() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            let answer = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            #expect(answer.status == 409)
            #expect(answer["code"] == "duplicate")
            #expect(answer.fields == ["name"])
        }
    }

    @Test func aStaleVersionIsAConflict() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            let second = try await client.call(
                .put, "/v1/domains/a.test", #"{"version":"2","enableHttps":"on","certIdentifier":"one"}"#)
            #expect(second["version"] == "3")
            let stale = try await client.call(.put, "/v1/domains/a.test", #"{"version":"2","enableHttps":"off"}"#)
            #expect(stale.status == 409)
            #expect(stale["code"] == "stale_version")
            #expect(stale.fields == ["version"])
            // Without a version the last writer wins.
            #expect(try await client.call(.put, "/v1/domains/a.test", #"{"enableHttps":"off"}"#)["version"] == "4")
        }
    }

    @Test func theNameInTheBodyIsThatOfThePath() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            let answer = try await client.call(.put, "/v1/domains/a.test", #"{"name":"b.test"}"#)
            #expect(answer.status == 400)
            #expect(answer.fields == ["name"])
        }
    }

    @Test func pagesAreCut() async throws {
        try await harness.story { client in
            for number in 0..<12 {
                _ = try await client.call(.post, "/v1/domains", #"{"name":"d\#(number + 10).test"}"#)
            }
            let all = try await client.call(.get, "/v1/domains?ts=1700000000000")
            #expect(all["total"] == .integer(12))
            #expect(all["pageNum"] == .null)
            #expect(all["pageSize"] == .null)
            let page = try await client.call(.get, "/v1/domains?pageNum=2&pageSize=5")
            #expect(page["data", "0", "name"] == "d15.test")
            #expect(page["pageNum"] == .integer(2))
            let beyond = try await client.call(.get, "/v1/domains?pageNum=9&pageSize=5")
            #expect(beyond.status == 200)
            #expect(beyond["data"] == .array([]))
            let odd = try await client.call(.get, "/v1/domains?pageNum=x")
            #expect(odd.status == 400)
            #expect(odd.fields == ["pageNum"])
        }
    }

    @Test(
        arguments: [
            (nil, nil, 0..<25), (1, nil, 0..<10), (nil, 20, 0..<20), (3, 10, 20..<25), (4, 10, 25..<25), (0, 5, 0..<5),
            (-7, 5, 0..<5), (1, -1, 0..<1), (Int.max, Int.max, 25..<25), (2, Int.max, 25..<25), (1, Int.max, 0..<25),
        ] as [(Int?, Int?, Range<Int>)])
    func pagesLieWhereTheyShould(number: Int?, size: Int?, range: Range<Int>) {
        #expect(PageRequest(number: number, size: size).range(of: 25) == range)
    }

    @Test func certificatesMustExist() async throws {
        try await harness.story { client in
            let answer = try await client.call(
                .post, "/v1/domains", #"{"name":"a.test","enableHttps":"on","certIdentifier":"none"}"#)
            #expect(answer.status == 400)
            #expect(answer.fields == ["certIdentifier"])
            #expect(answer["message"] == "certIdentifier: There is no certificate named none.")
        }
    }

    @Test func aCertificateForOtherNamesIsAWarning() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/tls-certificates", certificateBody("one", PEM.good))
            for (name, isCovered) in [("a.test", true), ("x.a.test", true), ("x.y.a.test", false), ("b.test", false)] {
                let made = try await client.call(
                    .post, "/v1/domains", #"{"name":"\#(name)","enableHttps":"on","certIdentifier":"one"}"#)
                #expect(made.status == 201)
                #expect(made.warnings.isEmpty == isCovered, "\(name)")
                #expect(try await client.call(.get, "/v1/domains/\(name)")["data", "warnings"] == made["warnings"])
            }
        }
    }

    @Test func everyVersionTellsWhatItChanged() async throws {
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            _ = try await client.call(.delete, "/v1/domains/a.test")
            let list = try await client.call(.get, "/v1/versions")
            #expect(list["total"] == .integer(2))
            #expect(list["data", "0", "version"] == "2")
            #expect(list["data", "0", "summary"] == "delete domain a.test")
            let one = try await client.call(.get, "/v1/versions/1")
            #expect(one["data", "author"] == "admin")
            #expect(one["data", "live"] == "no-worker")
            #expect(one["data", "changes", "0", "action"] == "create")
            for path in ["/v1/versions/3", "/v1/versions/x", "/v1/versions/-1", "/v1/versions/99999999999999999999"] {
                #expect(try await client.call(.get, path).status == 404)
            }
        }
    }

    @Test func everySaveIsPublishedAndNothingElse() async throws {
        #expect(await harness.publisher.current?.version == 0, "what is stored is published at the start")
        try await harness.story { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            #expect(await harness.publisher.current?.version == 1)
            _ = try await client.call(.put, "/v1/domains/a.test", #"{"enableHttps":"off"}"#)
            _ = try await client.call(.post, "/v1/domains", #"{"name":"NO"}"#)
            #expect(await harness.publisher.current?.version == 1)
            #expect(await harness.publisher.current?[ObjectKey(.virtualHost, "a.test")] != nil)
        }
    }

    @Test func withoutWorkersNothingIsLive() async throws {
        try await harness.story { client in
            let made = try await client.call(.post, "/v1/domains?wait=live&timeout=50ms", #"{"name":"a.test"}"#)
            #expect(made.status == 201)
            #expect(made.headers[.init("Causeway-Live")!] == "no-worker")
            #expect(try await client.call(.get, "/v1/workers")["data"] == .array([]))
        }
    }

    @Test(arguments: ["wait=forever", "wait=live&timeout=61s", "wait=live&timeout=soon", "wait=live&timeout=-1s"])
    func whatCannotBeWaitedForIsRefusedBeforeAnythingIsStored(query: String) async throws {
        try await harness.story { client in
            let answer = try await client.call(.post, "/v1/domains?\(query)", #"{"name":"a.test"}"#)
            #expect(answer.status == 400)
            #expect(answer["code"] == "invalid_query")
            #expect(try await client.call(.get, "/v1/domains/a.test").status == 404)
        }
    }

    @Test func bodiesAreBounded() async throws {
        let harness = try await AdminHarness { $0.bodyLimit = 100 }
        try await harness.story { client in
            let body = #"{"name":"\#(String(repeating: "a", count: 100))"}"#
            let answer = try await client.call(.post, "/v1/domains", body)
            #expect(answer.status == 413)
            #expect(answer["code"] == "too_large")
        }
    }

    @Test func otherShapesOfBodiesAreRefused() async throws {
        try await harness.story { client in
            #expect(try await client.call(.post, "/v1/domains", "a=b", type: "text/plain").status == 415)
            let malformed = try await client.call(.post, "/v1/domains", #"{"name":"#)
            #expect(malformed.status == 400)
            #expect(malformed["code"] == "malformed_body")
            #expect(try await client.call(.post, "/v1/domains", #"{"name":5}"#).fields == ["name"])
            let unknown = try await client.call(.post, "/v1/domains", #"{"name":"a.test","colour":"red"}"#)
            #expect(unknown.status == 201)
            #expect(unknown.warnings == ["colour: is not a field that is known here; it is ignored."])
        }
    }

    @Test func thereIsNothingElsewhere() async throws {
        try await harness.story { client in
            let answer = try await client.call(.get, "/v1/nothing")
            #expect(answer.status == 404)
            #expect(answer["message"] == "There is nothing at GET /v1/nothing.")
            #expect(try await client.call(.patch, "/v1/domains", "{}").status == 405)
        }
    }
}

/// The body that uploads a certificate.
func certificateBody(_ name: String, _ pem: (cert: String, key: String), _ more: String = "") -> String {
    #"{"name":"\#(name)","cert":\#(quoted(pem.cert)),"key":\#(quoted(pem.key))\#(more)}"#
}
