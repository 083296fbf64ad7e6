// What differs between two JSON values, member by member, as people read it.

/// One member that is not the same. `null` and absence mean the same.
package struct FieldDifference: Codable, Hashable, Sendable {
    /// As in `services[0].weight`; empty: the value as a whole.
    package var field: String
    package var before: JSONValue
    package var after: JSONValue

    package init(field: String, before: JSONValue, after: JSONValue) {
        self.field = field
        self.before = before
        self.after = after
    }
}

extension JSONValue {
    /// What has to change in `self` to make it `other`. Lists are compared place by place where they are equally long, else
    /// as a whole.
    package func differences(to other: JSONValue, at path: String = "") -> [FieldDifference] {
        switch (self, other) {
        case (.object(let old), .object(let new)):
            Set(old.keys).union(new.keys).sorted().flatMap { key in
                (old[key] ?? .null).differences(to: new[key] ?? .null, at: path.isEmpty ? key : "\(path).\(key)")
            }
        case (.array(let old), .array(let new)) where old.count == new.count:
            zip(old, new).enumerated().flatMap { $1.0.differences(to: $1.1, at: "\(path)[\($0)]") }
        default:
            self == other ? [] : [FieldDifference(field: path, before: self, after: other)]
        }
    }
}
