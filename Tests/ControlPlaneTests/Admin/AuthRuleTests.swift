// The rules of authentication and of who may call at all, row by row.

import ConsoleModel
import ControlPlane
import HTTPTypes
import Hummingbird
import NIOCore
import Persistence
import Seal
import Testing

struct AuthRuleTests {
    // MARK: Rates

    @Test func anAddressHasItsRateAndTwiceAsManyAtOnce() {
        var rates = RequestRates(perSecond: 10)
        func passed(_ address: String, at now: Double) -> Int {
            var count = 0
            for _ in 0..<30 where rates.takes(address, at: now) { count += 1 }
            return count
        }
        #expect(passed("a", at: 1_000) == 20)
        #expect(passed("b", at: 1_000) == 20)
        #expect(passed("a", at: 1_500) == 5)
        #expect(passed("a", at: 60_000) == 20)
    }

    @Test func addressesAtRestAreForgottenAndThoseAtWorkAreNot() {
        var rates = RequestRates(perSecond: 10)
        for number in 0..<RequestRates.capacity { _ = rates.takes("\(number)", at: 1_000) }
        let refused = rates.takes("one more", at: 1_000)
        #expect(!refused && rates.count == RequestRates.capacity)
        let taken = rates.takes("one more", at: 2_000)
        #expect(taken && rates.count == 1)
    }

    // MARK: Throttle

    @Test func anAccountHasFiveFreeFailures() {
        var throttle = LoginThrottle()
        let key = LoginThrottle.Key.account("admin")
        for _ in 0..<4 { throttle.failed([key], at: 100) }
        #expect(throttle.delay(for: [key], at: 100) == nil)
        throttle.failed([key], at: 100)
        #expect(throttle.delay(for: [key], at: 100) == 1)
        #expect(throttle.delay(for: [key], at: 101) == nil)
    }

    @Test func delaysDoubleUpToAMinute() {
        var throttle = LoginThrottle()
        let key = LoginThrottle.Key.account("admin")
        var delays: [Int] = []
        for failure in 1...14 {
            throttle.failed([key], at: 0)
            if failure >= 5 { delays.append(throttle.delay(for: [key], at: 0) ?? 0) }
        }
        #expect(delays == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
    }

    @Test func theLongerDelayOfAccountAndAddressCounts() {
        var throttle = LoginThrottle()
        for number in 0..<25 { throttle.failed([.account("user\(number)"), .address("10.0.0.1")], at: 0) }
        #expect(throttle.delay(for: [.account("fresh"), .address("10.0.0.1")], at: 0) == 32)
        #expect(throttle.delay(for: [.account("fresh"), .address("10.0.0.2")], at: 0) == nil)
    }

    @Test func successClearsTheAccountAndNotTheAddress() {
        var throttle = LoginThrottle()
        for _ in 0..<30 { throttle.failed([.account("admin"), .address("10.0.0.1")], at: 0) }
        throttle.succeeded("admin")
        #expect(throttle.delay(for: [.account("admin")], at: 0) == nil)
        #expect(throttle.delay(for: [.address("10.0.0.1")], at: 0) != nil)
    }

    @Test func failuresAreForgotten() {
        var throttle = LoginThrottle()
        let key = LoginThrottle.Key.account("admin")
        for _ in 0..<20 { throttle.failed([key], at: 0) }
        #expect(throttle.delay(for: [key], at: LoginThrottle.memory) == nil)
        throttle.failed([key], at: LoginThrottle.memory)
        #expect(throttle.delay(for: [key], at: LoginThrottle.memory) == nil)
    }

    @Test func namesOfStrangersDoNotFillTheMemory() {
        var throttle = LoginThrottle()
        for number in 0..<(3 * LoginThrottle.capacity) { throttle.failed([.account("\(number)")], at: number / 100) }
        #expect(throttle.count <= LoginThrottle.capacity + 1)
    }

    // MARK: Basic

    @Test(arguments: [
        ("Basic YWRtaW46cGFzczp3b3Jk", "admin", "pass:word"), ("basic YTpi", "a", "b"), ("Basic YTo=", "a", ""),
        ("Basic  w6Q6w7Y=", "ä", "ö"),
    ])
    func basicHeadersAreRead(header: String, user: String, password: String) throws {
        let credentials = try #require(BasicCredentials(header: header))
        #expect(credentials.user == user)
        #expect(credentials.password == Secret(password))
    }

    @Test func rightCredentialsAreRememberedForAWhile() throws {
        let memory = BasicMemory()
        let right = memory.digest(of: try #require(BasicCredentials(header: "Basic YWRtaW46cGFzczp3b3Jk")))
        let wrong = memory.digest(of: try #require(BasicCredentials(header: "Basic YWRtaW46d3Jvbmc=")))
        memory.remember(Self.account(1), for: right, at: 0, generation: memory.generation)
        #expect(memory.account(for: right, at: BasicMemory.lifetime - 1)?.id == 1)
        #expect(memory.account(for: wrong, at: 0) == nil)
        #expect(memory.account(for: right, at: BasicMemory.lifetime) == nil)
    }

    @Test func aChangedAccountIsForgotten() throws {
        let memory = BasicMemory()
        let one = memory.digest(of: try #require(BasicCredentials(header: "Basic YTpi")))
        let other = memory.digest(of: try #require(BasicCredentials(header: "Basic YzpkCg==")))
        let before = memory.generation
        memory.remember(Self.account(1), for: one, at: 0, generation: before)
        memory.remember(Self.account(2), for: other, at: 0, generation: before)
        memory.forget(account: 1)
        #expect(memory.account(for: one, at: 0) == nil)
        #expect(memory.account(for: other, at: 0)?.id == 2)
        // A check that began before the change must not bring the old password back.
        memory.remember(Self.account(1), for: one, at: 0, generation: before)
        #expect(memory.account(for: one, at: 0) == nil)
    }

    private static func account(_ id: Int64) -> Account {
        Account(id: id, name: "a", displayName: "A", avatarURL: nil, role: .admin, passwordHash: "")
    }

    // MARK: scrypt

    @Test func passwordsAreCheckedTwoAtATime() async throws {
        let hasher = try PasswordHasher(parameters: .init(logN: 14, r: 8, p: 1))
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<12 {
                group.addTask { (try? await hasher.hash(Secret("x"))) != nil }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.contains(true))
        #expect(outcomes.contains(false))
        await #expect(throws: Never.self) { try await hasher.hash(Secret("x")) }
    }

    @Test func withoutAnAccountNoPasswordFits() async throws {
        let hasher = try PasswordHasher(parameters: .init(logN: 4, r: 8, p: 1))
        let hash = try await hasher.hash(Secret("x"))
        #expect(try await hasher.verify(Secret("x"), against: hash))
        #expect(try await !hasher.verify(Secret("y"), against: hash))
        #expect(try await !hasher.verify(Secret("x"), against: nil))
    }

    // MARK: Host

    @Test(
        arguments: [
            ("localhost", true), ("LOCALHOST:8080", true), ("127.0.0.1:8080", true), ("127.8.9.1", true),
            ("[::1]:8080", true),
            ("console.test", true), ("Console.Test.:443", true), ("10.0.0.7:8080", true), ("[fd00::1]", true),
            ("evil.test", false), ("127.0.0.1.evil.test", false), ("localhost.evil.test", false), ("10.0.0.8", false),
            ("127.0.0.1:x", false), ("", false), (":80", false), (nil, false), ("[::2]", false),
        ] as [(String?, Bool)])
    func hostsAreOursOrNot(authority: String?, allowed: Bool) {
        let rule = HostRule(names: ["Console.test:8080", "10.0.0.7", "fd00::1"])
        #expect(rule.allows(authority) == allowed)
    }

    // MARK: Cross-site

    @Test(
        arguments: [
            (.get, ["Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"], nil),
            (.post, ["Content-Type": "application/json"], nil),
            (.post, ["Content-Type": "Application/JSON; charset=utf-8", "Content-Length": "2"], nil),
            (.delete, [:], nil),
            (.delete, ["Content-Length": "0"], nil),
            (
                .put,
                ["Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:80"],
                nil
            ),
            (.put, ["Content-Type": "application/json", "Sec-Fetch-Site": "none"], nil),
            (.put, ["Content-Type": "application/json", "Origin": "https://localhost:80"], nil),
            (.delete, ["Sec-Fetch-Site": "same-site"], 403),
            (.delete, ["Sec-Fetch-Site": "cross-site"], 403),
            (.delete, ["Origin": "null"], 403),
            (.delete, ["Origin": "http://localhost"], 403),
            (.delete, ["Origin": "http://localhost:80.evil.test"], 403),
            (.post, ["Content-Type": "text/plain", "Content-Length": "2"], 415),
            (.post, ["Content-Type": "application/x-www-form-urlencoded", "Content-Length": "2"], 415),
            (.post, ["Content-Type": "multipart/form-data", "Content-Length": "2"], 415),
            (.post, ["Content-Length": "2"], 415),
            (.post, ["Transfer-Encoding": "chunked"], 415),
            (.patch, ["Content-Type": "application/jsonp", "Content-Length": "2"], 415),
        ] as [(HTTPRequest.Method, [String: String], Int?)])
    func requestsOfOtherSitesAreRefused(method: HTTPRequest.Method, headers: [String: String], status: Int?) {
        var fields = HTTPFields()
        for (name, value) in headers { fields[HTTPField.Name(name)!] = value }
        let head = HTTPRequest(
            method: method, scheme: "http", authority: "localhost:80", path: "/", headerFields: fields)
        let problem = CrossSiteRule.problem(with: Request(head: head, body: RequestBody(buffer: ByteBuffer())))
        #expect(problem?.status.code == status)
    }
}
