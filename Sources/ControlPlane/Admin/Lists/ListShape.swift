// What the rows of a list can be searched for and sorted by. Each controller says it of its kind.

/// The searched texts and the sortable columns of a list.
struct ListShape<Row: Sendable>: Sendable {
    enum Column: Sendable {
        case text(@Sendable (Row) -> String)
        case number(@Sendable (Row) -> Int64)

        /// Several values in one column, in their order.
        static func texts(_ texts: @Sendable @escaping (Row) -> [String]) -> Column {
            .text { texts($0).joined(separator: " ") }
        }
    }

    /// In the order in which an error names them.
    let columns: [(name: String, column: Column)]
    let searched: @Sendable (Row) -> [String]

    init(
        _ columns: KeyValuePairs<String, Column>, searched: @Sendable @escaping (Row) -> [String]
    ) {
        self.columns = columns.map { ($0.key, $0.value) }
        self.searched = searched
    }
}
