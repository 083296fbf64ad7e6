// Login by cookie and by Basic, logout, and a new password.

import ConsoleModel
import ControlPlane
import Foundation
import HTTPTypes
import HummingbirdTesting
import Testing

struct SessionStories {
    private let harness: AdminHarness

    init() async throws {
        harness = try await AdminHarness()
    }

    private static let login = #"{"username":"admin","password":"pass:word"}"#

    @Test func aSessionOpensAndEnds() async throws {
        try await harness.story { client in
            let login = try await client.call(.post, "/session/login", Self.login, credentials: nil)
            #expect(login.status == 201)
            #expect(login["name"] == "admin")
            #expect(login["password"] == .null)
            let cookie = try #require(login.cookie)
            let attributes = Set((login.headers[.setCookie] ?? "").split(separator: "; ").dropFirst())
            #expect(attributes == ["Path=/", "HttpOnly", "SameSite=Strict"])
            let info = try await client.call(.get, "/user/info", credentials: nil, headers: [.cookie: cookie])
            #expect(info["data", "displayName"] == "Admin")

            let logout = try await client.call(.get, "/session/logout", credentials: nil, headers: [.cookie: cookie])
            #expect(logout.status == 200)
            #expect(logout.headers[.setCookie]?.contains("Max-Age=0") == true)
            let stolen = try await client.call(.get, "/user/info", credentials: nil, headers: [.cookie: cookie])
            #expect(stolen.status == 401)
        }
    }

    @Test func aKeptSessionLastsThirtyDays() async throws {
        try await harness.story { client in
            let body = #"{"username":"admin","password":"pass:word","autoLogin":true}"#
            let login = try await client.call(.post, "/session/login", body, credentials: nil)
            #expect(login.headers[.setCookie]?.contains("Max-Age=2592000") == true)
        }
    }

    @Test func onlyTLSMakesTheCookieSecure() async throws {
        let secure = try await AdminHarness { $0.servesTLS = true }
        try await secure.story { client in
            let login = try await client.call(.post, "/session/login", Self.login, credentials: nil)
            #expect(login.headers[.setCookie]?.contains("; Secure") == true)
        }
    }

    @Test func theDatabaseHoldsNoCookie() async throws {
        try await harness.story { client in
            let login = try await client.call(.post, "/session/login", Self.login, credentials: nil)
            let id = try #require(login.cookie?.split(separator: "=").last)
            for name in try FileManager.default.contentsOfDirectory(atPath: harness.folder) {
                let data = FileManager.default.contents(atPath: "\(harness.folder)/\(name)") ?? Data()
                #expect(data.range(of: Data(id.utf8)) == nil, "\(name)")
            }
        }
    }

    @Test(arguments: [
        #"{"username":"admin","password":"wrong"}"#, #"{"username":"nobody","password":"pass:word"}"#,
    ])
    func wrongCredentialsSayNoMore(body: String) async throws {
        try await harness.story { client in
            let answer = try await client.call(.post, "/session/login", body, credentials: nil)
            #expect(answer.status == 401)
            #expect(answer["message"] == "Incorrect username or password.")
            #expect(answer.headers[.setCookie] == nil)
            #expect(answer.headers[.wwwAuthenticate] == nil)
        }
    }

    @Test(arguments: ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "Basic //46/w==", "basic OnB3"])
    func oddHeadersAreNoLogin(header: String) async throws {
        try await harness.story { client in
            let answer = try await client.call(
                .get, "/user/info", credentials: nil, headers: [.authorization: header])
            #expect(answer.status == 401)
        }
    }

    @Test(arguments: ["", "x", String(repeating: "0", count: 64), String(repeating: "g", count: 64)])
    func oddCookiesAreNoLogin(value: String) async throws {
        try await harness.story { client in
            let cookie: HTTPFields = [.cookie: "_hi_sess=\(value)"]
            let alone = try await client.call(.get, "/user/info", credentials: nil, headers: cookie)
            #expect(alone.status == 401)
            // Basic still counts beside a cookie that does not.
            let beside = try await client.call(.get, "/user/info", headers: cookie)
            #expect(beside.status == 200)
        }
    }

    @Test func failuresSlowDownLoginAndBasicAlike() async throws {
        try await harness.story { client in
            for _ in 0..<3 {
                _ = try await client.call(
                    .post, "/session/login", #"{"username":"admin","password":"no"}"#, credentials: nil)
                _ = try await client.call(.get, "/user/info", credentials: "admin:no")
            }
            let answer = try await client.call(.post, "/session/login", Self.login, credentials: nil)
            #expect(answer.status == 429)
            #expect(answer["code"] == "too_many_attempts")
            #expect(answer.headers[.retryAfter] != nil)
            #expect(try await client.call(.get, "/user/info").status == 429)
        }
    }

    @Test func rememberedCredentialsAreNotSlowedDown() async throws {
        try await harness.story { client in
            #expect(try await client.call(.get, "/user/info").status == 200)
            for _ in 0..<8 {
                _ = try await client.call(.get, "/user/info", credentials: "admin:no")
            }
            #expect(try await client.call(.get, "/user/info").status == 200)
        }
    }

    @Test func aNewPasswordEndsEverythingThatTheOldOneOpened() async throws {
        try await harness.story { client in
            let cookie = try #require(
                try await client.call(.post, "/session/login", Self.login, credentials: nil).cookie)
            #expect(try await client.call(.get, "/user/info").status == 200)

            let wrong = try await client.call(
                .post, "/user/changePassword", #"{"oldPassword":"no","newPassword":"something else"}"#)
            #expect(wrong.status == 400)
            #expect(wrong.fields == ["oldPassword"])
            let changed = try await client.call(
                .post, "/user/changePassword", #"{"oldPassword":"pass:word","newPassword":"short"}"#)
            #expect(changed.status == 200)
            #expect(changed.warnings == ["newPassword: a password of fewer than 8 characters is easily guessed."])
            #expect(changed.headers[.setCookie]?.contains("Max-Age=0") == true)

            #expect(
                try await client.call(.get, "/user/info", credentials: nil, headers: [.cookie: cookie]).status == 401)
            #expect(try await client.call(.get, "/user/info").status == 401)
            #expect(try await client.call(.get, "/user/info", credentials: "admin:short").status == 200)
        }
    }

    @Test func passwordChangesCanBeSwitchedOff() async throws {
        let harness = try await AdminHarness(account: false)
        try await harness.story { client in
            let body = """
                {"adminUser":{"name":"admin","displayName":"A","password":"pass:word"},"setupCode":"\(AdminHarness.setupCode)",
                 "configs":{"admin.password-change.disabled":true}}
                """
            #expect(try await client.call(.post, "/system/init", body, credentials: nil).status == 200)
            let answer = try await client.call(
                .post, "/user/changePassword", #"{"oldPassword":"pass:word","newPassword":"something else"}"#)
            #expect(answer.status == 403)
        }
    }
}
