// The first-run set-up, and what everybody may read.

import ConsoleModel
import ControlPlane
import HTTPTypes
import HummingbirdTesting
import Testing

struct SetupStories {
    private static let user = #""adminUser":{"name":"root","displayName":"Root","password":"long enough"}"#

    @Test func fromElsewhereTheSetUpNeedsTheCode() async throws {
        // Requests straight into the router come from no address at all.
        let harness = try await AdminHarness(account: false)
        try await harness.story { client in
            for body in ["{\(Self.user)}", #"{\#(Self.user),"setupCode":"guess"}"#] {
                let refused = try await client.call(.post, "/system/init", body, credentials: nil)
                #expect(refused.status == 403)
                #expect(refused.fields == ["setupCode"])
                #expect(!refused.text.contains(AdminHarness.setupCode))
            }
            let body = #"{\#(Self.user),"setupCode":"\#(AdminHarness.setupCode)"}"#
            let done = try await client.call(.post, "/system/init", body, credentials: nil)
            #expect(done.status == 200)
            #expect(done["success"] == .bool(true))
            #expect(
                try await client.call(.get, "/user/info", credentials: "root:long enough")["data", "name"] == "root")
        }
    }

    @Test func onThisMachineItNeedsNone() async throws {
        let harness = try await AdminHarness(account: false)
        try await harness.application.test(.live) { client in
            #expect(try await client.call(.post, "/system/init", "{\(Self.user)}", credentials: nil).status == 200)
            let again = try await client.call(.post, "/system/init", "{\(Self.user)}", credentials: nil)
            #expect(again.status == 409)
            #expect(again["code"] == "already_initialized")
        }
    }

    @Test func settingsGivenWithItAreShown() async throws {
        let harness = try await AdminHarness(account: false)
        try await harness.story { client in
            #expect(try await client.call(.get, "/system/config")["data", "system.initialized"] == .bool(false))
            let configs = #""configs":{"login.prompt":"Hello","mode":"k8s","dashboard.url":"https://d.test"}"#
            let body = #"{\#(Self.user),\#(configs),"setupCode":"\#(AdminHarness.setupCode)"}"#
            let done = try await client.call(.post, "/system/init", body, credentials: nil)
            #expect(done.warnings == ["configs[mode]: is not a setting that can be given here; it is ignored."])
            let config = try await client.call(.get, "/system/config", credentials: nil)
            #expect(config["data", "system.initialized"] == .bool(true))
            #expect(config["data", "login.prompt"] == "Hello")
            #expect(config["data", "mode"] == "standalone")
        }
    }

    @Test(arguments: [
        (#"{"configs":{"login.prompt":5}}"#, ["adminUser", "configs[login.prompt]"]),
        (#"{"configs":{"index.redirect-target":"//evil.test"}}"#, ["adminUser", "configs[index.redirect-target]"]),
        (#"{"adminUser":{"name":"","displayName":"x","password":"y"}}"#, ["adminUser.name"]),
        (#"{"adminUser":"root"}"#, ["adminUser"]),
    ])
    func whatIsWrongIsNamed(body: String, fields: [String]) async throws {
        let harness = try await AdminHarness(account: false)
        try await harness.application.test(.live) { client in
            let answer = try await client.call(.post, "/system/init", body, credentials: nil)
            #expect(answer.status == 400)
            #expect(answer.fields == fields)
        }
    }

    @Test func everybodyMayReadThese() async throws {
        let harness = try await AdminHarness { $0.apiDocument = APIDocument(yaml: "openapi: 3.1.0\n") }
        try await harness.story { client in
            #expect(try await client.call(.get, "/healthz/ready", credentials: nil).text == "ok")
            let info = try await client.call(.get, "/system/info", credentials: nil)
            #expect(info["capabilities"] == .array(["config.ingress.v1"]))
            #expect(info["success"] == nil)
            #expect(try await client.call(.post, "/landing", credentials: nil).text.contains("Causeway is running"))
            let document = try await client.call(.get, "/openapi.yaml", credentials: nil)
            #expect(document.text == "openapi: 3.1.0\n")
            #expect(document.headers[.contentSecurityPolicy] == "default-src 'self'")
        }
    }

    @Test(arguments: [
        "/v1/domains", "/v1/routes/x", "/v1/tls-certificates", "/v1/service-sources", "/v1/services", "/v1/workers",
        "/v1/versions", "/v1/versions/1", "/v1/domains/x/routes", "/user/info",
    ])
    func nobodyMayReadTheRest(path: String) async throws {
        let harness = try await AdminHarness()
        try await harness.story { client in
            let answer = try await client.call(.get, path, credentials: nil)
            #expect(answer.status == 401)
            #expect(answer["code"] == "login_required")
            #expect(answer.headers[.wwwAuthenticate] == nil)
        }
    }
}
