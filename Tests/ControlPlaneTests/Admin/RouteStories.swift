// Routes and service sources: references both ways, what is refused, and what is said not to act.

import ConsoleModel
import HTTPTypes
import HummingbirdTesting
import Persistence
import Testing

struct RouteStories {
    private let harness: AdminHarness

    init() async throws {
        harness = try await AdminHarness()
    }

    private static let path = #""path":{"matchType":"PRE","matchValue":"/"}"#
    private static let source = #"{"name":"greeter","type":"static","domain":"127.0.0.1:50051","protocol":"grpc"}"#

    private func withGreeter(_ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await harness.story { client in
            #expect(try await client.call(.post, "/v1/service-sources", Self.source).status == 201)
            try await body(client)
        }
    }

    @Test func aRouteLives() async throws {
        try await withGreeter { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            let body =
                #"{"name":"greet","domains":["a.test"],\#(Self.path),"services":[{"name":"greeter.static","port":80}]}"#
            let made = try await client.call(.post, "/v1/routes", body)
            #expect(made.status == 201)
            #expect(made["authConfig"] == .null)
            #expect(made["customConfigs"] == .object([:]))
            #expect(made["version"] == "3")
            let shown = try await client.call(.get, "/v1/routes/greet")
            #expect(shown["data", "authConfig", "enabled"] == .bool(false))
            #expect(shown["data", "readonly"] == .bool(false))
            // What a read gave may be sent back.
            let data = String(decoding: try ConsoleJSON.encode(try #require(shown["data"])), as: UTF8.self)
            #expect(try await client.call(.put, "/v1/routes/greet", data)["version"] == "3")
            let changed = try await client.call(
                .put, "/v1/routes/greet", body.replacing(#""PRE""#, with: #""equal""#))
            #expect(changed["version"] == "4")
            #expect(changed["path", "matchType"] == "EQUAL")
            #expect(try await client.call(.delete, "/v1/routes/greet").status == 204)
        }
    }

    @Test func whatARouteNamesMustExist() async throws {
        try await withGreeter { client in
            let body =
                #"{"name":"r","domains":["x.test"],\#(Self.path),"services":[{"name":"greeter.static"},{"name":"greeter.dns"}]}"#
            let answer = try await client.call(.post, "/v1/routes", body)
            #expect(answer.status == 400)
            #expect(answer.fields == ["domains[0]", "services[1].name"])
            #expect(answer.text.contains("There is no service named greeter.dns. Known are greeter.static."))
        }
    }

    @Test func whatARouteUsesStays() async throws {
        try await withGreeter { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            let body = #"{"name":"r","domains":["a.test"],\#(Self.path),"services":[{"name":"greeter.static"}]}"#
            #expect(try await client.call(.post, "/v1/routes", body).status == 201)
            for path in ["/v1/domains/a.test", "/v1/service-sources/greeter"] {
                let refused = try await client.call(.delete, path)
                #expect(refused.status == 409)
                #expect(refused.text.contains("in use by route r"))
            }
            // Another type would give the service another name.
            let renamed = try await client.call(
                .put, "/v1/service-sources/greeter", #"{"type":"dns","domain":"a.test","port":80}"#)
            #expect(renamed.status == 409)
            // Another port does not.
            let moved = try await client.call(
                .put, "/v1/service-sources/greeter",
                #"{"type":"static","domain":"127.0.0.1:50052","port":81,"protocol":"grpc"}"#)
            #expect(moved.status == 200)
            #expect(try await client.call(.get, "/v1/routes/r")["data", "warnings"] == nil)
        }
    }

    @Test(arguments: [
        (#""path":{"matchType":"REGULAR","matchValue":"/(unclosed"}"#, "path.matchValue", "missing )"),
        (#""headers":[{"key":"a","matchType":"REGULAR","matchValue":"*"}]"#, "headers[0].matchValue", "repetition"),
        (#""urlParams":[{"key":"a","matchType":"REGULAR","matchValue":"(?=x)"}]"#, "urlParams[0].matchValue", "(?="),
        (
            #""path":{"matchType":"REGULAR","matchValue":"/((a{100}){100}){100}"}"#, "path.matchValue",
            "regular expression"
        ),
    ])
    func patternsAreRefusedInRE2sWords(members: String, field: String, words: String) async throws {
        try await withGreeter { client in
            let path = members.contains(#""path""#) ? "" : "\(Self.path),"
            let body = #"{"name":"r",\#(path)\#(members),"services":[{"name":"greeter.static"}]}"#
            let answer = try await client.call(.post, "/v1/routes", body)
            #expect(answer.status == 400)
            #expect(answer.fields == [field])
            #expect(answer.text.contains(words))
        }
    }

    @Test func whatOnlyTheWorkerWouldRefuseIsRefusedBeforeItIsStored() async throws {
        try await withGreeter { client in
            // The rules of the console let this through; the snapshot's do not.
            _ = try await client.call(
                .post, "/v1/service-sources",
                #"{"name":"plain","type":"static","domain":"127.0.0.1:1","protocol":"http"}"#)
            let body = #"{"name":"r",\#(Self.path),"services":[{"name":"greeter.static"},{"name":"plain.static"}]}"#
            let answer = try await client.call(.post, "/v1/routes", body)
            #expect(answer.status == 400)
            #expect(answer.fields == ["services[1].name"])
            #expect(answer.text.contains("HTTP/1.1"))
            #expect(try await client.call(.get, "/v1/routes/r").status == 404)
            #expect(try await client.call(.get, "/v1/versions")["total"] == .integer(2))
        }
    }

    @Test func whatDoesNotActIsSaidInEveryAnswer() async throws {
        try await withGreeter { client in
            let body =
                #"{"name":"r",\#(Self.path),"services":[{"name":"greeter.static","port":81}],"authConfig":{"enabled":true},"#
                + #""customConfigs":{"higress.io/websocket-enable":"true"}}"#
            let made = try await client.call(.post, "/v1/routes", body)
            #expect(made.status == 201)
            #expect(made.warnings.count == 3)
            #expect(made.text.contains("every consumer is let in"))
            #expect(made.text.contains("is 81, but greeter.static has port 80"))
            let shown = try await client.call(.get, "/v1/routes/r")
            #expect(shown["data", "warnings"] == made["warnings"])
            #expect(shown["data", "authConfig", "enabled"] == .bool(true))
        }
    }

    @Test func routesAreFilteredByDomain() async throws {
        try await withGreeter { client in
            _ = try await client.call(.post, "/v1/domains", #"{"name":"a.test"}"#)
            for (name, domains) in [("one", #"["a.test"]"#), ("two", "[]")] {
                let body =
                    #"{"name":"\#(name)","domains":\#(domains),\#(Self.path),"services":[{"name":"greeter.static"}]}"#
                #expect(try await client.call(.post, "/v1/routes", body).status == 201)
            }
            for path in ["/v1/routes?domainName=a.test", "/v1/domains/a.test/routes"] {
                let list = try await client.call(.get, path)
                #expect(list["total"] == .integer(1))
                #expect(list["data", "0", "name"] == "one")
            }
            let any = try await client.call(.get, "/v1/domains/higress-default-domain/routes")
            #expect(any["data", "0", "name"] == "two")
            #expect(try await client.call(.get, "/v1/domains/none.test/routes")["data"] == .array([]))
            #expect(try await client.call(.get, "/v1/routes?domainName=a.test&all=true").status == 400)
        }
    }

    @Test func servicesComeFromSources() async throws {
        try await withGreeter { client in
            _ = try await client.call(
                .post, "/v1/service-sources", #"{"name":"api","type":"dns","domain":"x.test,y.test","port":443}"#)
            let list = try await client.call(.get, "/v1/services")
            #expect(list["total"] == .integer(2))
            #expect(list["data", "0", "name"] == "api.dns")
            #expect(list["data", "0", "endpoints"] == .array(["x.test:443", "y.test:443"]))
            #expect(list["data", "1", "port"] == .integer(80))
            #expect(list["data", "1", "namespace"] == "mcp")
        }
    }

    @Test func credentialsOfARegistryStayInside() async throws {
        try await harness.story { client in
            let body = """
                {"name":"reg","type":"consul","domain":"c.test","port":8500,"properties":{"consulDatacenter":"dc"},
                 "authN":{"enabled":true,"properties":{"consulToken":"sesame"}}}
                """
            let made = try await client.call(.post, "/v1/service-sources", body)
            #expect(made.status == 201)
            #expect(made["authN", "properties"] == .null)
            let shown = try await client.call(.get, "/v1/service-sources/reg")
            #expect(!shown.text.contains("sesame"))
            let data = String(decoding: try ConsoleJSON.encode(try #require(shown["data"])), as: UTF8.self)
            #expect(try await client.call(.put, "/v1/service-sources/reg", data)["version"] == made["version"])
            #expect(
                harness.store.configuration.serviceSources["reg"]?.value.authN?.properties?.value
                    == ["consulToken": "sesame"])
        }
    }
}
