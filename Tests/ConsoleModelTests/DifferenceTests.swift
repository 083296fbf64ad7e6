// What differs between two JSON values.

import ConsoleModel
import Testing

struct DifferenceTests {
    @Test func membersAreComparedOneByOne() throws {
        let old: JSONValue = .object(["a": .integer(1), "b": .object(["c": .string("x"), "d": .null])])
        let new: JSONValue = .object(["a": .integer(1), "b": .object(["c": .string("y")]), "e": .bool(true)])
        #expect(
            old.differences(to: new) == [
                FieldDifference(field: "b.c", before: .string("x"), after: .string("y")),
                FieldDifference(field: "e", before: .null, after: .bool(true)),
            ])
        #expect(old.differences(to: old).isEmpty)
    }

    @Test func listsOfOneLengthAreComparedPlaceByPlace() {
        let old: JSONValue = .array([.integer(1), .object(["w": .integer(2)])])
        #expect(
            old.differences(to: .array([.integer(1), .object(["w": .integer(3)])]), at: "s") == [
                FieldDifference(field: "s[1].w", before: .integer(2), after: .integer(3))
            ])
        let longer: JSONValue = .array([.integer(1)])
        #expect(old.differences(to: longer) == [FieldDifference(field: "", before: old, after: longer)])
    }
}
