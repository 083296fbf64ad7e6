// Who asks: by session cookie, by HTTP Basic, by name and password at the login. One place counts failures for all.

import HTTPTypes
import Foundation
package import Persistence
import Seal
import Synchronization

/// Checks credentials and keeps sessions.
package final class Authenticator: Sendable {
    static let cookieName = "_hi_sess"
    /// Seconds of a session that the person asked to keep.
    static let keptSession = 2_592_000
    /// Seconds of a session whose cookie goes with the browser.
    static let shortSession = 86_400

    let store: Store
    private let hasher: PasswordHasher
    private let memory = BasicMemory()
    private let throttle = Mutex(LoginThrottle())
    /// Checks of Basic credentials that are running: the same credentials wait for one run.
    private let checking = Mutex<[Hash256: Task<Account, any Error>]>([:])

    /// Unix milliseconds.
    private let clock: @Sendable () -> Int64

    package init(
        store: Store, hasher: PasswordHasher, clock: @escaping @Sendable () -> Int64 = WallClock.milliseconds
    ) {
        self.store = store
        self.hasher = hasher
        self.clock = clock
    }

    /// The account of a name and password. Failures count against both the name and the address.
    func authenticate(user: String, password: Secret, from peer: Peer) async throws -> Account {
        let keys: [LoginThrottle.Key] = [.account(user), .address(peer.address)]
        if let wait = throttle.withLock({ $0.delay(for: keys, at: now()) }) {
            throw Problem(
                .tooManyRequests, .tooManyAttempts, "Too many failed attempts. Try again in \(wait) s.",
                retryAfter: wait)
        }
        let account = try await store.account(named: user)
        guard try await hasher.verify(password, against: account?.passwordHash), let account else {
            throttle.withLock { $0.failed(keys, at: now()) }
            throw Problem(.unauthorized, .wrongCredentials, "Incorrect username or password.")
        }
        throttle.withLock { $0.succeeded(user) }
        return account
    }

    /// The account of Basic credentials, remembered for a while.
    func authenticate(_ credentials: BasicCredentials, from peer: Peer) async throws -> Account {
        let digest = memory.digest(of: credentials)
        if let account = memory.account(for: digest, at: now()) { return account }
        let task = checking.withLock { checking in
            if let running = checking[digest] { return running }
            let task = Task {
                defer { self.checking.withLock { $0[digest] = nil } }
                let generation = self.memory.generation
                let account = try await self.authenticate(
                    user: credentials.user, password: credentials.password, from: peer)
                self.memory.remember(account, for: digest, at: self.now(), generation: generation)
                return account
            }
            checking[digest] = task
            return task
        }
        return try await task.value
    }

    /// The account of a session's cookie.
    func account(ofSession cookie: String) async throws -> Account? {
        // 32 bytes in hexadecimal; anything else was not made here.
        guard cookie.utf8.count == 64, let id = Hex.decode(cookie) else { return nil }
        return try await store.account(ofSession: SHA256.hash(id), now: clock())
    }

    /// Opens a session and returns the value of its cookie. Only its hash is kept.
    func openSession(for account: Account, kept: Bool, from peer: Peer) async throws -> String {
        let id = Random.bytes(32)
        let now = clock()
        let lifetime = Int64(kept ? Self.keptSession : Self.shortSession) * 1_000
        try await store.openSession(
            SHA256.hash(id), account: account, now: now, expiresAt: now + lifetime,
            by: Author(name: account.name, address: peer.address))
        return Hex.encode(id)
    }

    func closeSession(_ cookie: String, by author: Author) async throws {
        guard let id = Hex.decode(cookie) else { return }
        try await store.closeSession(SHA256.hash(id), by: author)
    }

    func hash(_ password: Secret) async throws -> String {
        try await hasher.hash(password)
    }

    /// Replaces the password: sessions end, remembered credentials are forgotten.
    func setPassword(_ password: Secret, of account: Account, by author: Author) async throws {
        let hash = try await hasher.hash(password)
        try await store.setPasswordHash(hash, ofAccount: account.id, by: author)
        memory.forget(account: account.id)
    }

    private func now() -> Int {
        Int(clock() / 1_000)
    }
}
