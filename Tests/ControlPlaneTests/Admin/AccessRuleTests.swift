// Who may call what: no operation without a rule, no rule without an operation, and what each identity gets.

import ConsoleModel
import ControlPlane
import HTTPTypes
import HummingbirdTesting
import Persistence
import Testing

struct AccessRuleTests {
    @Test func everyOperationHasOneRule() async throws {
        let harness = try await AdminHarness()
        let served = harness.operations.filter { !$0.hasSuffix(" /landing") }
        let ruled = AccessRule.table.filter { $0.path != "/landing" }.map { "\($0.method) \($0.path)" }
        #expect(Set(ruled).count == ruled.count, "a rule stands twice")
        #expect(served == Set(ruled))
    }

    @Test func whatTokensMakeThemselvesMoreRightsWithIsNotForThem() {
        for rule in AccessRule.table where ["users", "tokens", "sessions"].contains(rule.kind) && rule.method != "GET" {
            #expect(!rule.allowsTokens, "\(rule.method) \(rule.path)")
        }
    }

    private static func identity(
        _ role: Console.Role, token: Console.Role? = nil, kinds: [String]? = nil
    ) -> Identity {
        let account = Account(
            id: 1, name: "erin", displayName: "Erin", avatarURL: nil, role: role, passwordHash: "")
        guard let token else { return Identity(account: account, proof: .basic) }
        return Identity(
            account: account,
            proof: .token(
                TokenRecord(account: "erin", name: "t", role: token, kinds: kinds, createdAt: 0, expiresAt: nil)))
    }

    @Test(
        arguments: [
            (identity(.viewer), [true, false, false, true]), (identity(.editor), [true, true, false, true]),
            (identity(.admin), [true, true, true, true]),
            (identity(.admin, token: .viewer), [true, false, false, false]),
            (identity(.viewer, token: .admin), [true, false, false, false]),
            (identity(.admin, token: .admin), [true, true, true, false]),
            (identity(.admin, token: .admin, kinds: ["routes"]), [true, true, false, false]),
            (identity(.admin, token: .admin, kinds: ["domains"]), [false, false, false, false]),
        ] as [(Identity, [Bool])])
    func rolesAndScopesDecide(identity: Identity, allowed: [Bool]) throws {
        let operations: [(HTTPRequest.Method, String)] = [
            (.get, "/v1/routes"), (.put, "/v1/routes/{name}"), (.get, "/v1/audit"), (.post, "/v1/tokens"),
        ]
        for ((method, path), expected) in zip(operations, allowed) {
            let rule = try #require(AccessRule.rule(method, path))
            #expect((rule.refusal(of: identity) == nil) == expected, "\(method) \(path)")
        }
    }

    @Test func headIsGet() {
        #expect(AccessRule.rule(.head, "/v1/routes") == AccessRule.rule(.get, "/v1/routes"))
        #expect(AccessRule.rule(.patch, "/v1/routes") == nil)
    }
}
