// Resources by name and by what they refer to: the second follows the first.

import ConsoleModel
import Persistence
import Testing

@Suite struct ResourceTableTests {
    private func route(_ name: String, _ domains: [String], _ services: [String]) -> Stored<Console.Route> {
        Stored(
            id: 1,
            value: Console.Route(
                name: name, domains: domains, path: Console.PathPredicate(.prefix, "/"),
                services: services.map { Console.UpstreamService(name: $0) }))
    }

    @Test func usersFollowWhatIsPutReplacedAndRemoved() {
        var table = ResourceTable<Console.Route>()
        table["a"] = route("a", ["x", "y"], ["s.static", "s.static"])
        table["b"] = route("b", [], ["s.static"])
        #expect(table.users(of: .service("s.static")).sorted() == ["a", "b"])
        #expect(table.users(of: .domain("x")) == ["a"])
        #expect(table.users(of: .domain(Console.Domain.anyHost)) == ["b"])
        let before = table
        table["a"] = route("a", ["y"], ["t.static"])
        #expect(table.users(of: .domain("x")).isEmpty)
        #expect(table.users(of: .domain("y")) == ["a"])
        #expect(table.users(of: .service("s.static")) == ["b"])
        #expect(table.users(of: .service("t.static")) == ["a"])
        table["a"]?.value.domains = ["z"]
        #expect(table.users(of: .domain("z")) == ["a"])
        #expect(table.removeValue(forKey: "a")?.value.name == "a")
        #expect(table.users(of: .domain("z")).isEmpty && table.count == 1 && table["a"] == nil)
        #expect(table.removeValue(forKey: "a") == nil)
        #expect(before.users(of: .domain("x")) == ["a"], "a copy is left as it was")
        #expect(before != table)
    }
}
