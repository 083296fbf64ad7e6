// Who asks, how that is known, and how far it reaches.

package import ConsoleModel
package import Persistence

/// The account behind a request, and what of its rights the request's credentials carry.
package struct Identity: Hashable, Sendable {
    package enum Proof: Hashable, Sendable {
        /// A session's cookie; the session's number.
        case session(Int64)
        case basic
        case token(TokenRecord)
    }

    package var account: Account
    package var proof: Proof

    package init(account: Account, proof: Proof) {
        self.account = account
        self.proof = proof
    }

    /// A token has no more rights than its owner has now.
    package var role: Console.Role {
        if case .token(let token) = proof { min(token.role, account.role) } else { account.role }
    }

    /// For the audit.
    package var via: String {
        switch proof {
        case .session: "session"
        case .basic: "basic"
        case .token(let token): "token \(token.name)"
        }
    }
}
