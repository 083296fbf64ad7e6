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
        #expect(try await store.account(ofSession: id, now: 1_999)?.account.name == "admin")
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

    // MARK: Several accounts

    private func add(_ name: String, _ role: Account.Role, to store: Store) async throws {
        let account = Account(
            id: 0, name: name, displayName: name, avatarURL: nil, role: role, passwordHash: "h")
        guard case .done = try await store.createAccount(account, by: author) else {
            Issue.record("\(name) was not made")
            return
        }
    }

    @Test func theLastAdministratorStays() async throws {
        let store = try await initialized()
        try await add("erin", .editor, to: store)
        for change in [
            try await store.removeAccount(named: "admin", by: author),
            try await store.updateAccount(named: "admin", displayName: nil, role: .editor, by: author),
        ] {
            guard case .lastAdministrator = change else {
                Issue.record("\(change)")
                continue
            }
        }
        try await add("ada", .admin, to: store)
        guard case .done = try await store.removeAccount(named: "admin", by: author) else {
            Issue.record("there is another administrator")
            return
        }
        #expect(try await store.accounts().map(\.name) == ["ada", "erin"])
    }

    @Test func anAccountTakesItsSessionsAndTokensWithIt() async throws {
        let store = try await initialized()
        try await add("erin", .editor, to: store)
        let erin = try #require(try await store.account(named: "erin"))
        try await store.openSession(SHA256.hash("s"), account: erin, now: 1_000, expiresAt: 9_000, by: author)
        let token = TokenRecord(
            account: "erin", name: "t", role: .editor, kinds: ["routes"], createdAt: 1_000, expiresAt: 5_000)
        guard case .done(let made) = try await store.createToken(token, hash: SHA256.hash("t"), owner: erin, by: author)
        else {
            Issue.record("the token was not made")
            return
        }
        let found = try await store.token(SHA256.hash("t"), now: 4_999, address: "10.0.0.1")
        #expect(found?.token == made)
        #expect(found?.account.name == "erin")
        #expect(try await store.tokens(ofAccount: erin.id).first?.lastAddress == "10.0.0.1")
        #expect(try await store.token(SHA256.hash("t"), now: 5_000, address: "10.0.0.1") == nil, "expired")
        _ = try await store.removeAccount(named: "erin", by: author)
        #expect(try await store.token(SHA256.hash("t"), now: 2_000, address: "") == nil)
        #expect(try await store.account(ofSession: SHA256.hash("s"), now: 2_000) == nil)
    }

    @Test func sessionsOfOneAccountAreBounded() async throws {
        let store = try await initialized()
        let account = try #require(try await store.account(named: "admin"))
        for number in 0..<(Store.maximumSessions + 5) {
            try await store.openSession(
                SHA256.hash("\(number)"), account: account, now: Int64(1_000 + number), expiresAt: 99_000, by: author)
        }
        #expect(try await store.sessions(ofAccount: nil, now: 2_000).count == Store.maximumSessions)
        #expect(try await store.account(ofSession: SHA256.hash("0"), now: 2_000) == nil)
    }

    @Test func onlyOnesOwnSessionsAndTokensCanBeEnded() async throws {
        let store = try await initialized()
        try await add("erin", .editor, to: store)
        let erin = try #require(try await store.account(named: "erin"))
        let admin = try #require(try await store.account(named: "admin"))
        try await store.openSession(SHA256.hash("s"), account: admin, now: 1_000, expiresAt: 9_000, by: author)
        let session = try #require(try await store.sessions(ofAccount: admin.id, now: 1_000).first)
        #expect(try await !store.revokeSession(session.id, ofAccount: erin.id, by: author))
        #expect(try await store.revokeSession(session.id, ofAccount: nil, by: author))
        #expect(try await store.account(ofSession: SHA256.hash("s"), now: 1_001) == nil)
    }

    // MARK: Audit

    @Test func theAuditTellsBeforeAndAfterWithoutSecrets() async throws {
        let store = try await initialized()
        _ = try await store.edit(by: author) { $0.put(makeCertificate("c", key: "first key")) }
        _ = try await store.edit(by: author) { $0.put(makeCertificate("c", key: "second key")) }
        _ = try await store.edit(by: author) { $0.put(makeCertificate("c", key: "first key")) }
        var filter = AuditFilter()
        filter.kind = "tls-certificate"
        let records = try await store.auditRecords(filter, limit: 9)
        #expect(records.map(\.action) == ["update", "update", "create"])
        let fingerprints = records.map { $0.after?["keyFingerprint"] }
        #expect(fingerprints[0] != nil)
        #expect(fingerprints[0] == fingerprints[2], "the same secret")
        #expect(fingerprints[0] != fingerprints[1])
        #expect(records[1].before == records[2].after)
        #expect(records[2].before == nil)
        #expect(!"\(records)".contains("first key"))
    }

    @Test func theAuditIsFiltered() async throws {
        let store = try await initialized()
        let erin = Author(name: "erin", address: "10.0.0.9", via: "basic")
        try await store.set("login.prompt", to: .string("x"), by: erin)
        var filter = AuditFilter()
        filter.actor = "erin"
        let record = try #require(try await store.auditRecords(filter, limit: 9).first)
        #expect(record.before == .string("hello"))
        #expect(record.after == .string("x"))
        #expect(record.via == "basic")
        #expect(try await store.auditCount(filter) == 1)
        filter.name = "other"
        #expect(try await store.auditCount(filter) == 0)
        filter = AuditFilter()
        filter.below = record.id
        let earlier = try await store.auditRecords(filter, limit: 9)
        #expect(earlier.map(\.action) == ["initialize"])
        filter = AuditFilter()
        filter.above = earlier.first?.id
        #expect(try await store.auditRecords(filter, limit: 9).map(\.id) == [record.id])
    }
}
