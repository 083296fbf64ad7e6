// HTTP Basic: the header's parts, and the memory of credentials that were right a moment ago. scrypt on every request of
// a script would cost 50 ms each.

import Foundation
package import Persistence
package import Seal
import Synchronization

/// User and password of an `Authorization: Basic` header.
package struct BasicCredentials: Sendable {
    package var user: String
    package var password: Secret

    /// `nil`: another scheme, or not decodable. The password may contain `:`.
    package init?(header: String) {
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "basic",
            let data = Data(base64Encoded: parts[1].trimmingCharacters(in: .whitespaces)),
            let colon = data.firstIndex(of: UInt8(ascii: ":")),
            let user = String(bytes: data[..<colon], encoding: .utf8), !user.isEmpty
        else { return nil }
        self.user = user
        password = Secret(Array(data[data.index(after: colon)...]))
    }
}

/// Credentials that scrypt accepted within the last minutes, under an HMAC whose key dies with the process.
package final class BasicMemory: Sendable {
    package static let lifetime = 300
    package static let capacity = 1_000

    private struct Entry {
        var account: Account
        var expires: Int
    }

    private struct State {
        var entries: [Hash256: Entry] = [:]
        /// Grows when something is forgotten: a check that began before must not be remembered after.
        var generation = 0
    }

    private let key = Secret(Random.bytes(32))
    private let state = Mutex(State())

    package init() {}

    package var generation: Int { state.withLock { $0.generation } }

    /// Of one era of the store: an account of another database is never remembered as one of this.
    package func digest(of credentials: BasicCredentials, era: UInt64 = 0) -> Hash256 {
        // A user name has no NUL, so the parts cannot be shifted against each other.
        HMAC.sha256(
            Array("\(era)".utf8) + [0] + Array(credentials.user.utf8) + [0] + credentials.password.bytes, key: key)
    }

    package func account(for digest: Hash256, at now: Int) -> Account? {
        state.withLock { state in
            guard let entry = state.entries[digest] else { return nil }
            if entry.expires <= now {
                state.entries[digest] = nil
                return nil
            }
            return entry.account
        }
    }

    package func remember(_ account: Account, for digest: Hash256, at now: Int, generation: Int) {
        state.withLock { state in
            guard generation == state.generation else { return }
            if state.entries.count >= Self.capacity { state.entries = state.entries.filter { $0.value.expires > now } }
            if state.entries.count >= Self.capacity { state.entries.removeAll() }
            state.entries[digest] = Entry(account: account, expires: now + Self.lifetime)
        }
    }

    /// To be called at every change of the account.
    package func forget(account id: Int64) {
        state.withLock { state in
            state.entries = state.entries.filter { $0.value.account.id != id }
            state.generation += 1
        }
    }
}
