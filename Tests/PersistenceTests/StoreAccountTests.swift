// Accounts and sessions: one first account, sessions that run out, and a new password that ends them.

import ConsoleModel
import Persistence
import Seal
import Testing

struct StoreAccountTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func initialized() async throws -> Store {
        let store = try folder.open()
        let first = try await store.initialize(
            name: "admin", displayName: "Admin", passwordHash: "h1", settings: ["login.prompt": .string("hello")],
            by: author)
        #expect(first)
        return store
    }

    @Test func thereIsOneFirstAccount() async throws {
        let store = try await initialized()
        #expect(try await store.hasAccounts())
        let second = try await store.initialize(
            name: "eve", displayName: "Eve", passwordHash: "h2", settings: [:], by: author)
        #expect(!second)
        #expect(try await store.account(named: "eve") == nil)
        #expect(try await store.account(named: "admin")?.role == .admin)
        #expect(try await store.settings() == ["login.prompt": .string("hello")])
    }

    @Test func sessionsRunOut() async throws {
        let store = try await initialized()
        let account = try #require(try await store.account(named: "admin"))
        let id = SHA256.hash("one")
        try await store.openSession(id, account: account, now: 1_000, expiresAt: 2_000, by: author)
        #expect(try await store.account(ofSession: id, now: 1_999)?.name == "admin")
        #expect(try await store.account(ofSession: id, now: 2_000) == nil)
        #expect(try await store.account(ofSession: SHA256.hash("two"), now: 1_000) == nil)
    }

    @Test func aClosedSessionIsGone() async throws {
        let store = try await initialized()
        let account = try #require(try await store.account(named: "admin"))
        let id = SHA256.hash("one")
        try await store.openSession(id, account: account, now: 1_000, expiresAt: 2_000, by: author)
        try await store.closeSession(id, by: author)
        try await store.closeSession(id, by: author)
        #expect(try await store.account(ofSession: id, now: 1_500) == nil)
        #expect(try await store.auditRecords(limit: 9).map(\.action) == ["logout", "login", "initialize"])
    }

    @Test func aNewPasswordEndsTheSessions() async throws {
        let store = try await initialized()
        let account = try #require(try await store.account(named: "admin"))
        let id = SHA256.hash("one")
        try await store.openSession(id, account: account, now: 1_000, expiresAt: 2_000, by: author)
        try await store.setPasswordHash("h9", ofAccount: account.id, by: author)
        #expect(try await store.account(ofSession: id, now: 1_500) == nil)
        #expect(try await store.account(named: "admin")?.passwordHash == "h9")
    }
}
