// Lists are sorted as people read them, and searched whatever the case.

import ControlPlane
import Testing

struct SearchTextTests {
    @Test(
        arguments: [
            ["", "-", "1", "2", "10", "a"],
            ["a", "a1", "a2", "a10", "a10b", "a11", "ab"],
            ["Route-9", "route-10", "ROUTE-11"],
            ["10.0.0.9:80", "10.0.0.10:80", "10.0.0.10:443"],
            ["v1.9", "v1.10", "v2"],
            ["x9999999999999999999999", "x10000000000000000000000"],
            ["Émile", "Emma", "zoë", "Zoe2"],
        ])
    func comesInThisOrder(texts: [String]) {
        for (one, other) in zip(texts, texts.dropFirst()) {
            #expect(TextOrder(one) < TextOrder(other), "\(one) \(other)")
            #expect(!(TextOrder(other) < TextOrder(one)), "\(other) \(one)")
        }
        #expect(texts.shuffled().map { ($0, TextOrder($0)) }.sorted { $0.1 < $1.1 }.map(\.0) == texts)
    }

    @Test(arguments: [("Shop", "sHOP"), ("a007", "a7"), ("0", "00"), ("é", "É"), ("é", "e\u{301}"), ("Ａ1", "a1")])
    func isEqual(one: String, other: String) {
        #expect(TextOrder(one) == TextOrder(other))
    }

    @Test func everyLongNumberHasItsPlace() {
        let numbers = (1...400).map { "n" + String(repeating: "7", count: $0) }
        #expect(numbers.map(TextOrder.init).sorted() == numbers.map(TextOrder.init))
    }

    @Test(
        arguments: [
            ("greet", true), ("GREET.", true), ("eter/", true), ("zoe", true), ("ZOË", true),
            ("/Greet.Greeter/zoe", false),
            ("greets", false), ("greeterr", false), ("\n", true), ("", true),
        ])
    func findsWords(word: String, isFound: Bool) {
        var text = SearchText()
        text.append("/Greet.Greeter/")
        text.append("Zoë")
        #expect(text.contains(SearchText.folded(word)) == isFound)
        text.removeAll()
        #expect(text.contains(SearchText.folded(word)) == word.isEmpty)
    }
}
