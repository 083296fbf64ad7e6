// RE2 through its Swift face: what it refuses, how fast it is on hostile input, and that threads may share a pattern.

import RouteMatching
import Testing

@Suite struct RegularExpressionTests {
    private func prefix(_ pattern: String, _ text: String, caseSensitive: Bool = true) throws -> Bool {
        let regex = try RegularExpression(pattern: pattern, caseSensitive: caseSensitive)
        return Array(text.utf8).withUnsafeBytes { regex.matchesPrefix($0) }
    }

    private func whole(_ pattern: String, _ text: String) throws -> Bool {
        let regex = try RegularExpression(pattern: pattern)
        return Array(text.utf8).withUnsafeBytes { regex.matchesWhole($0) }
    }

    @Test func aPrefixMatchIsAnchoredAtTheStartOnly() throws {
        #expect(try prefix("/a", "/abc"))
        #expect(try !prefix("b", "/abc"))
        #expect(try !prefix("/a$", "/abc"))
        #expect(try prefix("a|/ab", "/abc"))
    }

    @Test func aWholeMatchTakesEverything() throws {
        #expect(try whole("a|ab", "ab"))
        #expect(try !whole("a", "ab"))
        #expect(try whole("", ""))
    }

    @Test func letterCaseCanBeIgnored() throws {
        #expect(try prefix("/Foo", "/fOO", caseSensitive: false))
        #expect(try !prefix("/Foo", "/fOO"))
    }

    @Test(arguments: ["(", "[a", "a{1001}", "(?=a)", "\\1", "*", "(?P<n>"])
    func aBadPatternIsAnErrorWithRE2sWords(_ pattern: String) {
        let error = #expect(throws: RegularExpressionError.self) { try RegularExpression(pattern: pattern) }
        #expect(error?.message.isEmpty == false)
    }

    @Test func aPatternThatWouldCompileTooLargeIsRefused() {
        let error = #expect(throws: RegularExpressionError.self) {
            try RegularExpression(pattern: "a{900}b{900}c{900}")
        }
        #expect(error?.message.contains("too large") == true)
    }

    @Test func nestedRepetitionStaysLinear() throws {
        let regex = try RegularExpression(pattern: "(a+)+$")
        let text = [UInt8](repeating: 0x61, count: 65_535) + [0x62]
        var best = Duration.seconds(1)
        for _ in 0..<5 {
            let time = ContinuousClock().measure {
                #expect(text.withUnsafeBytes { regex.matchesPrefix($0) } == false)
            }
            best = min(best, time)
        }
        #expect(best < .milliseconds(5))
    }

    @Test func bytesThatAreNotUTF8AreNoMatchAndNoCrash() throws {
        let regex = try RegularExpression(pattern: "/.+x")
        #expect([0x2f, 0xff, 0xfe, 0x78].withUnsafeBytes { regex.matchesPrefix($0) } == false)
        #expect(try prefix("/.x", "/üx"))
    }

    @Test func threadsShareAPattern() async throws {
        let regex = try RegularExpression(pattern: "/([a-z]+)/[0-9]{2,}$")
        let wrong = await withTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let good = Array("/abc/\(10 + number)".utf8)
                    let bad = Array("/abc/\(number)".utf8)
                    return (0..<2_000).count { _ in
                        !good.withUnsafeBytes { regex.matchesPrefix($0) }
                            || bad.withUnsafeBytes { regex.matchesPrefix($0) }
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }
}
