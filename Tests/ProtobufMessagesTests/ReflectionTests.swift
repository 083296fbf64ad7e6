// The conversation with a server's reflection, by what is asked next.

import ProtobufMessages
import Testing

struct ReflectionTests {
    private static func list(_ names: String...) -> [UInt8] { bytes(6, names.flatMap { bytes(1, text(1, $0)) }) }
    private static func files(_ files: [UInt8]...) -> [UInt8] { bytes(4, files.flatMap { bytes(1, $0) }) }
    private static func error(_ words: String) -> [UInt8] { bytes(7, number(1, 5) + text(2, words)) }
    private static func service(_ name: String) -> [UInt8] {
        bytes(6, text(1, name) + bytes(2, text(1, "Call") + text(2, ".t.M") + text(3, ".t.M") + number(6, 1)))
    }
    private static let askList = Reflection.Next.ask(text(7, "*"))
    private static func askSymbol(_ name: String) -> Reflection.Next { .ask(text(4, name)) }
    private static func askFile(_ name: String) -> Reflection.Next { .ask(text(3, name)) }

    @Test func asksForWhatIsMissingAndNothingTwice() {
        var reflection = Reflection(.services)
        #expect(reflection.begin() == Self.askList)
        #expect(reflection.receive(Self.list("t.A", "t.B", "t.C", "t.A")) == Self.askSymbol("t.A"))
        #expect(
            reflection.receive(Self.files(file("a", text(3, "b"), text(3, "c"), Self.service("A"), Self.service("B"))))
                == Self.askFile("c"))
        #expect(
            reflection.receive(Self.files(file("c", text(3, "a"), text(3, "b")), file("b"))) == Self.askSymbol("t.C"))
        #expect(reflection.receive(Self.error("no C")) == .done)
        #expect(reflection.services == ["t.A", "t.B", "t.C"] && reflection.problems == ["t.C": "no C"])
        let method = reflection.types.methods(of: "t.B")?.first
        #expect(method?.name == "Call" && method?.input == "t.M" && method?.output == "t.M")
        #expect(method?.serverStreaming == true && method?.clientStreaming == false)
    }

    @Test func goesOnWithoutAnImportThatIsNotThere() {
        var reflection = Reflection(.service("t.A"))
        #expect(reflection.begin() == Self.askSymbol("t.A"))
        #expect(reflection.receive(Self.files(file("a", text(3, "gone"), Self.service("A")))) == Self.askFile("gone"))
        #expect(reflection.receive(Self.error("gone")) == .done)
        #expect(reflection.types.methods(of: "t.A")?.count == 1)
    }

    @Test func saysWhatItDoesNotGet() {
        var reflection = Reflection(.service("t.A"))
        _ = reflection.begin()
        #expect(
            reflection.receive(Self.error("no such symbol"))
                == .fail("The reflection does not know the service t.A: no such symbol"))
        reflection = Reflection(.service("t.A"))
        _ = reflection.begin()
        #expect(
            reflection.receive(Self.files(file("a")))
                == .fail("The reflection does not know the service t.A: it is in no file."))
        #expect(reflection.receive([]) == .fail("The reflection answers more than it was asked."))
        reflection = Reflection(.services)
        _ = reflection.begin()
        #expect(
            reflection.receive(Self.files(file("a")))
                == .fail("The reflection answers something else than it was asked."))
        reflection = Reflection(.services)
        _ = reflection.begin()
        #expect(reflection.receive(Self.error("")) == .fail("The reflection does not list the services: error 5."))
    }

    @Test func whatWasToldFirstStays() throws {
        var types = MessageTypes()
        _ = try types.add(file: file("a", Self.service("A")))
        let imports = try types.add(file: file("a", text(3, "more"), bytes(6, text(1, "B"))))
        #expect(imports.isEmpty && types.methods(of: "t.B") == nil)
    }
}
