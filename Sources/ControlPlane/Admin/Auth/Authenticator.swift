// Who asks: by session cookie, by bearer token, by HTTP Basic, by name and password at the login. One place counts
// failures for all.

import ConsoleModel
import Foundation
import HTTPTypes
import Hummingbird
import Logging
package import Persistence
import Seal
import Synchronization

/// Checks credentials and keeps sessions and tokens.
package final class Authenticator: Sendable {
    static let cookieName = "_hi_sess"
    /// What every token begins with, so that those who search for leaked secrets know it.
    static let tokenPrefix = "causeway_"

    let store: Store
    private let hasher: PasswordHasher
    private let memory = BasicMemory()
    private let throttle = Mutex(LoginThrottle())
    /// Checks of Basic credentials that are running: the same credentials wait for one run.
    private let checking = Mutex<[Hash256: Task<Account, any Error>]>([:])
    private let logger = Logger(label: "login")

    /// Unix milliseconds, for what has to outlive the process.
    let clock: @Sendable () -> Int64
    /// Milliseconds, for delays and what is remembered a while: setting the wall clock must neither lock nor free anybody.
    private let steadyClock: @Sendable () -> Int64

    package init(
        store: Store, hasher: PasswordHasher, clock: @escaping @Sendable () -> Int64 = WallClock.milliseconds,
        steadyClock: @escaping @Sendable () -> Int64 = SteadyClock.milliseconds
    ) {
        self.store = store
        self.hasher = hasher
        self.clock = clock
        self.steadyClock = steadyClock
    }

    /// Whoever the request's credentials belong to; `nil`: there are none that hold.
    func identity(of request: Request, from peer: Peer) async throws -> Identity? {
        if let cookie = request.cookies[Self.cookieName],
            let (account, session) = try await account(ofSession: cookie.value)
        {
            return Identity(account: account, proof: .session(session))
        }
        guard let header = request.headers[.authorization] else { return nil }
        if let credentials = BasicCredentials(header: header) {
            return Identity(account: try await authenticate(credentials, from: peer), proof: .basic)
        }
        guard let hash = Self.tokenHash(header: header),
            let (account, token) = try await store.token(hash, now: clock(), address: peer.address)
        else { return nil }
        return Identity(account: account, proof: .token(token))
    }

    /// Whether the credentials of a request that goes on still hold, with the same rights. A password is not checked again: the
    /// account must have the same, as a changed one is a failed login to nobody.
    func holds(_ identity: Identity, of request: Request, from peer: Peer) async -> Bool {
        if case .basic = identity.proof {
            let account = try? await store.account(named: identity.account.name)
            return account?.id == identity.account.id && account?.role == identity.role
                && account?.passwordHash == identity.account.passwordHash
        }
        let now = try? await self.identity(of: request, from: peer)
        return now?.account.id == identity.account.id && now?.role == identity.role
    }

    // MARK: Passwords

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
            logger.warning("login failed", metadata: ["user": "\(user.prefix(64))", "peer": "\(peer.address)"])
            throw Problem(.unauthorized, .wrongCredentials, "Incorrect username or password.")
        }
        throttle.withLock { $0.succeeded(user) }
        return account
    }

    /// The account of Basic credentials, remembered for a while.
    func authenticate(_ credentials: BasicCredentials, from peer: Peer) async throws -> Account {
        let digest = memory.digest(of: credentials, era: store.currentEra)
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

    func hash(_ password: Secret) async throws -> String {
        try await hasher.hash(password)
    }

    /// Replaces the password: sessions end, remembered credentials are forgotten.
    func setPassword(_ password: Secret, of account: Account, by author: Author) async throws {
        let hash = try await hasher.hash(password)
        try await store.setPasswordHash(hash, ofAccount: account.id, by: author)
        memory.forget(account: account.id)
    }

    /// To be called after every change of an account by another way than this.
    func forget(_ account: Account) {
        memory.forget(account: account.id)
    }

    // MARK: Sessions

    /// The account of a session's cookie, and the session's number.
    func account(ofSession cookie: String) async throws -> (account: Account, session: Int64)? {
        // 32 bytes in hexadecimal; anything else was not made here.
        guard cookie.utf8.count == 64, let id = Hex.decode(cookie) else { return nil }
        return try await store.account(ofSession: SHA256.hash(id), now: clock())
    }

    /// Opens a session and returns the value of its cookie with the seconds that it lasts. Only its hash is kept.
    func openSession(
        for account: Account, kept: Bool, agent: String, from peer: Peer
    ) async throws -> (cookie: String, lifetime: Int) {
        let id = Random.bytes(32)
        let now = clock()
        let lifetime = Settings.number(kept ? .keptSession : .session, in: try await store.settings())
        try await store.openSession(
            SHA256.hash(id), account: account, now: now, expiresAt: now + Int64(lifetime) * 1_000, agent: agent,
            by: Author(name: account.name, address: peer.address, via: "password"))
        return (Hex.encode(id), lifetime)
    }

    func closeSession(_ cookie: String, by author: Author) async throws {
        guard let id = Hex.decode(cookie) else { return }
        try await store.closeSession(SHA256.hash(id), by: author)
    }

    // MARK: Tokens

    /// A new token and what is kept of it.
    static func makeToken() -> (text: String, hash: Hash256) {
        let text = tokenPrefix + Hex.encode(Random.bytes(32))
        return (text, SHA256.hash(text))
    }

    /// `nil`: not a token that was made here.
    static func tokenHash(header: String) -> Hash256? {
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let token = parts[1].trimmingCharacters(in: .whitespaces)
        guard token.utf8.count == tokenPrefix.utf8.count + 64, token.hasPrefix(tokenPrefix) else { return nil }
        return SHA256.hash(token)
    }

    private func now() -> Int {
        Int(steadyClock() / 1_000)
    }
}
